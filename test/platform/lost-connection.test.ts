import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DatabaseUnavailable, type OpenDatabase, openDatabase } from '../../src/platform/database.js'
import { statement } from '../../src/platform/statement.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { adminQuery } from '../support/postgres.js'
import { type FaultProxy, startFaultProxy } from './fault-proxy.js'

const insert = statement<never, [id: number]>('test.lost.insert', 'INSERT INTO public.lost VALUES ($1)')
const select = statement<{ id: number }>('test.lost.select', 'SELECT id FROM public.lost ORDER BY id')

let test: TestDatabase
let proxy: FaultProxy
let database: OpenDatabase
beforeEach(async () => {
  test = await createTestDatabase()
  await adminQuery(test.connectionString, 'CREATE TABLE public.lost (id bigint)')
  proxy = await startFaultProxy(test.connectionString)
  database = await openDatabase({
    connectionString: proxy.connectionString,
    maxConnections: 3,
    acquireTimeoutMs: 500,
    pingAfterMs: 20,
  })
})
afterEach(async () => {
  await database.close()
  await proxy.close()
  await test.close()
})

describe('a connection lost during COMMIT', () => {
  it('is a success when the transaction committed, and told once', async () => {
    let told = 0
    let tries = 0
    // Tag of the COMMIT's completion: the server has committed, and nobody hears of it.
    let lost = false
    proxy.filterAnswers((chunk) => {
      lost ||= chunk.includes('COMMIT\u0000')
      return !lost
    })
    const committed = database.transaction(async (tx) => {
      tries++
      tx.afterCommit(() => told++)
      await tx.run(insert, 1)
    })
    await until(() => lost)
    proxy.filterAnswers(undefined)
    await committed
    expect({ told, tries }).toEqual({ told: 1, tries: 1 })
    expect(await database.run(select)).toEqual([{ id: 1 }])
  })

  it('is tried again when the transaction did not commit', async () => {
    let told = 0
    let tries = 0
    proxy.filterRequests((chunk) => !chunk.includes('COMMIT\u0000'))
    const retried = database.transaction(async (tx) => {
      tries++
      if (tries === 2) proxy.filterRequests(undefined)
      tx.afterCommit(() => told++)
      await tx.run(insert, 1)
    })
    await retried
    expect({ told, tries }).toEqual({ told: 1, tries: 2 })
    expect(await database.run(select)).toEqual([{ id: 1 }])
  })

  it('does not return while the database is away', async () => {
    let settled = false
    let refused = 0
    proxy.filterAnswers((chunk) => {
      if (refused > 0 || chunk.includes('COMMIT\u0000')) refused++
      return refused === 0
    })
    const committed = database
      .transaction((tx) => tx.run(insert, 1))
      .finally(() => {
        settled = true
      })
    await until(() => refused > 4)
    expect(settled).toBe(false)
    proxy.filterAnswers(undefined)
    await committed
    expect(await database.run(select)).toEqual([{ id: 1 }])
  })

  it('ends with the database being closed', async () => {
    let lost = false
    proxy.filterAnswers((chunk) => {
      lost ||= chunk.includes('COMMIT\u0000')
      return !lost
    })
    const unknown = database.transaction((tx) => tx.run(insert, 1)).catch((error: unknown) => error)
    await until(() => lost && proxy.connections === 0)
    await database.close()
    expect(await unknown).toBeInstanceOf(DatabaseUnavailable)
  })
})

describe('idle connections', () => {
  it('that were cut are replaced without an error to anyone', async () => {
    await Promise.all([1, 2, 3].map((id) => database.run(insert, id)))
    proxy.cutAll()
    const rows = await Promise.all([1, 2, 3].map(() => database.run(select)))
    expect(rows.map((found) => found.length)).toEqual([3, 3, 3])
  })

  it('that lead nowhere are found out and replaced together', async () => {
    await Promise.all([1, 2, 3].map((id) => database.run(insert, id)))
    const since = performance.now()
    await until(() => performance.now() - since > 25)
    proxy.blackholeAll()
    expect(await database.run(select)).toHaveLength(3)
    // One ping ran into its time-out; the others of that age were dropped unasked.
    expect(performance.now() - since).toBeLessThan(4_000)
  })
})

/** Polls without a fixed wait. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5))
}
