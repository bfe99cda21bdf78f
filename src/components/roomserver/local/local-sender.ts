import type { RoomId } from '../../../protocol/ids.js'
import { MatrixError } from '../../../protocol/matrix-error.js'
import type { EventDraft, SentEvent } from '../api.js'
import type { EventCache } from '../event-cache.js'
import { Facts, type PendingEvents } from '../facts.js'
import type { Nids } from '../nids.js'
import type { PlanningContext } from '../planning-context.js'
import type { StoredEvent } from '../room-event.js'
import type { Heads } from '../state/heads.js'
import type { RoomHead } from '../state/room-head.js'
import type { RoomLocks } from '../state/room-locks.js'
import type { BatchWriter } from '../writer/batch-writer.js'
import { checkNames } from './check-names.js'
import { DraftUnit, sentEvent } from './draft-unit.js'
import { planDraft, unchangedEvent, wantDraft } from './plan-draft.js'
import type { Transactions } from './transactions.js'

export interface SenderParts {
  readonly heads: Heads
  readonly events: EventCache
  readonly nids: Nids
  readonly pending: PendingEvents
  readonly context: PlanningContext
  readonly writer: BatchWriter
  readonly transactions: Transactions
  readonly locks: RoomLocks
}

/** Drafts that are planned without giving others a turn: 40 ms of work at most. */
const SLICE = 250

/** What planning has read so far. Heads here are as good as those in memory, unless one of them is being written on. */
interface Loaded {
  readonly facts: Facts
  readonly heads: Map<RoomId, RoomHead>
  /** Rooms that are not known here. */
  readonly unknown: Set<RoomId>
}

/**
 * Drafts of this server's users. A draft whose room is in memory is planned in the turn of the event loop it came in, and
 * waits for nothing but the commit.
 */
export class LocalSender {
  readonly #parts: SenderParts
  /** By event: who asks for what is being written already waits for it. */
  readonly #underWay = new Map<number, DraftUnit>()

  constructor(parts: SenderParts) {
    this.#parts = parts
  }

