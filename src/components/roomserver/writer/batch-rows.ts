/** From planned events to the columns of the batch's statements. */
import type { PlannedEvent } from '../planned.js'
import type { HeadPoint, RoomHead } from '../state/room-head.js'
import type {
  ChangeColumns,
  EdgeColumns,
  EventColumns,
  HeadColumns,
  MembershipColumns,
  ReleasedColumns,
  StateColumns,
} from '../store/commit-batch.js'
import { MEMBERSHIP_CODE } from '../store/memberships.js'

/** `{1,2,3}`: an array inside an array-bound column. */
function literal(nids: readonly number[]): string {
  return `{${nids.join(',')}}`
}

/** Positions of the events of a batch in its order, counted from 0: what a position is when the first one is known. */
export class Placement {
  /** Offset of each event that gets a position, released redactions included. */
  readonly offsets = new Map<number, number>()

  constructor(batch: readonly PlannedEvent[]) {
    for (const { event, inTimeline, releasedRedactions } of batch) {
      if (inTimeline) this.offsets.set(event.nid, this.offsets.size)
      for (const redaction of releasedRedactions) this.offsets.set(redaction.nid, this.offsets.size)
    }
  }

  get count(): number {
    return this.offsets.size
  }

  of(eventNid: number, first: number): number | undefined {
    const offset = this.offsets.get(eventNid)
    return offset === undefined ? undefined : first + offset
  }
}

/** Where each room ends up, with the newest position in it. */
export function lastPoints(batch: readonly PlannedEvent[]): Map<RoomHead, HeadPoint> {
  const points = new Map<RoomHead, HeadPoint>()
  for (const { room, after } of batch) points.set(room, after)
  return points
}

export function headColumns(batch: readonly PlannedEvent[], placement: Placement, first: number): HeadColumns {
  const newest = new Map<RoomHead, number>()
  for (const { room, event } of batch) newest.set(room, placement.of(event.nid, first) ?? newest.get(room) ?? 0)
  const columns: MutableColumns<HeadColumns> = [[], [], [], [], [], [], [], [], []]
  const [nids, versions, extremities, depths, snapshots, joined, invited, localJoined, positions] = columns
  for (const [room, point] of lastPoints(batch)) {
    nids.push(room.nid)
    versions.push(room.storedVersion)
    extremities.push(literal(point.extremities.map(({ nid }) => nid)))
    depths.push(point.depth)
    snapshots.push(point.snapshot?.id ?? null)
    joined.push(point.counts.joined)
    invited.push(point.counts.invited)
    localJoined.push(point.counts.localJoined)
    positions.push(newest.get(room) ?? 0)
  }
  return columns
}

/** `pruned`: texts of events of this very batch that another event of it redacts. */
export function eventColumns(
  batch: readonly PlannedEvent[],
  placement: Placement,
  first: number,
  pruned: ReadonlyMap<number, { readonly json: string; readonly byNid: number }>,
): EventColumns {
  const rows = batch.map((planned) => {
    const { event, transaction, waitsForTarget } = planned
    const { facts } = event
    const redaction = pruned.get(event.nid)
    return {
      facts,
      planned,
      transaction,
      waitsForTarget,
      redaction,
      position: placement.of(event.nid, first) ?? null,
    }
  })
  return [
    rows.map(({ facts }) => facts.nid),
    rows.map(({ facts }) => facts.eventId),
    rows.map(({ facts }) => facts.roomNid),
    rows.map(({ facts }) => facts.typeNid),
    rows.map(({ facts }) => facts.stateKeyNid ?? null),
    rows.map(({ facts }) => facts.sender),
    rows.map(({ facts }) => facts.depth),
    rows.map(({ facts }) => facts.originServerTs),
    rows.map(({ position }) => position),
    rows.map(({ facts }) => facts.snapshotId ?? null),
    rows.map(({ facts }) => literal(facts.authEventNids)),
    rows.map(({ facts }) => facts.verdict),
    rows.map(({ redaction, facts }) => redaction?.byNid ?? facts.redactedByNid ?? null),
    rows.map(({ waitsForTarget }) => waitsForTarget ?? null),
    rows.map(({ waitsForTarget }) => waitsForTarget !== undefined),
    rows.map(({ facts }) => facts.replacesNid ?? null),
    rows.map(({ transaction }) => transaction?.userId ?? null),
    rows.map(({ transaction }) => transaction?.deviceId ?? null),
    rows.map(({ transaction }) => transaction?.path ?? null),
    rows.map(({ transaction }) => transaction?.txnId ?? null),
    rows.map(({ planned, redaction }) => planned.containsUrl && redaction === undefined),
    rows.map(({ facts, redaction }) => redaction?.json ?? facts.json),
  ]
}

