import type { RoomEvent } from '../components/roomserver/index.js'
import { parseRoomId, type RoomId, type UserId } from '../protocol/ids.js'
import { getArray, getBoolean, getString } from '../protocol/json.js'
import { describeRooms, type RoomDescription } from './describe-room.js'
import type { RoomParts } from './room-parts.js'

export interface HierarchyOrder {
  readonly userId: UserId
  readonly root: RoomId
  readonly suggestedOnly: boolean
  readonly maxDepth: number
  /** Rooms of earlier pages. */
  readonly skip: number
  readonly limit: number
}

export interface HierarchyRoom {
  readonly description: RoomDescription
  /** Valid `m.space.child` events in their order; with `suggestedOnly` those that are suggested. */
  readonly children: readonly RoomEvent[]
}

/** Rooms that are looked at for one answer, however big the space. */
const MAX_VISITED = 2_000
/** Children of one space that are followed. */
const MAX_CHILDREN = 500
/** Places of rooms that are kept in mind: spaces that all contain one another have many more places than rooms. */
const MAX_WAITING = 10_000
/** Rooms that are read together. */
const BATCH = 100
/** Places among which they are looked for. */
const COMING = 500

/**
 * The rooms of a space in the order in which clients show them: a room, then its children, each with its own, before the next.
 * A room that is in several places is told of once. Undefined: the user may not see the root.
 */
export async function spaceHierarchy(
  parts: Pick<RoomParts, 'roomserver'>,
  order: HierarchyOrder,
): Promise<{ rooms: HierarchyRoom[]; hasMore: boolean } | undefined> {
  const descriptions = new Map<RoomId, RoomDescription | undefined>()
  const waiting: { readonly roomId: RoomId; readonly depth: number }[] = [{ roomId: order.root, depth: 0 }]
  const visited = new Set<RoomId>()
  const rooms: HierarchyRoom[] = []
  let seen = 0
  while (visited.size < MAX_VISITED) {
    const next = waiting.pop()
    if (next === undefined) break
    if (visited.has(next.roomId)) continue
    visited.add(next.roomId)
    if (!descriptions.has(next.roomId))
      await load(parts, order.userId, descriptions, [next, ...waiting.slice(-COMING).toReversed()])
    const description = descriptions.get(next.roomId)
    if (description === undefined) {
      if (next.depth === 0) return undefined
      continue
    }
    if (rooms.length === order.limit) return { rooms, hasMore: true }
    const children = childrenOf(description, order.suggestedOnly)
    if (seen++ >= order.skip) rooms.push({ description, children })
    if (next.depth === order.maxDepth || waiting.length > MAX_WAITING) continue
    const followed = children.slice(0, MAX_CHILDREN).toReversed()
    for (const { stateKey = '' } of followed) {
      const roomId = parseRoomId(stateKey)
      if (roomId !== undefined && !visited.has(roomId)) waiting.push({ roomId, depth: next.depth + 1 })
    }
  }
  return { rooms, hasMore: false }
}

/** Reads the rooms that come next with one another. */
async function load(
  parts: Pick<RoomParts, 'roomserver'>,
  userId: UserId,
  descriptions: Map<RoomId, RoomDescription | undefined>,
  coming: readonly { readonly roomId: RoomId }[],
): Promise<void> {
  const wanted = coming.map(({ roomId }) => roomId).filter((roomId) => !descriptions.has(roomId))
  const batch = [...new Set(wanted)].slice(0, BATCH)
  const found = await describeRooms(parts, userId, batch)
  for (const roomId of batch) descriptions.set(roomId, found.get(roomId))
}

/** CS "m.space.child": valid ones name servers; sorted by `order`, then by age, then by room. */
function childrenOf({ children }: RoomDescription, suggestedOnly: boolean): RoomEvent[] {
  const valid = children.filter(({ content, stateKey = '' }) => {
    const via = getArray(content, 'via')
    const names = via !== undefined && via.length > 0 && via.every((server) => typeof server === 'string')
    return names && parseRoomId(stateKey) !== undefined && (!suggestedOnly || getBoolean(content, 'suggested') === true)
  })
  return valid.toSorted(compareChildren)
}

function compareChildren(a: RoomEvent, b: RoomEvent): number {
  const [first, second] = [orderOf(a), orderOf(b)]
  if (first !== second) {
    if (first === undefined) return 1
    if (second === undefined) return -1
    return first < second ? -1 : 1
  }
  if (a.originServerTs !== b.originServerTs) return a.originServerTs - b.originServerTs
  return (a.stateKey ?? '') < (b.stateKey ?? '') ? -1 : 1
}

/** Printable ASCII, at most 50 characters; anything else counts as none. */
function orderOf({ content }: RoomEvent): string | undefined {
  const order = getString(content, 'order')
  return order !== undefined && /^[\x20-\x7e]{1,50}$/.test(order) ? order : undefined
}
