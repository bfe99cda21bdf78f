/**
 * Random forked rooms, and what becomes of them by the specification: every state is resolved over the whole graph by
 * `protocol/state-resolution`, nothing is incremental.
 */
import { type AuthState, authTypesFor, checkAuth } from '../../../../src/protocol/auth/index.js'
import { buildEvent, type UnbuiltEvent } from '../../../../src/protocol/event/build.js'
import { referenceHash } from '../../../../src/protocol/event/hashes.js'
import { type Pdu, type StateTuple, stateTuple } from '../../../../src/protocol/event/pdu.js'
import { type EventId, type RoomId, roomIdOf, serverNameOf, type UserId } from '../../../../src/protocol/ids.js'
import { isJsonObject, type JsonObject, parseStoredJson } from '../../../../src/protocol/json.js'
import type { RoomVersion } from '../../../../src/protocol/room-version.js'
import { signingKeyOf } from '../../../../src/protocol/signing.js'
import { resolveState } from '../../../../src/protocol/state-resolution/index.js'
import { present, user } from './support.js'

export type State = ReadonlyMap<StateTuple, EventId>
export type GraphVerdict = 'accepted' | 'soft-failed' | 'rejected'

export interface GraphEvent {
  readonly pdu: Pdu
  readonly before: State
  readonly verdict: GraphVerdict
}

const KEY = signingKeyOf('ed25519:far', new Uint8Array(32).fill(9))
const PEOPLE = ['anna', 'bert', 'cora', 'dora'].map((name, index) => user(name, `far${index % 2}.test`))
const CREATOR = present(PEOPLE[0])

/** Small and repeatable: a failing seed can be run again. */
export function randomness(seed: number): (below: number) => number {
  let state = seed * 2_654_435_761 + 1
  return (below) => {
    state = (Math.imul(state ^ (state >>> 15), 2_246_822_519) + 0x9e3779b9) >>> 0
    return ((state ^ (state >>> 13)) >>> 0) % below
  }
}

export class RandomGraph {
  readonly version: RoomVersion
  readonly events: GraphEvent[] = []
  readonly #byId = new Map<EventId, GraphEvent>()
  readonly #random: (below: number) => number
  readonly #ownRoomId: RoomId
  #now = 1_600_000_000_000

  constructor(version: RoomVersion, seed: number) {
    this.version = version
    this.#random = randomness(seed)
    this.#ownRoomId = roomIdOf(`graph${seed}v${version.id}`, serverNameOf(CREATOR))
    const creator = version.creatorFromSender ? {} : { creator: CREATOR }
    // Where the room id is the hash of the create event, the seed keeps rooms apart.
    const content = { ...creator, room_version: version.id, 'org.test.seed': seed }
    this.#add({ sender: CREATOR, type: 'm.room.create', stateKey: '', content })
    this.#add(membership(CREATOR, 'join'))
    this.#add({ sender: CREATOR, type: 'm.room.join_rules', stateKey: '', content: { join_rule: 'public' } })
    this.#add({ sender: CREATOR, type: 'm.room.power_levels', stateKey: '', content: this.#levels({}) })
  }

  get roomId(): RoomId {
    return present(this.events[0]).pdu.roomId
  }

