import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { UserId } from '../../../src/protocol/ids.js'
import {
  aDevice,
  createTestKeyServer,
  crossSigningKey,
  deviceKeys,
  json,
  keyPair,
  signed,
  type TestKeyServer,
} from './support.js'

let t: TestKeyServer
beforeAll(async () => {
  t = await createTestKeyServer()
})
afterAll(() => t.close())

const [MASTER, SELF, USER, DEVICE, OTHER] = [1, 2, 3, 4, 5].map(keyPair) as [
  ReturnType<typeof keyPair>,
  ReturnType<typeof keyPair>,
  ReturnType<typeof keyPair>,
  ReturnType<typeof keyPair>,
  ReturnType<typeof keyPair>,
]

function allKeys(userId: UserId, master = MASTER) {
  const sign = (usage: string, key: typeof MASTER) =>
    signed(crossSigningKey(userId, usage, key), userId, master.publicKey, master)
  return json({
    master_key: crossSigningKey(userId, 'master', master),
    self_signing_key: sign('self_signing', SELF),
    user_signing_key: sign('user_signing', USER),
  })
}

/** A user with a device `A` and cross-signing keys. */
async function crossSigned(name: string): Promise<UserId> {
  const userId = await t.account(name)
  const start = t.streamClock.visible
  const device = await t.device(userId, 'A')
  await t.deviceListChange(userId, start)
  await t.keyserver.uploadKeys(userId, device, { deviceKeys: deviceKeys(userId, 'A', DEVICE) })
  await t.keyserver.uploadCrossSigningKeys(userId, allKeys(userId))
  await t.streamClock.caughtUp(1_000)
  return userId
}

const query = (userId: UserId, viewer: UserId) => t.keyserver.queryKeys(new Map([[userId, []]]), viewer)

