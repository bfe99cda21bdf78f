/** The pictures that are decoded at all. */
export type ImageType = 'image/png' | 'image/jpeg' | 'image/gif' | 'image/webp' | 'image/avif'

export interface Sniffed {
  readonly contentType: ImageType
  /** It may move where it is shown as it is. */
  readonly animated: boolean
}

/** As much of a file as `sniffImage` wants: the marks of an animated PNG stand behind its colour profile. */
export const SNIFFED_BYTES = 65_536

/** What a file is by its own first bytes; what its uploader has called it does not matter. Undefined: no picture we decode. */
export function sniffImage(head: Buffer): Sniffed | undefined {
  if (startsWith(head, '\x89PNG\r\n\x1a\n')) return { contentType: 'image/png', animated: isAnimatedPng(head) }
  if (startsWith(head, '\xff\xd8\xff')) return { contentType: 'image/jpeg', animated: false }
  if (startsWith(head, 'GIF87a') || startsWith(head, 'GIF89a')) return { contentType: 'image/gif', animated: true }
  if (startsWith(head, 'RIFF') && startsWith(head, 'WEBPVP8', 8)) {
    // Bit 1 of the extended header's flags (WebP container, "Extended File Format").
    const animated = startsWith(head, 'X', 15) && ((head[20] ?? 0) & 2) !== 0
    return { contentType: 'image/webp', animated }
  }
  if (startsWith(head, 'ftypavif', 4)) return { contentType: 'image/avif', animated: false }
  if (startsWith(head, 'ftypavis', 4)) return { contentType: 'image/avif', animated: true }
  return undefined
}

function startsWith(head: Buffer, mark: string, at = 0): boolean {
  return head.length >= at + mark.length && head.toString('latin1', at, at + mark.length) === mark
}

/** Whether there is an `acTL` chunk before the picture (PNG, third edition, section 11.3.6). */
function isAnimatedPng(head: Buffer): boolean {
  for (let at = 8; at + 8 <= head.length; at += 12 + head.readUInt32BE(at)) {
    const type = head.toString('latin1', at + 4, at + 8)
    if (type === 'acTL') return true
    if (type === 'IDAT') return false
  }
  // Nothing has said that it does not.
  return head.length >= SNIFFED_BYTES
}
