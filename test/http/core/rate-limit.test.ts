import { describe, expect, it } from 'vitest'
import type { Requester } from '../../../src/components/userapi/index.js'
import { createRateLimits } from '../../../src/http/rate-limit.js'
import { FakeClock } from '../../../src/platform/time.js'
import { type DeviceId, deviceId, parseServerName, type ServerName, userIdOf } from '../../../src/protocol/ids.js'

const server = parseServerName('test.example') as ServerName
const requester = (name: string, changes: Partial<Requester> = {}): Requester => ({
  userId: userIdOf(name, server),
  deviceId: deviceId('A') as DeviceId,
  accountType: 'user',
  suspended: false,
  locked: false,
  sessionId: 1,
  ...changes,
})
const config = { enabled: true, threshold: 3, cooloff_ms: 500, exempt_user_ids: ['@bot:test.example'] }

function allowed(action: () => void): true | number {
  try {
    action()
    return true
  } catch (error) {
    expect(error).toMatchObject({ errcode: 'M_LIMIT_EXCEEDED', status: 429 })
    const { extra } = error as { extra: { retry_after_ms: number } }
    return extra.retry_after_ms
  }
}

describe('the request limiter', () => {
  it('lets the threshold through at once, and each slot again after the cool-off', () => {
    const time = new FakeClock()
    const limits = createRateLimits(config, time)
    const go = () => allowed(() => limits.check('client', requester('alice'), '10.0.0.1'))
    expect([go(), go()]).toEqual([true, true])
    time.advance(200)
    expect([go(), go()]).toEqual([true, 300])
    time.advance(300)
    expect([go(), go(), go()]).toEqual([true, true, 200])
    time.advance(60_000)
    expect([go(), go(), go(), go()]).toEqual([true, true, true, 500])
  })

  it('does not mind a clock that is set back or forth (F36)', () => {
    const time = new FakeClock()
    const limits = createRateLimits(config, time)
    const go = () => allowed(() => limits.check('client', undefined, '10.0.0.1'))
    expect([go(), go(), go()]).toEqual([true, true, true])
    time.jump(-600_000)
    expect(go()).toBe(500)
    time.jump(3_600_000)
    expect(go()).toBe(500)
    time.advance(500)
    expect(go()).toBe(true)
  })

  it('counts each device by itself, and who has no token by address', () => {
    const limits = createRateLimits(config, new FakeClock())
    const other = requester('alice', { deviceId: deviceId('B') as DeviceId })
    for (let n = 0; n < 3; n++) {
      limits.check('client', requester('alice'), '10.0.0.1')
      limits.check('client', other, '10.0.0.1')
      limits.check('client', undefined, '10.0.0.1')
      limits.check('client', undefined, '10.0.0.2')
    }
    expect(allowed(() => limits.check('client', requester('alice'), '10.9.9.9'))).toBe(500)
    expect(allowed(() => limits.check('client', undefined, '10.0.0.1'))).toBe(500)
  })

  it('spares administrators, application services and the users named', () => {
    const limits = createRateLimits(config, new FakeClock())
    for (let n = 0; n < 100; n++) {
      limits.check('client', requester('root', { accountType: 'admin' }), '10.0.0.1')
      limits.check('client', requester('bridge', { accountType: 'appservice' }), '10.0.0.1')
      limits.check('client', requester('bot'), '10.0.0.1')
    }
  })

  it('is off, logins and registrations included, when it is not enabled', () => {
    const limits = createRateLimits({ ...config, enabled: false }, new FakeClock())
    for (let n = 0; n < 1_000; n++) {
      limits.check('client', requester('alice'), '10.0.0.1')
      limits.check('login', undefined, '10.0.0.1')
      limits.check('register', undefined, '10.0.0.1')
      limits.checkPasswordAttempts('@alice:test.example', '10.0.0.1')
      limits.passwordFailed('@alice:test.example', '10.0.0.1')
    }
  })

  it('slows guessing of a password where it happens, without locking the owner out elsewhere', () => {
    const time = new FakeClock()
    const limits = createRateLimits(config, time)
    const guess = () => {
      const may = allowed(() => limits.checkPasswordAttempts('@alice:test.example', '10.6.6.6'))
      if (may === true) limits.passwordFailed('@alice:test.example', '10.6.6.6')
      return may
    }
    expect([guess(), guess(), guess(), guess(), guess()]).toEqual([true, true, true, true, true])
    expect(guess()).toBeGreaterThan(0)
    limits.checkPasswordAttempts('@alice:test.example', '10.0.0.1')
    time.advance(6_000)
    expect([guess(), guess() === true]).toEqual([true, false])
  })
})