describe('cross-signing keys', () => {
  it('are given out as uploaded, the user-signing key to its owner only', async () => {
    const [alice, bob] = [await crossSigned('keys1'), await crossSigned('keys2')]
    const own = await query(alice, alice)
    const uploaded = allKeys(alice)
    expect(own.masterKeys.get(alice)).toEqual(uploaded.master_key)
    expect(own.selfSigningKeys.get(alice)).toEqual(uploaded.self_signing_key)
    expect(own.userSigningKeys.get(alice)).toEqual(uploaded.user_signing_key)
    expect((await query(alice, bob)).userSigningKeys.size).toBe(0)
  })

  it('need no authentication at first nor when they are the same, and do when one is new', async () => {
    const alice = await t.account('needs')
    expect(await t.keyserver.crossSigningNeedsAuth(alice, allKeys(alice))).toBe(false)
    const { master_key } = allKeys(alice)
    await t.keyserver.uploadCrossSigningKeys(alice, json({ master_key }))
    expect(await t.keyserver.crossSigningNeedsAuth(alice, json({ master_key }))).toBe(false)
    expect(await t.keyserver.crossSigningNeedsAuth(alice, allKeys(alice))).toBe(true)
    expect(await t.keyserver.crossSigningNeedsAuth(alice, allKeys(alice, OTHER))).toBe(true)
  })

  it('uploaded again as they are change nothing', async () => {
    const alice = await crossSigned('again')
    const before = t.streamClock.visible
    await t.keyserver.uploadCrossSigningKeys(alice, allKeys(alice))
    await t.streamClock.caughtUp(1_000)
    expect(await t.keyserver.changedBetween([alice], before, t.streamClock.visible, alice)).toEqual(new Set())
  })

  it('without any master key are refused', async () => {
    const alice = await t.account('nomaster')
    const { self_signing_key } = allKeys(alice)
    const upload = t.keyserver.uploadCrossSigningKeys(alice, json({ self_signing_key }))
    await expect(upload).rejects.toMatchObject({ errcode: 'M_MISSING_PARAM', status: 400 })
  })

  it('that the master key has not signed are refused', async () => {
    const alice = await t.account('forged')
    const forged = signed(crossSigningKey(alice, 'self_signing', SELF), alice, MASTER.publicKey, OTHER)
    const upload = t.keyserver.uploadCrossSigningKeys(alice, json({ ...allKeys(alice), self_signing_key: forged }))
    await expect(upload).rejects.toMatchObject({ errcode: 'M_INVALID_SIGNATURE' })
    expect((await query(alice, alice)).masterKeys.size).toBe(0)
  })

  it.each([
    [
      'of another user',
      (userId: UserId) => ({ ...crossSigningKey(userId, 'master', MASTER), user_id: '@x:test.example' }),
    ],
    ['for another usage', (userId: UserId) => crossSigningKey(userId, 'self_signing', MASTER)],
    [
      'with two keys',
      (userId: UserId) => ({
        ...crossSigningKey(userId, 'master', MASTER),
        keys: { 'ed25519:a': 'a', 'ed25519:b': 'b' },
      }),
    ],
    [
      'that is none',
      (userId: UserId) => ({ ...crossSigningKey(userId, 'master', MASTER), keys: { 'ed25519:abc': 'abc' } }),
    ],
  ])('%s are refused', async (what, key) => {
    const alice = await t.account(`shape${what.length}`)
    const upload = t.keyserver.uploadCrossSigningKeys(alice, json({ master_key: key(alice) }))
    await expect(upload).rejects.toMatchObject({ errcode: 'M_INVALID_PARAM' })
  })

  it('named like one of the devices are refused', async () => {
    const alice = await t.account('named')
    await t.device(alice, MASTER.publicKey)
    const upload = t.keyserver.uploadCrossSigningKeys(alice, allKeys(alice))
    await expect(upload).rejects.toMatchObject({ errcode: 'M_FORBIDDEN', status: 403 })
  })

  it('of which only the user-signing key is new are no news for others', async () => {
    const alice = await t.account('private')
    const { user_signing_key, ...others } = allKeys(alice)
    await t.keyserver.uploadCrossSigningKeys(alice, json(others))
    await t.streamClock.caughtUp(1_000)
    const before = t.streamClock.visible
    await t.keyserver.uploadCrossSigningKeys(alice, json({ user_signing_key }))
    await t.streamClock.caughtUp(1_000)
    const now = t.streamClock.visible
    expect(await t.keyserver.changedBetween([alice], before, now)).toEqual(new Set())
    expect(await t.keyserver.changedBetween([alice], before, now, alice)).toEqual(new Set([alice]))
  })
})

