import { type Account, accounts, createRoom } from './accounts.js'
import { ask, type Client, createClient, mapConcurrently } from './client.js'
import { quantile } from './load.js'
import type { BenchOptions } from './options.js'
import { cpuCells, ms, table } from './report.js'
import type { Target } from './target.js'

const ROOMS = [20, 300]
const ROUNDS = { initial: 10, idle: 300, event: 100, wake: 100 }

/** Times of `/sync` for accounts with few and with many rooms: the first, one without news, one with an event, and a waiting one. */
export async function benchSync(target: Target, options: BenchOptions): Promise<string> {
  const client = createClient(target.url, 8)
  const rows: string[][] = []
  for (const count of ROOMS) {
    const [reader, writer] = await accounts(client, options, 2)
    if (reader === undefined || writer === undefined) throw new Error('nobody to measure with')
    rows.push(...(await measure(target, client, { reader, writer, count })))
  }
  client.close()
  return table(['/sync', 'median', 'p99', 'size', 'Node', 'PostgreSQL'], rows)
}

interface Setting {
  readonly reader: Account
  readonly writer: Account
  readonly count: number
}

async function measure(target: Target, client: Client, { reader, writer, count }: Setting): Promise<string[][]> {
  const roomId = await fillRooms(client, { reader, writer, count })
  let since = ''
  const sync = async (parameters: string): Promise<number> => {
    const { status, text } = await client.send('GET', `/_matrix/client/v3/sync?${parameters}`, reader.token)
    if (status !== 200) throw new Error(`/sync answered ${status}: ${text.slice(0, 200)}`)
    since = String((JSON.parse(text) as Record<string, unknown>).next_batch)
    return Buffer.byteLength(text)
  }
  const say = (round: string): Promise<unknown> => {
    const path = `/rooms/${encodeURIComponent(roomId)}/send/m.room.message/${Date.now()}.${round}`
    return ask(client, 'PUT', path, writer.token, { msgtype: 'm.text', body: 'something new' })
  }
  const next = (timeout: number): Promise<number> => sync(`since=${encodeURIComponent(since)}&timeout=${timeout}`)
  const rooms = `${count} rooms`
  return [
    await row(target, `${rooms}: initial`, ROUNDS.initial, () => sync('timeout=0')),
    await row(target, `${rooms}: nothing new`, ROUNDS.idle, () => next(0)),
    await row(
      target,
      `${rooms}: one event (CPU with its sending)`,
      ROUNDS.event,
      () => next(1_000),
      (round) => say(`e${round}`),
    ),
    await row(target, `${rooms}: sent until seen by a waiting one`, ROUNDS.wake, async (round) => {
      const [size] = await Promise.all([next(10_000), say(`w${round}`)])
      return size
    }),
  ]
}

/** The reader joins all of them; the writer is in the first. */
async function fillRooms(client: Client, { reader, writer, count }: Setting): Promise<string> {
  const numbers = Array.from({ length: count }, (_, index) => index)
  const [first = ''] = await mapConcurrently(numbers, 8, async (index) => {
    const roomId = await createRoom(client, reader, `room ${index}`)
    const path = `/rooms/${encodeURIComponent(roomId)}/send/m.room.message/first`
    await ask(client, 'PUT', path, reader.token, { msgtype: 'm.text', body: 'the first message of this room' })
    return roomId
  })
  await ask(client, 'POST', `/rooms/${encodeURIComponent(first)}/join`, writer.token, {})
  return first
}

/** `prepare` is not in the times, but in the CPU figures. */
async function row(
  target: Target,
  name: string,
  rounds: number,
  once: (round: number) => Promise<number>,
  prepare: (round: number) => Promise<unknown> = async () => undefined,
): Promise<string[]> {
  const times: number[] = []
  let size = 0
  const before = target.cpu()
  for (let round = 0; round < rounds; round++) {
    await prepare(round)
    const start = performance.now()
    size = await once(round)
    times.push(performance.now() - start)
  }
  const cpu = cpuCells([[before, target.cpu()]], rounds)
  const sorted = Float64Array.from(times).sort()
  return [name, ms(quantile(sorted, 0.5)), ms(quantile(sorted, 0.99)), `${(size / 1024).toFixed(1)} kB`, ...cpu]
}
