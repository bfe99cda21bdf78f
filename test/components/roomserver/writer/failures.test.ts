import pg from 'pg'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { EventDraft, SentEvent } from '../../../../src/components/roomserver/api.js'
import { VERDICT } from '../../../../src/components/roomserver/room-event.js'
import { DatabaseUnavailable, openDatabase, StatementFailed } from '../../../../src/platform/database.js'
import type { EventId, RoomId } from '../../../../src/protocol/ids.js'
import { roomVersion } from '../../../../src/protocol/room-version.js'
import { startFaultProxy } from '../../../platform/fault-proxy.js'
import { createTestDatabase, type TestDatabase } from '../../../support/database.js'
import { RandomGraph } from './random-graph.js'
import { ALICE, message, present, publicRoom, type Running, startRooms } from './support.js'

let db: TestDatabase
let running: Running
let sql: pg.Client

beforeEach(async () => {
  db = await createTestDatabase()
  running = await startRooms(db.database)
  sql = new pg.Client({ connectionString: db.connectionString })
  await sql.connect()
})
afterEach(async () => {
  await running.rooms.stop()
  await sql.end()
  await db.close()
})

async function rooms(count: number): Promise<RoomId[]> {
  const made = await Promise.all(Array.from({ length: count }, () => running.rooms.createRoom(publicRoom(ALICE))))
  return made.map(({ roomId }) => roomId)
}

/** How often each event is there. */
async function timesStored(): Promise<Map<EventId, number>> {
  const { rows } = await sql.query<{ event_id: EventId; count: number }>(
    'SELECT event_id, count(*)::int FROM roomserver.events GROUP BY event_id',
  )
  return new Map(rows.map((row) => [row.event_id, row.count]))
}

/** No event without its log row, its edges to stored events, and the head of its room behind it. */
async function expectConsistent(): Promise<void> {
  const { rows } = await sql.query<{ what: string; event_id: string }>(
    `SELECT 'no log row' AS what, event_id FROM roomserver.events e
       WHERE position IS NOT NULL AND NOT EXISTS (SELECT FROM roomserver.output_log l WHERE l.position = e.position)
     UNION ALL SELECT 'edge into nothing', prev_event_id FROM roomserver.event_edges d
       WHERE NOT EXISTS (SELECT FROM roomserver.events e WHERE e.event_id = d.prev_event_id)
     UNION ALL SELECT 'log row of nothing', l.position::text FROM roomserver.output_log l
       WHERE NOT EXISTS (SELECT FROM roomserver.events e WHERE e.event_nid = l.event_nid)
     UNION ALL SELECT 'head behind', r.room_id FROM roomserver.rooms r
       WHERE r.last_position <> (SELECT max(position) FROM roomserver.events e WHERE e.room_nid = r.room_nid)`,
  )
  expect(rows).toEqual([])
}

/** A trigger on the table of events that makes some inserts fail, the way the database does. */
async function failInserts(when: string, sqlState: string): Promise<void> {
  await sql.query(
    `CREATE FUNCTION public.fail() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN IF ${when} THEN RAISE EXCEPTION 'made to fail' USING ERRCODE = '${sqlState}'; END IF; RETURN NEW; END $$`,
  )
  await sql.query('CREATE TRIGGER fail BEFORE INSERT ON roomserver.events FOR EACH ROW EXECUTE FUNCTION public.fail()')
}

function withTransaction(draft: EventDraft, txnId: string): EventDraft {
  return { ...draft, transaction: { userId: ALICE, deviceId: 'D', path: '/send', txnId } }
}

