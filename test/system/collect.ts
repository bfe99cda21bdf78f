import type { ChildUser } from '../support/child-server.js'

/** An event as a client is given it; only what the tests look at. */
export interface SeenEvent {
  readonly event_id: string
  readonly type: string
  readonly content: { readonly body?: string }
}

const FILTER = encodeURIComponent(
  JSON.stringify({ room: { timeline: { limit: 100 } }, presence: { not_types: ['*'] } }),
)

/** Follows a user's `/sync` and remembers every message it brings, as often as it does; gaps are filled by paging back. */
export class Follower {
  readonly messages: string[] = []
  readonly #user: ChildUser
  since: string | undefined

  constructor(user: ChildUser) {
    this.#user = user
  }

  /** Begins here: what was before is not wanted. */
  async begin(): Promise<void> {
    const { body } = await this.#user.get(`/sync?timeout=0&filter=${FILTER}`)
    this.since = body.next_batch
  }

  /** One answer more. */
  async next(timeoutMs: number): Promise<void> {
    const since = this.since ?? ''
    const { status, body } = await this.#user.get(
      `/sync?since=${encodeURIComponent(since)}&timeout=${timeoutMs}&filter=${FILTER}`,
    )
    if (status !== 200) throw new Error(`/sync answered ${status} ${JSON.stringify(body)}`)
    for (const [roomId, room] of Object.entries<JoinedRoom>(body.rooms?.join ?? {})) {
      const { events, limited, prev_batch } = room.timeline
      if (limited) this.#keep(await pageBack(this.#user, roomId, { from: prev_batch, to: since }))
      this.#keep(events)
    }
    this.since = body.next_batch
  }

  #keep(events: readonly SeenEvent[]): void {
    for (const event of events) if (event.type === 'm.room.message') this.messages.push(event.event_id)
  }
}

interface JoinedRoom {
  readonly timeline: {
    readonly events: readonly SeenEvent[]
    readonly limited: boolean
    readonly prev_batch: string
  }
}

/** All events of a room from the newest (or `from`) back to its beginning (or `to`). */
export async function pageBack(
  user: ChildUser,
  roomId: string,
  bounds: { readonly from?: string; readonly to?: string } = {},
): Promise<SeenEvent[]> {
  const found: SeenEvent[] = []
  const to = bounds.to === undefined ? '' : `&to=${encodeURIComponent(bounds.to)}`
  let from = bounds.from
  do {
    const start = from === undefined ? '' : `&from=${encodeURIComponent(from)}`
    const path = `/rooms/${encodeURIComponent(roomId)}/messages?dir=b&limit=100${start}${to}`
    const { status, body } = await user.get(path)
    if (status !== 200) throw new Error(`/messages answered ${status} ${JSON.stringify(body)}`)
    found.push(...body.chunk)
    from = body.end
  } while (from !== undefined)
  return found
}

/** Ids of a room's messages, newest first. */
export async function messagesOf(user: ChildUser, roomId: string): Promise<string[]> {
  const events = await pageBack(user, roomId)
  return events.filter((event) => event.type === 'm.room.message').map((event) => event.event_id)
}

/** A room that everybody may enter, with these people in it. */
export async function roomOf(creator: ChildUser, others: readonly ChildUser[]): Promise<string> {
  const { status, body } = await creator.post('/createRoom', { preset: 'public_chat' })
  if (status !== 200) throw new Error(`createRoom answered ${status} ${JSON.stringify(body)}`)
  await Promise.all(others.map((other) => other.post(`/rooms/${encodeURIComponent(body.room_id)}/join`)))
  return body.room_id
}

export function sendPath(roomId: string, txnId: string): string {
  return `/rooms/${encodeURIComponent(roomId)}/send/m.room.message/${txnId}`
}

export function message(body: string): { msgtype: string; body: string } {
  return { msgtype: 'm.text', body }
}
