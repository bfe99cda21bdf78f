import { powerLevelOf } from '../../../protocol/auth/index.js'
import type { MemberProfile } from '../../../protocol/event/content.js'
import { splitStateTuple, stateTuple } from '../../../protocol/event/pdu.js'
import type { RoomId, ServerName, UserId } from '../../../protocol/ids.js'
import type { Membership, RoomEvent, RoomInfo, RoomMembership, RoomState, RoomSummary, StateChange } from '../api.js'
import type { RoomInternals } from '../internals.js'
import type { StoredEvent } from '../room-event.js'
import {
  SELECT_SHARING_AMONG,
  SELECT_SHARING_AMONG_ENCRYPTED,
  SELECT_SHARING_USERS,
  SELECT_SHARING_USERS_ENCRYPTED,
} from '../store/memberships-reads.js'
import { SELECT_ROOM_INFO } from '../store/rooms-reads.js'
import { SELECT_DELTA } from '../store/state-changes-reads.js'
import { EMPTY_SNAPSHOT, SELECT_SNAPSHOT_STATES } from '../store/state-snapshots.js'
import { SELECT_VISIBLE_USERS } from '../store/visible-users.js'
import { LastStateChange } from './last-state-change.js'
import { Memberships } from './memberships.js'
import { currentEntries, entriesAt, type StateEntries, type WantedKeys } from './state-entries.js'
import { Summaries } from './summaries.js'

const POWER_KEYS = [
  ['m.room.create', ''],
  ['m.room.power_levels', ''],
] as const

/** Current facts, and the facts of the past that follow from them. */
export class StateReads implements RoomState {
  readonly #memberships: Memberships
  readonly #internals: RoomInternals
  readonly #summaries: Summaries
  readonly #lastChange: LastStateChange

  constructor(internals: RoomInternals) {
    this.#internals = internals
    this.#memberships = new Memberships(internals)
    this.#summaries = new Summaries(internals)
    this.#lastChange = new LastStateChange(internals)
  }

  async room(roomId: RoomId): Promise<RoomInfo | undefined> {
    const head = this.#internals.heads.peek(roomId)
    if (head !== undefined) {
      return { roomId, nid: head.nid, version: head.version.id, participating: head.participating }
    }
    const [row] = await this.#internals.database.run(SELECT_ROOM_INFO, roomId)
    if (row === undefined) return undefined
    return { roomId, nid: row.room_nid, version: row.room_version, participating: row.participating }
  }

