import fc from 'fast-check'
import { authTypesFor, checkAuth } from '../../src/protocol/auth/index.js'
import { type Pdu, type StateTuple, stateTuple } from '../../src/protocol/event/pdu.js'
import type { EventId } from '../../src/protocol/ids.js'
import type { JsonObject } from '../../src/protocol/json.js'
import type { RoomVersion } from '../../src/protocol/room-version.js'
import { createEventId, makePdu } from './pdu-factory.js'

const USERS = ['@alice:a.example', '@bob:b.example', '@charlie:c.example', '@dora:d.example'] as const

/** A step of a room's life: on which branch, who does what to whom, and at what time they say it was. */
export interface Step {
  readonly branch: number
  readonly fork: boolean
  readonly actor: number
  readonly target: number
  readonly action: number
  readonly ts: number
}

export const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    branch: fc.nat(3),
    fork: fc.boolean(),
    actor: fc.nat(USERS.length - 1),
    target: fc.nat(USERS.length - 1),
    action: fc.nat(7),
    ts: fc.nat(20),
  }),
  { minLength: 5, maxLength: 60 },
)

type State = ReadonlyMap<StateTuple, EventId>

/** A room that forked: its events, and the state at the end of each branch. */
export interface ForkedRoom {
  readonly events: ReadonlyMap<EventId, Pdu>
  readonly states: readonly State[]
}

/** Takes the steps that the auth rules allow on their branch; the others do not happen. */
export function forkedRoom(version: RoomVersion, todo: readonly Step[]): ForkedRoom {
  const events = new Map<EventId, Pdu>()
  let branches: State[] = [new Map()]
  const send = (
    branch: number,
    sender: string,
    type: string,
    stateKey: string,
    content: JsonObject,
    ts: number,
  ): State => {
    const state = branches[branch] ?? new Map<StateTuple, EventId>()
    const lookup = (t: string, k: string): Pdu | undefined => {
      const id = state.get(stateTuple(t, k))
      return id === undefined ? undefined : events.get(id)
    }
    const draft = makePdu({ version, eventId: '$draft', type, sender, stateKey, content })
    const cited = authTypesFor(draft).map(([t, k]) => lookup(t, k)?.eventId)
    const event = makePdu({
      version,
      eventId: type === 'm.room.create' ? createEventId(version) : `$${events.size}:a.example`,
      type,
      sender,
      stateKey,
      content,
      originServerTs: ts,
      depth: events.size,
      prevEvents: type === 'm.room.create' ? [] : events.size === 1 ? [createEventId(version)] : ['$before'],
      authEvents: cited.filter((id) => id !== undefined),
    })
    if (!checkAuth(event, { get: lookup }).allowed) return state
    events.set(event.eventId, event)
    return new Map(state).set(stateTuple(type, stateKey), event.eventId)
  }
  const alice = USERS[0]
  const levels = (users: JsonObject): JsonObject => ({
    users: version.privilegedCreators ? users : { [alice]: 100, ...users },
  })
  const opening: [string, string, JsonObject][] = [
    ['m.room.create', '', { creator: alice }],
    ['m.room.member', alice, { membership: 'join' }],
    ['m.room.power_levels', '', levels({ '@bob:b.example': 50 })],
    ['m.room.join_rules', '', { join_rule: 'public' }],
  ]
  for (const [type, key, content] of opening) branches = [send(0, alice, type, key, content, 0)]
  for (const step of todo) {
    const at = step.branch % branches.length
    const state = sendStep(step, (...args) => send(at, ...args), levels)
    if (step.fork && branches.length < 4) branches = [...branches, state]
    else branches = branches.map((old, index) => (index === at ? state : old))
  }
  return { events, states: branches }
}

function sendStep(
  { actor, target, action, ts }: Step,
  send: (sender: string, type: string, stateKey: string, content: JsonObject, ts: number) => State,
  levels: (users: JsonObject) => JsonObject,
): State {
  const who = USERS[actor] ?? USERS[0]
  const whom = USERS[target] ?? USERS[0]
  switch (action) {
    case 0:
    case 1:
      return send(who, 'm.room.member', who, { membership: 'join', displayname: String(ts) }, ts)
    case 2:
      return send(who, 'm.room.member', whom, { membership: 'leave' }, ts)
    case 3:
      return send(who, 'm.room.member', whom, { membership: 'ban' }, ts)
    case 4:
      return send(who, 'm.room.power_levels', '', levels({ '@bob:b.example': 50, [whom]: ts % 3 === 0 ? 0 : 50 }), ts)
    case 5:
      return send(who, 'm.room.join_rules', '', { join_rule: ts % 2 === 0 ? 'public' : 'invite' }, ts)
    case 6:
      return send(who, 'm.room.member', whom, { membership: 'invite' }, ts)
    default:
      return send(who, 'm.room.topic', '', { topic: String(ts) }, ts)
  }
}
