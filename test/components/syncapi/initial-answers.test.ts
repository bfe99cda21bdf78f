import { expect, it } from 'vitest'
import { Gate } from '../../../src/components/syncapi/gate.js'
import { InitialAnswers } from '../../../src/components/syncapi/initial-answers.js'
import { createCacheBudget } from '../../../src/platform/cache.js'
import { FakeClock } from '../../../src/platform/time.js'

function setUp(width = 2) {
  const time = new FakeClock()
  const answers = new InitialAnswers(new Gate(width), createCacheBudget(1 << 20), time)
  const work = { begun: 0, atOnce: 0, most: 0, release: (): void => undefined }
  const blocked = new Promise<void>((resolve) => {
    work.release = resolve
  })
  const compose = async (): Promise<string> => {
    work.begun++
    work.atOnce++
    work.most = Math.max(work.most, work.atOnce)
    await blocked
    work.atOnce--
    return `answer ${work.begun}`
  }
  return { time, answers, work, compose }
}

const never = () => new AbortController().signal

it('50 initial syncs at once are composed two at a time (F58)', async () => {
  const { answers, work, compose } = setUp()
  const all = Array.from({ length: 50 }, (_, index) => answers.get(`user ${index}`, never(), compose))
  work.release()
  expect(await Promise.all(all)).toHaveLength(50)
  expect([work.begun, work.most]).toEqual([50, 2])
})

it('a client that gave up finds its answer under way, or finished, when it asks again (F58)', async () => {
  const { answers, work, compose } = setUp()
  const patience = new AbortController()
  const first = answers.get('user', patience.signal, compose)
  patience.abort()
  const second = answers.get('user', never(), compose)
  work.release()
  expect(await second).toBe('answer 1')
  await first

  const again = new AbortController()
  again.abort()
  await answers.get('user', again.signal, compose)
  expect(await answers.get('user', never(), compose)).toBe('answer 2')
  expect(await answers.get('user', never(), compose)).toBe('answer 3')
})

it('a kept answer is for a minute', async () => {
  const { time, answers, work, compose } = setUp()
  work.release()
  const gone = new AbortController()
  gone.abort()
  await answers.get('user', gone.signal, compose)
  time.advance(61_000)
  expect(await answers.get('user', never(), compose)).toBe('answer 2')
})

it('who asks beside a request that still waits is answered for themselves', async () => {
  const { answers, work, compose } = setUp()
  const both = [answers.get('user', never(), compose), answers.get('user', never(), compose)]
  work.release()
  await Promise.all(both)
  expect(work.begun).toBe(2)
})
