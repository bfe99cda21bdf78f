import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ChildServer, type ChildUser, startChildServer } from '../support/child-server.js'
import { message, messagesOf, roomOf, sendPath } from './collect.js'

describe('stopping (F7)', () => {
  let server: ChildServer
  let alice: ChildUser
  let roomId: string
  beforeAll(async () => {
    server = await startChildServer()
    alice = await server.register('alice')
    roomId = await roomOf(alice, [])
  })
  afterAll(() => server.remove())

  it('SIGTERM under load: long polls are answered at once, exit code 0 within 5 s, and what was answered is kept', async () => {
    const { body: now } = await alice.get('/sync?timeout=0')
    const idle = await server.register('idle')
    const { body: idleNow } = await idle.get('/sync?timeout=0')
    const acknowledged: string[] = []
    let stopping = false
    const senders = Array.from({ length: 16 }, async (_, sender) => {
      for (let number = 0; ; number++) {
        const answer = await alice
          .put(sendPath(roomId, `stop${sender}.${number}`), message('a message'))
          .catch(() => undefined)
        if (answer?.status === 200) acknowledged.push(answer.body.event_id)
        else if (stopping) return answer?.status
        else throw new Error(`a send failed before the end: ${answer?.status}`)
      }
    })
    const polls = Array.from({ length: 20 }, () => idle.get(`/sync?since=${idleNow.next_batch}&timeout=60000`))
    // A poll of alice's is answered as soon as there is a message: then all of the above is under way.
    await alice.get(`/sync?since=${now.next_batch}&timeout=10000`)

    stopping = true
    const since = performance.now()
    const exit = server.kill('SIGTERM')
    const answered = await Promise.all(polls)
    const pollsMs = performance.now() - since
    expect(answered.map(({ status }) => status)).toEqual(new Array(20).fill(200))
    expect(answered.every(({ body }) => typeof body.next_batch === 'string')).toBe(true)
    expect(pollsMs).toBeLessThan(2_000)
    expect(await exit).toMatchObject({ code: 0, signal: null })
    expect((await exit).ms).toBeLessThan(5_000)
    // Refused or cut, never an error of ours.
    expect((await Promise.all(senders)).filter((status) => status !== undefined && status !== 503)).toEqual([])

    await server.start()
    const kept = await messagesOf(alice, roomId)
    expect(acknowledged.length).toBeGreaterThan(0)
    expect(acknowledged.filter((id) => !kept.includes(id))).toEqual([])
    expect(new Set(kept).size).toBe(kept.length)
  }, 30_000)

  it('a request that never ends is cut after its grace, and the exit code is 0', async () => {
    const socket = await halfRequest(server)
    const { code, ms } = await server.kill('SIGTERM')
    expect(code).toBe(0)
    expect(ms).toBeLessThan(5_000)
    socket.destroy()
    await server.start()
  }, 30_000)

  it('a later SIGTERM ends it at once', async () => {
    const socket = await halfRequest(server)
    const exit = server.kill('SIGTERM')
    // Signals of one moment count as one, so somebody without patience sends more of them.
    const { pid } = server
    const impatience = setInterval(() => process.kill(pid, 'SIGTERM'), 50)
    const { ms, signal } = await exit.finally(() => clearInterval(impatience))
    expect(ms).toBeLessThan(2_500)
    expect(signal).toBeNull()
    socket.destroy()
    await server.start()
    expect((await alice.get('/account/whoami')).status).toBe(200)
  }, 30_000)
})

/** A request whose body never comes, taken by the server. */
async function halfRequest(server: ChildServer): Promise<ReturnType<typeof connect>> {
  const { port } = new URL(server.url)
  const head =
    'POST /_matrix/client/v3/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n'
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), '127.0.0.1', () => socket.write(head))
    socket.on('error', reject)
    socket.once('data', () => resolve(socket))
  })
}
