import type { CpuTimes } from './target.js'

/** Lines of text in columns, the first to the left and the others to the right. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows]
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)))
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ')
  return [line(head), widths.map((width) => '-'.repeat(width)).join('  '), ...rows.map(line)].join('\n')
}

/** CPU time of both per operation, as two cells, from figures before and after each stretch of work. */
export function cpuCells(stretches: readonly (readonly [CpuTimes, CpuTimes])[], operations: number): [string, string] {
  const cell = (of: keyof CpuTimes): string => {
    let sum = 0
    for (const [before, after] of stretches) {
      const [from, to] = [before[of], after[of]]
      if (from === undefined || to === undefined) return '-'
      sum += to - from
    }
    return operations === 0 ? '-' : ms(sum / operations)
  }
  return [cell('node'), cell('postgres')]
}

export function ms(value: number): string {
  return `${value.toFixed(value < 10 ? 2 : 0)} ms`
}

export function percent(part: number, whole: number | undefined): string {
  return whole === undefined || whole === 0 ? '-' : `${((100 * part) / whole).toFixed(1)} %`
}

export function megabytes(bytes: number | undefined): string {
  return bytes === undefined ? '-' : `${(bytes / 1024 ** 2).toFixed(0)} MB`
}
