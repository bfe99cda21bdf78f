import { parseConnectionString } from './database-target.js'
import type { Environment } from './environment.js'
import { emptyMap, getRaw, isRawMap, type KeyPath, PlainScalar, type RawMap, setRaw, showPath, textOf } from './raw.js'

/** Where Dendrite's version 2 reads a connection string from. */
const COMPONENTS: readonly KeyPath[] = [
  ['federation_api', 'database'],
  ['key_server', 'database'],
  ['media_api', 'database'],
  ['mscs', 'database'],
  ['relay_api', 'database'],
  ['room_server', 'database'],
  ['sync_api', 'database'],
  ['user_api', 'account_database'],
]

/** Where version 1 did; they count only where nothing else is said. */
const OLD_COMPONENTS: readonly KeyPath[] = [
  ['app_service_api', 'database'],
  ['federation_sender', 'database'],
  ['signing_key_server', 'database'],
  ['user_api', 'device_database'],
]

const MAIN: KeyPath = ['global', 'database']
const MAIN_KEY = 'global.database.connection_string'
const POSTGRES = 'the address of a PostgreSQL database, or nothing anywhere for the embedded one'

export interface RuleProblem {
  readonly path: KeyPath
  readonly found: string
  readonly allowed: string
}

interface Found {
  readonly path: KeyPath
  readonly address: string
}

/**
 * Neurite has one database where Dendrite can have eight. Decides which one the file means and writes it to `global.database`: the
 * environment's, the global one, or the one that all components agree on.
 */
export function settleDatabase(
  root: RawMap,
  origins: ReadonlyMap<string, string>,
  env: Environment,
): { readonly problems: RuleProblem[]; readonly warnings: string[] } {
  const problems: RuleProblem[] = []
  const warnings: string[] = []
  const main = addressesAt(root, [MAIN])[0]
  const components = addressesAt(root, COMPONENTS)
  if (main !== undefined) {
    checkAddress(main, env, problems)
    const others = components.filter(({ address }) => address !== main.address)
    if (origins.has(MAIN_KEY)) {
      if (others.length > 0) warnings.push(`${list(others)}: not used, ${origins.get(MAIN_KEY)} is`)
      return { problems, warnings }
    }
    for (const other of others) {
      problems.push({
        path: other.path,
        found: withoutPassword(other.address),
        allowed: `the same as ${MAIN_KEY} (${withoutPassword(main.address)}), or nothing: everything is in one database`,
      })
    }
    return { problems, warnings }
  }
  const used = components.length > 0 ? components : addressesAt(root, OLD_COMPONENTS)
  const first = used[0]
  if (first === undefined) return { problems, warnings }
  for (const found of used) checkAddress(found, env, problems)
  if (problems.length > 0) return { problems, warnings }
  if (used.some(({ address }) => address !== first.address)) {
    const all = used.map(({ path, address }) => `${showPath(path)}: ${withoutPassword(address)}`).join(', ')
    const allowed = `one database for everything, named by ${MAIN_KEY}`
    return { problems: [{ path: first.path, found: `different databases (${all})`, allowed }], warnings }
  }
  adopt(root, used, first.address)
  warnings.push(`${MAIN_KEY} is not given; the one that ${list(used)} name is used for everything`)
  return { problems, warnings }
}

function adopt(root: RawMap, used: readonly Found[], address: string): void {
  setRaw(root, [...MAIN.map(String), 'connection_string'], address)
  const main = getRaw(root, MAIN)
  if (!isRawMap(main) || textOf(main.max_open_conns) !== undefined) return
  const sizes = used.map(({ path }) => Number(textOf(getRaw(root, [...path.slice(0, -1), 'max_open_conns'])) ?? 0))
  const sum = sizes.reduce((total, size) => total + (Number.isInteger(size) && size > 0 ? size : 0), 0)
  if (sum > 0) main.max_open_conns = new PlainScalar(Math.min(90, sum), String(Math.min(90, sum)))
}

function addressesAt(root: RawMap, sections: readonly KeyPath[]): Found[] {
  return sections.flatMap((section) => {
    const at = getRaw(root, section)
    const address = textOf((isRawMap(at) ? at : emptyMap()).connection_string)?.trim() ?? ''
    return address === '' ? [] : [{ path: [...section, 'connection_string'], address }]
  })
}

function checkAddress({ path, address }: Found, env: Environment, problems: RuleProblem[]): void {
  const parsed = parseConnectionString(address, env)
  if (typeof parsed === 'string') problems.push({ path, found: parsed, allowed: POSTGRES })
}

function list(found: readonly Found[]): string {
  return found.map(({ path }) => showPath(path)).join(', ')
}

/** What is shown of a connection string: no password, in whichever place it may stand. */
export function withoutPassword(address: string): string {
  return address
    .replace(/(:\/\/[^:@/?]*):.*@/s, '$1:***@')
    .replace(/(password\s*=\s*)('(?:[^'\\]|\\.)*'|[^\s&]+)/gi, '$1***')
}
