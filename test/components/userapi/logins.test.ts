import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { USER_STREAMS } from '../../../src/components/userapi/index.js'
import { FakeClock } from '../../../src/platform/time.js'
import { userIdOf } from '../../../src/protocol/ids.js'
import { adminQuery } from '../../support/postgres.js'
import { createTestUserApi, SERVER_NAME, type TestUserApi } from '../../support/userapi.js'

const alice = userIdOf('alice', SERVER_NAME)
const PASSWORD = 'correct horse battery'

describe('accounts', () => {
  let t: TestUserApi
  beforeAll(async () => {
    t = await createTestUserApi()
    await t.userapi.createAccount({ userId: alice, password: PASSWORD, type: 'user', displayName: 'Alice' })
  })
  afterAll(() => t.close())

  it('of fifty registrations of one name at the same time exactly one succeeds, and its password holds', async () => {
    const userId = userIdOf('contended', SERVER_NAME)
    const attempts = await Promise.allSettled(
      Array.from({ length: 50 }, (_, n) =>
        t.userapi.createAccount({ userId, password: `password ${n}`, type: 'user' }),
      ),
    )
    const winners = attempts.flatMap((attempt, n) => (attempt.status === 'fulfilled' ? [n] : []))
    expect(winners).toHaveLength(1)
    for (const attempt of attempts) {
      if (attempt.status === 'rejected') expect(attempt.reason).toMatchObject({ errcode: 'M_USER_IN_USE' })
    }
    for (const [n] of attempts.entries()) {
      if (n % 10 === 0 || winners.includes(n)) {
        expect(await t.userapi.checkPassword(userId, `password ${n}`)).toBe(winners.includes(n))
      }
    }
  })

  it('know their password to the last byte, and nobody gets in with none', async () => {
    const long = userIdOf('long', SERVER_NAME)
    const base = 'x'.repeat(80)
    await t.userapi.createAccount({ userId: long, password: `${base}a`, type: 'user' })
    expect(await t.userapi.checkPassword(long, `${base}a`)).toBe(true)
    expect(await t.userapi.checkPassword(long, `${base}b`)).toBe(false)
    await t.userapi.setPassword(long, 'nul\0one')
    expect(await t.userapi.checkPassword(long, 'nul\0one')).toBe(true)
    expect(await t.userapi.checkPassword(long, 'nul\0two')).toBe(false)
    const without = userIdOf('without', SERVER_NAME)
    await t.userapi.createAccount({ userId: without, type: 'user' })
    for (const password of ['', 'x', 'null', 'undefined']) {
      expect(await t.userapi.checkPassword(without, password)).toBe(false)
      expect(await t.userapi.checkPassword(userIdOf('nobody', SERVER_NAME), password)).toBe(false)
    }
    await t.userapi.setPassword(without, '')
    expect(await t.userapi.checkPassword(without, '')).toBe(false)
  })

  it('are told apart from deactivated ones and those of other servers', async () => {
    const gone = userIdOf('gone', SERVER_NAME)
    await t.userapi.createAccount({ userId: gone, password: PASSWORD, type: 'user', displayName: 'Gone' })
    const { accessToken } = await t.userapi.login({ userId: gone })
    expect(await t.userapi.requester(accessToken)).toMatchObject({ userId: gone })
    await t.userapi.deactivate(gone, { erase: true })
    expect(await t.userapi.requester(accessToken)).toBeUndefined()
    expect(await t.userapi.checkPassword(gone, PASSWORD)).toBe(false)
    expect(await t.userapi.account(gone)).toMatchObject({ deactivated: true, hasPassword: false })
    expect(await t.userapi.profile(gone)).toEqual({})
    expect(await t.userapi.isAvailable(gone)).toBe(false)
    expect(await t.userapi.existing([alice, gone, userIdOf('nobody', SERVER_NAME)])).toEqual(new Set([alice]))
    await expect(t.userapi.login({ userId: gone })).rejects.toMatchObject({ errcode: 'M_USER_DEACTIVATED' })
    await expect(t.userapi.setPassword(gone, PASSWORD)).rejects.toMatchObject({ errcode: 'M_NOT_FOUND' })
    expect(await t.userapi.devices(gone)).toEqual([])
  })

  it('keep no token and no password in the database', async () => {
    const { accessToken } = await t.userapi.login({ userId: alice })
    const rows = await adminQuery<{ text: string }>(
      t.test.connectionString,
      `SELECT a::text || coalesce((SELECT string_agg(k::text || encode(token_hash, 'escape'), '') FROM userapi.access_tokens k), '')
         AS text FROM userapi.accounts a`,
    )
    const all = rows.map((row) => row.text).join()
    expect(all).toContain(alice)
    expect(all).not.toContain(PASSWORD)
    expect(all).not.toContain(accessToken)
  })
})

