import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  ConstraintViolation,
  DatabaseFull,
  DatabaseUnavailable,
  SerializationConflict,
  StatementFailed,
  StatementTimeout,
  UnencodableText,
} from '../../src/platform/database.js'
import { statement } from '../../src/platform/statement.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { adminQuery } from '../support/postgres.js'

const echo = statement<
  { value: string; values: string[]; big: number; none: string | null },
  [string, readonly string[], number]
>('test.echo.select', 'SELECT $1::text AS value, $2::text[] AS values, $3::int8 AS big, NULL::text AS none')
const echoAll = statement<
  { bytes: Buffer; numbers: (number | null)[]; yes: boolean },
  [Uint8Array, readonly (bigint | null)[], boolean]
>('test.echo.others', 'SELECT $1::bytea AS bytes, $2::int8[] AS numbers, $3::bool AS yes')
const unsafe = statement<{ big: number }>('test.echo.unsafe', 'SELECT 9007199254740993::int8 AS big')
const insert = statement<never, [id: number, value: string]>(
  'test.rows.insert',
  'INSERT INTO public.rows VALUES ($1, $2)',
)
const select = statement<{ id: number; value: string }>(
  'test.rows.select',
  'SELECT id, value FROM public.rows ORDER BY id',
)
const add = statement<{ value: string }, [id: number, by: number]>(
  'test.rows.add',
  'UPDATE public.rows SET value = (value::int + $2)::text WHERE id = $1 RETURNING value',
)
const sleep = statement<{ ok: boolean }, [seconds: number]>('test.sleep', 'SELECT pg_sleep($1) IS NULL AS ok')
const raise = statement<never, [sqlState: string]>('test.raise', 'SELECT public.raise($1)')
const raiseSometimes = statement<never>('test.raise_sometimes', 'SELECT public.raise_sometimes()')
const detectSoon = statement<never>('test.detect_soon', "SET LOCAL deadlock_timeout = '20ms'")
const endMyself = statement<never>('test.end_myself', 'SELECT pg_terminate_backend(pg_backend_pid())')

let test: TestDatabase
beforeEach(async () => {
  test = await createTestDatabase({ maxConnections: 4, statementTimeoutMs: 300, acquireTimeoutMs: 700 })
  await adminQuery(
    test.connectionString,
    `CREATE TABLE public.rows (id bigint CONSTRAINT rows_key PRIMARY KEY, value text);
     CREATE FUNCTION public.raise(state text) RETURNS void LANGUAGE plpgsql AS
       $$ BEGIN RAISE 'on purpose' USING ERRCODE = state; END $$;
     CREATE SEQUENCE public.calls;
     CREATE FUNCTION public.raise_sometimes() RETURNS void LANGUAGE plpgsql AS
       $$ BEGIN IF nextval('public.calls') % 10 = 3 THEN RAISE 'on purpose' USING ERRCODE = '40001'; END IF; END $$;`,
  )
})
afterEach(() => test.close())

describe('values', () => {
  it('strings that differ only by NUL stay different, and every string comes back as it was', async () => {
    const texts = [
      '',
      'plain',
      'a\u0000b',
      '\u0000',
      '\u0001',
      '\u00010',
      '\u0001\u0000\u00011',
      '"q"\\ {},',
      'NULL',
      '𐀀',
    ]
    for (const text of texts) {
      const [row] = await test.database.run(echo, text, [text, 'x'], 2 ** 53 - 1)
      expect(row).toEqual({ value: text, values: [text, 'x'], big: 2 ** 53 - 1, none: null })
    }
    await test.database.run(insert, 1, 'a\u0000')
    await test.database.run(insert, 2, 'a')
    expect((await test.database.run(select)).map(({ value }) => value)).toEqual(['a\u0000', 'a'])
  })

  it('bytes, big integers, nulls and booleans come back as they were', async () => {
    const bytes = Uint8Array.from([0, 255, 92, 120])
    const [row] = await test.database.run(echoAll, bytes.subarray(1), [1n, null, -5n], true)
    expect([...(row?.bytes ?? [])]).toEqual([255, 92, 120])
    expect(row?.numbers).toEqual([1, null, -5])
    expect(row?.yes).toBe(true)
  })

  it('a lone surrogate is refused before anything is sent', async () => {
    const before = test.database.statementsSent
    await expect(test.database.run(insert, 1, 'a\ud800')).rejects.toBeInstanceOf(UnencodableText)
    await expect(test.database.run(insert, Number.NaN, 'a')).rejects.toBeInstanceOf(RangeError)
    expect(test.database.statementsSent).toBe(before)
  })

  it('an integer that a number cannot hold throws and leaves the connection usable', async () => {
    await expect(test.database.run(unsafe)).rejects.toThrow('not safe')
    await expect(test.database.run(select)).resolves.toEqual([])
  })
})

