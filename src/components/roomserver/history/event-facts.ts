import type { Cache } from '../../../platform/cache.js'
import {
  type HistoryVisibility,
  historyVisibilityIn,
  type Membership,
  membershipIn,
} from '../../../protocol/event/content.js'
import type { UserId } from '../../../protocol/ids.js'
import type { RoomInternals } from '../internals.js'
import type { StoredEvent } from '../room-event.js'
import { EMPTY_SNAPSHOT } from '../store/state-snapshots.js'
import { SELECT_CHAINS } from '../store/state-snapshots-reads.js'
import { SnapshotChains } from './snapshot-chains.js'

/** What the state before an event says of who may see it. */
export interface EventFacts {
  readonly visibility: HistoryVisibility
  /** Of the user who asks; undefined: has none yet. */
  readonly membership: Membership | undefined
}

const VISIBILITY = 'm.room.history_visibility'
const MEMBER = 'm.room.member'
const NOTHING: EventFacts = { visibility: 'shared', membership: undefined }

/**
 * The facts that history visibility is judged by, from the state snapshots before events. Neither of them is changed by
 * a redaction, so what has been read of a snapshot stays true, and a room's messages share few snapshots.
 */
export class EventFactsReader {
  readonly #internals: RoomInternals
  readonly #known: Cache<string, EventFacts>

  constructor(internals: RoomInternals) {
    this.#internals = internals
    this.#known = internals.cacheBudget.cache('roomserver.event_facts', (_facts, key) => key.length)
  }

  /** By snapshot id; outliers have none. Two statements at most. */
  async before(userId: UserId, events: Iterable<StoredEvent>): Promise<ReadonlyMap<number, EventFacts>> {
    const facts = new Map<number, EventFacts>([[EMPTY_SNAPSHOT, NOTHING]])
    const missing = new Set<number>()
    for (const { snapshotId } of events) {
      if (snapshotId === undefined || facts.has(snapshotId)) continue
      const known = this.#known.get(keyOf(snapshotId, userId))
      if (known === undefined) missing.add(snapshotId)
      else facts.set(snapshotId, known)
    }
    if (missing.size > 0) await this.#load(userId, [...missing], facts)
    return facts
  }

  async #load(userId: UserId, snapshotIds: readonly number[], into: Map<number, EventFacts>): Promise<void> {
    const { database, events } = this.#internals
    const rows = await database.run(SELECT_CHAINS, snapshotIds, [VISIBILITY, MEMBER], ['', userId])
    const chains = new SnapshotChains(rows)
    const nids = new Map(
      snapshotIds.map((id) => [id, [chains.eventNid(id, VISIBILITY), chains.eventNid(id, MEMBER)] as const]),
    )
    const named = await events.byNids([...nids.values()].flat().filter((nid) => nid !== undefined))
    for (const [snapshotId, [visibilityNid, memberNid]] of nids) {
      const member = memberNid === undefined ? undefined : named.get(memberNid)
      const facts: EventFacts = {
        visibility: historyVisibilityIn(visibilityNid === undefined ? undefined : named.get(visibilityNid)?.content),
        membership: member && membershipIn(member.content),
      }
      this.#known.set(keyOf(snapshotId, userId), facts)
      into.set(snapshotId, facts)
    }
  }
}

function keyOf(snapshotId: number, userId: UserId): string {
  return `${snapshotId} ${userId}`
}

/** The user's own membership after the event: what it says, if it is theirs. */
export function membershipAfter(
  event: StoredEvent,
  userId: UserId,
  before: Membership | undefined,
): Membership | undefined {
  return event.type === MEMBER && event.stateKey === userId ? membershipIn(event.content) : before
}

export function visibilityAfter(event: StoredEvent, before: HistoryVisibility): HistoryVisibility {
  return event.type === VISIBILITY && event.stateKey === '' ? historyVisibilityIn(event.content) : before
}
