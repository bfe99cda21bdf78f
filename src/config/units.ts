const UNIT_MS: Record<string, number> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
}

/**
 * A Go duration (`168h0m0s`, `1h30m`, `500ms`) in milliseconds; a bare number counts seconds, as the files that have one mean it.
 * Undefined when it is neither.
 */
export function parseDuration(text: string): number | undefined {
  const trimmed = text.trim()
  if (/^[+-]?\d+(\.\d+)?$/.test(trimmed)) return Number(trimmed) * 1_000
  const sign = trimmed.startsWith('-') ? -1 : 1
  const unsigned = trimmed.replace(/^[+-]/, '')
  const part = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/gy
  let total = 0
  let end = 0
  for (let match = part.exec(unsigned); match !== null; match = part.exec(unsigned)) {
    total += Number(match[1]) * (UNIT_MS[match[2] ?? ''] ?? 0)
    end = part.lastIndex
  }
  return end > 0 && end === unsigned.length ? sign * total : undefined
}

/** The shortest Go form: 604800000 -> `168h`, 90000 -> `1m30s`. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0s'
  const sign = ms < 0 ? '-' : ''
  let rest = Math.abs(ms)
  let text = ''
  for (const [unit, size] of [
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1_000],
    ['ms', 1],
  ] as const) {
    const count = Math.floor(rest / size)
    if (count > 0) text += `${count}${unit}`
    rest -= count * size
  }
  return sign + (text === '' ? '0s' : text)
}

const SIZE: Record<string, number> = { tb: 1024 ** 4, gb: 1024 ** 3, mb: 1024 ** 2, kb: 1024, b: 1, '': 1 }

/** `1gb`, `512 MB`, `1.5gb` or a number of bytes; units are powers of 1024. Undefined when it is neither. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim())
  const unit = SIZE[(match?.[2] ?? '').toLowerCase()]
  if (match === null || unit === undefined) return undefined
  const bytes = Math.floor(Number(match[1]) * unit)
  return Number.isSafeInteger(bytes) ? bytes : undefined
}

export function formatSize(bytes: number): string {
  for (const [unit, size] of [
    ['tb', SIZE.tb],
    ['gb', SIZE.gb],
    ['mb', SIZE.mb],
    ['kb', SIZE.kb],
  ] as const) {
    if (size !== undefined && bytes >= size && bytes % size === 0) return `${bytes / size}${unit}`
  }
  return String(bytes)
}
