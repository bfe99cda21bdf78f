import { type Pdu, type StateTuple, stateTuple } from '../../src/protocol/event/pdu.js'
import type { EventId } from '../../src/protocol/ids.js'
import { isJsonObject, type JsonObject, type JsonValue } from '../../src/protocol/json.js'
import type { RoomVersion } from '../../src/protocol/room-version.js'
import { createEventId, makePdu } from './pdu-factory.js'

/** A state event of a scenario. `auth` has labels; `create` among them is left out in versions that do not cite it. */
export interface StateSketch {
  readonly type: string
  readonly sender: string
  readonly key: string
  readonly content: JsonObject
  readonly auth: readonly string[]
  readonly ts: number
  readonly depth?: number
}

/** Events under the labels that a scenario has for them. */
export class StateRoom {
  readonly version: RoomVersion
  readonly #byLabel = new Map<string, Pdu>()
  readonly #byId = new Map<EventId, Pdu>()

  constructor(version: RoomVersion, sketches: Readonly<Record<string, StateSketch>>) {
    this.version = version
    for (const [label, sketch] of Object.entries(sketches)) this.add(label, sketch)
  }

  add(label: string, sketch: StateSketch): Pdu {
    const event = makePdu({
      version: this.version,
      eventId: this.#idOf(label),
      type: sketch.type,
      sender: sketch.sender,
      stateKey: sketch.key,
      content: this.version.privilegedCreators ? withoutCreators(sketch) : sketch.content,
      authEvents: this.version.createEventIsImplied
        ? sketch.auth.filter((cited) => cited !== 'create').map((cited) => this.#idOf(cited))
        : sketch.auth.map((cited) => this.#idOf(cited)),
      depth: sketch.depth ?? 1,
      originServerTs: sketch.ts,
    })
    this.#byLabel.set(label, event)
    this.#byId.set(event.eventId, event)
    return event
  }

  event(id: EventId): Pdu | undefined {
    return this.#byId.get(id)
  }

  labelled(label: string): Pdu {
    const event = this.#byLabel.get(label)
    if (!event) throw new Error(`the scenario has no event ${label}`)
    return event
  }

  state(labels: readonly string[]): Map<StateTuple, EventId> {
    const state = new Map<StateTuple, EventId>()
    for (const label of labels) {
      const { type, stateKey, eventId } = this.labelled(label)
      state.set(stateTuple(type, stateKey ?? ''), eventId)
    }
    return state
  }

  /** The labels of a state, sorted. */
  labels(state: ReadonlyMap<StateTuple, EventId>): string[] {
    const labels = new Map([...this.#byLabel].map(([label, event]) => [event.eventId, label]))
    return [...state.values()].map((id) => labels.get(id) ?? id).sort()
  }

  #idOf(label: string): string {
    return label === 'create' ? createEventId(this.version) : `$${label}`
  }
}

/** Alice made every room of the scenarios; from version 12 on creators may not be among `users`. */
function withoutCreators(sketch: StateSketch): JsonObject {
  const users: JsonValue | undefined = sketch.content.users
  if (sketch.type !== 'm.room.power_levels' || !isJsonObject(users)) return sketch.content
  const others = Object.entries(users).filter(([user]) => user !== '@alice:a.example')
  return { ...sketch.content, users: Object.fromEntries(others) }
}