it('F13: serialization failures and deadlocks in a tenth of the writes are tried again, with side effects once', async () => {
  const entries: EventId[] = []
  running.rooms.readBeforeVisible({
    name: 'test',
    read: async (read) => {
      for (const { event } of read) if (event !== undefined) entries.push(event.eventId)
    },
  })
  const roomIds = await rooms(8)
  await failInserts('random() < 0.1', '40001')
  const sent = await Promise.all(
    roomIds.map(async (roomId) => {
      const mine: SentEvent[] = []
      for (let count = 0; count < 12; count++) mine.push(await running.rooms.send(message(roomId, ALICE, `${count}`)))
      return mine
    }),
  )
  await running.rooms.settle()
  const stored = await timesStored()
  for (const { eventId } of sent.flat()) {
    expect(stored.get(eventId)).toBe(1)
    expect(entries.filter((one) => one === eventId)).toHaveLength(1)
  }
  await expectConsistent()
})

it('an event that breaks its batch fails alone, and what was chained on it is built anew', async () => {
  const [one, other] = await rooms(2)
  if (one === undefined || other === undefined) throw new Error('no rooms')
  await failInserts(`NEW.json LIKE '%poison%'`, '22000')
  const bodies = ['a', 'b', 'poison', 'c', 'd', 'e', 'poison too', 'f']
  const results = await running.rooms.sendAll(
    bodies.flatMap((body) => [message(one, ALICE, body), message(other, ALICE, `fine ${body.slice(0, 1)}`)]),
  )
  const failed = results.map(({ status }) => status === 'rejected')
  expect(failed).toEqual(bodies.flatMap((body) => [body.startsWith('poison'), false]))
  const stored = await timesStored()
  for (const result of results) if (result.status === 'fulfilled') expect(stored.get(result.value.eventId)).toBe(1)
  expect(stored.size).toBe(2 * 5 + 14)
  await expectConsistent()
  await running.rooms.send(message(one, ALICE, 'goes on'))
})

it('another writer on the same room makes the batch read the head again', async () => {
  const [roomId] = await rooms(1)
  if (roomId === undefined) throw new Error('no room')
  const second = await startRooms(db.database)
  await second.rooms.send(message(roomId, ALICE, 'from elsewhere'))
  const sent = await Promise.all(['x', 'y', 'z'].map((body) => running.rooms.send(message(roomId, ALICE, body))))
  expect(new Set(sent.map(({ eventId }) => eventId)).size).toBe(3)
  await second.rooms.stop()
  const { rows } = await sql.query('SELECT depth::int FROM roomserver.events ORDER BY depth')
  expect(rows.map((row) => row.depth)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9])
})

it('F10: backends ended in the middle of it lose no answered event, and the next send works', async () => {
  const roomIds = await rooms(8)
  const acknowledged: SentEvent[] = []
  let refused = 0
  const senders = roomIds.map(async (roomId) => {
    for (let count = 0; count < 40; count++) {
      try {
        acknowledged.push(await running.rooms.send(message(roomId, ALICE, `${count}`)))
      } catch (error) {
        expect(error).toBeInstanceOf(DatabaseUnavailable)
        refused++
      }
    }
  })
  const killer = (async () => {
    for (let count = 0; count < 5; count++) {
      await sql.query(
        'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
      )
      await new Promise((resolve) => setImmediate(resolve))
    }
  })()
  await Promise.all([...senders, killer])
  await running.rooms.send(message(roomIds[0] ?? ('' as RoomId), ALICE, 'after'))
  const stored = await timesStored()
  for (const { eventId } of acknowledged) expect(stored.get(eventId)).toBe(1)
  expect(acknowledged.length + refused).toBe(320)
  await expectConsistent()
})

