/** What a browser may show in place (CS "Serving inline content"): it runs none of these, whatever their bytes are. */
const INLINE_TYPES: ReadonlySet<string> = new Set([
  'text/css',
  'text/plain',
  'text/csv',
  'application/json',
  'application/ld+json',
  'image/jpeg',
  'image/gif',
  'image/png',
  'image/apng',
  'image/webp',
  'image/avif',
  'video/mp4',
  'video/webm',
  'video/ogg',
  'video/quicktime',
  'audio/mp4',
  'audio/webm',
  'audio/aac',
  'audio/mpeg',
  'audio/ogg',
  'audio/wave',
  'audio/wav',
  'audio/x-wav',
  'audio/x-pn-wav',
  'audio/flac',
  'audio/x-flac',
])

/** Names that every reader takes the same way between quotes. */
const PLAIN_NAME = /^[\x20\x21\x23\x24\x26-\x5b\x5d-\x7e]*$/

/** Content-Disposition (RFC 6266) of a file of this type and name. */
export function contentDisposition(contentType: string, fileName: string | undefined): string {
  const essence = contentType.split(';', 1)[0]?.trim().toLowerCase() ?? ''
  const kind = INLINE_TYPES.has(essence) ? 'inline' : 'attachment'
  if (fileName === undefined) return kind
  return PLAIN_NAME.test(fileName)
    ? `${kind}; filename="${fileName}"`
    : `${kind}; filename*=UTF-8''${extendedValue(fileName)}`
}

/** RFC 8187 section 3.2: what is no `attr-char` is percent-encoded. Half a surrogate pair becomes a replacement character. */
function extendedValue(text: string): string {
  return encodeURIComponent(Buffer.from(text).toString()).replace(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}
