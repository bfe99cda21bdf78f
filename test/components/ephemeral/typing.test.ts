import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { EPHEMERAL_STREAMS } from '../../../src/components/ephemeral/index.js'
import { aRoomId, userId } from '../../support/pdu-factory.js'
import { createTestEphemeral, type TestEphemeral } from './support.js'

let t: TestEphemeral
beforeAll(async () => {
  t = await createTestEphemeral()
})
afterAll(() => t.close())

const alice = userId('@alice:test.example')
const bob = userId('@bob:test.example')

describe('typing', () => {
  it('is seen in the room from its position on, and once', async () => {
    const room = aRoomId('!seen:test.example')
    const before = t.streamClock.visible
    await t.ephemeral.setTyping(room, alice, true, 30_000)
    const now = t.streamClock.visible
    expect(t.ephemeral.typingBetween([room], before, now)).toEqual(new Map([[room, [alice]]]))
    expect(t.ephemeral.typingBetween([room], now, now)).toEqual(new Map())
    expect(t.ephemeral.typingBetween([room], 0, now)).toEqual(new Map([[room, [alice]]]))
    expect(t.feed.changedSince(EPHEMERAL_STREAMS.typing, [room], before)).toEqual([room])
  })

  it('ends by its time-out, and that is a change', async () => {
    const room = aRoomId('!timeout:test.example')
    await t.ephemeral.setTyping(room, alice, true, 10_000)
    await t.ephemeral.setTyping(room, bob, true, 60_000)
    const before = t.streamClock.visible
    await t.pass(10_001)
    expect(t.ephemeral.typingBetween([room], before, t.streamClock.visible)).toEqual(new Map([[room, [bob]]]))
  })

  it('goes on when it is said again, which is no change', async () => {
    const room = aRoomId('!again:test.example')
    await t.ephemeral.setTyping(room, alice, true, 10_000)
    const before = t.streamClock.visible
    await t.pass(8_000)
    await t.ephemeral.setTyping(room, alice, true, 10_000)
    await t.pass(8_000)
    expect(t.streamClock.visible).toBe(before)
    expect(t.ephemeral.typingBetween([room], 0, before)).toEqual(new Map([[room, [alice]]]))
  })

  it('can be ended, and is capped at two minutes', async () => {
    const room = aRoomId('!stop:test.example')
    await t.ephemeral.setTyping(room, alice, true, 3_600_000)
    await t.ephemeral.setTyping(room, bob, true, 10_000)
    const before = t.streamClock.visible
    await t.ephemeral.setTyping(room, bob, false, 0)
    expect(t.ephemeral.typingBetween([room], before, t.streamClock.visible)).toEqual(new Map([[room, [alice]]]))
    await t.pass(120_001)
    expect(t.ephemeral.typingBetween([room], before, t.streamClock.visible)).toEqual(new Map([[room, []]]))
    expect(t.ephemeral.typingBetween([room], 0, t.streamClock.visible)).toEqual(new Map())
  })

  it('is never passed by: who is told of a position can read what changed at it', async () => {
    const room = aRoomId('!race:test.example')
    let since = t.streamClock.visible
    const told: number[] = []
    const stop = t.streamClock.onAdvance((visible) => {
      const isAnnounced = t.feed.mayHaveChanged(EPHEMERAL_STREAMS.typing, room, since)
      told.push(isAnnounced ? t.ephemeral.typingBetween([room], since, visible).size : 0)
      since = visible
    })
    await t.ephemeral.setTyping(room, alice, true, 10_000)
    await t.streamClock.caughtUp(1_000)
    await t.ephemeral.setTyping(room, alice, false, 0)
    await t.streamClock.caughtUp(1_000)
    stop()
    expect(told).toEqual([1, 1])
  })

  it('sends no statement', async () => {
    const room = aRoomId('!cheap:test.example')
    const sent = await t.statements(async () => {
      await t.ephemeral.setTyping(room, alice, true, 10_000)
      t.ephemeral.typingBetween([room], 0, t.streamClock.visible)
    })
    expect(sent).toEqual([])
  })
})
