import { describe, expect, it } from 'vitest'
import { createBus } from '../../src/platform/bus.js'
import { createCacheBudget } from '../../src/platform/cache.js'
import { normaliseConnectionString, withoutPassword } from '../../src/platform/connection-string.js'
import { KeyedQueue } from '../../src/platform/keyed-queue.js'
import { createLifecycle } from '../../src/platform/lifecycle.js'
import { openLog } from '../../src/platform/log.js'
import { createLoops } from '../../src/platform/loop.js'
import { createMetrics } from '../../src/platform/metrics.js'
import { FakeClock } from '../../src/platform/time.js'
import { startWatchdog } from '../../src/platform/watchdog.js'

const log = openLog([{ type: 'file', path: '/dev/null', level: 'fatal' }])

describe('the cache budget', () => {
  it('is kept over all caches together, and the least recently used goes first', () => {
    const budget = createCacheBudget(100_000)
    const [first, second] = [
      budget.cache<number, string>('first', (text) => text.length),
      budget.cache<string, number>('second', () => 1_000),
    ]
    for (let key = 0; key < 60; key++) first.set(key, 'x'.repeat(1_000))
    first.get(0)
    for (let key = 0; key < 60; key++) second.set(String(key), key)
    expect(budget.usedBytes).toBeLessThanOrEqual(budget.limitBytes)
    expect(first.has(0)).toBe(true)
    expect(first.has(1)).toBe(false)
    expect(second.size).toBe(60)
    const [stats] = budget.stats()
    expect(stats).toMatchObject({ name: 'first', hits: 1, entries: first.size })
    expect(stats?.evictions).toBe(60 - first.size)
  })

  it('counts a replaced entry once and forgets a deleted one', () => {
    const budget = createCacheBudget(100_000)
    const cache = budget.cache<string, string>('texts', (text) => text.length)
    cache.set('a', 'x'.repeat(500))
    const used = budget.usedBytes
    cache.set('a', 'y'.repeat(500))
    expect(budget.usedBytes).toBe(used)
    expect(cache.get('a')).toBe('y'.repeat(500))
    expect(cache.delete('a')).toBe(true)
    expect(cache.delete('a')).toBe(false)
    expect(budget.usedBytes).toBe(0)
    expect(budget.stats()[0]).toMatchObject({ bytes: 0, entries: 0 })
  })

  it('does not keep an entry that would throw out most of the others', () => {
    const budget = createCacheBudget(100_000)
    const cache = budget.cache<string, string>('texts', (text) => text.length)
    cache.set('small', 'x')
    cache.set('huge', 'x'.repeat(50_000))
    expect([cache.has('small'), cache.has('huge')]).toEqual([true, false])
  })

  it('gives memory back under pressure', () => {
    const budget = createCacheBudget(100_000)
    const cache = budget.cache<number, number>('numbers', () => 100)
    for (let key = 0; key < 200; key++) cache.set(key, key)
    budget.shrinkTo(1_000)
    expect(budget.usedBytes).toBeLessThanOrEqual(1_000)
    expect(cache.has(199)).toBe(true)
    cache.clear()
    expect(cache.size).toBe(0)
  })
})

describe('the bus', () => {
  it('tells every listener of the topic until it stops', () => {
    const bus = createBus()
    const heard: string[] = []
    const stop = bus.subscribe('rooms', (keys) => heard.push(...keys))
    bus.subscribe('users', (keys) => heard.push(`user ${keys.join()}`))
    bus.publish('rooms', ['a', 'b'])
    stop()
    bus.publish('rooms', ['c'])
    bus.publish('users', ['u'])
    bus.publish('nobody', ['x'])
    expect(heard).toEqual(['a', 'b', 'user u'])
  })
})

describe('the fake clock', () => {
  it('runs what falls due in order and leaves monotonic time alone when the wall jumps (F36)', () => {
    const clock = new FakeClock(1_000)
    const order: string[] = []
    clock.after(20, () => order.push('second'))
    clock.after(10, () => order.push('first'))
    const cancel = clock.after(15, () => order.push('never'))
    cancel()
    clock.jump(-600)
    clock.advance(20)
    expect(order).toEqual(['first', 'second'])
    expect([clock.now(), clock.monotonic()]).toEqual([420, 20])
  })

  it('a sleep ends with its signal', async () => {
    const abort = new AbortController()
    const slept = new FakeClock().sleep(1_000, abort.signal)
    abort.abort()
    await slept
  })
})

describe('loops', () => {
  it('rest between runs, start at once when woken, and stop', async () => {
    const clock = new FakeClock()
    const loops = createLoops(clock, log)
    const runs = new Steps()
    const loop = loops.start({ name: 'tidy', owner: 'test', intervalMs: 1_000, body: async () => runs.step() })
    clock.advance(1_000)
    await runs.reach(1)
    await settled()
    loop.wake()
    await runs.reach(2)
    await loop.stop()
    clock.advance(10_000)
    expect(runs.count).toBe(2)
    expect(loops.health()).toEqual([])
  })

  it('a run that throws shows in health and is repeated after a growing pause (F63)', async () => {
    const clock = new FakeClock()
    const loops = createLoops(clock, log)
    const runs = new Steps()
    loops.start({
      name: 'fragile',
      owner: 'test',
      intervalMs: 10,
      immediately: true,
      body: async () => {
        runs.step()
        if (runs.count < 3) throw new Error(`no ${runs.count}`)
      },
    })
    await runs.reach(1)
    await settled()
    expect(loops.health()).toMatchObject([{ name: 'fragile', healthy: false, failuresInARow: 1, lastError: 'no 1' }])
    clock.advance(100)
    await settled()
    expect(runs.count).toBe(1)
    clock.advance(1_000)
    await runs.reach(2)
    await settled()
    clock.advance(2_000)
    await runs.reach(3)
    await settled()
    expect(loops.health()).toMatchObject([{ healthy: true, runs: 1 }])
    await loops.stop()
  })
})

