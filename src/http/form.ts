import { MatrixError } from '../protocol/matrix-error.js'
import type { BodyStream } from './route.js'

const MOST_BYTES = 64 * 1024

/** The fields of a form that a browser has sent (application/x-www-form-urlencoded). @throws MatrixError M_TOO_LARGE */
export async function readForm({ stream }: BodyStream): Promise<URLSearchParams> {
  const chunks: Buffer[] = []
  let size = 0
  // The connection is left open for the answer, also when the form is refused.
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
    const bytes = Buffer.from(chunk)
    size += bytes.length
    if (size > MOST_BYTES) throw new MatrixError('M_TOO_LARGE', `A form may have ${MOST_BYTES} bytes`)
    chunks.push(bytes)
  }
  return new URLSearchParams(Buffer.concat(chunks).toString('utf8'))
}