it('F1: a process that dies in the middle of 500 sends loses none that it answered, and repeats none', async () => {
  const roomIds = await rooms(10)
  const dying = await openDatabase({ connectionString: db.connectionString, maxConnections: 4 })
  const first = await startRooms(dying)
  const drafts = Array.from({ length: 500 }, (_, index) => {
    const roomId = roomIds[index % roomIds.length] ?? ('' as RoomId)
    return withTransaction(message(roomId, ALICE, `message ${index}`), `txn ${index}`)
  })
  const answered = new Map<number, EventId>()
  // Fifty senders, each of which waits for its answer: death finds some waiting and some not yet sent.
  const attempts = Array.from({ length: 50 }, async (_, sender) => {
    for (let index = sender; index < drafts.length; index += 50) {
      const draft = drafts[index]
      if (draft !== undefined) answered.set(index, (await first.rooms.send(draft)).eventId)
      if (answered.size === 120) void dying.close()
    }
  })
  await Promise.allSettled(attempts)
  expect(answered.size).toBeLessThan(500)

  const second = await startRooms(db.database)
  const retried = await Promise.all(drafts.map((draft) => second.rooms.send(draft)))
  const stored = await timesStored()
  for (const [index, eventId] of answered) expect(retried[index]?.eventId).toBe(eventId)
  for (const { eventId } of retried) expect(stored.get(eventId)).toBe(1)
  expect(new Set(retried.map(({ eventId }) => eventId)).size).toBe(500)
  expect(stored.size).toBe(500 + 10 * 5)
  await expectConsistent()
  await second.rooms.stop()
})

it('a connection lost during COMMIT settles nothing before the outcome is known, and the event is there once', async () => {
  const [roomId] = await rooms(1)
  if (roomId === undefined) throw new Error('no room')
  const proxy = await startFaultProxy(db.connectionString)
  const behind = await openDatabase({ connectionString: proxy.connectionString, maxConnections: 3 })
  const cut = await startRooms(behind)
  await cut.rooms.send(message(roomId, ALICE, 'before'))
  let losses = 0
  proxy.filterAnswers((chunk) => {
    const lost = losses === 0 && chunk.includes('COMMIT\0')
    if (lost) losses++
    return !lost
  })
  const sent = await cut.rooms.send(message(roomId, ALICE, 'through'))
  const next = await cut.rooms.send(message(roomId, ALICE, 'on it'))
  expect(losses).toBe(1)
  const stored = await timesStored()
  expect(stored.get(sent.eventId)).toBe(1)
  expect(stored.get(next.eventId)).toBe(1)
  expect(stored.size).toBe(5 + 3)
  await expectConsistent()
  await cut.rooms.stop()
  await behind.close()
  await proxy.close()
})

it('received events that fork a room survive a batch that fails in it', async () => {
  const version = present(roomVersion('10'))
  const graphs = Array.from({ length: 6 }, (_, seed) => new RandomGraph(version, 1_000 + seed))
  for (const graph of graphs) for (let count = 0; count < 12; count++) graph.grow()
  const [roomId] = await rooms(1)
  if (roomId === undefined) throw new Error('no room')
  await failInserts(`NEW.json LIKE '%poison%' OR random() < 0.03`, '22000')
  const done = await Promise.all([
    ...graphs.map(async (graph) => {
      for (const { pdu, verdict } of graph.events) {
        const judged = { accepted: VERDICT.accepted, 'soft-failed': VERDICT.softFailed, rejected: VERDICT.rejected }
        await untilStored(() => running.rooms.persistReceived({ pdu, judge: () => judged[verdict] }))
      }
    }),
    ...Array.from({ length: 30 }, (_, index) =>
      untilStored(() => running.rooms.send(message(roomId, ALICE, `fine ${index}`))),
    ),
    running.rooms.send(message(roomId, ALICE, 'poison')).catch((error: unknown) => error),
  ])
  expect(done.at(-1)).toBeInstanceOf(StatementFailed)
  for (const graph of graphs) {
    const { rows } = await sql.query<{ event_id: EventId }>(
      `SELECT e.event_id FROM roomserver.current_state c JOIN roomserver.rooms r USING (room_nid)
       JOIN roomserver.events e ON e.event_nid = c.event_nid WHERE r.room_id = $1`,
      [graph.roomId],
    )
    expect(rows.map((row) => row.event_id).sort()).toEqual([...graph.current().values()].sort())
  }
  await expectConsistent()
})

/** A write that is at fault by chance is asked for again, as another server would. */
async function untilStored(write: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await write()
      return
    } catch (error) {
      expect(error).toBeInstanceOf(StatementFailed)
    }
  }
}
