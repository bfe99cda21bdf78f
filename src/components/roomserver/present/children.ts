import { LoadingCache } from '../../../platform/loading-cache.js'
import { relationIn } from '../../../protocol/event/content.js'
import { type EventId, serverNameOf, type UserId } from '../../../protocol/ids.js'
import type { OutputEntry } from '../api.js'
import type { RoomInternals } from '../internals.js'
import { type ChildrenRow, SELECT_CHILDREN } from '../store/relations-reads.js'

/** Events that relate to one, as far as they are aggregated (CS API "Aggregations of child events"). */
export interface Children {
  /** Edits that may be valid, newest first. */
  readonly editNids: readonly number[]
  readonly referenceIds: readonly EventId[]
  readonly thread: ThreadChildren | undefined
}

export interface ThreadChildren {
  readonly count: number
  readonly latestNid: number
  readonly latestId: EventId
  readonly senders: ReadonlySet<UserId>
}

interface Known {
  /** Undefined: the event has none. */
  readonly children: Children | undefined
  /** How many redactions there had been when this was read. */
  readonly redactions: number
}

/**
 * Which events have children. Most have none, and that is known without asking: of an event that this server made nobody
 * else could have known, and whatever relates to it later passes by here.
 */
export class ChildrenReads {
  readonly #internals: RoomInternals
  readonly #known: LoadingCache<EventId, Known>
  /** Since the start. What a redacted event related to is no longer written in it, so all that was known is asked again. */
  #redactions = 0

  constructor(internals: RoomInternals) {
    this.#internals = internals
    this.#known = new LoadingCache<EventId, Known>(
      internals.cacheBudget.cache('roomserver.children', (known, eventId) => eventId.length + sizeOf(known.children)),
      async (eventIds) => {
        const redactions = this.#redactions
        const found = await this.upTo(new Map(eventIds.map((eventId) => [eventId, Number.MAX_SAFE_INTEGER])))
        return new Map(eventIds.map((eventId) => [eventId, { children: found.get(eventId), redactions }]))
      },
    )
    internals.onCommitted((entries) => {
      for (const entry of entries) this.#follow(entry)
    })
  }

  /** For those who see everything up to now. One statement at most, none when it is known that there are none. */
  async of(eventIds: readonly EventId[]): Promise<Map<EventId, Children>> {
    for (const eventId of eventIds) {
      const known = this.#known.peek(eventId)
      if (known?.children !== undefined && known.redactions !== this.#redactions) this.#known.drop(eventId)
    }
    const found = new Map<EventId, Children>()
    for (const [eventId, { children }] of await this.#known.getMany(eventIds)) {
      if (children !== undefined) found.set(eventId, children)
    }
    return found
  }

  /** Each up to a position: for those who see nothing that came later. One statement. */
  async upTo(positions: ReadonlyMap<EventId, number>): Promise<Map<EventId, Children>> {
    const found = new Map<EventId, Children>()
    if (positions.size === 0) return found
    const rows = await this.#internals.database.run(SELECT_CHILDREN, [...positions.keys()], [...positions.values()])
    for (const row of rows) {
      const children = childrenOfRow(row)
      if (children !== undefined) found.set(row.target_id, children)
    }
    return found
  }

  #follow({ event, redacted }: OutputEntry): void {
    if (redacted !== undefined) this.#redactions++
    if (event === undefined) return
    if (serverNameOf(event.sender) === this.#internals.serverName) {
      this.#known.put(event.eventId, { children: undefined, redactions: this.#redactions })
    }
    const relation = relationIn(event.content)
    if (relation !== undefined) this.#known.drop(relation.eventId)
  }
}

/** Undefined when nothing of it is aggregated: reactions are not. */
function childrenOfRow(row: ChildrenRow): Children | undefined {
  const { thread_latest_nid: latestNid, thread_latest_id: latestId } = row
  const thread =
    latestNid === null || latestId === null
      ? undefined
      : { count: row.thread_count, latestNid, latestId, senders: new Set(row.thread_senders) }
  if (row.edit_nids.length + row.reference_ids.length === 0 && thread === undefined) return undefined
  return { editNids: row.edit_nids, referenceIds: row.reference_ids, thread }
}

function sizeOf(children: Children | undefined): number {
  if (children === undefined) return 0
  return 200 + children.referenceIds.length * 60 + (children.thread?.senders.size ?? 0) * 80
}
