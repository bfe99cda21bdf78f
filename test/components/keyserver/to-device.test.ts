import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { KEY_STREAMS } from '../../../src/components/keyserver/index.js'
import { type DeviceId, parseUserId, type UserId } from '../../../src/protocol/ids.js'
import { adminQuery } from '../../support/postgres.js'
import { aDevice, createTestKeyServer, json, type TestKeyServer } from './support.js'

let t: TestKeyServer
beforeAll(async () => {
  t = await createTestKeyServer()
})
afterAll(() => t.close())

let transactions = 0
async function send(
  to: Record<string, Record<string, unknown>>,
  from: UserId,
  txnId = `t${transactions++}`,
): Promise<void> {
  const messages = new Map(
    Object.entries(to).map(([user, devices]) => [
      parseUserId(user) as UserId,
      new Map(Object.entries(devices).map(([id, body]) => [id === '*' ? '*' : aDevice(id), json({ body })] as const)),
    ]),
  )
  await t.keyserver.sendToDevice({ sender: from, senderDeviceId: aDevice('FROM'), type: 'm.test', txnId, messages })
  await t.streamClock.caughtUp(1_000)
}

async function bodies(userId: UserId, deviceId: DeviceId, after = 0, limit = 100): Promise<unknown[]> {
  const upTo = t.streamClock.visible
  const messages = await t.keyserver.toDeviceMessages(userId, deviceId, after, upTo, limit)
  return messages.map((message) => JSON.parse(message.json).content.body)
}

describe('messages to devices', () => {
  it('arrive with sender and type, in order, until the device comes back with the next token', async () => {
    const alice = await t.account('order')
    const device = await t.device(alice, 'A')
    await send({ [alice]: { A: 1 } }, alice)
    const between = t.streamClock.visible
    await send({ [alice]: { A: 2 } }, alice)
    const [first] = await t.keyserver.toDeviceMessages(alice, device, 0, t.streamClock.visible, 1)
    expect(JSON.parse(first?.json ?? '')).toEqual({ sender: alice, type: 'm.test', content: { body: 1 } })
    expect(await bodies(alice, device)).toEqual([1, 2])
    expect(await bodies(alice, device)).toEqual([1, 2])
    await t.keyserver.acknowledgeToDevice(alice, device, between)
    expect(await bodies(alice, device)).toEqual([2])
    await t.keyserver.acknowledgeToDevice(alice, device, t.streamClock.visible)
    expect(await bodies(alice, device)).toEqual([])
  })

  it('are paged', async () => {
    const alice = await t.account('pages')
    const device = await t.device(alice, 'A')
    for (let body = 0; body < 5; body++) await send({ [alice]: { A: body } }, alice)
    const page = await t.keyserver.toDeviceMessages(alice, device, 0, t.streamClock.visible, 3)
    expect(page).toHaveLength(3)
    expect(await bodies(alice, device, page.at(-1)?.position)).toEqual([3, 4])
  })

  it('for all devices reach each known one, and one named apart gets its own', async () => {
    const alice = await t.account('star')
    const devices = await Promise.all(['A', 'B', 'C'].map((id) => t.device(alice, id)))
    await send({ [alice]: { '*': 'all', B: 'own' } }, alice)
    const got = await Promise.all(devices.map((device) => bodies(alice, device)))
    expect(got).toEqual([['all'], ['own'], ['all']])
  })

  it('reach a device that has just been made', async () => {
    const alice = await t.account('fresh')
    await t.device(alice, 'A')
    await send({ [alice]: { '*': 1 } }, alice)
    const later = await t.device(alice, 'B')
    await send({ [alice]: { '*': 2 } }, alice)
    expect(await bodies(alice, later)).toEqual([2])
  })

  it('for unknown devices, unknown users and users elsewhere leave no rows', async () => {
    const alice = await t.account('rows')
    await t.device(alice, 'A')
    const sent = await t.statements(() =>
      send({ [alice]: { B: 1 }, '@nobody:test.example': { '*': 1 }, '@x:elsewhere.example': { Y: 1 } }, alice),
    )
    expect(sent).not.toContain('keyserver.to_device.insert')
  })

  it('are queued once for a transaction id', async () => {
    const alice = await t.account('twice')
    const device = await t.device(alice, 'A')
    await send({ [alice]: { A: 1 } }, alice, 'same')
    await send({ [alice]: { A: 1 } }, alice, 'same')
    expect(await bodies(alice, device)).toEqual([1])
  })

  it('that are too large are refused', async () => {
    const alice = await t.account('large')
    await t.device(alice, 'A')
    await expect(send({ [alice]: { A: 'x'.repeat(65_536) } }, alice)).rejects.toMatchObject({ errcode: 'M_TOO_LARGE' })
  })

  it('keep NUL and what looks like an escape', async () => {
    const alice = await t.account('nul')
    const device = await t.device(alice, 'A')
    await send({ [alice]: { A: 'a\u0000b\u00010' } }, alice)
    expect(await bodies(alice, device)).toEqual(['a\u0000b\u00010'])
  })

  it('cost a device without any no statement, and acknowledging nothing none either', async () => {
    const alice = await t.account('idle')
    const device = await t.device(alice, 'A')
    await send({ [alice]: { A: 1 } }, alice)
    await t.keyserver.acknowledgeToDevice(alice, device, t.streamClock.visible)
    const sent = await t.statements(async () => {
      await t.keyserver.acknowledgeToDevice(alice, device, t.streamClock.visible)
      expect(await bodies(alice, device)).toEqual([])
    })
    expect(sent).toEqual([])
  })

  it('are not lost to a token that nobody has given out', async () => {
    const alice = await t.account('future')
    const device = await t.device(alice, 'A')
    await t.keyserver.acknowledgeToDevice(alice, device, Number.MAX_SAFE_INTEGER)
    await send({ [alice]: { A: 1 } }, alice)
    expect(await bodies(alice, device)).toEqual([1])
  })

  it('survive a restart and wake the device', async () => {
    const alice = await t.account('restart')
    const device = await t.device(alice, 'A')
    const before = t.streamClock.visible
    await send({ [alice]: { A: 1 } }, alice)
    expect(t.feed.mayHaveChanged(KEY_STREAMS.toDevice, `${alice}\0A`, before)).toBe(true)
    const again = await t.fresh().toDeviceMessages(alice, device, 0, t.streamClock.visible, 100)
    expect(again).toHaveLength(1)
  })

  it('stop at 10,000 for a device that never comes', async () => {
    const alice = await t.account('dead')
    const device = await t.device(alice, 'A')
    await adminFill(alice, device, 10_000)
    const before = t.streamClock.visible
    await send({ [alice]: { A: 'one too many' } }, alice)
    expect(t.feed.mayHaveChanged(KEY_STREAMS.toDevice, `${alice}\0A`, before)).toBe(false)
    const sql = 'SELECT count(*)::int AS queued FROM keyserver.to_device WHERE user_id = $1'
    expect(await adminQuery(t.test.connectionString, sql, [alice])).toEqual([{ queued: 10_000 }])
  })
})

async function adminFill(userId: UserId, deviceId: DeviceId, count: number): Promise<void> {
  const sql = `INSERT INTO keyserver.to_device SELECT $1, $2, n - 20000, '{}' FROM generate_series(1, $3::int) AS n`
  await adminQuery(t.test.connectionString, sql, [userId, deviceId, count])
}
