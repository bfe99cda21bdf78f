import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Answer, startTestServer, TEST_SERVER_NAME, type TestUser } from '../../support/server.js'
import { type Body, idOf, SyncHarness } from '../syncapi/support.js'

/** Push gateways of tests are on this machine, which the default networks forbid. */
export const PUSH_YAML = `
version: 2
global:
  server_name: ${TEST_SERVER_NAME}
client_api:
  registration_disabled: false
  registration_shared_secret: shared
  rate_limiting: { enabled: false }
federation_api:
  deny_networks: []
user_api:
  bcrypt_cost: 4
`

export interface Counts {
  readonly notifications: number
  readonly highlights: number
}

/** A server whose unread counts and pushes are looked at. */
export class PushHarness extends SyncHarness {
  static override async start(options: Parameters<typeof startTestServer>[0] = {}): Promise<PushHarness> {
    return new PushHarness(await startTestServer({ yaml: PUSH_YAML, ...options }))
  }

  /** A room of two users or more, in which nobody has anything unread. */
  async roomOf(creator: TestUser, ...others: TestUser[]) {
    const roomId = await this.room(creator)
    await this.join(roomId, ...others)
    return roomId
  }

  async reply(user: TestUser, roomId: Parameters<SyncHarness['say']>[1], root: string, body: string) {
    const relation = { rel_type: 'm.thread', event_id: root }
    return this.event(user, roomId, 'm.room.message', { msgtype: 'm.text', body, 'm.relates_to': relation })
  }

  /** As `/sync` shows them: `[notifications, highlights]` of the room's main timeline, and of each thread. */
  async counts(user: TestUser, roomId: string): Promise<{ main: number[]; threads: Record<string, number[]> }> {
    const filter = { room: { rooms: [roomId], timeline: { limit: 1, unread_thread_notifications: true } } }
    const joined: Body = (await this.sync(user, { filter })).rooms.join[roomId]
    const pair = (counts: Body): number[] => [counts.notification_count, counts.highlight_count]
    const threads = Object.entries<Body>(joined.unread_thread_notifications ?? {})
    return {
      main: pair(joined.unread_notifications),
      threads: Object.fromEntries(threads.map(([root, counts]) => [root, pair(counts)])),
    }
  }

  async total(user: TestUser, roomId: Parameters<SyncHarness['say']>[1]): Promise<Counts | undefined> {
    const { pushserver } = this.server.app.components
    return (await pushserver.unreadCounts(idOf(user), [roomId])).get(roomId)?.all
  }

  receipt(user: TestUser, roomId: string, eventId: string, thread?: string, type = 'm.read'): Promise<Answer> {
    const body = thread === undefined ? {} : { thread_id: thread }
    return user.post(`/rooms/${roomId}/receipt/${type}/${encodeURIComponent(eventId)}`, body)
  }
}

/** A push gateway, reached over real HTTP. */
export class Gateway {
  /** What it answers; may be replaced at any time. */
  answer: (notification: Body) => { status?: number; body?: unknown } = () => ({})
  /** Everything that it has been asked, in order. */
  readonly seen: Body[] = []
  readonly #server: Server
  readonly #waiting = new Set<() => void>()
  #taken = 0

  private constructor() {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const { notification } = JSON.parse(Buffer.concat(chunks).toString())
        const { status = 200, body = { rejected: [] } } = this.answer(notification)
        this.seen.push(notification)
        response.writeHead(status, { 'content-type': 'application/json' })
        response.end(typeof body === 'string' ? body : JSON.stringify(body))
        for (const tell of this.#waiting) tell()
      })
    })
  }

  static async start(): Promise<Gateway> {
    const gateway = new Gateway()
    await new Promise<void>((resolve) => gateway.#server.listen(0, '127.0.0.1', resolve))
    return gateway
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/_matrix/push/v1/notify`
  }

  /** The next request that has not been taken yet. */
  async next(): Promise<Body> {
    while (this.seen.length <= this.#taken) {
      await new Promise<void>((resolve) => {
        const tell = () => {
          this.#waiting.delete(tell)
          resolve()
        }
        this.#waiting.add(tell)
      })
    }
    return this.seen[this.#taken++]
  }

  /** What has come beside what was taken. */
  rest(): Body[] {
    return this.seen.slice(this.#taken)
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

export function pusherTo(gateway: Gateway, more: { data?: object } & Record<string, unknown> = {}): object {
  return {
    kind: 'http',
    app_id: 'app',
    pushkey: 'key',
    app_display_name: 'App',
    device_display_name: 'Phone',
    lang: 'en',
    ...more,
    data: { url: gateway.url, ...more.data },
  }
}
