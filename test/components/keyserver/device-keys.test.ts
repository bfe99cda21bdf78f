import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { KEY_STREAMS } from '../../../src/components/keyserver/index.js'
import type { DeviceId, UserId } from '../../../src/protocol/ids.js'
import { aDevice, createTestKeyServer, deviceKeys, json, keyPair, oneTimeKeys, type TestKeyServer } from './support.js'

let t: TestKeyServer
beforeAll(async () => {
  t = await createTestKeyServer()
})
afterAll(() => t.close())

const ALGORITHM = 'signed_curve25519'

function wanted(userId: UserId, deviceId: DeviceId, algorithm = ALGORITHM) {
  return new Map([[userId, new Map([[deviceId, algorithm]])]])
}

describe('uploads of keys', () => {
  it('are counted by algorithm, and the same upload again changes nothing', async () => {
    const alice = await t.account('counts')
    const device = await t.device(alice, 'A')
    const upload = {
      deviceKeys: deviceKeys(alice, 'A'),
      oneTimeKeys: json({ 'my_algorithm:1': 'abc', ...oneTimeKeys(2) }),
      fallbackKeys: json({ 'signed_curve25519:f': { key: 'x', fallback: true, signatures: {} } }),
    }
    const counts = await t.keyserver.uploadKeys(alice, device, upload)
    expect(Object.fromEntries(counts.oneTimeKeys)).toEqual({ my_algorithm: 1, signed_curve25519: 2 })
    expect(counts.unusedFallbackKeyAlgorithms).toEqual([ALGORITHM])
    await t.streamClock.caughtUp(1_000)
    const before = t.streamClock.visible
    expect(await t.keyserver.uploadKeys(alice, device, upload)).toEqual(counts)
    expect(t.feed.mayHaveChanged(KEY_STREAMS.deviceLists, alice, before)).toBe(false)
    expect(t.feed.mayHaveChanged(KEY_STREAMS.keyCounts, `${alice}\0A`, before)).toBe(false)
  })

  it('cost no statement to count again', async () => {
    const alice = await t.account('warm')
    const device = await t.device(alice, 'A')
    await t.keyserver.uploadKeys(alice, device, { oneTimeKeys: oneTimeKeys(3) })
    await t.streamClock.caughtUp(1_000)
    await t.keyserver.keyCounts(alice, device)
    expect(await t.statements(() => t.keyserver.keyCounts(alice, device))).toEqual([])
  })

  it('always tell the count of the algorithm that clients use', async () => {
    const alice = await t.account('zero')
    const counts = await t.keyserver.keyCounts(alice, aDevice('A'))
    expect(Object.fromEntries(counts.oneTimeKeys)).toEqual({ signed_curve25519: 0 })
  })

  it('of another key under the same id are refused, and nothing of the upload is kept', async () => {
    const alice = await t.account('conflict')
    const device = await t.device(alice, 'A')
    await t.keyserver.uploadKeys(alice, device, { oneTimeKeys: oneTimeKeys(1) })
    const oneTime = json({ 'signed_curve25519:k0': { key: 'other', signatures: {} }, 'signed_curve25519:new': 'x' })
    await expect(t.keyserver.uploadKeys(alice, device, { oneTimeKeys: oneTime })).rejects.toMatchObject({
      errcode: 'M_UNKNOWN',
      status: 400,
    })
    expect((await t.keyserver.keyCounts(alice, device)).oneTimeKeys.get(ALGORITHM)).toBe(1)
  })

  it('stop at 500 one-time keys of an algorithm', async () => {
    const alice = await t.account('many')
    const device = await t.device(alice, 'A')
    await t.keyserver.uploadKeys(alice, device, { oneTimeKeys: oneTimeKeys(500) })
    const more = t.keyserver.uploadKeys(alice, device, { oneTimeKeys: oneTimeKeys(1, 'more') })
    await expect(more).rejects.toMatchObject({ errcode: 'M_TOO_LARGE' })
    expect((await t.keyserver.keyCounts(alice, device)).oneTimeKeys.get(ALGORITHM)).toBe(500)
  })

  it.each([
    ['another user', { user_id: '@other:test.example' }],
    ['another device', { device_id: 'B' }],
    ['algorithms that are no list', { algorithms: 'a' }],
    ['keys that are no strings', { keys: { 'ed25519:A': 5 } }],
    ['keys without an algorithm', { keys: { ed25519: 'x' } }],
    ['no signatures', { signatures: undefined }],
    ['signatures that are no strings', { signatures: { '@x:y': { 'ed25519:A': [] } } }],
    ['numbers that have no canonical form', { extra: 1.5 }],
  ])('of device keys with %s are refused', async (_what, wrong) => {
    const alice = await t.account(`shape${Object.keys(wrong)[0]}${Buffer.from(_what).length}`)
    const keys = json({ ...deviceKeys(alice, 'A'), ...wrong })
    await expect(t.keyserver.uploadKeys(alice, aDevice('A'), { deviceKeys: keys })).rejects.toMatchObject({
      errcode: 'M_BAD_JSON',
      status: 400,
    })
  })

  it('of a megabyte are refused', async () => {
    const alice = await t.account('blob')
    const keys = json({ ...deviceKeys(alice, 'A'), blob: 'x'.repeat(1_000_000) })
    await expect(t.keyserver.uploadKeys(alice, aDevice('A'), { deviceKeys: keys })).rejects.toMatchObject({
      status: 400,
    })
  })

  it.each([
    ['no algorithm', { k1: 'x' }, 'M_BAD_JSON'],
    ['a number as key', { 'a:k1': 5 }, 'M_BAD_JSON'],
    ['an object without key', { 'a:k1': { signatures: {} } }, 'M_BAD_JSON'],
    ['a long id', { [`a:${'k'.repeat(300)}`]: 'x' }, 'M_INVALID_PARAM'],
  ])('of one-time keys with %s are refused', async (what, keys, errcode) => {
    const alice = await t.account(`otk${what.length}`)
    const upload = t.keyserver.uploadKeys(alice, aDevice('A'), { oneTimeKeys: json(keys) })
    await expect(upload).rejects.toMatchObject({ errcode })
  })
})

