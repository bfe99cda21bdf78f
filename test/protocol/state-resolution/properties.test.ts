import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Pdu, type StateTuple, stateTuple } from '../../../src/protocol/event/pdu.js'
import type { EventId } from '../../../src/protocol/ids.js'
import { authDifference } from '../../../src/protocol/state-resolution/auth-difference.js'
import { conflictedSubgraph } from '../../../src/protocol/state-resolution/conflicted-subgraph.js'
import { separateConflicts } from '../../../src/protocol/state-resolution/conflicts.js'
import {
  type ResolutionSource,
  resolutionNeeds,
  resolveFrom,
  resolveState,
} from '../../../src/protocol/state-resolution/index.js'
import { createEventId, eventId, makePdu, versionOf } from '../../support/pdu-factory.js'
import { type ForkedRoom, forkedRoom, steps } from '../../support/random-room.js'
import { StateRoom, type StateSketch } from '../../support/state-scenario.js'

const VERSIONS = ['1', '2', '10', '12'].map(versionOf)
const noneRejected = (): boolean => false

function resolve(room: ForkedRoom, states = room.states): Map<StateTuple, EventId> {
  const version = [...room.events.values()][0]?.version ?? versionOf('1')
  return resolveState(version, states, (id) => room.events.get(id), noneRejected)
}

function sorted(state: ReadonlyMap<StateTuple, EventId>): [StateTuple, EventId][] {
  return [...state].sort(([a], [b]) => (a < b ? -1 : 1))
}

/** The whole chain of each event, as the specification defines it, however long that takes. */
function chainOf(ids: Iterable<EventId>, events: ReadonlyMap<EventId, Pdu>): Set<EventId> {
  const chain = new Set<EventId>()
  const visit = (id: EventId): void => {
    for (const cited of events.get(id)?.authEvents ?? []) {
      if (!chain.has(cited)) visit(cited)
      chain.add(cited)
    }
  }
  for (const id of ids) visit(id)
  return chain
}

describe('the resolved state', () => {
  for (const version of VERSIONS) {
    it(`depends neither on the order of the sets nor on that of their keys (version ${version.id})`, () => {
      fc.assert(
        fc.property(steps, fc.infiniteStream(fc.nat(1000)), (todo, random) => {
          const room = forkedRoom(version, todo)
          const expected = sorted(resolve(room))
          for (let round = 0; round < 4; round++) {
            const states = shuffle(room.states, random).map((state) => new Map(shuffle([...state], random)))
            expect(sorted(resolve(room, states))).toEqual(expected)
          }
        }),
        { numRuns: 60 },
      )
    })

    it(`has every undisputed event, and only events of the room (version ${version.id})`, () => {
      fc.assert(
        fc.property(steps, (todo) => {
          const room = forkedRoom(version, todo)
          const resolved = resolve(room)
          for (const [key, id] of separateConflicts(room.states).unconflicted) expect(resolved.get(key)).toBe(id)
          for (const id of resolved.values()) expect(room.events.has(id)).toBe(true)
          expect(sorted(resolve(room, [resolved, resolved]))).toEqual(sorted(resolved))
        }),
        { numRuns: 60 },
      )
    })

    it(`is the same with only those events in memory that are asked for (version ${version.id})`, () => {
      fc.assert(
        fc.property(steps, (todo) => {
          const room = forkedRoom(version, todo)
          const source = new LoadingSource(room)
          let rounds = 0
          for (let needs = resolutionNeeds(version, room.states, source); needs; ) {
            source.load(needs)
            needs = resolutionNeeds(version, room.states, source)
            rounds++
          }
          expect(rounds).toBeLessThanOrEqual(3)
          expect(sorted(resolveFrom(version, room.states, source))).toEqual(sorted(resolve(room)))
        }),
        { numRuns: 60 },
      )
    })
  }
})

/** Loads what it is told to, as a database would. */
class LoadingSource implements ResolutionSource {
  readonly #room: ForkedRoom
  readonly #events = new Set<EventId>()
  readonly #edges = new Set<EventId>()

  constructor(room: ForkedRoom) {
    this.#room = room
  }

