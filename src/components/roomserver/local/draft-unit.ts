import { UnencodableText } from '../../../platform/database.js'
import { MatrixError } from '../../../protocol/matrix-error.js'
import type { EventDraft, SentEvent } from '../api.js'
import type { PlannedEvent } from '../planned.js'
import type { StoredEvent } from '../room-event.js'
import type { Replanned, WorkUnit } from '../writer/batch-writer.js'

/** One draft on its way into the store. */
export class DraftUnit implements WorkUnit {
  readonly draft: EventDraft
  readonly sent: Promise<SentEvent>
  readonly #planAnew: (unit: DraftUnit) => Promise<boolean>
  #planned: readonly PlannedEvent[] = []
  #resolve: (sent: SentEvent) => void = () => undefined
  #reject: (error: unknown) => void = () => undefined

  /** `planAnew` gives the unit a plan, or answers it and says false. */
  constructor(draft: EventDraft, planAnew: (unit: DraftUnit) => Promise<boolean>) {
    this.draft = draft
    this.#planAnew = planAnew
    this.sent = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  get planned(): readonly PlannedEvent[] {
    return this.#planned
  }

  plan(planned: PlannedEvent): void {
    this.#planned = [planned]
  }

  async replan(): Promise<Replanned> {
    this.#planned = []
    return (await this.#planAnew(this)) ? 'planned' : 'answered'
  }

  answer(sent: SentEvent): void {
    this.#resolve(sent)
  }

  written(): void {
    const event = this.#planned[0]?.event
    if (event === undefined) throw new Error('a draft without a plan was written')
    this.#resolve(sentEvent(event))
  }

  failed(error: unknown): void {
    this.#reject(error instanceof UnencodableText ? new MatrixError('M_BAD_JSON', error.message) : error)
  }
}

/** @throws Error for an event that has no position yet */
export function sentEvent(event: StoredEvent): SentEvent {
  if (event.position === undefined) throw new Error('an event without a position was answered')
  return { eventId: event.eventId, position: event.position }
}