describe('claims of one-time keys', () => {
  it('give each key once, oldest first, then the fallback key for ever', async () => {
    const alice = await t.account('order')
    const device = await t.device(alice, 'A')
    await t.keyserver.uploadKeys(alice, device, { oneTimeKeys: oneTimeKeys(1, 'first') })
    await t.keyserver.uploadKeys(alice, device, {
      oneTimeKeys: oneTimeKeys(1, 'a-later'),
      fallbackKeys: json({ 'signed_curve25519:f': { key: 'x', fallback: true, signatures: {} } }),
    })
    const names: (string | undefined)[] = []
    for (let claim = 0; claim < 4; claim++) {
      const keys = (await t.keyserver.claimKeys(wanted(alice, device))).get(alice)?.get(device)
      names.push(Object.keys(keys ?? {})[0])
    }
    const [first, later, ...fallbacks] = names
    expect([first, later]).toEqual(['signed_curve25519:first0', 'signed_curve25519:a-later0'])
    expect(fallbacks).toEqual(['signed_curve25519:f', 'signed_curve25519:f'])
    expect((await t.keyserver.keyCounts(alice, device)).unusedFallbackKeyAlgorithms).toEqual([])
  })

  it('announce the new counts to the owner, and a fallback key only when it is used for the first time', async () => {
    const alice = await t.account('announce')
    const device = await t.device(alice, 'A')
    await t.keyserver.uploadKeys(alice, device, { fallbackKeys: json({ 'signed_curve25519:f': 'x' }) })
    await t.streamClock.caughtUp(1_000)
    let before = t.streamClock.visible
    await t.keyserver.claimKeys(wanted(alice, device))
    expect(t.feed.mayHaveChanged(KEY_STREAMS.keyCounts, `${alice}\0A`, before)).toBe(true)
    await t.streamClock.caughtUp(1_000)
    before = t.streamClock.visible
    await t.keyserver.claimKeys(wanted(alice, device))
    expect(t.feed.mayHaveChanged(KEY_STREAMS.keyCounts, `${alice}\0A`, before)).toBe(false)
  })

  it('make the same fallback key uploaded again stay used, and a new one unused', async () => {
    const alice = await t.account('fallback')
    const device = await t.device(alice, 'A')
    const upload = (id: string) =>
      t.keyserver.uploadKeys(alice, device, { fallbackKeys: json({ [`signed_curve25519:${id}`]: 'x' }) })
    await upload('f')
    await t.keyserver.claimKeys(wanted(alice, device))
    expect((await upload('f')).unusedFallbackKeyAlgorithms).toEqual([])
    expect((await upload('g')).unusedFallbackKeyAlgorithms).toEqual([ALGORITHM])
  })

  it('by eight at once give no key twice', async () => {
    const alice = await t.account('eight')
    const devices = await Promise.all(['A', 'B', 'C'].map((id) => t.device(alice, id)))
    for (const device of devices) await t.keyserver.uploadKeys(alice, device, { oneTimeKeys: oneTimeKeys(40) })
    const given: string[] = []
    const all = new Map([[alice, new Map(devices.map((device) => [device, ALGORITHM] as const))]])
    const claimer = async (): Promise<void> => {
      for (let round = 0; round < 6; round++) {
        for (const [device, keys] of (await t.keyserver.claimKeys(all)).get(alice) ?? []) {
          given.push(...Object.keys(keys).map((name) => `${device} ${name}`))
        }
      }
    }
    await Promise.all(Array.from({ length: 8 }, claimer))
    expect(new Set(given).size).toBe(given.length)
    // 48 claims on 40 keys of each device.
    expect(given.length).toBe(120)
  })

  it('of many devices are one statement in one transaction', async () => {
    const alice = await t.account('batch')
    const devices = await Promise.all(['A', 'B', 'C', 'D'].map((id) => t.device(alice, id)))
    for (const device of devices) await t.keyserver.uploadKeys(alice, device, { oneTimeKeys: oneTimeKeys(1) })
    const all = new Map([[alice, new Map(devices.map((device) => [device, ALGORITHM] as const))]])
    const sent = await t.statements(() => t.keyserver.claimKeys(all))
    expect(sent.filter((name) => name.startsWith('keyserver.'))).toEqual(['keyserver.one_time_keys.claim'])
  })
})