describe('errors', () => {
  it('a violated constraint is named, and the statement works again afterwards', async () => {
    await test.database.run(insert, 1, 'a')
    const refused = await test.database.run(insert, 1, 'b').catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(ConstraintViolation)
    expect(refused).toMatchObject({ constraint: 'rows_key' })
    await test.database.run(insert, 2, 'b')
  })

  it('a constraint that is only checked at commit refuses the statement all the same', async () => {
    await adminQuery(
      test.connectionString,
      'ALTER TABLE public.rows ADD CONSTRAINT late UNIQUE (value) DEFERRABLE INITIALLY DEFERRED',
    )
    await test.database.run(insert, 1, 'a')
    await expect(test.database.run(insert, 2, 'a')).rejects.toMatchObject({ constraint: 'late' })
    const inTransaction = test.database.transaction((tx) => tx.run(insert, 3, 'a'))
    await expect(inTransaction).rejects.toMatchObject({ constraint: 'late' })
    expect(await test.database.run(select)).toEqual([{ id: 1, value: 'a' }])
  })

  it('each kind of refusal has its type (F15)', async () => {
    const refused = (state: string) => test.database.run(raise, state).catch((error: unknown) => error)
    expect(await refused('53100')).toBeInstanceOf(DatabaseFull)
    expect(await refused('53300')).toBeInstanceOf(DatabaseUnavailable)
    expect(await refused('40001')).toBeInstanceOf(SerializationConflict)
    expect(await refused('22012')).toMatchObject({ name: 'StatementFailed', sqlState: '22012' })
    expect(await refused('22012')).toBeInstanceOf(StatementFailed)
  })

  it('a read-only server answers DatabaseFull and writes again when it may (F15)', async () => {
    const readOnly = (value: string) =>
      adminQuery(
        test.connectionString,
        `SET transaction_read_only = off; DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = ${value}', current_database()); END $$`,
      )
    await readOnly('on')
    await test.database.run(endMyself).catch(() => undefined)
    await expect(test.database.run(insert, 1, 'a')).rejects.toBeInstanceOf(DatabaseFull)
    await readOnly('off')
    await test.database.run(insert, 2, 'b')
    expect(await test.database.run(select)).toEqual([{ id: 2, value: 'b' }])
  })

  it('a slow statement fails alone, and no connection is leaked (F16)', async () => {
    const slow = Array.from({ length: 6 }, () => test.database.run(sleep, 5).catch((error: unknown) => error))
    const failures = await Promise.all(slow)
    expect(failures.every((error) => error instanceof StatementTimeout)).toBe(true)
    await Promise.all(Array.from({ length: 8 }, () => test.database.run(select)))
  })

  it('waiting for a connection is bounded, and the reserved one goes on (F12)', async () => {
    const hogs = Array.from({ length: 4 }, () =>
      test.database.transaction(async (tx) => {
        await tx.run(select)
        await until(() => waited)
      }),
    )
    let waited = false
    await until(() => test.database.statementsSent >= 8)
    await expect(test.database.run(select)).rejects.toBeInstanceOf(DatabaseUnavailable)
    await expect(test.database.reserved.run(select)).resolves.toEqual([])
    waited = true
    await Promise.all(hogs)
    await expect(test.database.run(select)).resolves.toEqual([])
  })
})