describe('access tokens', () => {
  let t: TestUserApi
  beforeAll(async () => {
    t = await createTestUserApi()
    await t.userapi.createAccount({ userId: alice, password: PASSWORD, type: 'user' })
  })
  afterAll(() => t.close())

  it('cost no statement once they are known, and three after a restart', async () => {
    const { accessToken } = await t.userapi.login({ userId: alice })
    await t.userapi.requester(accessToken)
    const warm = await t.statements(async () => {
      for (let n = 0; n < 100; n++) await t.userapi.requester(accessToken)
    })
    expect(warm).toEqual([])
    const restarted = await t.again()
    const cold = await t.statements(async () => {
      expect(await restarted.requester(accessToken)).toMatchObject({ userId: alice })
    })
    expect(cold.length).toBeLessThanOrEqual(2)
  })

  it('are different each time and 256 bits long', async () => {
    const made = await Promise.all(Array.from({ length: 50 }, () => t.userapi.login({ userId: alice })))
    expect(new Set(made.map((login) => login.accessToken)).size).toBe(50)
    expect(new Set(made.map((login) => login.deviceId)).size).toBe(50)
    for (const { accessToken } of made) expect(Buffer.from(accessToken, 'base64url')).toHaveLength(32)
  })

  it('that nobody was given are nobody', async () => {
    const { accessToken } = await t.userapi.login({ userId: alice })
    const wrong = ['', ' ', 'x', accessToken.slice(1), `${accessToken}x`, 'y'.repeat(100_000), '\0', '\ud800']
    for (const token of wrong) expect(await t.userapi.requester(token)).toBeUndefined()
  })

  it('of a device end when it is logged in on anew, deleted, or with all others', async () => {
    const first = await t.userapi.login({ userId: alice, deviceId: 'PHONE', initialDeviceDisplayName: 'phone' })
    await t.userapi.requester(first.accessToken)
    const second = await t.userapi.login({ userId: alice, deviceId: 'PHONE', initialDeviceDisplayName: 'other name' })
    expect(await t.userapi.requester(first.accessToken)).toBeUndefined()
    expect(await t.userapi.requester(second.accessToken)).toMatchObject({ deviceId: 'PHONE' })
    expect(await t.userapi.device(alice, 'PHONE')).toMatchObject({ displayName: 'phone' })
    await t.userapi.deleteDevices(alice, ['PHONE', 'NO_SUCH'])
    expect(await t.userapi.requester(second.accessToken)).toBeUndefined()
    expect(await t.userapi.device(alice, 'PHONE')).toBeUndefined()
    const kept = await t.userapi.login({ userId: alice, deviceId: 'KEPT' })
    const other = await t.userapi.login({ userId: alice, deviceId: 'OTHER' })
    expect(await t.userapi.deleteAllDevices(alice, 'KEPT')).toContain('OTHER')
    expect(await t.userapi.requester(kept.accessToken)).toBeDefined()
    expect(await t.userapi.requester(other.accessToken)).toBeUndefined()
  })

  it('never outlive a logout that happens while they are being looked up', async () => {
    for (let round = 0; round < 20; round++) {
      const { accessToken, deviceId } = await t.userapi.login({ userId: alice })
      const lookups = Array.from({ length: 5 }, () => t.userapi.requester(accessToken))
      await Promise.all([...lookups, t.userapi.deleteDevices(alice, [deviceId])])
      expect(await t.userapi.requester(accessToken)).toBeUndefined()
    }
  })

  it('take on a changed account type at once', async () => {
    const { accessToken } = await t.userapi.login({ userId: alice })
    expect(await t.userapi.requester(accessToken)).toMatchObject({ accountType: 'user' })
    await t.userapi.setAccountType(alice, 'admin')
    expect(await t.userapi.requester(accessToken)).toMatchObject({ accountType: 'admin' })
  })
})

describe('devices', () => {
  it('are announced on the stream when they come, are renamed and go', async () => {
    const t = await createTestUserApi()
    await t.userapi.createAccount({ userId: alice, type: 'user' })
    const changed = async (action: () => Promise<unknown>): Promise<boolean> => {
      const since = t.streamClock.visible
      await action()
      await t.streamClock.caughtUp(1_000)
      return t.feed.mayHaveChanged(USER_STREAMS.devices, alice, since)
    }
    expect(await changed(() => t.userapi.login({ userId: alice, deviceId: 'A' }))).toBe(true)
    expect(await changed(() => t.userapi.renameDevice(alice, 'A', 'new name'))).toBe(true)
    expect(await changed(() => t.userapi.renameDevice(alice, 'B', 'new name'))).toBe(false)
    expect(await changed(() => t.userapi.deleteDevices(alice, ['B']))).toBe(false)
    expect(await changed(() => t.userapi.deleteDevices(alice, ['A']))).toBe(true)
    await t.close()
  })

  it('show when and from where they were used, written in one statement a minute', async () => {
    const time = new FakeClock()
    const t = await createTestUserApi({ time })
    await t.userapi.start()
    await t.userapi.createAccount({ userId: alice, type: 'user' })
    const { accessToken } = await t.userapi.login({ userId: alice, deviceId: 'A', clientAddress: '10.0.0.1' })
    const requester = await t.userapi.requester(accessToken)
    if (requester === undefined) throw new Error('no requester')
    time.advance(5_000)
    const now = time.now()
    const noted = await t.statements(async () => {
      for (let n = 0; n < 1_000; n++) t.userapi.seen(requester, '192.0.2.7', 'agent')
    })
    expect(noted).toEqual([])
    const expected = { lastSeenIp: '192.0.2.7', lastSeenTs: now, lastSeenUserAgent: 'agent' }
    expect(await t.userapi.device(alice, 'A')).toMatchObject(expected)
    const stopped = await t.statements(() => t.userapi.stop())
    expect(stopped).toEqual(['userapi.devices.update_last_seen'])
    expect(await (await t.again()).device(alice, 'A')).toMatchObject(expected)
    await t.close()
  })
})
