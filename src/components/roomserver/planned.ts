import type { StateTuple } from '../../protocol/event/pdu.js'
import type { EventId, UserId } from '../../protocol/ids.js'
import type { ClientTransaction, Membership } from './api.js'
import type { StoredEvent } from './room-event.js'
import type { HeadPoint, RoomHead } from './state/room-head.js'

/** One key of a snapshot; event 0 takes the key away. */
export interface SnapshotEntry {
  readonly typeNid: number
  readonly stateKeyNid: number
  readonly eventNid: number
}

/** A row of roomserver.state_snapshots. */
export interface NewSnapshot {
  readonly id: number
  /** Undefined: a full one. */
  readonly parentId: number | undefined
  readonly chainEntries: number
  readonly stateSize: number
  readonly entries: readonly SnapshotEntry[]
}

/** A change of the current state. */
export interface PlannedChange {
  readonly tuple: StateTuple
  readonly type: string
  readonly stateKey: string
  readonly typeNid: number
  readonly stateKeyNid: number
  /** Undefined: the key is gone. */
  readonly event: StoredEvent | undefined
  readonly replaced: StoredEvent | undefined
}

/** A change of somebody's membership, from the current state. */
export interface PlannedMember {
  readonly userId: UserId
  /** Undefined: the member event is gone. */
  readonly event: StoredEvent | undefined
  readonly membership: Membership
  readonly previous: Membership | undefined
  readonly isLocal: boolean
  readonly displayName: string | undefined
  readonly avatarUrl: string | undefined
  readonly strippedState: string | undefined
}

export interface PlannedRelation {
  readonly relatesTo: string
  readonly relType: string
  readonly key: string | undefined
}

/** A redaction that takes effect: of an event that is here, by one that is here or being written. */
export interface AppliedRedaction {
  readonly target: StoredEvent
  readonly pruned: StoredEvent
  readonly by: StoredEvent
}

/** An event with everything that writing it means, fixed while the head of its room stood still. */
export interface PlannedEvent {
  readonly room: RoomHead
  readonly event: StoredEvent
  readonly prevEventIds: readonly EventId[]
  /** Of these predecessors nothing is here: history has to be fetched from there on. */
  readonly missingPrevEventIds: readonly EventId[]
  /** It came from elsewhere, and may be one that history was waiting for. */
  readonly closesGap: boolean
  /** Whether it gets a position, and readers see it. */
  readonly inTimeline: boolean
  readonly transaction: ClientTransaction | undefined
  readonly containsUrl: boolean
  readonly relation: PlannedRelation | undefined
  readonly redactions: readonly AppliedRedaction[]
  /** Redactions that wait no longer: their target is this event. */
  readonly settledRedactions: readonly StoredEvent[]
  /** Of those, the ones that were held back and get a position now. */
  readonly releasedRedactions: readonly StoredEvent[]
  /** Set on a redaction whose target is not here. */
  readonly waitsForTarget: EventId | undefined
  readonly snapshots: readonly NewSnapshot[]
  readonly changes: readonly PlannedChange[]
  readonly members: readonly PlannedMember[]
  /** The room after it. */
  readonly after: HeadPoint
}
