/** The thread that loads the server, or PostgreSQL alone for comparison. Each client waits for its answer before it goes on. */
import type { Socket } from 'node:net'
import { parentPort, workerData } from 'node:worker_threads'
import pg from 'pg'
import { CLIENT_API, createClient } from './client.js'
import { type Load, type LoadResult, quantile } from './load.js'

/** What is done before does not count. */
const WARM_UP_MS = 500

const load = workerData as Load
const run = load.kind === 'send' ? await sends(load) : await commits(load)
parentPort?.postMessage(run)

async function sends({ url, senders, seconds }: Extract<Load, { kind: 'send' }>): Promise<LoadResult> {
  const client = createClient(url, senders.length)
  const start = Date.now().toString(36)
  const result = await measure(
    seconds,
    senders.map(({ token, roomId }, index) => async (round) => {
      const path = `${CLIENT_API}/rooms/${encodeURIComponent(roomId)}/send/m.room.message/${start}.${index}.${round}`
      const body = JSON.stringify({ msgtype: 'm.text', body: `message ${round} of somebody who has a lot to say` })
      const { status, text } = await client.send('PUT', path, token, body)
      if (status !== 200) throw new Error(`a message was answered ${status}: ${text.slice(0, 200)}`)
    }),
  )
  client.close()
  return result
}

/**
 * The clients write the protocol's bytes themselves: a driver's work on this machine would make PostgreSQL look slower
 * than it is, and the server better.
 */
async function commits({
  connectionString,
  clients,
  seconds,
  sql,
}: Extract<Load, { kind: 'commit' }>): Promise<LoadResult> {
  const opened = await Promise.all(
    Array.from({ length: clients }, async () => {
      const client = new pg.Client({ connectionString })
      // The driver sees its connection end at last.
      client.on('error', () => undefined)
      await client.connect()
      await client.query({ name: 'commit', text: sql })
      return client
    }),
  )
  const result = await measure(
    seconds,
    opened.map((client) => {
      const execute = rawExecutor(Reflect.get(Reflect.get(client, 'connection'), 'stream') as Socket)
      return () => execute()
    }),
  )
  for (const client of opened) Reflect.get(Reflect.get(client, 'connection'), 'stream').destroy()
  return result
}

/** Bind the prepared statement `commit` without parameters, Execute, Sync; done at ReadyForQuery. */
function rawExecutor(socket: Socket): () => Promise<void> {
  const message = (type: string, body: Buffer): Buffer => {
    const head = Buffer.alloc(5)
    head.write(type, 'latin1')
    head.writeInt32BE(body.length + 4, 1)
    return Buffer.concat([head, body])
  }
  const bytes = Buffer.concat([
    message('B', Buffer.from('\0commit\0\0\0\0\0\0\0', 'latin1')),
    message('E', Buffer.from('\0\0\0\0\0', 'latin1')),
    message('S', Buffer.alloc(0)),
  ])
  let done: () => void = () => undefined
  let failed: (error: Error) => void = () => undefined
  socket.removeAllListeners('data')
  socket.on('data', (chunk: Buffer) => {
    if (chunk[0] === 0x45) return failed(new Error(`PostgreSQL refused: ${chunk.toString('latin1')}`))
    // ReadyForQuery is Z, its length 5, and the state.
    if (chunk[chunk.length - 6] === 0x5a && chunk[chunk.length - 2] === 5) done()
  })
  socket.on('error', (error) => failed(error))
  return () =>
    new Promise((resolve, reject) => {
      done = resolve
      failed = reject
      socket.write(bytes)
    })
}

async function measure(seconds: number, clients: readonly ((round: number) => Promise<void>)[]): Promise<LoadResult> {
  const from = performance.now() + WARM_UP_MS
  const until = from + seconds * 1_000
  const times: number[] = []
  let total = 0
  await Promise.all(
    clients.map(async (once) => {
      for (let round = 0; ; round++) {
        const start = performance.now()
        if (start >= until) return
        await once(round)
        total++
        const end = performance.now()
        if (start >= from && end <= until) times.push(end - start)
      }
    }),
  )
  const sorted = Float64Array.from(times).sort()
  return { count: times.length, seconds, total, median: quantile(sorted, 0.5), p99: quantile(sorted, 0.99) }
}
