import type { IncomingMessage } from 'node:http'
import { MatrixError } from '../protocol/matrix-error.js'

/** The client went away, or sent less than it announced: there is nobody to answer. */
export class RequestAborted extends Error {
  override name = 'RequestAborted'
}

/** The whole body. @throws MatrixError M_TOO_LARGE before more than `limit` bytes are held, RequestAborted */
export function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  const tooLarge = () => new MatrixError('M_TOO_LARGE', `A request body may have ${limit} bytes`)
  if (Number(request.headers['content-length'] ?? 0) > limit) return Promise.reject(tooLarge())
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    const finish = (settle: () => void): void => {
      request.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onClose)
      settle()
    }
    const onData = (chunk: Buffer): void => {
      size += chunk.length
      if (size <= limit) chunks.push(chunk)
      else {
        request.pause()
        finish(() => reject(tooLarge()))
      }
    }
    const onEnd = (): void =>
      finish(() => resolve(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks, size)))
    const onClose = (): void => finish(() => reject(new RequestAborted('the request ended early')))
    request.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose)
  })
}
