import { connect as connectPlain, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

export interface ProxyAddress {
  readonly protocol: 'http' | 'https'
  readonly host: string
  readonly port: number
  /** `user:password`, for Basic authentication. */
  readonly credentials?: string
}

/** A proxy answers a CONNECT with a few lines. */
const MOST_ANSWER_BYTES = 16_384

/** A connection to `host:port` through the proxy (RFC 9110 "CONNECT"). The host of an IPv6 address is in brackets. */
export function tunnel(
  proxy: ProxyAddress,
  target: { readonly host: string; readonly port: number; readonly timeoutMs: number },
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const authority = `${target.host}:${target.port}`
    const socket =
      proxy.protocol === 'https'
        ? connectTls({ host: proxy.host, port: proxy.port, servername: proxy.host })
        : connectPlain({ host: proxy.host, port: proxy.port })
    const fail = (error: Error): void => {
      socket.destroy()
      reject(error)
    }
    const timer = setTimeout(() => fail(new Error('the proxy does not answer')), target.timeoutMs)
    let answer = ''
    const onData = (chunk: Buffer): void => {
      answer += chunk.toString('latin1')
      const end = answer.indexOf('\r\n\r\n')
      const refusal = refusalOf(answer, end)
      if (refusal !== undefined) fail(new Error(refusal))
      if (end === -1 || refusal !== undefined) return
      clearTimeout(timer)
      socket.off('data', onData).off('error', fail).off('close', onClose)
      socket.pause()
      resolve(socket)
    }
    const onClose = (): void => {
      clearTimeout(timer)
      reject(new Error('the proxy has closed the connection'))
    }
    socket.on('data', onData).on('error', fail).on('close', onClose)
    const authorization =
      proxy.credentials === undefined
        ? ''
        : `Proxy-Authorization: Basic ${Buffer.from(proxy.credentials).toString('base64')}\r\n`
    socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${authorization}\r\n`)
  })
}

/** Why there is no tunnel; undefined: there is one, or the answer has not come to its end. */
function refusalOf(answer: string, end: number): string | undefined {
  if (end === -1) return answer.length > MOST_ANSWER_BYTES ? 'the proxy answers too much' : undefined
  const status = /^HTTP\/1\.[01] (\d{3})/.exec(answer)?.[1]
  if (status?.startsWith('2') !== true) return `the proxy refuses: ${status ?? 'not HTTP'}`
  // The other end of a tunnel to a web server does not speak first.
  return answer.length > end + 4 ? 'the proxy sends more than its answer' : undefined
}