describe('the lifecycle', () => {
  const part = (name: string, order: string[], fails = false) => ({
    name,
    start: async () => {
      if (fails) throw new Error(`${name} failed`)
      order.push(`+${name}`)
    },
    stop: async () => {
      order.push(`-${name}`)
    },
  })

  it('starts in order and stops in reverse, once', async () => {
    const order: string[] = []
    const lifecycle = createLifecycle(new FakeClock(), log)
    for (const name of ['database', 'queue', 'listener']) lifecycle.add(part(name, order))
    await lifecycle.start()
    await Promise.all([lifecycle.stop(), lifecycle.stop()])
    expect(order).toEqual(['+database', '+queue', '+listener', '-listener', '-queue', '-database'])
  })

  it('a part that fails to start stops those before it', async () => {
    const order: string[] = []
    const lifecycle = createLifecycle(new FakeClock(), log)
    lifecycle.add(part('database', order))
    lifecycle.add(part('queue', order, true))
    await expect(lifecycle.start()).rejects.toThrow('queue failed')
    expect(order).toEqual(['+database', '-database'])
  })

  it('a part that does not stop is left behind, in 5 s altogether (F7)', async () => {
    const clock = new FakeClock()
    const order: string[] = []
    const lifecycle = createLifecycle(clock, log)
    lifecycle.add(part('database', order))
    lifecycle.add({ name: 'stuck', stop: () => new Promise(() => undefined) })
    await lifecycle.start()
    const stopped = lifecycle.stop()
    clock.advance(4_000)
    await stopped
    expect(order).toEqual(['+database', '-database'])
  })
})

describe('the keyed queue', () => {
  it('runs one key in order and different keys beside each other, whatever fails', async () => {
    const queue = new KeyedQueue()
    const order: string[] = []
    const gate = new Steps()
    const slow = queue.run('a', async () => {
      await gate.reach(1)
      order.push('a1')
      throw new Error('no')
    })
    const next = queue.run('a', async () => order.push('a2'))
    await queue.run('b', async () => order.push('b'))
    gate.step()
    await expect(slow).rejects.toThrow('no')
    await next
    await settled()
    expect(order).toEqual(['b', 'a1', 'a2'])
    expect(queue.size).toBe(0)
  })
})

describe('metrics', () => {
  it('are read at the scrape', async () => {
    const metrics = createMetrics()
    let value = 1
    metrics.gauge('neurite_test_value', 'A value', () => value)
    metrics.gaugeBy('neurite_test_values', 'Values', 'cache', () => [['a', 3]] as const)
    metrics.counter('neurite_test_total', 'A total', ['kind']).inc({ kind: 'x' }, 2)
    value = 7
    const text = await metrics.text()
    expect(text).toContain('neurite_test_value 7')
    expect(text).toContain('neurite_test_values{cache="a"} 3')
    expect(text).toContain('neurite_test_total{kind="x"} 2')
  })
})

describe('the watchdog', () => {
  it('sees a blocked event loop, and health comes back (F62)', async () => {
    const watchdog = startWatchdog({ log, blockMs: 50, unhealthyForMs: 60, everyMs: 5 })
    await until(() => watchdog.healthy)
    const end = performance.now() + 120
    while (performance.now() < end);
    expect(watchdog.healthy).toBe(false)
    await until(() => watchdog.blocks === 1)
    expect(watchdog.longestBlockMs).toBeGreaterThan(50)
    expect(watchdog.healthy).toBe(false)
    await until(() => watchdog.healthy)
    watchdog.stop()
  })
})

describe('connection strings', () => {
  it.each([
    ['postgresql://u:p@/db', 'postgresql://u:p@localhost/db'],
    [
      'postgres://u:p@host:5433/db?sslmode=disable',
      'postgresql://u:p@host:5433/db?sslmode=disable&uselibpqcompat=true',
    ],
    ['host=db user=u password=p dbname=d port=5433', 'postgresql://u:p@db:5433/d'],
    ["host=/run/pg user=u dbname='my db'", 'postgresql://u@/my%20db?host=%2Frun%2Fpg'],
    ['postgresql://u@host', 'postgresql://u@host/u'],
    ['postgresql://u@/d?host=%2Frun', 'postgresql://u@/d?host=%2Frun'],
  ])('%s', (given, expected) => {
    expect(normaliseConnectionString(given)).toBe(expected)
  })

  it('one without user has the name of the system user', () => {
    expect(normaliseConnectionString('postgresql://host/db')).toMatch(/^postgresql:\/\/[^:@/]+@host\/db$/)
  })

  it('what is not one is refused without its password', () => {
    expect(() => normaliseConnectionString('host=a password=secret nonsense')).toThrow(/^(?!.*secret).*$/)
    expect(withoutPassword('postgresql://u:secret@h/d')).toBe('postgresql://u:***@h/d')
  })
})

class Steps {
  count = 0
  readonly #waiting = new Map<number, () => void>()

  step(): void {
    this.count++
    this.#waiting.get(this.count)?.()
  }

  reach(count: number): Promise<void> {
    if (this.count >= count) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.set(count, resolve))
  }
}

/** Everything that is ready to run has run. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await settled()
}
