import { connect, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ChildServer, type ChildUser, memoryOf, startChildServer } from '../support/child-server.js'
import { createTestDatabase } from '../support/database.js'
import { adminQuery } from '../support/postgres.js'
import { message, messagesOf, roomOf, sendPath } from './collect.js'

describe('a first start that is killed (F6)', () => {
  it('is finished by the next one, wherever in the migrations it was', async () => {
    for (const tables of [1, 12, 30]) {
      const database = await createTestDatabase({ migrated: false })
      const server = await startChildServer({ database: database.connectionString, start: false })
      try {
        server.launch()
        while ((await countTables(database.connectionString)) < tables) await pause(1)
        await server.kill('SIGKILL')
        await server.start()
        const alice = await server.register('alice')
        const roomId = await roomOf(alice, [])
        expect((await alice.put(sendPath(roomId, 'one'), message('it works'))).status).toBe(200)
      } finally {
        await server.remove()
        await database.close()
      }
    }
  }, 30_000)
})

describe('two servers on one database (F9, F59)', () => {
  it('the second waits for the first to go, and goes on with everything that was answered', async () => {
    const database = await createTestDatabase()
    const old = await startChildServer({ database: database.connectionString })
    const next = await startChildServer({ database: database.connectionString, start: false })
    try {
      const alice = await old.register('alice')
      const roomId = await roomOf(alice, [])
      // Both are one installation: they have one signing key.
      const shared = ['-config', old.configFile, '-http-bind-address', new URL(next.url).host]
      next.launch([...shared, '-really-enable-open-registration'])
      while (!next.output.includes('waiting for it to go')) await pause(10)
      const sent = await alice.put(sendPath(roomId, 'last'), message('still served by the old one'))
      expect(sent.status).toBe(200)

      expect((await old.kill('SIGTERM')).code).toBe(0)
      await next.whenReady()
      const there = next.as(alice)
      expect(await messagesOf(there, roomId)).toEqual([sent.body.event_id])
      expect((await there.put(sendPath(roomId, 'last'), message('again'))).body).toEqual(sent.body)
    } finally {
      await next.remove()
      await old.remove()
      await database.close()
    }
  }, 30_000)
})

