import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type FaultProxy, startFaultProxy } from '../platform/fault-proxy.js'
import { type ChildServer, type ChildUser, startChildServer } from '../support/child-server.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import type { HttpAnswer } from '../support/http.js'
import { adminQuery } from '../support/postgres.js'
import { message, messagesOf, roomOf, sendPath } from './collect.js'

describe('the database is lost while serving', () => {
  let database: TestDatabase
  let proxy: FaultProxy
  let server: ChildServer
  let alice: ChildUser
  let bob: ChildUser
  let roomId: string
  beforeAll(async () => {
    database = await createTestDatabase()
    proxy = await startFaultProxy(database.connectionString)
    server = await startChildServer({ database: proxy.connectionString })
    alice = await server.register('alice')
    bob = await server.register('bob')
    roomId = await roomOf(alice, [bob])
  })
  afterAll(async () => {
    await server.remove()
    await proxy.close()
    await database.close()
  })

  it('503 M_UNKNOWN with Retry-After, long polls end normally, and it reconnects by itself (F11)', async () => {
    const { body: first } = await bob.get('/sync?timeout=0')
    const { body: now } = await bob.get(`/sync?since=${first.next_batch}&timeout=0`)
    const poll = bob.get(`/sync?since=${now.next_batch}&timeout=1500`)
    // The poll is waiting when this one, which began after it and asks for as much, has ended.
    expect((await bob.get(`/sync?since=${now.next_batch}&timeout=1`)).status).toBe(200)
    const down = () => false
    proxy.filterRequests(down)
    proxy.cutAll()

    const refused = await alice.put(sendPath(roomId, 'lost'), message('while it is away'))
    expect(refused.status).toBe(503)
    expect(refused.body.errcode).toBe('M_UNKNOWN')
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    expect((await server.request('GET', '/_matrix/client/versions')).status).toBe(200)
    expect((await server.request('GET', '/_dendrite/monitor/up')).status).toBe(200)
    expect((await server.request('GET', '/_dendrite/monitor/health')).status).toBe(503)
    const ended = await poll
    expect(ended.status).toBe(200)
    expect(ended.body.next_batch).toBe(now.next_batch)

    proxy.filterRequests(undefined)
    const sent = await untilAnswered(() => alice.put(sendPath(roomId, 'lost'), message('while it is away')))
    const { body } = await bob.get(`/sync?since=${now.next_batch}&timeout=5000`)
    expect(body.rooms.join[roomId].timeline.events.at(-1).event_id).toBe(sent.body.event_id)
    expect(await messagesOf(alice, roomId)).toEqual([sent.body.event_id])
    expect((await untilAnswered(() => server.request('GET', '/_dendrite/monitor/health'))).status).toBe(200)
  }, 30_000)

  it('connections that end in the middle of transactions lose and double nothing (F10)', async () => {
    const before = (await messagesOf(alice, roomId)).length
    const acknowledged: string[] = []
    let isOver = false
    const senders = Array.from({ length: 8 }, async (_, sender) => {
      for (let number = 0; !isOver; number++) {
        const path = sendPath(roomId, `cut${sender}.${number}`)
        const answer = await untilAnswered(() => alice.put(path, message('a message')))
        acknowledged.push(answer.body.event_id)
      }
    })
    for (let round = 1; round <= 5; round++) {
      while (acknowledged.length < round * 40) await pause(1)
      await adminQuery(
        database.connectionString,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'neurite:%'",
      )
    }
    while (acknowledged.length < 240) await pause(1)
    isOver = true
    await Promise.all(senders)
    const kept = await messagesOf(alice, roomId)
    expect(new Set(kept).size).toBe(kept.length)
    expect(acknowledged.filter((id) => !kept.includes(id))).toEqual([])
    expect(kept.length - before).toBe(new Set(acknowledged).size)
  }, 30_000)
})

/** Repeats as a client does: after 503, and nothing else. */
async function untilAnswered(ask: () => Promise<HttpAnswer>): Promise<HttpAnswer> {
  const end = performance.now() + 10_000
  for (;;) {
    const answer = await ask()
    if (answer.status === 200 || performance.now() > end) return answer
    expect(answer.status).toBe(503)
    await pause(20)
  }
}
