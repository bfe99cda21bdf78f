import { afterAll, beforeAll, expect, it } from 'vitest'
import type { RoomId } from '../../../src/protocol/ids.js'
import { adminQuery } from '../../support/postgres.js'
import type { TestUser } from '../../support/server.js'
import { PushHarness } from './support.js'

/** What an event costs in a room of 10,000 local members. */
const MEMBERS = 10_000
const WITH_KEYWORDS = 1_000
const RUNS = 6

let h: PushHarness
let alice: TestUser
let room: RoomId
beforeAll(async () => {
  h = await PushHarness.start()
  alice = await h.user()
  const bob = await h.user()
  room = await h.roomOf(alice, bob)
  await h.server.settle()
  await crowd(bob)
  await h.server.restart()
})
afterAll(() => h.server.stop())

it('the evaluation of all members: at most 3 statements, also from cold, and 30 ms; with keywords 100 ms', async () => {
  expect(await pushStatements('cold')).toBeLessThanOrEqual(3)
  expect(await pushStatements('warm')).toBe(1)
  expect((await h.total(alice, room))?.notifications).toBe(0)
  expect(await cpuOfCounting()).toBeLessThanOrEqual(30)

  const rule = { rule_id: 'word', default: false, enabled: true, actions: ['notify', { set_tweak: 'highlight' }] }
  const insert = `INSERT INTO pushserver.push_rules (user_id, rules, position)
    SELECT '@crowd' || n || ':test.example', replace($1, 'WORD', 'word' || n), 0 FROM generate_series(1, $2::int) AS n`
  const rules = JSON.stringify({ rules: { content: [{ ...rule, pattern: 'WORD' }] }, defaults: {} })
  await sql(insert, [rules, WITH_KEYWORDS])
  await h.server.restart()
  await h.say(alice, room, 'warm again')
  await h.server.settle()
  expect(await cpuOfCounting()).toBeLessThanOrEqual(100)
  const where = `room_id = $1 AND event_id = $2`
  const eventId = await h.say(alice, room, 'this is word7 and word1000')
  await h.server.settle()
  const text = `SELECT count(*) AS told, count(*) FILTER (WHERE highlight) AS highlights
    FROM pushserver.unread_events WHERE ${where}`
  expect(await sql(text, [room, eventId])).toEqual([{ told: String(MEMBERS + 1), highlights: '2' }])
}, 60_000)

/** Statements of the push server, and those that others send for it. */
async function pushStatements(body: string): Promise<number> {
  const names = await h.server.statements(() => h.say(alice, room, body))
  return names.filter((name) => name.startsWith('pushserver.') || name.startsWith('userapi.')).length
}

/** In ms, of the fastest run: what is slower has been at something else as well. */
async function cpuOfCounting(): Promise<number> {
  const { roomserver, pushserver } = h.server.app.components
  const times: number[] = []
  for (let run = 0; run < RUNS; run++) {
    const eventId = await h.say(alice, room, `run ${run}`)
    await h.server.settle()
    await sql('DELETE FROM pushserver.unread_events WHERE event_id = $1', [eventId])
    const event = await roomserver.event(eventId)
    const entries = await roomserver.logAfter((event?.position ?? 0) - 1, 1)
    const before = process.cpuUsage()
    await pushserver.reader.read(entries)
    const { user, system } = process.cpuUsage(before)
    times.push((user + system) / 1_000)
  }
  return Math.min(...times)
}

/** Members that nobody has to wait for: rows as those of one who has joined. */
async function crowd(like: TestUser): Promise<void> {
  const columns = await sql(
    `SELECT column_name FROM information_schema.columns WHERE table_schema = 'roomserver' AND table_name = 'memberships'
      ORDER BY ordinal_position`,
  )
  const names = columns.map((column) => String(column.column_name))
  const values = names.map((name) => (name === 'user_id' ? `'@crowd' || n || ':test.example'` : `m.${name}`))
  await sql(
    `INSERT INTO roomserver.memberships (${names.join(', ')}) SELECT ${values.join(', ')}
       FROM roomserver.memberships AS m, generate_series(1, $2::int) AS n WHERE m.user_id = $1`,
    [like.userId, MEMBERS],
  )
  await sql(`UPDATE roomserver.rooms SET joined_members = joined_members + $2 WHERE room_id = $1`, [room, MEMBERS])
}

function sql(text: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
  return adminQuery(h.server.connectionString, text, values)
}
