import { readFileSync } from 'node:fs'
import { totalmem } from 'node:os'
import type { Config } from './schema.js'
import { formatSize } from './units.js'

const DENDRITE_DEFAULT = 1024 ** 3
const SHARE = 0.12

/** Bytes this process may use: the tightest limit of its control group (version 2 or 1), or else what the machine has. */
export function readMemoryLimit(): number {
  const limits = ['/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes'].map(readLimit)
  const own = ownGroup().map((group) => readLimit(`/sys/fs/cgroup${group}/memory.max`))
  // Version 1 writes an absurdly big number where there is no limit.
  return Math.min(totalmem(), ...[...limits, ...own].filter((limit) => limit !== undefined && limit > 0).map(Number))
}

/** The budget for all caches together. A configured one is kept unless it takes more than its share of `memoryLimit` (bytes). */
export function cacheBudget(
  config: Config,
  memoryLimit: number,
): { readonly bytes: number; readonly warning?: string } {
  const most = Math.floor(memoryLimit * SHARE)
  const wanted = config.global.cache.max_size_estimated
  if (wanted === null) return { bytes: Math.min(DENDRITE_DEFAULT, most) }
  if (wanted <= most) return { bytes: wanted }
  const megabytes = (bytes: number): string => `${Math.floor(bytes / 1024 ** 2)} MB`
  const warning = `global.cache.max_size_estimated is ${formatSize(wanted)}, but caches get at most 12 % of the ${megabytes(memoryLimit)} of memory: ${megabytes(most)}`
  return { bytes: most, warning }
}

function readLimit(path: string): number | undefined {
  try {
    const limit = Number(readFileSync(path, 'utf8').trim())
    return Number.isFinite(limit) ? limit : undefined
  } catch {
    return undefined
  }
}

/** The group this process is in, and those around it: each of them may set a limit. */
function ownGroup(): string[] {
  try {
    const group = /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '/'
    const steps = group.split('/').filter((step) => step !== '' && step !== '..')
    return steps.map((_, index) => `/${steps.slice(0, index + 1).join('/')}`)
  } catch {
    return []
  }
}
