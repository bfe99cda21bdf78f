import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestServer, type TestServer, type TestUser } from '../../support/server.js'

let server: TestServer
let alice: TestUser
beforeAll(async () => {
  server = await startTestServer()
  alice = await server.register('alice')
})
afterAll(() => server.stop())

function send(txnId: string, body: string, device = '*') {
  return alice.put(`/sendToDevice/m.test/${txnId}`, { messages: { [alice.userId]: { [device]: { body } } } })
}

async function sync(user: TestUser, since?: string) {
  const { body } = await user.get(`/sync?timeout=0${since === undefined ? '' : `&since=${since}`}`)
  const bodies = (body.to_device?.events ?? []).map((event: { content: { body: string } }) => event.content.body)
  return { next: body.next_batch as string, bodies, body }
}

describe('messages to devices in /sync', () => {
  it('come again until the next token is used, and then never', async () => {
    const start = await sync(alice)
    await send('1', 'first')
    const once = await sync(alice, start.next)
    expect(once.bodies).toEqual(['first'])
    expect((await sync(alice, start.next)).bodies).toEqual(['first'])
    await send('2', 'second')
    const second = await sync(alice, once.next)
    expect(second.bodies).toEqual(['second'])
    expect((await sync(alice, second.next)).bodies).toEqual([])
    expect((await sync(alice)).bodies).toEqual([])
  })

  it('reach every device once, and a repeated request adds none', async () => {
    const other = await server.login('alice')
    const starts = [await sync(alice), await sync(other)]
    await send('3', 'all')
    await send('3', 'all')
    const got = await Promise.all([sync(alice, starts[0]?.next), sync(other, starts[1]?.next)])
    expect(got.map((answer) => answer.bodies)).toEqual([['all'], ['all']])
  })

  it('wake a long poll', async () => {
    const { next } = await sync(alice)
    const polling = alice.get(`/sync?timeout=10000&since=${next}`)
    await send('4', 'wake')
    expect((await polling).body.to_device.events).toHaveLength(1)
  })

  it('come in pages of which none is lost', async () => {
    const user = await server.login('alice')
    const { next } = await sync(user)
    for (let n = 0; n < 130; n++) await send(`many${n}`, String(n), user.deviceId)
    const first = await sync(user, next)
    const second = await sync(user, first.next)
    expect([...first.bodies, ...second.bodies]).toEqual(Array.from({ length: 130 }, (_none, n) => String(n)))
  })
})

describe('device lists in /sync', () => {
  it('tell a user of the logins and keys of their other devices', async () => {
    const { next } = await sync(alice)
    const other = await server.login('alice')
    await server.settle()
    const told = await sync(alice, next)
    expect(told.body.device_lists?.changed).toContain(alice.userId)
    await other.post('/keys/upload', {
      device_keys: {
        ...{ user_id: other.userId, device_id: other.deviceId, algorithms: [], keys: {}, signatures: {} },
      },
    })
    const again = await sync(alice, told.next)
    expect(again.body.device_lists?.changed).toContain(alice.userId)
    expect((await sync(alice, again.next)).body.device_lists?.changed ?? []).toEqual([])
  })

  it('count the keys of the device that syncs', async () => {
    const device = await server.login('alice')
    const { next } = await sync(device)
    await device.post('/keys/upload', { one_time_keys: { 'signed_curve25519:a': 'x' }, fallback_keys: { 'a:b': 'x' } })
    const { body } = await sync(device, next)
    expect(body.device_one_time_keys_count).toEqual({ signed_curve25519: 1 })
    expect(body.device_unused_fallback_key_types).toEqual(['a'])
  })
})