describe('transactions', () => {
  it('a transaction that throws leaves nothing, and tells of the outcome only', async () => {
    const told: string[] = []
    const failed = test.database.transaction(async (tx) => {
      tx.afterCommit(() => told.push('commit'))
      tx.afterOutcome(() => told.push('outcome'))
      await tx.run(insert, 1, 'a')
      throw new Error('no')
    })
    await expect(failed).rejects.toThrow('no')
    expect(told).toEqual(['outcome'])
    expect(await test.database.run(select)).toEqual([])
  })

  it('after COMMIT those who asked are told in order, the outcome last', async () => {
    const told: string[] = []
    await test.database.transaction(async (tx) => {
      tx.afterOutcome(() => told.push('outcome'))
      tx.afterCommit(() => told.push('first'))
      tx.afterCommit(() => told.push('second'))
      await tx.run(insert, 1, 'a')
      expect(told).toEqual([])
    })
    expect(told).toEqual(['first', 'second', 'outcome'])
  })

  it('a statement counts, with BEGIN, COMMIT and the question for the id of one that writes', async () => {
    const names: string[] = []
    const stop = test.database.onStatement((name) => names.push(name.replace('platform.transaction.', '')))
    await test.database.transaction(async () => undefined)
    expect(names.splice(0)).toEqual([])
    await test.database.transaction((tx) => tx.run(select))
    expect(names.splice(0)).toEqual(['begin', 'test.rows.select', 'commit'])
    await test.database.transaction(async (tx) => {
      await tx.run(select)
      await Promise.all([tx.run(insert, 1, 'a'), tx.run(insert, 2, 'b')])
    })
    expect(names.splice(0)).toEqual([
      'begin',
      'test.rows.select',
      'test.rows.insert',
      'xid',
      'test.rows.insert',
      'commit',
    ])
    stop()
    await test.database.run(select)
    expect(names).toEqual([])
  })

  it('statements started together run in their order, and the first that fails fails the rest', async () => {
    const together = test.database.transaction((tx) =>
      Promise.allSettled([tx.run(insert, 1, 'a'), tx.run(insert, 1, 'b'), tx.run(insert, 3, 'c')]),
    )
    await expect(together).rejects.toBeInstanceOf(ConstraintViolation)
    expect(await test.database.run(select)).toEqual([])
  })

  it('a failed statement that the body swallows does not commit by halves', async () => {
    const swallowed = test.database.transaction(async (tx) => {
      await tx.run(insert, 1, 'a')
      await tx.run(insert, 1, 'b').catch(() => undefined)
    })
    await expect(swallowed).rejects.toBeInstanceOf(ConstraintViolation)
    expect(await test.database.run(select)).toEqual([])
  })

  it('a statement after the end of its transaction is refused', async () => {
    const escaped = await test.database.transaction(async (tx) => ({ tx }))
    await expect(escaped.tx.run(select)).rejects.toThrow('after the end')
  })

  it('serialization failures in one of ten statements are retried, with side effects once (F13)', async () => {
    let told = 0
    const ids = Array.from({ length: 60 }, (_, id) => id)
    await Promise.all(
      ids.map((id) =>
        test.database.transaction(async (tx) => {
          tx.afterCommit(() => told++)
          await tx.run(insert, id, 'x')
          await tx.run(raiseSometimes)
        }),
      ),
    )
    expect(told).toBe(60)
    expect((await test.database.run(select)).map(({ id }) => id)).toEqual(ids)
  })

  it('a transaction that always conflicts ends after five more tries (F13)', async () => {
    let tries = 0
    const hopeless = test.database.transaction(async (tx) => {
      tries++
      await tx.run(raise, '40P01')
    })
    await expect(hopeless).rejects.toBeInstanceOf(SerializationConflict)
    expect(tries).toBe(6)
  })

  it('transactions that deadlock both succeed (F13)', async () => {
    await test.database.run(insert, 1, '0')
    await test.database.run(insert, 2, '0')
    const crossing = (first: number, second: number) =>
      test.database.transaction(async (tx) => {
        await tx.run(detectSoon)
        await tx.run(add, first, 1)
        await meet()
        await tx.run(add, second, 1)
      })
    const meet = rendezvous(2)
    await Promise.all([crossing(1, 2), crossing(2, 1)])
    expect((await test.database.run(select)).map(({ value }) => value)).toEqual(['2', '2'])
  })

  it('a transaction whose connection ends before COMMIT runs again on another (F10)', async () => {
    let tries = 0
    await test.database.transaction(async (tx) => {
      tries++
      await tx.run(insert, 1, 'a')
      if (tries === 1) await tx.run(endMyself)
      await tx.run(insert, 2, 'b')
    })
    expect(tries).toBe(2)
    expect((await test.database.run(select)).map(({ id }) => id)).toEqual([1, 2])
  })
})

/** Ends for the first `count` callers together, and for all later ones at once. */
function rendezvous(count: number): () => Promise<void> {
  let arrived = 0
  let open: () => void = () => undefined
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return () => {
    if (++arrived >= count) open()
    return opened
  }
}

/** Polls without a fixed wait. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve))
}
