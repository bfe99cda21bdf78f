import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DatabaseUnavailable, type OpenDatabase, openDatabase } from '../../src/platform/database.js'
import {
  acquireInstanceLock,
  type InstanceLock,
  InstanceLockRefused,
  instanceApplicationName,
  readHolder,
} from '../../src/platform/instance-lock.js'
import { openLog } from '../../src/platform/log.js'
import { statement } from '../../src/platform/statement.js'
import { FakeClock } from '../../src/platform/time.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { adminQuery } from '../support/postgres.js'

const insert = statement<never, [who: string]>('test.lock.insert', 'INSERT INTO public.written VALUES ($1)')
const log = openLog([{ type: 'file', path: '/dev/null', level: 'info' }])

interface Server {
  readonly database: OpenDatabase
  readonly lock: InstanceLock
  /** Stands still until it is moved, as a frozen process does. */
  readonly time: FakeClock
  lost: boolean
}

let test: TestDatabase
const open: OpenDatabase[] = []
beforeEach(async () => {
  test = await createTestDatabase()
  await adminQuery(test.connectionString, 'CREATE TABLE public.written (who text)')
})
afterEach(async () => {
  for (const database of open.splice(0)) await database.close()
  await test.close()
})

async function startServer(options: { waitMs?: number; running?: boolean } = {}): Promise<Server> {
  const applicationName = instanceApplicationName()
  const database = await openDatabase({ connectionString: test.connectionString, applicationName, maxConnections: 3 })
  open.push(database)
  const time = new FakeClock()
  const state = { lost: false }
  const lock = await acquireInstanceLock({
    database,
    applicationName,
    address: 'http://127.0.0.1:8008',
    onLost: () => {
      state.lost = true
    },
    log,
    time: options.running === false ? time : ticking(time),
    waitMs: options.waitMs ?? 1_000,
  })
  return {
    database,
    lock,
    time,
    get lost() {
      return state.lost
    },
  }
}

/** Moves on by itself while somebody sleeps on it, so that waiting takes no real time. */
function ticking(time: FakeClock): FakeClock {
  return Object.assign(Object.create(time), {
    now: () => time.now(),
    monotonic: () => time.monotonic(),
    after: (ms: number, action: () => void) => time.after(ms, action),
    sleep: (ms: number, signal?: AbortSignal) => {
      const slept = time.sleep(ms, signal)
      // The heartbeat's sleeps are the test's to end.
      if (ms < 1_000) setImmediate(() => time.advance(ms))
      return slept
    },
  })
}

const silence = (ms: number) =>
  adminQuery(test.connectionString, `UPDATE platform.instance_lock SET beat_at = now() - interval '${ms} ms'`)

describe('the instance lock', () => {
  it('a second server on one database refuses to start (F9)', async () => {
    const first = await startServer()
    await expect(startServer()).rejects.toBeInstanceOf(InstanceLockRefused)
    expect(first.lock.held).toBe(true)
    await first.database.run(insert, 'first')
  })

  it('commands find the running server, and nobody when it has gone', async () => {
    const first = await startServer()
    expect(await readHolder(test.database)).toEqual({ address: 'http://127.0.0.1:8008', secret: first.lock.secret })
    await first.lock.release()
    expect(await readHolder(test.database)).toBeUndefined()
  })

  it('a server that leaves lets the next one in', async () => {
    const first = await startServer()
    const second = startServer({ waitMs: 60_000 })
    await first.lock.release()
    expect((await second).lock.held).toBe(true)
  })

  it('one whose process died is replaced at once (F1)', async () => {
    const first = await startServer()
    await first.database.close()
    open.splice(0)
    // Its process is this one, which counts as gone: in a restarted container the old pid is the new one's.
    expect((await startServer()).lock.held).toBe(true)
  })

  it('one that was frozen for a minute cannot write when it goes on, and notices (F8)', async () => {
    const frozen = await startServer({ running: false })
    await Promise.all([1, 2, 3].map(() => frozen.database.run(insert, 'before')))
    await silence(31_000)
    const second = await startServer()
    expect(second.lock.held).toBe(true)
    const late = await Promise.all(
      [1, 2, 3, 4].map(() => frozen.database.run(insert, 'frozen').catch((error: unknown) => error)),
    )
    expect(late.every((error) => error instanceof DatabaseUnavailable)).toBe(true)
    expect(frozen.lost).toBe(true)
    await second.database.run(insert, 'second')
    const rows = await adminQuery<{ who: string }>(test.connectionString, 'SELECT DISTINCT who FROM public.written')
    expect(rows.map(({ who }) => who).sort()).toEqual(['before', 'second'])
  })

  it('a transaction that was open when the other took over cannot commit (F8)', async () => {
    const frozen = await startServer({ running: false })
    const late = frozen.database.transaction(async (tx) => {
      await tx.run(insert, 'frozen')
      await silence(31_000)
      await startServer()
    })
    await expect(late).rejects.toBeInstanceOf(DatabaseUnavailable)
    expect(await adminQuery(test.connectionString, 'SELECT who FROM public.written')).toEqual([])
  })

  it('the heartbeat of one that was replaced tells it so (F8)', async () => {
    const frozen = await startServer({ running: false })
    await silence(31_000)
    await startServer()
    frozen.time.advance(5_000)
    await until(() => frozen.lost)
    expect(frozen.lock.held).toBe(false)
  })

  it('a busy server that beats in time is not replaced, however exhausted its pool is (F62)', async () => {
    const busy = await startServer()
    await silence(29_000)
    let free: () => void = () => undefined
    const held = new Promise<void>((resolve) => {
      free = resolve
    })
    const hogs = [1, 2, 3].map(() =>
      busy.database.transaction(async (tx) => {
        await tx.run(insert, 'busy')
        await held
      }),
    )
    const beaten = busy.database.onStatement((name) => {
      if (name === 'platform.instance_lock.beat') beats++
    })
    let beats = 0
    busy.time.advance(5_000)
    await until(() => beats > 0)
    await expect(startServer()).rejects.toBeInstanceOf(InstanceLockRefused)
    beaten()
    free()
    await Promise.all(hogs)
    expect(busy.lost).toBe(false)
  })
})

/** Polls without a fixed wait. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve))
}
