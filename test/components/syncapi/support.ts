import type { RoomServer } from '../../../src/components/roomserver/index.js'
import { type EventId, parseRoomId, parseUserId, type RoomId, type UserId } from '../../../src/protocol/ids.js'
import type { JsonObject } from '../../../src/protocol/json.js'
import {
  type Answer,
  startTestServer,
  type TestServer,
  type TestServerOptions,
  type TestUser,
} from '../../support/server.js'

/** JSON of an answer. */
export type Body = Answer['body']

/** A server of which rooms are changed directly and asked over HTTP. */
export class SyncHarness {
  readonly server: TestServer
  #names = 0

  constructor(server: TestServer) {
    this.server = server
  }

  static async start(options: TestServerOptions = {}): Promise<SyncHarness> {
    return new SyncHarness(await startTestServer(options))
  }

  get rooms(): RoomServer {
    return this.server.app.components.roomserver
  }

  /** An account of its own for the test. */
  user(prefix = 'u'): Promise<TestUser> {
    this.#names++
    return this.server.register(`${prefix}${this.#names}`)
  }

  /** A room that anybody may join; `state` comes after what every room has. */
  async room(
    creator: TestUser,
    options: { name?: string; visibility?: string; version?: string; state?: [string, JsonObject][] } = {},
  ): Promise<RoomId> {
    const sender = idOf(creator)
    const content = { membership: 'join', displayname: creator.userId }
    const levels = { users: { [sender]: 100 }, users_default: 0, events_default: 0, state_default: 0 }
    const { roomId } = await this.rooms.createRoom({
      creator: sender,
      version: options.version ?? '11',
      creationContent: {},
      events: [
        { sender, type: 'm.room.member', stateKey: sender, content },
        { sender, type: 'm.room.power_levels', stateKey: '', content: levels },
        { sender, type: 'm.room.join_rules', stateKey: '', content: { join_rule: 'public' } },
        {
          sender,
          type: 'm.room.history_visibility',
          stateKey: '',
          content: { history_visibility: options.visibility ?? 'shared' },
        },
        ...(options.name === undefined
          ? []
          : [{ sender, type: 'm.room.name', stateKey: '', content: { name: options.name } }]),
        ...(options.state ?? []).map(([type, content]) => ({ sender, type, stateKey: '', content })),
      ],
    })
    return roomId
  }

  async say(user: TestUser, roomId: RoomId, body: string): Promise<EventId> {
    return this.event(user, roomId, 'm.room.message', { msgtype: 'm.text', body })
  }

  async event(user: TestUser, roomId: RoomId, type: string, content: JsonObject): Promise<EventId> {
    return (await this.rooms.send({ roomId, sender: idOf(user), type, content })).eventId
  }

  async state(user: TestUser, roomId: RoomId, type: string, content: JsonObject, stateKey = ''): Promise<EventId> {
    return (await this.rooms.send({ roomId, sender: idOf(user), type, stateKey, content })).eventId
  }

  async member(sender: TestUser, roomId: RoomId, membership: string, target = sender): Promise<EventId> {
    const content = membership === 'join' ? { membership, displayname: target.userId } : { membership }
    return this.state(sender, roomId, 'm.room.member', content, target.userId)
  }

  async join(roomId: RoomId, ...users: TestUser[]): Promise<void> {
    for (const user of users) await this.member(user, roomId, 'join')
  }

  /** The answer's body; a filter and other parameters as they are. */
  async sync(user: TestUser, options: SyncOptions = {}): Promise<Body> {
    const answer = await this.trySync(user, options)
    if (answer.status !== 200) throw new Error(`sync answered ${answer.status}: ${JSON.stringify(answer.body)}`)
    return answer.body
  }

  trySync(user: TestUser, { filter, ...options }: SyncOptions = {}) {
    const query = new URLSearchParams()
    for (const [key, value] of Object.entries(options)) if (value !== undefined) query.set(key, String(value))
    if (filter !== undefined) query.set('filter', typeof filter === 'string' ? filter : JSON.stringify(filter))
    return user.get(`/sync?${query}`)
  }
}

export interface SyncOptions {
  readonly since?: string | undefined
  readonly filter?: object | string
  readonly timeout?: number
  readonly full_state?: boolean
  readonly use_state_after?: boolean
  readonly set_presence?: string
}

export function idOf(user: TestUser): UserId {
  const userId = parseUserId(user.userId)
  if (userId === undefined) throw new Error('not a user ID')
  return userId
}

export function roomIdOf(id: string): RoomId {
  const roomId = parseRoomId(id)
  if (roomId === undefined) throw new Error('not a room ID')
  return roomId
}

/** Bodies of messages, or types of other events. */
export function shown(events: Body[]): string[] {
  return events.map((event) => event.content.body ?? event.type)
}

export function keysOf(events: Body[]): string[] {
  return events.map((event) => (event.state_key === '' ? event.type : `${event.type}|${event.state_key}`)).sort()
}
