import { Agent, request } from 'node:http'
import { request as requestTls, Agent as TlsAgent } from 'node:https'

/** What a server has answered; `text` is JSON. */
export interface Answer {
  readonly status: number
  readonly text: string
}

/** A client with as little work of its own as possible: kept connections, no parsing. */
export interface Client {
  send(method: string, path: string, token?: string, body?: string): Promise<Answer>
  close(): void
}

export function createClient(url: string, connections: number): Client {
  const base = new URL(url)
  const isTls = base.protocol === 'https:'
  const settings = { keepAlive: true, maxSockets: connections, scheduling: 'lifo' as const }
  const agent = isTls ? new TlsAgent({ ...settings, rejectUnauthorized: false }) : new Agent(settings)
  const call = isTls ? requestTls : request
  const { hostname, port } = base
  const prefix = base.pathname.replace(/\/$/, '')
  return {
    send(method, path, token, body) {
      const headers: Record<string, string | number> = {}
      if (token !== undefined) headers.authorization = `Bearer ${token}`
      if (body !== undefined) {
        headers['content-type'] = 'application/json'
        headers['content-length'] = Buffer.byteLength(body)
      }
      return new Promise((resolve, reject) => {
        const outgoing = call({ hostname, port, method, path: prefix + path, headers, agent }, (incoming) => {
          const chunks: Buffer[] = []
          incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
          incoming.on('end', () => {
            resolve({ status: incoming.statusCode ?? 0, text: Buffer.concat(chunks).toString() })
          })
          incoming.on('error', reject)
        })
        outgoing.on('error', reject)
        outgoing.end(body)
      })
    },
    close: () => agent.destroy(),
  }
}

export const CLIENT_API = '/_matrix/client/v3'

/** One request of the client API that has to succeed: its answer, parsed. Waits as it is told when there are limits. */
export async function ask(
  client: Client,
  method: string,
  path: string,
  token?: string,
  body?: object,
): Promise<Record<string, unknown>> {
  const fullPath = path.startsWith('/_') ? path : CLIENT_API + path
  for (;;) {
    const { status, text } = await client.send(method, fullPath, token, body && JSON.stringify(body))
    const answer = JSON.parse(text) as Record<string, unknown>
    if (status === 200) return answer
    if (status !== 429) throw new Error(`${method} ${fullPath} answered ${status}: ${text.slice(0, 200)}`)
    const wait = Number(answer.retry_after_ms ?? 1_000)
    await new Promise((resolve) => setTimeout(resolve, wait))
  }
}

/** Runs `work` for each item, so many at a time, and keeps the order of the results. */
export async function mapConcurrently<T, R>(
  items: readonly T[],
  concurrency: number,
  work: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = []
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const index = next++
      results[index] = await work(items[index] as T, index)
    }
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
  return results
}
