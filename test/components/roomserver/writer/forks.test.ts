import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { VERDICT, type Verdict } from '../../../../src/components/roomserver/room-event.js'
import { StateLoader } from '../../../../src/components/roomserver/state/state-loader.js'
import { type AuthState, checkAuth } from '../../../../src/protocol/auth/index.js'
import { type Pdu, type StateTuple, stateTuple } from '../../../../src/protocol/event/pdu.js'
import type { EventId } from '../../../../src/protocol/ids.js'
import { roomVersion } from '../../../../src/protocol/room-version.js'
import { createTestDatabase, type TestDatabase } from '../../../support/database.js'
import { RandomGraph } from './random-graph.js'
import { present, type Running, startRooms } from './support.js'

/** Of each version; issue 4 asks for 500 in all. */
const GRAPHS = 125
const EVENTS = 10
/** Rooms at a time: their events share batches. */
const TOGETHER = 25

let db: TestDatabase
let running: Running
let sql: pg.Client

beforeAll(async () => {
  db = await createTestDatabase()
  running = await startRooms(db.database)
  sql = new pg.Client({ connectionString: db.connectionString })
  await sql.connect()
})
afterAll(async () => {
  await sql.end()
  await running.rooms.stop()
  await db.close()
})

const NAMES = { [VERDICT.accepted]: 'accepted', [VERDICT.softFailed]: 'soft-failed', [VERDICT.rejected]: 'rejected' }

function judge(pdu: Pdu): (before: AuthState, current: AuthState) => Verdict {
  return (before, current) => {
    if (!checkAuth(pdu, before).allowed) return VERDICT.rejected
    return checkAuth(pdu, current).allowed ? VERDICT.accepted : VERDICT.softFailed
  }
}

async function storedState(graph: RandomGraph): Promise<Map<StateTuple, EventId>> {
  const { rows } = await sql.query<{ type: string; state_key: string; event_id: EventId }>(
    `SELECT t.type, k.state_key, e.event_id FROM roomserver.current_state c
     JOIN roomserver.rooms r USING (room_nid) JOIN roomserver.event_types t USING (type_nid)
     JOIN roomserver.state_keys k USING (state_key_nid) JOIN roomserver.events e ON e.event_nid = c.event_nid
     WHERE r.room_id = $1`,
    [graph.roomId],
  )
  return new Map(rows.map((row) => [stateTuple(row.type, row.state_key), row.event_id]))
}

async function storedExtremities(graph: RandomGraph): Promise<EventId[]> {
  const { rows } = await sql.query<{ event_id: EventId }>(
    `SELECT e.event_id FROM roomserver.rooms r JOIN roomserver.events e ON e.event_nid = ANY(r.forward_extremities)
     WHERE r.room_id = $1`,
    [graph.roomId],
  )
  return rows.map((row) => row.event_id)
}

/** The state before every event, as its snapshot tells it. */
async function storedStatesBefore(graph: RandomGraph): Promise<Map<EventId, Map<StateTuple, EventId>>> {
  const { internals } = running.rooms
  const events = await internals.events.byIds(graph.events.map(({ pdu }) => pdu.eventId))
  const loader = new StateLoader(internals.database, internals.events, internals.nids)
  const snapshots = [...events.values()].map(({ snapshotId }) => present(snapshotId))
  const states = await loader.states(snapshots)
  return new Map(
    [...events.values()].map((event) => {
      const state = present(states.get(present(event.snapshotId)))
      return [event.eventId, new Map([...state].map(([tuple, { eventId }]) => [tuple, eventId]))]
    }),
  )
}

async function feed(graph: RandomGraph): Promise<void> {
  for (const { pdu, verdict } of graph.events) {
    const persisted = await running.rooms.persistReceived({ pdu, judge: judge(pdu) })
    expect(NAMES[persisted.verdict]).toBe(verdict)
    expect(persisted.position !== undefined).toBe(verdict === 'accepted')
  }
}

const sorted = (state: ReadonlyMap<StateTuple, EventId>): [StateTuple, EventId][] =>
  [...state].sort(([one], [other]) => (one < other ? -1 : 1))

it.each(['1', '2', '10', '12'])(
  'current state of random forked rooms of version %s is what resolution over the whole graph says',
  async (id) => {
    const version = present(roomVersion(id))
    let forked = 0
    for (let seed = 0; seed < GRAPHS; seed += TOGETHER) {
      const graphs = Array.from({ length: TOGETHER }, (_, index) => new RandomGraph(version, seed + index))
      for (const graph of graphs) for (let count = 0; count < EVENTS; count++) graph.grow()
      await Promise.all(graphs.map((graph) => feed(graph)))
      for (const graph of graphs) {
        if (graph.extremities().length > 1) forked++
        expect((await storedExtremities(graph)).sort()).toEqual(graph.extremities().sort())
        expect(sorted(await storedState(graph))).toEqual(sorted(graph.current()))
        const before = await storedStatesBefore(graph)
        for (const { pdu, before: expected } of graph.events) {
          expect(sorted(present(before.get(pdu.eventId)))).toEqual(sorted(expected))
        }
      }
    }
    expect(forked).toBeGreaterThan(GRAPHS / 10)
  },
  60_000,
)
