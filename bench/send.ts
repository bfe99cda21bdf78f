import pg from 'pg'
import { accounts, createRoom } from './accounts.js'
import { createClient, mapConcurrently } from './client.js'
import { type LoadResult, runLoad, type Sender } from './load.js'
import type { BenchOptions } from './options.js'
import { cpuCells, ms, percent, table } from './report.js'
import type { CpuTimes, Target } from './target.js'

/** What is asked for: messages a second as a share of the commits that the same PostgreSQL makes for as many clients. */
const TARGETS: ReadonlyMap<number, number> = new Map([
  [1, 6],
  [32, 8],
])
const SENDERS = 32
const WARM_UP_SECONDS = 2
const ROUNDS = 3

/** Messages a second, alone and with 32 people in 32 rooms, beside single-row INSERT commits a second. */
export async function benchSend(target: Target, options: BenchOptions): Promise<string> {
  const senders = await prepare(target, options)
  // A server that has just started has not compiled its code yet.
  await runLoad({ kind: 'send', url: target.url, senders, seconds: WARM_UP_SECONDS })
  const rows: string[][] = []
  const verdicts: string[] = []
  for (const count of [1, SENDERS]) {
    const { sent, commits, cpu } = await measure(target, senders.slice(0, count), options.seconds)
    const perSecond = sent.count / sent.seconds
    const commitsASecond = commits === undefined ? undefined : commits.count / commits.seconds
    rows.push([
      count === 1 ? 'one alone' : `${count} in ${count} rooms`,
      perSecond.toFixed(0),
      commitsASecond?.toFixed(0) ?? '-',
      percent(perSecond, commitsASecond),
      `${TARGETS.get(count)} %`,
      ms(sent.median),
      ms(sent.p99),
      ...cpu,
    ])
    if (commitsASecond !== undefined) {
      const reached = (100 * perSecond) / commitsASecond >= (TARGETS.get(count) ?? 0)
      verdicts.push(`${count} sender${count === 1 ? '' : 's'}: target ${reached ? 'reached' : 'MISSED'}`)
    }
  }
  const head = ['senders', 'sends/s', 'commits/s', 'share', 'target', 'median', 'p99', 'Node/send', 'PostgreSQL/send']
  return `${table(head, rows)}\n${verdicts.join('; ')}`
}

interface Measured {
  readonly sent: LoadResult
  readonly commits: LoadResult | undefined
  /** CPU time per message of Node and of PostgreSQL. */
  readonly cpu: readonly [string, string]
}

/** In turns, and the best of each: what else the machine has to do only ever makes them slower. */
async function measure(target: Target, senders: readonly Sender[], seconds: number): Promise<Measured> {
  const sent: LoadResult[] = []
  const commits: LoadResult[] = []
  const cpu: [before: CpuTimes, after: CpuTimes][] = []
  for (let round = 0; round < ROUNDS; round++) {
    const committed = await commitsPerSecond(target.connectionString, senders.length, seconds)
    if (committed !== undefined) commits.push(committed)
    const before = target.cpu()
    sent.push(await runLoad({ kind: 'send', url: target.url, senders, seconds }))
    cpu.push([before, target.cpu()])
  }
  const best = (results: readonly LoadResult[]) => results.toSorted((a, b) => b.count - a.count)[0]
  const fastest = best(sent)
  if (fastest === undefined) throw new Error('nothing was measured')
  const total = sent.reduce((sum, { total }) => sum + total, 0)
  return { sent: fastest, commits: best(commits), cpu: cpuCells(cpu, total) }
}

async function prepare(target: Target, options: BenchOptions): Promise<Sender[]> {
  const client = createClient(target.url, 8)
  const people = await accounts(client, options, SENDERS)
  const senders = await mapConcurrently(people, 8, async (account, index) => ({
    token: account.token,
    roomId: await createRoom(client, account, `bench ${index}`),
  }))
  client.close()
  return senders
}

/** In a schema of its own, which is gone afterwards. */
async function commitsPerSecond(
  connectionString: string | undefined,
  clients: number,
  seconds: number,
): Promise<LoadResult | undefined> {
  if (connectionString === undefined) return undefined
  const admin = new pg.Client({ connectionString })
  await admin.connect()
  try {
    await admin.query('CREATE SCHEMA neurite_bench')
    await admin.query('CREATE TABLE neurite_bench.commits (id bigserial PRIMARY KEY, body text NOT NULL)')
    const sql = "INSERT INTO neurite_bench.commits (body) VALUES ('one row of an ordinary length, and nothing else')"
    return await runLoad({ kind: 'commit', connectionString, clients, seconds, sql })
  } finally {
    await admin.query('DROP SCHEMA IF EXISTS neurite_bench CASCADE')
    await admin.end()
  }
}