export function edgeColumns(batch: readonly PlannedEvent[], nowMs: number): EdgeColumns {
  const nids: number[] = []
  const prevs: string[] = []
  const rooms: number[] = []
  for (const { event, room, prevEventIds } of batch) {
    for (const prev of new Set(prevEventIds)) {
      nids.push(event.nid)
      prevs.push(prev)
      rooms.push(room.nid)
    }
  }
  return [nids, prevs, rooms, nowMs]
}

/** Of each key the last change of the batch; keys that end without an event are deleted before. */
export function stateColumns(batch: readonly PlannedEvent[], placement: Placement, first: number): StateColumns {
  const last = new Map<string, [number, number, number, number, number]>()
  for (const { room, event: cause, changes } of batch) {
    for (const { typeNid, stateKeyNid, event } of changes) {
      const key = `${room.nid} ${typeNid} ${stateKeyNid}`
      if (event === undefined) last.delete(key)
      else last.set(key, [room.nid, typeNid, stateKeyNid, event.nid, positionOf(cause.nid, placement, first)])
    }
  }
  const columns: MutableColumns<StateColumns> = [[], [], [], [], []]
  for (const row of last.values()) for (const [index, value] of row.entries()) columns[index]?.push(value)
  return columns
}

export function changeColumns(batch: readonly PlannedEvent[], placement: Placement, first: number): ChangeColumns {
  const columns: MutableColumns<ChangeColumns> = [[], [], [], [], [], []]
  const [rooms, positions, types, stateKeys, events, replaced] = columns
  for (const { room, event: cause, changes } of batch) {
    for (const change of changes) {
      rooms.push(room.nid)
      positions.push(positionOf(cause.nid, placement, first))
      types.push(change.typeNid)
      stateKeys.push(change.stateKeyNid)
      events.push(change.event?.nid ?? null)
      replaced.push(change.replaced?.nid ?? null)
    }
  }
  return columns
}

/** `pruned`: events of this very batch that another event of it redacts. */
export function membershipColumns(
  batch: readonly PlannedEvent[],
  placement: Placement,
  first: number,
  pruned: ReadonlySet<number>,
): MembershipColumns {
  const last = new Map<string, (columns: MutableColumns<MembershipColumns>) => void>()
  for (const { room, event: cause, members } of batch) {
    for (const member of members) {
      const key = `${room.nid} ${member.userId}`
      const { event } = member
      if (event === undefined) last.delete(key)
      else {
        const position = positionOf(cause.nid, placement, first)
        last.set(key, ([rooms, users, codes, events, senders, local, positions, names, avatars, stripped]) => {
          rooms.push(room.nid)
          users.push(member.userId)
          codes.push(MEMBERSHIP_CODE[member.membership])
          events.push(event.nid)
          senders.push(event.sender)
          local.push(member.isLocal)
          positions.push(position)
          names.push(pruned.has(event.nid) ? null : (member.displayName ?? null))
          avatars.push(pruned.has(event.nid) ? null : (member.avatarUrl ?? null))
          stripped.push(member.strippedState ?? null)
        })
      }
    }
  }
  const columns: MutableColumns<MembershipColumns> = [[], [], [], [], [], [], [], [], [], []]
  for (const push of last.values()) push(columns)
  return columns
}

export function releasedColumns(batch: readonly PlannedEvent[], placement: Placement, first: number): ReleasedColumns {
  const nids = batch.flatMap(({ releasedRedactions }) => releasedRedactions.map(({ nid }) => nid))
  return [nids, nids.map((nid) => positionOf(nid, placement, first))]
}

/** A change of the current state is caused by an event that readers see. */
function positionOf(eventNid: number, placement: Placement, first: number): number {
  const position = placement.of(eventNid, first)
  if (position === undefined) throw new Error(`event ${eventNid} changes the state and has no position`)
  return position
}

type MutableColumns<Columns extends readonly unknown[]> = {
  -readonly [Index in keyof Columns]: Columns[Index] extends readonly (infer Element)[] ? Element[] : Columns[Index]
}
