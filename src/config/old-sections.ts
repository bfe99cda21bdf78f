import { emptyMap, getRaw, isRawMap, type KeyPath, type RawMap, setRaw } from './raw.js'

/** Sections of version 1 that people carried over into a version 2 file, and what of them still has a meaning. */
const MOVED: readonly { readonly section: string; readonly key: string; readonly to: readonly string[] }[] = [
  { section: 'federation_sender', key: 'send_max_retries', to: ['federation_api', 'send_max_retries'] },
  { section: 'signing_key_server', key: 'key_perspectives', to: ['federation_api', 'key_perspectives'] },
  { section: 'signing_key_server', key: 'prefer_direct_fetch', to: ['federation_api', 'prefer_direct_fetch'] },
]

const OLD_SECTIONS = ['edu_server', 'federation_sender', 'signing_key_server']

export interface OldSections {
  /** One remark per section, for the warning. */
  readonly remarks: readonly string[]
  /** Where a value came from, by the key it was moved to: errors show the line it really stands in. */
  readonly movedFrom: ReadonlyMap<string, KeyPath>
}

/** Moves what can be honoured and takes the sections out of `root`. */
export function moveOldSections(root: RawMap): OldSections {
  const remarks: string[] = []
  const movedFrom = new Map<string, KeyPath>()
  for (const name of OLD_SECTIONS) {
    if (!(name in root)) continue
    const content = isRawMap(root[name]) ? root[name] : emptyMap()
    delete root[name]
    const read: string[] = []
    const ignored: string[] = []
    for (const [key, value] of Object.entries(content)) {
      const target = MOVED.find((moved) => moved.section === name && moved.key === key)?.to
      const free = target !== undefined && (getRaw(root, target) ?? null) === null
      if (target !== undefined && free && value !== undefined && setRaw(root, target, value)) {
        movedFrom.set(target.join('.'), [name, key])
        read.push(`${key} is read as ${target.join('.')}`)
      } else {
        ignored.push(key === 'proxy_outbound' ? 'proxy_outbound (only federation_api.proxy_outbound counts)' : key)
      }
    }
    const parts = [...read, ...(ignored.length > 0 ? [`ignored: ${ignored.join(', ')}`] : [])]
    remarks.push(`${name} (version 1${parts.length === 0 ? '' : `; ${parts.join('; ')}`})`)
  }
  return { remarks, movedFrom }
}
