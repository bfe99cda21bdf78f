import type { Clock } from '../../platform/time.js'
import type { Signer } from '../../protocol/event/build.js'
import type { ServerName } from '../../protocol/ids.js'
import type { PendingEvents } from './facts.js'
import type { IdBlock } from './id-block.js'
import type { PlannedEvent } from './planned.js'
import type { Heads } from './state/heads.js'

interface ContextParts {
  readonly serverName: ServerName
  readonly signer: Signer
  readonly time: Clock
  readonly eventNids: IdBlock
  readonly snapshotIds: IdBlock
  readonly heads: Heads
  readonly pending: PendingEvents
}

/** What every planning uses, and the one place where a head moves on. */
export class PlanningContext {
  readonly serverName: ServerName
  readonly signer: Signer
  readonly time: Clock
  readonly eventNids: IdBlock
  readonly snapshotIds: IdBlock
  readonly #heads: Heads
  readonly #pending: PendingEvents

  constructor(parts: ContextParts) {
    this.serverName = parts.serverName
    this.signer = parts.signer
    this.time = parts.time
    this.eventNids = parts.eventNids
    this.snapshotIds = parts.snapshotIds
    this.#heads = parts.heads
    this.#pending = parts.pending
  }

  /** Undefined: ids for that many events, with a snapshot each, are there. Otherwise to be awaited and asked again. */
  idsReady(events: number): Promise<void> | undefined {
    return this.eventNids.ready(events) ?? this.snapshotIds.ready(events)
  }

  /** The next event of the room builds on this one from now on. */
  advance(planned: PlannedEvent): void {
    this.#heads.hold(planned.room)
    this.#pending.add(planned.event)
    planned.room.advance(
      planned.after,
      planned.changes.map(({ tuple, event }) => ({ tuple, eventNid: event?.nid })),
    )
  }

  /** It has been committed, or given up. */
  settle(planned: PlannedEvent): void {
    this.#pending.remove(planned.event)
    this.#heads.release(planned.room)
  }
}
