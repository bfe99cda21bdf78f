/** What is told of a batch once it has been committed. */
import type { ChangeFeed } from '../../../platform/change-feed.js'
import { type MembershipChange, type OutputEntry, ROOM_STREAMS, type StateChange } from '../api.js'
import type { PlannedChange, PlannedEvent, PlannedMember } from '../planned.js'
import type { StoredEvent } from '../room-event.js'

/** What a redaction of the batch has pruned is told in its pruned form only. */
export function entriesOf(batch: readonly PlannedEvent[]): OutputEntry[] {
  const entries: OutputEntry[] = []
  const pruned = new Map<StoredEvent, StoredEvent>()
  for (const { redactions } of batch) for (const one of redactions) pruned.set(one.target, one.pruned)
  const shown = (event: StoredEvent): StoredEvent => pruned.get(event) ?? event
  for (const planned of batch) {
    const { event, releasedRedactions } = planned
    if (planned.inTimeline && event.position !== undefined) {
      entries.push({
        position: event.position,
        roomId: event.roomId,
        event: shown(event),
        stateChanges: planned.changes.map((change) => stateChange(change, shown)),
        memberships: planned.members.map(membershipChange),
        redacted: planned.redactions.find(({ by }) => by === event)?.target.eventId,
      })
    }
    for (const redaction of releasedRedactions) entries.push(releasedEntry(planned, redaction))
  }
  return entries
}

function releasedEntry({ event: target }: PlannedEvent, redaction: StoredEvent): OutputEntry {
  if (redaction.position === undefined) throw new Error('a redaction was released without a position')
  return {
    position: redaction.position,
    roomId: redaction.roomId,
    event: redaction,
    stateChanges: [],
    memberships: [],
    redacted: target.eventId,
  }
}

function stateChange(
  { type, stateKey, event, replaced }: PlannedChange,
  shown: (event: StoredEvent) => StoredEvent,
): StateChange {
  return { type, stateKey, event: event === undefined ? undefined : shown(event), replaced: replaced?.eventId }
}

function membershipChange({ userId, membership, previous, isLocal }: PlannedMember): MembershipChange {
  return { userId, membership, previous, isLocal }
}

export function publish(feed: ChangeFeed, entries: readonly OutputEntry[]): void {
  for (const { position, roomId, memberships } of entries) {
    feed.publish({ stream: ROOM_STREAMS.rooms, position, keys: [roomId] })
    const users = memberships.filter(({ isLocal }) => isLocal).map(({ userId }) => userId)
    if (users.length > 0) feed.publish({ stream: ROOM_STREAMS.memberships, position, keys: users })
  }
}