  /** One event more, after one to three events that are here: mostly the newest, sometimes old ones. */
  grow(): void {
    const candidates = this.events.slice(1)
    const prev = new Set<EventId>()
    for (let count = 1 + this.#random(3); count > 0; count--) {
      const reach = this.#random(4) === 0 ? candidates.length : Math.min(candidates.length, 4)
      prev.add(present(candidates[candidates.length - 1 - this.#random(reach)]).pdu.eventId)
    }
    this.#add(this.#action(), [...prev])
  }

  /** Accepted events that no accepted event follows on, directly or through events that are not. */
  extremities(): EventId[] {
    const covered = new Set<EventId>()
    for (const event of this.events) if (event.verdict === 'accepted') this.#cover(event, covered)
    return this.events
      .filter(({ pdu, verdict }) => verdict === 'accepted' && !covered.has(pdu.eventId))
      .map(({ pdu }) => pdu.eventId)
  }

  current(): State {
    return this.#resolve(this.extremities())
  }

  /** An event with content of its own where it says so. */
  #action(): UnbuiltEvent {
    const sender = this.#person()
    const other = this.#person()
    switch (this.#random(10)) {
      case 0:
      case 1:
        return membership(sender, 'join')
      case 2:
        return { ...membership(sender, 'ban'), stateKey: other }
      case 3:
        return { ...membership(sender, 'leave'), stateKey: other }
      case 4:
        return { sender, type: 'm.room.power_levels', stateKey: '', content: this.#levels({ [other]: 50 }) }
      case 5:
        return { sender, type: 'm.room.join_rules', stateKey: '', content: { join_rule: this.#rule() } }
      case 6:
      case 7:
        return { sender, type: 'm.room.topic', stateKey: '', content: { topic: `topic ${this.#random(1_000)}` } }
      case 8:
        return {
          sender,
          type: 'org.test.state',
          stateKey: `key${this.#random(3)}`,
          content: { n: this.#random(1_000) },
        }
      default:
        return { sender, type: 'm.room.message', content: { body: `message ${this.#random(1_000)}` } }
    }
  }

  #person(): UserId {
    return present(PEOPLE[this.#random(PEOPLE.length)])
  }

  #rule(): string {
    return this.#random(2) === 0 ? 'invite' : 'public'
  }

  #levels(users: JsonObject): JsonObject {
    const creator = this.version.privilegedCreators ? {} : { [CREATOR]: 100 }
    const others = Object.entries(users).filter(([name]) => name !== CREATOR)
    return { users: { ...creator, ...Object.fromEntries(others) }, state_default: this.#random(2) * 50 }
  }

  #add(event: UnbuiltEvent, prevEvents?: readonly EventId[]): void {
    const newest = this.events.at(-1)
    const prev = prevEvents ?? (newest === undefined ? [] : [newest.pdu.eventId])
    const before = this.#resolve(prev)
    const pdu = this.#build(event, prev, before)
    if (this.#byId.has(pdu.eventId)) return
    const made = { pdu, before, verdict: this.#verdict(pdu, before) }
    this.events.push(made)
    this.#byId.set(pdu.eventId, made)
  }

  #build(event: UnbuiltEvent, prev: readonly EventId[], before: State): Pdu {
    const { version } = this
    const auth = authTypesFor({ ...event, version, stateKey: event.stateKey }).flatMap(
      ([type, stateKey]) => before.get(stateTuple(type, stateKey)) ?? [],
    )
    const depth = 1 + Math.max(0, ...prev.map((eventId) => this.#event(eventId).pdu.depth))
    this.#now += this.#random(5)
    const hashes = version.referencesWithHashes ? [...prev, ...auth] : []
    const referenceHashes = new Map(hashes.map((eventId) => [eventId, hashOf(this.#event(eventId).pdu)]))
    const place = { version, now: this.#now, prev, auth, depth, referenceHashes }
    const create = this.events[0]
    const roomId = create?.pdu.roomId ?? (version.roomIdIsCreateHash ? undefined : this.#ownRoomId)
    const signer = { serverName: serverNameOf(event.sender), key: KEY }
    return buildEvent(event, roomId === undefined ? place : { ...place, roomId }, signer)
  }

  #verdict(pdu: Pdu, before: State): GraphVerdict {
    if (!checkAuth(pdu, this.#authState(before)).allowed) return 'rejected'
    return checkAuth(pdu, this.#authState(this.current())).allowed ? 'accepted' : 'soft-failed'
  }

  #authState(state: State): AuthState {
    return {
      get: (type, stateKey) => {
        const eventId = state.get(stateTuple(type, stateKey))
        return eventId === undefined ? undefined : this.#event(eventId).pdu
      },
    }
  }

  #resolve(after: readonly EventId[]): State {
    const states = after.map((eventId) => this.#stateAfter(this.#event(eventId)))
    const [first] = states
    if (first === undefined || states.length === 1) return first ?? new Map()
    return resolveState(
      this.version,
      states,
      (eventId) => this.#byId.get(eventId)?.pdu,
      (eventId) => this.#byId.get(eventId)?.verdict === 'rejected',
    )
  }

  #stateAfter({ pdu, before, verdict }: GraphEvent): State {
    if (pdu.stateKey === undefined || verdict === 'rejected') return before
    return new Map(before).set(stateTuple(pdu.type, pdu.stateKey), pdu.eventId)
  }

  #cover({ pdu }: GraphEvent, covered: Set<EventId>): void {
    for (const eventId of pdu.prevEvents) {
      if (covered.has(eventId)) continue
      covered.add(eventId)
      const prev = this.#event(eventId)
      if (prev.verdict !== 'accepted') this.#cover(prev, covered)
    }
  }

  #event(eventId: EventId): GraphEvent {
    return present(this.#byId.get(eventId))
  }
}

function membership(sender: UserId, of: string): UnbuiltEvent {
  return { sender, type: 'm.room.member', stateKey: sender, content: { membership: of } }
}

function hashOf(pdu: Pdu): string {
  const json = parseStoredJson(pdu.json)
  if (!isJsonObject(json)) throw new Error('an event is an object')
  return referenceHash(pdu.version, json)
}
