import { readdirSync, readFileSync } from 'node:fs'

/** Ticks of /proc are hundredths of a second on every Linux that Node runs on. */
const MS_PER_TICK = 10

/** CPU time of a process so far in ms; undefined when it cannot be told. */
export function cpuOfProcess(pid: number | undefined): number | undefined {
  const stat = pid === undefined ? undefined : readStat(pid)
  return stat === undefined ? undefined : stat.own * MS_PER_TICK
}

/** CPU time of a process and its children in ms, those included that have ended. */
export function cpuOfFamily(pid: number | undefined): number | undefined {
  const parent = pid === undefined ? undefined : readStat(pid)
  if (pid === undefined || parent === undefined) return undefined
  let ticks = parent.own + parent.ended
  for (const name of readdirSync('/proc')) {
    const child = /^\d+$/.test(name) ? readStat(Number(name)) : undefined
    if (child?.parent === pid) ticks += child.own
  }
  return ticks * MS_PER_TICK
}

export function parentOf(pid: number): number | undefined {
  return readStat(pid)?.parent
}

/** The most memory a process has had, in bytes. */
export function peakMemory(pid: number | undefined): number | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const match = /^VmHWM:\s+(\d+) kB$/m.exec(status)
    return match === null ? undefined : Number(match[1]) * 1024
  } catch {
    return undefined
  }
}

function readStat(pid: number): { parent: number; own: number; ended: number } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name in parentheses may hold anything; what follows starts with field 3.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const at = (field: number): number => Number(fields[field - 3] ?? '0')
    return { parent: at(4), own: at(14) + at(15), ended: at(16) + at(17) }
  } catch {
    return undefined
  }
}