describe('signatures', () => {
  it('of a device by the self-signing key and of the master key by a device are shown to everybody', async () => {
    const [alice, bob] = [await crossSigned('sign1'), await crossSigned('sign2')]
    const device = signed(deviceKeys(alice, 'A', DEVICE), alice, SELF.publicKey, SELF)
    const master = signed(crossSigningKey(alice, 'master', MASTER), alice, 'A', DEVICE)
    const before = t.streamClock.visible
    const given = json({ [alice]: { A: device, [MASTER.publicKey]: master } })
    expect(await t.keyserver.uploadSignatures(alice, given)).toEqual({})
    const keys = await query(alice, bob)
    expect(keys.deviceKeys.get(alice)?.get(aDevice('A'))).toEqual(device)
    expect(keys.masterKeys.get(alice)).toEqual(master)
    await t.streamClock.caughtUp(1_000)
    const now = t.streamClock.visible
    expect(await t.keyserver.changedBetween([alice, bob], before, now)).toEqual(new Set([alice]))
    // What is stored already is fine to send again, and changes nothing.
    expect(await t.keyserver.uploadSignatures(alice, given)).toEqual({})
    await t.streamClock.caughtUp(1_000)
    expect(await t.keyserver.changedBetween([alice], now, t.streamClock.visible)).toEqual(new Set())
  })

  it("on another user's master key are shown to the signer alone", async () => {
    const [alice, bob, carol] = [await crossSigned('other1'), await crossSigned('other2'), await t.account('other3')]
    const master = signed(crossSigningKey(bob, 'master', MASTER), alice, USER.publicKey, USER)
    const before = t.streamClock.visible
    expect(await t.keyserver.uploadSignatures(alice, json({ [bob]: { [MASTER.publicKey]: master } }))).toEqual({})
    expect((await query(bob, alice)).masterKeys.get(bob)).toEqual(master)
    for (const viewer of [bob, carol]) {
      expect((await query(bob, viewer)).masterKeys.get(bob)).toEqual(crossSigningKey(bob, 'master', MASTER))
    }
    await t.streamClock.caughtUp(1_000)
    const now = t.streamClock.visible
    expect(await t.keyserver.changedBetween([bob], before, now, alice)).toEqual(new Set([bob]))
    expect(await t.keyserver.changedBetween([bob], before, now, bob)).toEqual(new Set())
  })

  it('that are forged, malformed or none of the signer are failures, and nothing is stored', async () => {
    const [alice, bob] = [await crossSigned('bad1'), await crossSigned('bad2')]
    const own = deviceKeys(alice, 'A', DEVICE)
    const bobs = crossSigningKey(bob, 'master', MASTER)
    const attempts: [string, Record<string, unknown>, string][] = [
      [alice, { A: signed(own, alice, SELF.publicKey, OTHER) }, 'M_INVALID_SIGNATURE'],
      [alice, { A: signed(json({ ...own, extra: 1 }), alice, SELF.publicKey, SELF) }, 'M_INVALID_SIGNATURE'],
      [alice, { A: signed(own, alice, USER.publicKey, USER) }, 'M_INVALID_SIGNATURE'],
      [alice, { B: signed(own, alice, SELF.publicKey, SELF) }, 'M_NOT_FOUND'],
      [alice, { A: 'nonsense' }, 'M_INVALID_PARAM'],
      [bob, { [MASTER.publicKey]: signed(bobs, alice, SELF.publicKey, SELF) }, 'M_INVALID_SIGNATURE'],
      [bob, { A: signed(deviceKeys(bob, 'A', DEVICE), alice, USER.publicKey, USER) }, 'M_NOT_FOUND'],
      [bob, { [MASTER.publicKey]: bobs }, 'M_INVALID_SIGNATURE'],
      ['@nobody:elsewhere.example', { x: bobs }, 'M_NOT_FOUND'],
      ['nobody', { x: bobs }, 'M_INVALID_PARAM'],
    ]
    const before = t.streamClock.visible
    for (const [user, keys, errcode] of attempts) {
      const failures = await t.keyserver.uploadSignatures(alice, json({ [user]: keys }))
      const [key] = Object.keys(keys)
      expect(failures).toMatchObject({ [user]: { [key ?? '']: { errcode } } })
    }
    expect((await query(alice, alice)).deviceKeys.get(alice)?.get(aDevice('A'))).toEqual(own)
    expect((await query(bob, alice)).masterKeys.get(bob)).toEqual(bobs)
    await t.streamClock.caughtUp(1_000)
    expect(await t.keyserver.changedBetween([alice, bob], before, t.streamClock.visible, alice)).toEqual(new Set())
  })

  it('go when the key that they sign is replaced', async () => {
    const alice = await crossSigned('replaced')
    const device = signed(deviceKeys(alice, 'A', DEVICE), alice, SELF.publicKey, SELF)
    await t.keyserver.uploadSignatures(alice, json({ [alice]: { A: device } }))
    await t.keyserver.uploadKeys(alice, aDevice('A'), { deviceKeys: deviceKeys(alice, 'A', OTHER) })
    const keys = await query(alice, alice)
    expect(keys.deviceKeys.get(alice)?.get(aDevice('A'))).toEqual(deviceKeys(alice, 'A', OTHER))
  })
})