  send(draft: EventDraft): Promise<SentEvent> {
    return this.#parts.transactions.once(draft.transaction, () => {
      const unit = this.#unit(draft)
      void this.#submit([unit])
      return unit.sent
    })
  }

  sendAll(drafts: readonly EventDraft[]): Promise<PromiseSettledResult<SentEvent>[]> {
    const units: DraftUnit[] = []
    const sent = drafts.map((draft) =>
      this.#parts.transactions.once(draft.transaction, () => {
        const unit = this.#unit(draft)
        units.push(unit)
        return unit.sent
      }),
    )
    void this.#submit(units)
    return Promise.allSettled(sent)
  }

  #unit(draft: EventDraft): DraftUnit {
    return new DraftUnit(draft, (unit) => this.#planAnew(unit))
  }

  /** Never rejects: each unit is told. */
  async #submit(units: readonly DraftUnit[]): Promise<void> {
    const { writer } = this.#parts
    const loaded = this.#nothingLoaded()
    let waiting: readonly DraftUnit[] = units.filter(hasLegalNames)
    // All of them the first time, so that many drafts cost no more statements than one; later those whose turn it is.
    let asking = waiting
    try {
      while (waiting.length > 0) {
        const wait = writer.recovered ?? this.#locked(asking)
        if (wait !== undefined) await wait
        else if (!this.#isReady(asking, loaded)) await this.#load(asking, loaded)
        else {
          waiting = await this.#planSlice(waiting, loaded)
          asking = waiting.slice(0, SLICE)
        }
      }
    } catch (error) {
      for (const unit of waiting) unit.failed(error)
    }
  }

  /** Signing takes a while: of many drafts some are planned in one turn of the event loop, the others in later ones. */
  async #planSlice(units: readonly DraftUnit[], loaded: Loaded): Promise<readonly DraftUnit[]> {
    const submit = (unit: DraftUnit): void => this.#parts.writer.submit(unit)
    const left = this.#planWhatIsReady(units.slice(0, SLICE), loaded, submit)
    if (units.length <= SLICE) return left
    await new Promise((resolve) => setImmediate(resolve))
    return [...left, ...units.slice(SLICE)]
  }

  /** Somebody else has one of the rooms to himself. */
  #locked(units: readonly DraftUnit[]): Promise<void> | undefined {
    for (const { draft } of units) {
      const held = this.#parts.locks.held(draft.roomId)
      if (held !== undefined) return held
    }
    return undefined
  }

  /** After a batch that failed: nobody else plans. An earlier process may have answered the same request. */
  async #planAnew(unit: DraftUnit): Promise<boolean> {
    const { transaction } = unit.draft
    const stored = transaction === undefined ? undefined : await this.#parts.transactions.findStored(transaction)
    if (stored !== undefined) {
      unit.answer(stored)
      return false
    }
    const loaded = this.#nothingLoaded()
    let planned = false
    for (let waiting: readonly DraftUnit[] = [unit]; waiting.length > 0; ) {
      if (!this.#isReady(waiting, loaded)) await this.#load(waiting, loaded)
      else {
        waiting = this.#planWhatIsReady(waiting, loaded, () => {
          planned = true
        })
      }
    }
    return planned
  }

  #nothingLoaded(): Loaded {
    const { events, nids, pending } = this.#parts
    return { facts: new Facts(events, nids, pending), heads: new Map(), unknown: new Set() }
  }

  #head(roomId: RoomId, loaded: Loaded): RoomHead | undefined {
    const head = this.#parts.heads.peek(roomId) ?? loaded.heads.get(roomId)
    return head?.dropped === true ? undefined : head
  }

  #isReady(units: readonly DraftUnit[], loaded: Loaded): boolean {
    let headsThere = true
    for (const { draft } of units) {
      const head = this.#head(draft.roomId, loaded)
      if (head === undefined) headsThere &&= loaded.unknown.has(draft.roomId)
      else wantDraft(head, draft, loaded.facts)
    }
    return headsThere && loaded.facts.complete && this.#parts.context.idsReady(units.length) === undefined
  }

  async #load(units: readonly DraftUnit[], loaded: Loaded): Promise<void> {
    const missing = new Set<RoomId>()
    for (const { draft } of units) {
      if (loaded.unknown.has(draft.roomId) || this.#head(draft.roomId, loaded) !== undefined) continue
      missing.add(draft.roomId)
    }
    if (missing.size > 0) {
      const found = await this.#parts.heads.load(missing)
      for (const roomId of missing) {
        const head = found.get(roomId)
        if (head === undefined) loaded.unknown.add(roomId)
        else loaded.heads.set(roomId, head)
      }
      return
    }
    await loaded.facts.load()
    await this.#parts.context.idsReady(units.length)
  }

  /**
   * Plans one after the other, without waiting. Answers those that have to wait: an event planned before them in the same
   * room may have changed what they need.
   */
  #planWhatIsReady(
    units: readonly DraftUnit[],
    loaded: Loaded,
    onPlanned: (unit: DraftUnit) => void,
  ): readonly DraftUnit[] {
    for (const [index, unit] of units.entries()) {
      const { roomId } = unit.draft
      const head = this.#head(roomId, loaded)
      if (head === undefined && !loaded.unknown.has(roomId)) return units.slice(index)
      try {
        if (head === undefined) throw new MatrixError('M_NOT_FOUND', 'Unknown room')
        wantDraft(head, unit.draft, loaded.facts)
        if (!loaded.facts.complete) return units.slice(index)
        if (this.#plan(unit, head, loaded.facts)) onPlanned(unit)
      } catch (error) {
        unit.failed(error)
      }
    }
    return []
  }

  /** False: there is nothing to write, and the unit is answered or will be. */
  #plan(unit: DraftUnit, head: RoomHead, facts: Facts): boolean {
    if (!isParticipating(head)) throw new MatrixError('M_NOT_FOUND', 'This server is not in the room')
    const same = unchangedEvent(head, unit.draft, facts)
    if (same !== undefined) {
      this.#answerWith(unit, same)
      return false
    }
    const planned = planDraft(head, unit.draft, facts, this.#parts.context)
    unit.plan(planned)
    if (unit.draft.stateKey !== undefined) this.#remember(planned.event.nid, unit)
    return true
  }

  #remember(nid: number, unit: DraftUnit): void {
    this.#underWay.set(nid, unit)
    const forget = () => this.#underWay.delete(nid)
    unit.sent.then(forget, forget)
  }

  /** The state says it already, or will when what is being written is through. */
  #answerWith(unit: DraftUnit, same: StoredEvent): void {
    if (same.position !== undefined) {
      unit.answer(sentEvent(same))
      return
    }
    const other = this.#underWay.get(same.nid)
    if (other === undefined) throw new Error('an event is being written by nobody')
    other.sent.then(
      (sent) => unit.answer(sent),
      () => void this.#submit([unit]),
    )
  }
}

/** Tells a unit that has none. */
function hasLegalNames(unit: DraftUnit): boolean {
  try {
    checkNames(unit.draft)
    return true
  } catch (error) {
    unit.failed(error)
    return false
  }
}

function isParticipating(head: RoomHead): boolean {
  return head.point.snapshot !== undefined
}
