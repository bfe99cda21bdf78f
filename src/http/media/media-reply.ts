import type { MediaFile } from '../../components/mediaapi/index.js'
import { Reply } from '../route.js'
import { byteRange } from './byte-range.js'

type Headers = Readonly<Record<string, string | string[] | undefined>>

/**
 * On whatever people have uploaded: it is shown, if at all, in a place of its own where nothing runs, is what it is called,
 * and may be used by clients of any origin (CS "Content repository").
 */
const SAFETY_HEADERS = {
  'Content-Security-Policy':
    "sandbox; default-src 'none'; script-src 'none'; plugin-types application/pdf; style-src 'unsafe-inline'; object-src 'self';",
  'Cross-Origin-Resource-Policy': 'cross-origin',
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'X-Robots-Tag': 'noindex, nofollow, noarchive, noimageindex',
} as const

const CACHE_S = 24 * 60 * 60

export interface MediaReplyOptions {
  /** The request's. */
  readonly headers: Headers
  readonly disposition: string
  /** Anybody may have it: shared caches may keep it. */
  readonly isPublic: boolean
}

/** The whole file, the part of it that was asked for (206, 416), or the word that the client has it already (304). */
export async function mediaReply(file: MediaFile, options: MediaReplyOptions): Promise<Reply> {
  const { headers, disposition, isPublic } = options
  const etag = `"${file.version}"`
  const common = {
    ...SAFETY_HEADERS,
    'Content-Disposition': disposition,
    // What a URI stands for never changes, but it may be taken away.
    'Cache-Control': `${isPublic ? 'public' : 'private'}, max-age=${CACHE_S}, immutable`,
    ETag: etag,
    'Accept-Ranges': 'bytes',
  }
  const { contentType, sizeBytes } = file
  if (matches(text(headers['if-none-match']), etag)) return new Reply({ status: 304, body: '', headers: common })
  const ifRange = text(headers['if-range'])
  const isCurrent = ifRange === undefined || ifRange === etag
  const range = isCurrent ? byteRange(text(headers.range), sizeBytes) : 'all'
  if (range === 'none') {
    return new Reply({
      status: 416,
      body: '',
      contentType,
      headers: { ...common, 'Cache-Control': 'no-store', 'Content-Range': `bytes */${sizeBytes}` },
    })
  }
  if (range === 'all') {
    return new Reply({ body: { length: sizeBytes, stream: await file.open() }, contentType, headers: common })
  }
  return new Reply({
    status: 206,
    body: { length: range.end - range.start + 1, stream: await file.open(range) },
    contentType,
    headers: { ...common, 'Content-Range': `bytes ${range.start}-${range.end}/${sizeBytes}` },
  })
}

/** RFC 9110 section 13.1.2, with weak comparison. */
function matches(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false
  return header.split(',').some((candidate) => {
    const tag = candidate.trim()
    return tag === '*' || tag === etag || tag === `W/${etag}`
  })
}

function text(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header
}
