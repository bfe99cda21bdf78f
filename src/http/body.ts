import type { IncomingMessage } from 'node:http'
import type { Clock } from '../platform/time.js'
import { MatrixError } from '../protocol/matrix-error.js'

/** The client went away, or sent less than it announced: there is nobody to answer. */
export class RequestAborted extends Error {
  override name = 'RequestAborted'
}

/**
 * The whole body.
 * @throws MatrixError M_TOO_LARGE before more than `limit` bytes are held, M_UNKNOWN (408) when it takes longer than
 *   `timeoutMs`; RequestAborted
 */
export function readBody(request: IncomingMessage, limit: number, time: Clock, timeoutMs: number): Promise<Buffer> {
  const tooLarge = () => new MatrixError('M_TOO_LARGE', `A request body may have ${limit} bytes`)
  if (Number(request.headers['content-length'] ?? 0) > limit) return Promise.reject(tooLarge())
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    const finish = (settle: () => void): void => {
      cancel()
      request.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onClose)
      settle()
    }
    const refuse = (error: MatrixError): void => {
      request.pause()
      finish(() => reject(error))
    }
    const onData = (chunk: Buffer): void => {
      size += chunk.length
      if (size <= limit) chunks.push(chunk)
      else refuse(tooLarge())
    }
    const onEnd = (): void =>
      finish(() => resolve(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks, size)))
    const onClose = (): void => finish(() => reject(new RequestAborted('the request ended early')))
    const cancel = time.after(timeoutMs, () =>
      refuse(new MatrixError('M_UNKNOWN', 'The request came too slowly', { status: 408 })),
    )
    request.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose)
  })
}

/** The least that has to come in a span, so that one byte now and then does not hold a connection for ever. */
const LEAST_PER_SPAN_BYTES = 16_384

/** Destroys the request when less than a little of its body comes in a span. Returns the way to end the watch. */
export function watchBody(request: IncomingMessage, time: Clock, spanMs: number): () => void {
  let before = request.socket.bytesRead
  const look = (): void => {
    const received = request.socket.bytesRead
    // What has come and not been taken yet is our slowness, not the client's.
    const isStalled = received - before < LEAST_PER_SPAN_BYTES && request.readableLength === 0
    if (request.complete) return
    if (isStalled) request.destroy(new RequestAborted('the body stalled'))
    else {
      before = received
      cancel = time.after(spanMs, look)
    }
  }
  let cancel = time.after(spanMs, look)
  return () => cancel()
}

/** More than this is not read only to be thrown away. */
const MOST_DISCARDED_BYTES = 64 * 1024 ** 2
const DISCARD_MS = 10_000

/**
 * Reads what is left of a refused upload and throws it away, within bounds: most clients look for an answer only when they
 * have sent everything, and a connection that is closed under them loses it.
 */
export function discardBody(request: IncomingMessage, time: Clock): Promise<void> {
  const announced = Number(request.headers['content-length'] ?? 0)
  if (request.complete || request.destroyed || announced > MOST_DISCARDED_BYTES) return Promise.resolve()
  return new Promise((resolve) => {
    let size = 0
    const finish = (): void => {
      cancel()
      request.off('data', onData).off('end', finish).off('close', finish).off('error', finish).pause()
      resolve()
    }
    const onData = (chunk: Buffer): void => {
      size += chunk.length
      if (size > MOST_DISCARDED_BYTES) finish()
    }
    const cancel = time.after(DISCARD_MS, finish)
    request.on('data', onData).on('end', finish).on('close', finish).on('error', finish)
    request.resume()
  })
}
