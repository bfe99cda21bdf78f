import type { ByteRange } from '../../components/mediaapi/index.js'

const SINGLE_RANGE = /^bytes=(?:(\d{1,15})-(\d{0,15})|-(\d{1,15}))$/

/**
 * What a Range header asks for (RFC 9110 section 14). `all`: there is none, or one that a server may leave out of account
 * (several ranges, other units, not well-formed). `none`: nothing of it is there.
 */
export function byteRange(header: string | undefined, sizeBytes: number): ByteRange | 'all' | 'none' {
  const found = SINGLE_RANGE.exec(header?.trim() ?? '')
  if (found === null) return 'all'
  const [, first, last, suffix] = found
  if (suffix !== undefined) {
    const length = Math.min(Number(suffix), sizeBytes)
    return length === 0 ? 'none' : { start: sizeBytes - length, end: sizeBytes - 1 }
  }
  const start = Number(first)
  const end = last === undefined || last === '' ? sizeBytes - 1 : Math.min(Number(last), sizeBytes - 1)
  if (last !== undefined && last !== '' && Number(last) < start) return 'all'
  return start >= sizeBytes ? 'none' : { start, end }
}
