import { LoadingCache } from '../../../platform/loading-cache.js'
import { memberProfileIn, membershipIn } from '../../../protocol/event/content.js'
import { type RoomId, type ServerName, serverNameOf, type UserId } from '../../../protocol/ids.js'
import type { Membership, MembershipChange, OutputEntry, RoomEvent, RoomMembership } from '../api.js'
import type { RoomInternals } from '../internals.js'
import { MEMBERSHIP_CODE, membershipOfCode } from '../store/memberships.js'
import {
  type MembershipRow,
  SELECT_JOINED_SERVERS,
  SELECT_LOCAL_JOINED,
  SELECT_MEMBERS,
  SELECT_MEMBERSHIP,
  SELECT_USER_MEMBERSHIPS,
} from '../store/memberships-reads.js'

type OwnMemberships = ReadonlyMap<RoomId, RoomMembership>

/**
 * Who is in which room. Memberships of this server's users, and which of them are in a room, are kept in memory and
 * follow each commit before its positions are visible.
 */
export class Memberships {
  readonly #internals: RoomInternals
  readonly #own: LoadingCache<UserId, OwnMemberships>
  readonly #localJoined: LoadingCache<RoomId, readonly UserId[]>
  readonly #servers: LoadingCache<RoomId, ReadonlySet<ServerName>>

  constructor(internals: RoomInternals) {
    this.#internals = internals
    const { cacheBudget, database } = internals
    this.#own = new LoadingCache<UserId, OwnMemberships>(
      cacheBudget.cache('roomserver.memberships', sizeOfMemberships),
      eachAlone(async (userId) => byRoom(await database.run(SELECT_USER_MEMBERSHIPS, userId))),
    )
    this.#localJoined = new LoadingCache<RoomId, readonly UserId[]>(
      cacheBudget.cache('roomserver.local_joined', (users) => 16 + users.length * 8),
      eachAlone(async (roomId) => (await database.run(SELECT_LOCAL_JOINED, roomId)).map((row) => row.user_id)),
    )
    this.#servers = new LoadingCache<RoomId, ReadonlySet<ServerName>>(
      cacheBudget.cache('roomserver.joined_servers', (servers) => 100 + servers.size * 80),
      eachAlone(async (roomId) => {
        const rows = await database.run(SELECT_JOINED_SERVERS, roomId)
        return new Set(rows.map((row) => row.server_name))
      }),
    )
    internals.onCommitted((entries) => this.#follow(entries))
    internals.onForgotten((_roomId, userId) => this.#own.drop(userId))
  }

  /** All memberships of a user. Remote users are not kept in memory. */
  async ofUser(userId: UserId): Promise<OwnMemberships> {
    if (this.#isLocal(userId)) return (await this.#own.get(userId)) ?? new Map()
    return byRoom(await this.#internals.database.run(SELECT_USER_MEMBERSHIPS, userId))
  }

  async one(roomId: RoomId, userId: UserId): Promise<RoomMembership | undefined> {
    if (this.#isLocal(userId)) return (await this.ofUser(userId)).get(roomId)
    const [row] = await this.#internals.database.run(SELECT_MEMBERSHIP, roomId, userId)
    return row === undefined ? undefined : membershipOfRow(row)
  }

  /** Members of rooms, in the order in which they became so. One statement. */
  async ofRooms(
    roomIds: readonly RoomId[],
    memberships: readonly Membership[] | undefined,
  ): Promise<Map<RoomId, RoomMembership[]>> {
    const members = new Map<RoomId, RoomMembership[]>(roomIds.map((roomId) => [roomId, []]))
    if (roomIds.length === 0 || memberships?.length === 0) return members
    const codes = memberships?.map((membership) => MEMBERSHIP_CODE[membership]) ?? null
    for (const row of await this.#internals.database.run(SELECT_MEMBERS, [...members.keys()], codes)) {
      members.get(row.room_id)?.push(membershipOfRow(row))
    }
    return members
  }

  async localJoined(roomId: RoomId): Promise<readonly UserId[]> {
    return (await this.#localJoined.get(roomId)) ?? []
  }

  async joinedServers(roomId: RoomId): Promise<ReadonlySet<ServerName>> {
    return (await this.#servers.get(roomId)) ?? new Set()
  }

  #isLocal(userId: UserId): boolean {
    return serverNameOf(userId) === this.#internals.serverName
  }

  #follow(entries: readonly OutputEntry[]): void {
    const own = new Map<UserId, OwnChange[]>()
    for (const entry of entries) {
      for (const change of entry.memberships) {
        this.#followRoom(entry.roomId, change)
        if (!change.isLocal) continue
        const event = entry.stateChanges.find(isMemberEventOf(change.userId))?.event
        push(own, change.userId, { roomId: entry.roomId, position: entry.position, change, event })
      }
      this.#followRedaction(entry)
    }
    for (const [userId, changes] of own) this.#own.change(userId, (known) => withChanges(known, changes))
  }

  #followRoom(roomId: RoomId, { userId, membership, previous, isLocal }: MembershipChange): void {
    if (membership === previous) return
    const joins = membership === 'join'
    if (!joins && previous !== 'join') return
    if (isLocal) {
      this.#localJoined.change(roomId, (users) => {
        if (joins) return users.includes(userId) ? users : [...users, userId]
        return users.filter((user) => user !== userId)
      })
    }
    const server = serverNameOf(userId)
    this.#servers.change(roomId, (servers) => (joins && servers.has(server) ? servers : undefined))
  }

  /** A member event that is redacted takes the name and the picture with it. */
  #followRedaction({ redacted }: OutputEntry): void {
    const target = redacted === undefined ? undefined : this.#internals.events.peekId(redacted)
    if (target?.type === 'm.room.member' && target.stateKey !== undefined) this.#own.drop(target.stateKey as UserId)
  }
}