describe('queries of keys', () => {
  it('give all devices or those asked for, in three statements', async () => {
    const [alice, bob] = [await t.account('query1'), await t.account('query2')]
    for (const id of ['A', 'B']) {
      const device = await t.device(alice, id)
      await t.keyserver.uploadKeys(alice, device, { deviceKeys: deviceKeys(alice, id) })
    }
    const sent = await t.statements(async () => {
      const all = await t.keyserver.queryKeys(
        new Map([
          [alice, []],
          [bob, []],
        ]),
        bob,
      )
      expect([...(all.deviceKeys.get(alice)?.keys() ?? [])].sort()).toEqual(['A', 'B'])
    })
    expect(sent).toHaveLength(3)
    const one = await t.keyserver.queryKeys(new Map([[alice, [aDevice('B')]]]), undefined)
    expect([...(one.deviceKeys.get(alice)?.values() ?? [])]).toEqual([deviceKeys(alice, 'B')])
  })
})

describe('the device list', () => {
  it('changes with new keys for everybody, and not with one-time keys', async () => {
    const alice = await t.account('list')
    const start = t.streamClock.visible
    const device = await t.device(alice, 'A')
    await t.deviceListChange(alice, start)
    await t.keyserver.uploadKeys(alice, device, { deviceKeys: deviceKeys(alice, 'A') })
    await t.streamClock.caughtUp(1_000)
    const before = t.streamClock.visible
    await t.keyserver.uploadKeys(alice, device, { oneTimeKeys: oneTimeKeys(1) })
    await t.streamClock.caughtUp(1_000)
    expect(await t.keyserver.changedBetween([alice], before, t.streamClock.visible)).toEqual(new Set())
    await t.keyserver.uploadKeys(alice, device, { deviceKeys: deviceKeys(alice, 'A', keyPair(5)) })
    await t.streamClock.caughtUp(1_000)
    expect(await t.keyserver.changedBetween([alice], before, t.streamClock.visible)).toEqual(new Set([alice]))
  })

  it('changes with a login and a new name, and a deleted device takes its keys along', async () => {
    const alice = await t.account('devices')
    const start = t.streamClock.visible
    const device = await t.device(alice, 'A')
    await t.deviceListChange(alice, start)
    await t.keyserver.uploadKeys(alice, device, {
      deviceKeys: deviceKeys(alice, 'A'),
      oneTimeKeys: oneTimeKeys(2),
      fallbackKeys: json({ 'signed_curve25519:f': 'x' }),
    })
    await t.streamClock.caughtUp(1_000)
    const before = t.streamClock.visible
    await t.userapi.renameDevice(alice, device, 'new name')
    await t.deviceListChange(alice, before)
    const renamed = t.streamClock.visible
    await t.userapi.deleteDevices(alice, [device])
    await t.deviceListChange(alice, renamed)
    expect((await t.keyserver.queryKeys(new Map([[alice, []]]), alice)).deviceKeys.has(alice)).toBe(false)
    expect(await t.keyserver.claimKeys(wanted(alice, device))).toEqual(new Map())
    const counts = await t.keyserver.keyCounts(alice, device)
    expect([counts.oneTimeKeys.get(ALGORITHM), counts.unusedFallbackKeyAlgorithms]).toEqual([0, []])
  })

  it('has no keys of a device that was deleted while the server was ending', async () => {
    const alice = await t.account('leftover')
    // Keys of a device that userapi does not know: what a crash between the two leaves behind.
    await t.keyserver.uploadKeys(alice, aDevice('GONE'), { deviceKeys: deviceKeys(alice, 'GONE') })
    await t.keyserver.stop()
    await t.streamClock.caughtUp(1_000)
    const before = t.streamClock.visible
    await t.keyserver.start()
    await t.deviceListChange(alice, before)
    expect((await t.keyserver.queryKeys(new Map([[alice, []]]), alice)).deviceKeys.has(alice)).toBe(false)
  })
})