describe('many connections', () => {
  let server: ChildServer
  let alice: ChildUser
  let roomId: string
  beforeAll(async () => {
    server = await startChildServer()
    alice = await server.register('alice')
    roomId = await roomOf(alice, [])
  })
  afterAll(() => server.remove())

  it('2,000 clients that go away in the middle of their request leave nothing behind (F25)', async () => {
    const body = JSON.stringify(message('never finished'))
    for (let round = 0; round < 20; round++) {
      await Promise.all(
        Array.from({ length: 100 }, async (_, index) => {
          const path = sendPath(roomId, `gone${round}.${index}`)
          const head = `PUT /_matrix/client/v3${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${alice.token}\r\n`
          const socket = await open(server)
          // Half of them have sent all of it, the others only a part.
          const part = index % 2 === 0 ? body : body.slice(0, 10)
          socket.end(`${head}Content-Length: ${body.length}\r\n\r\n${part}`)
          socket.destroySoon()
          await closed(socket)
        }),
      )
    }
    expect((await alice.get('/sync?timeout=0')).status).toBe(200)
    const kept = await messagesOf(alice, roomId)
    expect(new Set(kept).size).toBe(kept.length)
  }, 20_000)

  it('50 initial syncs of one account in 200 rooms at once: all are answered, in bounded memory (F58)', async () => {
    const many = await server.register('many')
    for (let round = 0; round < 10; round++) {
      await Promise.all(Array.from({ length: 20 }, () => many.post('/createRoom', { preset: 'private_chat' })))
    }
    const before = memoryOf(server.pid, 'VmHWM')
    const answers = await Promise.all(Array.from({ length: 50 }, () => many.get('/sync?timeout=0')))
    expect(answers.map(({ status }) => status)).toEqual(new Array(50).fill(200))
    for (const { body } of answers) expect(Object.keys(body.rooms.join)).toHaveLength(200)
    expect(memoryOf(server.pid, 'VmHWM') - before).toBeLessThan(150 * 1024 ** 2)
  }, 30_000)

  it('50 clients that ask for a big answer and do not take it: the others are served, in bounded memory (F24)', async () => {
    const many = await server.login('many')
    const before = memoryOf(server.pid, 'VmHWM')
    const sockets = await Promise.all(Array.from({ length: 50 }, () => open(server)))
    for (const socket of sockets) {
      socket.pause()
      socket.write(
        `GET /_matrix/client/v3/sync HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${many.token}\r\n\r\n`,
      )
    }
    for (let round = 0; round < 20; round++) {
      expect((await alice.put(sendPath(roomId, `slow${round}`), message('meanwhile'))).status).toBe(200)
    }
    expect(memoryOf(server.pid, 'VmHWM') - before).toBeLessThan(150 * 1024 ** 2)
    for (const socket of sockets) socket.destroy()
    await Promise.all(sockets.map(closed))
  }, 20_000)

  it('1,500 idle connections and 1,500 long polls: the others are served, and one event answers all polls (F23)', async () => {
    const before = memoryOf(server.pid, 'VmRSS')
    const bob = await server.register('bob')
    await bob.post(`/rooms/${encodeURIComponent(roomId)}/join`)
    const { body: now } = await alice.get('/sync?timeout=0')
    const idle = await Promise.all(Array.from({ length: 1_500 }, () => open(server)))
    const polls = Array.from({ length: 1_500 }, () => alice.get(`/sync?since=${now.next_batch}&timeout=60000`))
    // Requests of others are not held up behind them.
    const since = performance.now()
    for (let round = 0; round < 20; round++) expect((await bob.get('/account/whoami')).status).toBe(200)
    expect((performance.now() - since) / 20).toBeLessThan(200)

    await bob.put(sendPath(roomId, 'all'), message('to all of you'))
    const answers = await Promise.all(polls)
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
    expect(new Set(answers.map(({ body }) => body.rooms.join[roomId].timeline.events.length))).toEqual(new Set([1]))
    expect(memoryOf(server.pid, 'VmHWM') - before).toBeLessThan(250 * 1024 ** 2)
    for (const socket of idle) socket.destroy()
    await Promise.all(idle.map(closed))
  }, 30_000)

  it('300 waiting devices of one user are all woken by one event, and nobody else waits for them (F57)', async () => {
    const { body: now } = await alice.get('/sync?timeout=0')
    const devices = await Promise.all(Array.from({ length: 300 }, () => server.login('alice')))
    const polls = devices.map((device) => device.get(`/sync?since=${now.next_batch}&timeout=20000`))
    const [first] = await Promise.all([
      alice.get(`/sync?since=${now.next_batch}&timeout=20000`),
      alice.put(sendPath(roomId, 'wake'), message('good morning')),
    ])
    expect(first.status).toBe(200)
    const answers = await Promise.all(polls)
    expect(answers.map(({ status }) => status)).toEqual(new Array(300).fill(200))
    expect((await server.request('GET', '/_dendrite/monitor/up')).status).toBe(200)
  }, 30_000)
})

describe('out of file descriptors (F22)', () => {
  it('connections wait, those that are open go on, and it recovers by itself', async () => {
    const server = await startChildServer({ maxOpenFiles: 256 })
    try {
      const alice = await server.register('alice')
      const roomId = await roomOf(alice, [])
      const idle = await Promise.all(Array.from({ length: 400 }, () => open(server)))
      // Over the connection that is open already.
      const during = await alice.put(sendPath(roomId, 'during'), message('with no descriptor to spare'))
      expect(during.status).toBe(200)
      for (const socket of idle) socket.destroy()
      await Promise.all(idle.map(closed))
      const after = await alice.put(sendPath(roomId, 'after'), message('and again'))
      expect(after.status).toBe(200)
      expect(await messagesOf(alice, roomId)).toEqual([after.body.event_id, during.body.event_id])
      expect(server.isRunning).toBe(true)
    } finally {
      await server.remove()
    }
  }, 20_000)
})

async function countTables(connectionString: string): Promise<number> {
  const [row] = await adminQuery<{ count: number }>(
    connectionString,
    "SELECT count(*)::int AS count FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')",
  )
  return row?.count ?? 0
}

function open(server: ChildServer): Promise<Socket> {
  const { port } = new URL(server.url)
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), '127.0.0.1', () => resolve(socket))
    socket.once('error', reject)
  })
}

function closed(socket: Socket): Promise<void> {
  socket.on('error', () => undefined)
  return new Promise((resolve) => (socket.closed ? resolve() : socket.once('close', () => resolve())))
}
