import type { Cache } from '../../../platform/cache.js'
import { clientEventText, withRoomId, withUnsigned } from '../../../protocol/event/client-format.js'
import { canonicalJson, getObject, quote } from '../../../protocol/json.js'
import type { RoomEvent, Viewer } from '../api.js'
import { asStored } from '../history/stored.js'
import type { RoomInternals } from '../internals.js'
import type { StoredEvent } from '../room-event.js'
import type { Children } from './children.js'
import type { PageFacts, PageFactsReader } from './page-facts.js'

export interface PresentOptions {
  readonly withoutRoomId?: boolean
  /** Wall clock in ms, for `age`. */
  readonly now?: number
}

interface ClientText {
  /** A redaction makes another object of the event, and this text is then of no use. */
  readonly of: StoredEvent
  readonly text: string
}

/** Events as clients get them: the text that is the same for all is kept, `unsigned` is written for each viewer. */
export class Presenter {
  readonly #internals: RoomInternals
  readonly #facts: PageFactsReader
  readonly #texts: Cache<number, ClientText>

  constructor(internals: RoomInternals, facts: PageFactsReader) {
    this.#internals = internals
    this.#facts = facts
    this.#texts = internals.cacheBudget.cache('roomserver.client_texts', ({ text }) => text.length * 2)
  }

  async present(events: readonly RoomEvent[], viewer: Viewer, options: PresentOptions = {}): Promise<string[]> {
    if (events.length === 0) return []
    // Whoever read the event before it was redacted must not show it after.
    const page = events.map((event) => this.#internals.events.peek(asStored(event).nid) ?? asStored(event))
    const facts = await this.#facts.read(viewer.userId, page)
    const now = options.now ?? this.#internals.time.now()
    const writer = new PageWriter(viewer, facts, now, (event) => {
      const text = this.#textOf(event)
      return options.withoutRoomId === true ? text : withRoomId(text, event.roomId)
    })
    return page.map((event) => writer.write(event))
  }

  #textOf(event: StoredEvent): string {
    const known = this.#texts.get(event.nid)
    if (known?.of === event) return known.text
    const text = clientEventText(event.pdu)
    this.#texts.set(event.nid, { of: event, text })
    return text
  }
}

/** Writes the events of one page for one viewer; `textOf` is the event without `unsigned`. */
class PageWriter {
  readonly #viewer: Viewer
  readonly #facts: PageFacts
  readonly #now: number
  readonly #textOf: (event: StoredEvent) => string

  constructor(viewer: Viewer, facts: PageFacts, now: number, textOf: (event: StoredEvent) => string) {
    this.#viewer = viewer
    this.#facts = facts
    this.#now = now
    this.#textOf = textOf
  }

  write(event: StoredEvent): string {
    return this.#complete(event, [
      ...this.#plain(event),
      ...this.#replaced(event),
      ...this.#redaction(event),
      ...this.#relations(event),
    ])
  }

  /** As it is shown inside another event. */
  #inner(event: StoredEvent): string {
    return this.#complete(event, this.#plain(event))
  }

  #complete(event: StoredEvent, unsigned: readonly string[]): string {
    return withUnsigned(this.#textOf(event), `{${unsigned.join(',')}}`)
  }

  #plain(event: StoredEvent): string[] {
    const fields = [`"age":${this.#now - event.originServerTs}`]
    const membership = this.#facts.membershipAt(event)
    if (membership !== undefined) fields.push(`"membership":"${membership}"`)
    const { txnId, txnDeviceId } = event.facts
    const isOwn = event.sender === this.#viewer.userId && txnDeviceId === this.#viewer.deviceId
    if (isOwn && txnId !== undefined && txnDeviceId !== undefined) fields.push(`"transaction_id":${quote(txnId)}`)
    return fields
  }

  #replaced({ stateKey, facts: { replacesNid } }: StoredEvent): string[] {
    if (stateKey === undefined || replacesNid === undefined) return []
    const fields: string[] = []
    const eventId = this.#facts.ids.get(replacesNid)
    if (eventId !== undefined) fields.push(`"replaces_state":${quote(eventId)}`)
    const replaced = this.#facts.visible.get(replacesNid)
    if (replaced !== undefined) fields.push(`"prev_content":${canonicalJson(replaced.content)}`)
    return fields
  }

  #redaction({ facts: { redactedByNid } }: StoredEvent): string[] {
    const redaction = redactedByNid === undefined ? undefined : this.#facts.visible.get(redactedByNid)
    return redaction === undefined ? [] : [`"redacted_because":${this.#inner(redaction)}`]
  }

  #relations(event: StoredEvent): string[] {
    const children = this.#facts.children.get(event.eventId)
    if (children === undefined) return []
    const relations = [...this.#edit(event, children), ...references(children), ...this.#thread(event, children)]
    return relations.length === 0 ? [] : [`"m.relations":{${relations.join(',')}}`]
  }

  /** CS API "Server-side aggregation of m.replace relationships": none for an event that has been redacted. */
  #edit(event: StoredEvent, { editNids }: Children): string[] {
    if (event.redactedBy !== undefined) return []
    for (const nid of editNids) {
      const edit = this.#facts.visible.get(nid)
      if (edit !== undefined && isValidEdit(edit)) return [`"m.replace":${this.#inner(edit)}`]
    }
    return []
  }

  #thread(root: StoredEvent, { thread }: Children): string[] {
    const latest = thread && this.#facts.visible.get(thread.latestNid)
    if (thread === undefined || latest === undefined) return []
    const { userId } = this.#viewer
    const participated = root.sender === userId || thread.senders.has(userId)
    const latestText = this.#complete(latest, [
      ...this.#plain(latest),
      ...this.#redaction(latest),
      ...this.#relationsOfLatest(latest),
    ])
    return [
      `"m.thread":{"count":${thread.count},"current_user_participated":${participated},"latest_event":${latestText}}`,
    ]
  }

  /** An event of a thread cannot be the root of another, so this ends. */
  #relationsOfLatest(latest: StoredEvent): string[] {
    const children = this.#facts.children.get(latest.eventId)
    if (children === undefined) return []
    const relations = [...this.#edit(latest, children), ...references(children)]
    return relations.length === 0 ? [] : [`"m.relations":{${relations.join(',')}}`]
  }
}

function references({ referenceIds }: Children): string[] {
  if (referenceIds.length === 0) return []
  return [`"m.reference":{"chunk":[${referenceIds.map((eventId) => `{"event_id":${quote(eventId)}}`).join(',')}]}`]
}

/** What the store cannot tell of "Validity of replacement events"; of an encrypted one it is in the ciphertext. */
function isValidEdit(edit: StoredEvent): boolean {
  return edit.type === 'm.room.encrypted' || getObject(edit.content, 'm.new_content') !== undefined
}