  async stateEvent(roomId: RoomId, type: string, stateKey: string): Promise<RoomEvent | undefined> {
    const { states } = await currentEntries(this.#internals, [roomId], [[type, stateKey]])
    const nid = states.get(roomId)?.get(stateTuple(type, stateKey))
    if (nid === undefined) return undefined
    return this.#internals.events.peek(nid) ?? (await this.#internals.events.byNids([nid])).get(nid)
  }

  async currentState(roomIds: readonly RoomId[], tuples?: WantedKeys): Promise<Map<RoomId, RoomEvent[]>> {
    return this.#eventsOf((await currentEntries(this.#internals, roomIds, tuples)).states)
  }

  async stateAtPosition(
    at: readonly { readonly roomId: RoomId; readonly position: number }[],
    tuples?: WantedKeys,
    membersOf?: ReadonlyMap<RoomId, ReadonlySet<UserId>>,
  ): Promise<Map<RoomId, RoomEvent[]>> {
    const states = await entriesAt(this.#internals, this.#lastChange, at, tuples)
    if (membersOf !== undefined) keepMembers(states, membersOf)
    return this.#eventsOf(states)
  }

  async stateDelta(
    ranges: readonly { readonly roomId: RoomId; readonly after: number; readonly upTo: number }[],
  ): Promise<Map<RoomId, StateChange[]>> {
    const changes = new Map<RoomId, StateChange[]>(ranges.map(({ roomId }) => [roomId, []]))
    const asked = ranges.filter(({ after, upTo }) => after < upTo)
    if (asked.length === 0) return changes
    const rows = await this.#internals.database.run(
      SELECT_DELTA,
      asked.map(({ roomId }) => roomId),
      asked.map(({ after }) => after),
      asked.map(({ upTo }) => upTo),
    )
    const events = await this.#internals.events.byNids(rows.flatMap(({ event_nid }) => event_nid ?? []))
    for (const row of rows) {
      const event = row.event_nid === null ? undefined : events.get(row.event_nid)
      const replaced = row.replaced_id ?? undefined
      changes.get(row.room_id)?.push({ type: row.type, stateKey: row.state_key, event, replaced })
    }
    return changes
  }

  async stateAroundEvent(event: RoomEvent, side: 'before' | 'after'): Promise<RoomEvent[]> {
    if (event.snapshotId === undefined) return []
    const state: StateEntries = new Map()
    if (event.snapshotId !== EMPTY_SNAPSHOT) {
      for (const row of await this.#internals.database.run(SELECT_SNAPSHOT_STATES, [event.snapshotId])) {
        state.set(stateTuple(row.type, row.state_key), row.event_nid)
      }
    }
    if (side === 'after' && event.stateKey !== undefined) state.set(stateTuple(event.type, event.stateKey), event.nid)
    return (await this.#eventsOf(new Map([[event.roomId, state]]))).get(event.roomId) ?? []
  }

  memberships(userId: UserId): Promise<ReadonlyMap<RoomId, RoomMembership>> {
    return this.#memberships.ofUser(userId)
  }

  membership(roomId: RoomId, userId: UserId): Promise<RoomMembership | undefined> {
    return this.#memberships.one(roomId, userId)
  }

  members(roomIds: readonly RoomId[], memberships?: readonly Membership[]): Promise<Map<RoomId, RoomMembership[]>> {
    return this.#memberships.ofRooms(roomIds, memberships)
  }

  summaries(roomIds: readonly RoomId[], viewer: UserId): Promise<Map<RoomId, RoomSummary>> {
    return this.#summaries.of(roomIds, viewer)
  }

  async usersSharingRoomWith(userId: UserId, options: { onlyEncrypted?: boolean } = {}): Promise<Set<UserId>> {
    const statement = options.onlyEncrypted === true ? SELECT_SHARING_USERS_ENCRYPTED : SELECT_SHARING_USERS
    return new Set((await this.#internals.database.run(statement, userId)).map((row) => row.user_id))
  }

  async sharesRoomWith(
    userId: UserId,
    others: readonly UserId[],
    options: { onlyEncrypted?: boolean } = {},
  ): Promise<Set<UserId>> {
    if (others.length === 0) return new Set()
    const statement = options.onlyEncrypted === true ? SELECT_SHARING_AMONG_ENCRYPTED : SELECT_SHARING_AMONG
    const rows = await this.#internals.database.run(statement, userId, others)
    return new Set(rows.map((row) => row.user_id))
  }

  async visibleUsers(viewer: UserId, userIds: readonly UserId[]): Promise<Map<UserId, MemberProfile>> {
    if (userIds.length === 0) return new Map()
    const rows = await this.#internals.database.run(SELECT_VISIBLE_USERS, viewer, userIds)
    return new Map(
      rows.map((row) => [
        row.user_id,
        { displayName: row.display_name ?? undefined, avatarUrl: row.avatar_url ?? undefined },
      ]),
    )
  }

  localJoinedMembers(roomId: RoomId): Promise<readonly UserId[]> {
    return this.#memberships.localJoined(roomId)
  }

  joinedServers(roomId: RoomId): Promise<ReadonlySet<ServerName>> {
    return this.#memberships.joinedServers(roomId)
  }

  async powerLevel(roomId: RoomId, userId: UserId): Promise<number> {
    const events = (await this.currentState([roomId], POWER_KEYS)).get(roomId) ?? []
    const byType = new Map(events.map((event) => [event.type, event.pdu]))
    return powerLevelOf(userId, { get: (type, stateKey) => (stateKey === '' ? byType.get(type) : undefined) })
  }

  /** One statement at most. */
  async #eventsOf(states: ReadonlyMap<RoomId, StateEntries>): Promise<Map<RoomId, RoomEvent[]>> {
    const nids: number[] = []
    for (const state of states.values()) nids.push(...state.values())
    const events = await this.#internals.events.byNids(nids)
    const answer = new Map<RoomId, RoomEvent[]>()
    for (const [roomId, state] of states) answer.set(roomId, eventsIn(state, events))
    return answer
  }
}

function keepMembers(
  states: ReadonlyMap<RoomId, StateEntries>,
  membersOf: ReadonlyMap<RoomId, ReadonlySet<UserId>>,
): void {
  const anyMember = stateTuple('m.room.member', '')
  for (const [roomId, wanted] of membersOf) {
    const state = states.get(roomId)
    for (const tuple of state?.keys() ?? []) {
      // The tuple begins with the length of the type: no type is the beginning of another.
      if (tuple.startsWith(anyMember) && !wanted.has(splitStateTuple(tuple)[1] as UserId)) state?.delete(tuple)
    }
  }
}

/** @throws Error when the store names an event that it does not have */
function eventsIn(state: StateEntries, events: ReadonlyMap<number, StoredEvent>): RoomEvent[] {
  return Array.from(state, ([tuple, nid]) => {
    const event = events.get(nid)
    if (event === undefined)
      throw new Error(`the state has event ${nid} for ${splitStateTuple(tuple)}, and it is not here`)
    return event
  })
}
