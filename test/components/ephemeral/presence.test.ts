import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { EPHEMERAL_STREAMS } from '../../../src/components/ephemeral/index.js'
import { userId } from '../../support/pdu-factory.js'
import { createTestEphemeral, type TestEphemeral } from './support.js'

let t: TestEphemeral
beforeEach(async () => {
  t = await createTestEphemeral()
})
afterEach(() => t.close())

const alice = userId('@alice:test.example')
const bob = userId('@bob:test.example')

async function stateOf(who = alice) {
  return (await t.ephemeral.presence([who])).get(who)
}

/** Time passes while a client keeps syncing. */
async function syncFor(ms: number, says: 'online' | 'unavailable' | 'offline' = 'online'): Promise<void> {
  for (let left = ms; left > 0; left -= 30_000) {
    await t.ephemeral.touch(alice, says)
    await t.pass(Math.min(left, 30_000))
  }
}

describe('presence', () => {
  it('that is set is told with its status, and the status stays until it is removed', async () => {
    const before = t.streamClock.visible
    await t.ephemeral.setPresence(alice, 'online', 'here')
    const [told] = await t.ephemeral.presenceBetween([alice, bob], before, t.streamClock.visible)
    expect(told).toMatchObject({ userId: alice, state: 'online', statusMessage: 'here', currentlyActive: true })
    expect(t.feed.mayHaveChanged(EPHEMERAL_STREAMS.presence, alice, before)).toBe(true)
    await t.ephemeral.setPresence(alice, 'unavailable')
    expect(await stateOf()).toMatchObject({ state: 'unavailable', statusMessage: 'here', currentlyActive: false })
    await t.ephemeral.setPresence(alice, 'online', null)
    expect((await stateOf())?.statusMessage).toBeUndefined()
  })

  it('is online with the first sync, and offline when the syncs have stopped', async () => {
    await t.ephemeral.touch(alice, 'online')
    expect(await stateOf()).toMatchObject({ state: 'online', currentlyActive: true })
    await t.pass(160_000)
    expect(await stateOf()).toMatchObject({ state: 'offline', currentlyActive: false })
  })

  it('is idle after five minutes without activity, and online again with the next', async () => {
    await syncFor(310_000)
    expect(await stateOf()).toMatchObject({ state: 'unavailable' })
    await t.ephemeral.touch(alice, 'online')
    expect(await stateOf()).toMatchObject({ state: 'unavailable' })
    await t.ephemeral.touch(alice)
    expect(await stateOf()).toMatchObject({ state: 'online', currentlyActive: true })
  })

  it('stops being active right now after a minute, which is told once', async () => {
    await t.ephemeral.touch(alice, 'online')
    const before = t.streamClock.visible
    await syncFor(70_000)
    const after = t.streamClock.visible
    expect(await t.ephemeral.presenceBetween([alice], before, after)).toMatchObject([{ currentlyActive: false }])
    await syncFor(60_000)
    expect(t.streamClock.visible).toBe(after)
  })

  it('of a client that returns from being idle is online', async () => {
    await syncFor(90_000, 'unavailable')
    expect(await stateOf()).toMatchObject({ state: 'unavailable' })
    await t.ephemeral.touch(alice, 'online')
    expect(await stateOf()).toMatchObject({ state: 'online' })
  })

  it('is not given away by a client that syncs as offline, nor by sending', async () => {
    const sent = await t.statements(async () => {
      await t.ephemeral.touch(alice, 'offline')
      await t.ephemeral.touch(alice)
    })
    expect(sent).toEqual([])
    expect(await stateOf()).toBeUndefined()
  })

  it('costs a syncing user no statement', async () => {
    await t.ephemeral.touch(alice, 'online')
    const sent = await t.statements(async () => {
      await t.ephemeral.touch(alice, 'online')
      await t.ephemeral.touch(alice)
      await t.ephemeral.presenceBetween([alice, bob], t.streamClock.visible - 1, t.streamClock.visible)
      await t.ephemeral.presenceBetween([alice, bob], 0, t.streamClock.visible)
    })
    expect(sent).toEqual([])
  })

  it('is written in the background, once for several changes', async () => {
    await t.ephemeral.setPresence(alice, 'online', 'one')
    await t.ephemeral.setPresence(alice, 'online', 'two')
    await t.ephemeral.setPresence(bob, 'online', 'three')
    const sent = await t.statements(() => t.pass(35_000))
    expect(sent).toEqual(['ephemeral.presence.upsert'])
  })

  it('survives a restart: the status stays, and who does not come back goes offline', async () => {
    await t.ephemeral.setPresence(alice, 'online', 'here')
    const before = t.streamClock.visible
    t = await t.restart()
    expect(await stateOf()).toMatchObject({ state: 'online', statusMessage: 'here' })
    expect(await t.ephemeral.presenceBetween([alice], before, t.streamClock.visible)).toEqual([])
    await t.pass(160_000)
    const told = await t.ephemeral.presenceBetween([alice], before, t.streamClock.visible)
    expect(told).toMatchObject([{ state: 'offline', statusMessage: 'here' }])
  })

  it('of who has gone before a restart is found for a token from before it', async () => {
    await t.ephemeral.setPresence(alice, 'online', 'here')
    const before = t.streamClock.visible
    await t.ephemeral.setPresence(alice, 'offline', 'bye')
    t = await t.restart()
    const told = await t.ephemeral.presenceBetween([alice, bob], before, t.streamClock.visible)
    expect(told).toMatchObject([{ state: 'offline', statusMessage: 'bye' }])
  })

  it('that is turned off is kept for who asks, and streamed to nobody', async () => {
    const off = await createTestEphemeral({ enable_inbound: false, enable_outbound: false })
    try {
      const before = off.streamClock.visible
      await off.ephemeral.touch(bob, 'online')
      await off.ephemeral.setPresence(alice, 'online', 'here')
      expect(off.ephemeral.enabled).toBe(false)
      expect(off.streamClock.visible).toBe(before)
      expect(await off.ephemeral.presenceBetween([alice, bob], 0, before + 1_000)).toEqual([])
      const known = await off.ephemeral.presence([alice, bob])
      expect(known.get(alice)).toMatchObject({ state: 'online', statusMessage: 'here' })
      expect(known.has(bob)).toBe(false)
      await off.pass(160_000)
      expect((await off.ephemeral.presence([alice])).get(alice)).toMatchObject({ state: 'offline' })
    } finally {
      await off.close()
    }
  })
})