interface OwnChange {
  readonly roomId: RoomId
  readonly position: number
  readonly change: MembershipChange
  readonly event: RoomEvent | undefined
}

/** Undefined when what is known does not say all: an invite or a knock has stripped state that only the store knows. */
function withChanges(known: OwnMemberships, changes: readonly OwnChange[]): OwnMemberships | undefined {
  const next = new Map(known)
  for (const { roomId, position, change, event } of changes) {
    if (event === undefined || change.membership === 'invite' || change.membership === 'knock') return undefined
    if (membershipIn(event.content) !== change.membership) return undefined
    const before = known.get(roomId)
    const goesOn = change.membership === 'join' && before?.membership === 'join'
    const { displayName, avatarUrl } = memberProfileIn(event.content)
    next.set(roomId, {
      roomId,
      userId: change.userId,
      membership: change.membership,
      sender: event.sender,
      eventId: event.eventId,
      position: goesOn ? before.position : position,
      forgotten: false,
      displayName,
      avatarUrl,
      strippedState: undefined,
    })
  }
  return next
}

function isMemberEventOf(userId: UserId): (change: { type: string; stateKey: string }) => boolean {
  return ({ type, stateKey }) => type === 'm.room.member' && stateKey === userId
}

function push<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [value])
  else list.push(value)
}

/** A loader of one key, as a cache asks for many: such a cache is asked for one at a time. */
function eachAlone<K, V>(load: (key: K) => Promise<V>): (keys: readonly K[]) => Promise<Map<K, V>> {
  return async (keys) => {
    const values = new Map<K, V>()
    for (const key of keys) values.set(key, await load(key))
    return values
  }
}

function byRoom(rows: readonly MembershipRow[]): OwnMemberships {
  return new Map(rows.map((row) => [row.room_id, membershipOfRow(row)]))
}

function membershipOfRow(row: MembershipRow): RoomMembership {
  return {
    roomId: row.room_id,
    userId: row.user_id,
    membership: membershipOfCode(row.membership),
    sender: row.sender,
    eventId: row.event_id,
    position: row.position,
    forgotten: row.forgotten,
    // Empty ones count as none, as in an event.
    displayName: row.display_name || undefined,
    avatarUrl: row.avatar_url || undefined,
    strippedState: row.stripped_state ?? undefined,
  }
}

function sizeOfMemberships(memberships: OwnMemberships): number {
  let bytes = 200
  for (const { roomId, eventId, displayName, avatarUrl, strippedState } of memberships.values()) {
    bytes += 300 + roomId.length + eventId.length
    bytes += 2 * ((displayName?.length ?? 0) + (avatarUrl?.length ?? 0) + (strippedState?.length ?? 0))
  }
  return bytes
}