  load(needs: { chains: readonly EventId[]; events: readonly EventId[]; edges: readonly EventId[] }): void {
    for (const id of [...needs.chains, ...chainOf(needs.chains, this.#room.events)]) {
      this.#events.add(id)
      this.#edges.add(id)
    }
    for (const id of needs.events) this.#events.add(id)
    for (const id of [...needs.edges, ...chainOf(needs.edges, this.#room.events)]) this.#edges.add(id)
  }

  authEvents(id: EventId): readonly EventId[] | undefined {
    return this.#edges.has(id) ? this.#room.events.get(id)?.authEvents : undefined
  }

  event(id: EventId): Pdu | undefined {
    return this.#events.has(id) ? this.#room.events.get(id) : undefined
  }

  isRejected(): boolean {
    return false
  }

  isAbsent(id: EventId): boolean {
    return !this.#room.events.has(id)
  }
}

function shuffle<Element>(elements: readonly Element[], random: Iterator<number>): Element[] {
  const keyed = elements.map((element) => ({ element, key: random.next().value as number }))
  return keyed.sort((a, b) => a.key - b.key).map(({ element }) => element)
}

it('what is nowhere does not keep the rest from being asked for', () => {
  const version = versionOf('10')
  const room = forkedRoom(version, [])
  const [state = new Map<StateTuple, EventId>()] = room.states
  const topic = makePdu({
    version,
    eventId: '$topic',
    type: 'm.room.topic',
    sender: '@alice:a.example',
    stateKey: '',
    authEvents: [...state.values(), '$nowhere'],
  })
  const events = new Map(room.events).set(topic.eventId, topic)
  const states = [state, new Map(state).set(stateTuple('m.room.topic', ''), topic.eventId)]
  const source = new LoadingSource({ events, states })
  const rounds: string[][] = []
  for (let needs = resolutionNeeds(version, states, source); needs; needs = resolutionNeeds(version, states, source)) {
    rounds.push([...needs.chains, ...needs.events, ...needs.edges])
    source.load(needs)
    expect(rounds.length).toBeLessThan(4)
  }
  expect(resolveFrom(version, states, source).get(stateTuple('m.room.topic', ''))).toBe(topic.eventId)
})

describe('the sets that version 2 resolves', () => {
  it('have as auth difference what is not in every full auth chain', () => {
    fc.assert(
      fc.property(steps, (todo) => {
        const { events, states } = forkedRoom(versionOf('10'), todo)
        const chains = states.map((state) => chainOf(state.values(), events))
        const union = new Set(chains.flatMap((chain) => [...chain]))
        const expected = [...union].filter((id) => !chains.every((chain) => chain.has(id)))
        const { difference, missing } = authDifference(separateConflicts(states), (id) => events.get(id)?.authEvents)
        expect(missing).toEqual([])
        expect([...difference].sort()).toEqual(expected.sort())
      }),
      { numRuns: 200 },
    )
  })

  it('have as conflicted subgraph what lies between two conflicted events', () => {
    fc.assert(
      fc.property(steps, (todo) => {
        const { events, states } = forkedRoom(versionOf('12'), todo)
        const { conflicted } = separateConflicts(states)
        const reached = chainOf(conflicted, events)
        const expected = [...events.keys()].filter(
          (id) =>
            conflicted.has(id) ||
            (reached.has(id) && [...chainOf([id], events)].some((other) => conflicted.has(other))),
        )
        expect([...conflictedSubgraph(conflicted, (id) => events.get(id)?.authEvents)].sort()).toEqual(expected.sort())
      }),
      { numRuns: 200 },
    )
  })
})

describe('graphs that somebody made up to do harm', () => {
  const ALICE = '@alice:a.example'
  const opening: Record<string, StateSketch> = {
    create: { type: 'm.room.create', sender: ALICE, key: '', content: { creator: ALICE }, auth: [], ts: 0 },
    alice: {
      type: 'm.room.member',
      sender: ALICE,
      key: ALICE,
      content: { membership: 'join' },
      auth: ['create'],
      ts: 1,
    },
  }

  it('a chain of 10,000 power levels is resolved in every version, in no long time', () => {
    for (const version of VERSIONS) {
      const room = new StateRoom(version, opening)
      for (let index = 0; index < 10_000; index++) {
        const previous = index === 0 ? [] : [`power${index - 1}`]
        const content = { users: { [ALICE]: 100 }, invite: index % 50 }
        room.add(`power${index}`, {
          type: 'm.room.power_levels',
          sender: ALICE,
          key: '',
          content,
          auth: ['create', 'alice', ...previous],
          ts: index,
          depth: index,
        })
      }
      const sets = [room.state(['create', 'alice', 'power0']), room.state(['create', 'alice', 'power9999'])]
      const started = performance.now()
      const resolved = resolveState(version, sets, (id) => room.event(id), noneRejected)
      expect(room.labels(resolved)).toEqual(['alice', 'create', 'power9999'])
      expect(performance.now() - started).toBeLessThan(2_000)
    }
  })

  it('200,000 events that all cite one do not exhaust the call stack', () => {
    const version = versionOf('12')
    const target = makePdu({
      version,
      eventId: createEventId(version),
      type: 'm.room.create',
      sender: ALICE,
      stateKey: '',
    })
    const ids = Array.from({ length: 200_000 }, (_, index) => eventId(`$${index}`))
    const conflicted = new Set([...ids, target.eventId])
    expect(conflictedSubgraph(conflicted, (id) => (id === target.eventId ? [] : [target.eventId])).size).toBe(200_001)
  })

  it('events that cite each other in a circle end in some state', () => {
    for (const version of [versionOf('1'), versionOf('2')]) {
      const room = new StateRoom(version, opening)
      const power = (label: string, cited: string): void => {
        room.add(label, {
          type: 'm.room.power_levels',
          sender: ALICE,
          key: '',
          content: { users: { [ALICE]: 100 } },
          auth: ['create', 'alice', cited],
          ts: 5,
        })
      }
      power('power1', 'power2')
      power('power2', 'power1')
      room.add('topic', {
        type: 'm.room.topic',
        sender: ALICE,
        key: '',
        content: {},
        auth: ['create', 'alice', 'power1'],
        ts: 6,
      })
      const sets = [room.state(['create', 'alice', 'power1']), room.state(['create', 'alice', 'power2', 'topic'])]
      expect(room.labels(resolveState(version, sets, (id) => room.event(id), noneRejected))).toContain('create')
    }
  })

  it('events that are not there are passed over', () => {
    for (const version of VERSIONS) {
      const room = new StateRoom(version, opening)
      room.add('topic', {
        type: 'm.room.topic',
        sender: ALICE,
        key: '',
        content: {},
        auth: ['create', 'alice', 'gone'],
        ts: 6,
      })
      const state = room.state(['create', 'alice', 'topic'])
      const unknown = new Map([...state.keys()].map((key) => [key, eventId('$nowhere')]))
      const resolved = resolveState(version, [state, unknown], (id) => room.event(id), noneRejected)
      expect([...resolved.values()]).not.toContain('$nowhere')
    }
  })
})
