import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { EPHEMERAL_STREAMS, type Receipt, type ReceiptType } from '../../../src/components/ephemeral/index.js'
import { aRoomId, eventId, userId } from '../../support/pdu-factory.js'
import { createTestEphemeral, type TestEphemeral } from './support.js'

let t: TestEphemeral
beforeAll(async () => {
  t = await createTestEphemeral()
})
afterAll(() => t.close())

const alice = userId('@alice:test.example')
const bob = userId('@bob:test.example')

function receipt(room: string, order: number, more: { type?: ReceiptType; threadId?: string } = {}) {
  const { type = 'm.read', threadId } = more
  return {
    ...{ roomId: aRoomId(room), type, userId: alice, eventId: eventId(`$event${order}`), threadId, order },
    ts: 1_000 + order,
  }
}

async function all(room: string, viewer = alice, after = 0): Promise<Receipt[]> {
  await t.streamClock.caughtUp(1_000)
  return t.ephemeral.receiptsBetween([aRoomId(room)], viewer, after, t.streamClock.visible)
}

describe('receipts', () => {
  it('move forward and never back', async () => {
    const room = '!forward:test.example'
    await t.ephemeral.setReceipt(receipt(room, 5))
    const position = await t.ephemeral.setReceipt(receipt(room, 7))
    expect(await t.ephemeral.setReceipt(receipt(room, 6))).toBeUndefined()
    expect(await t.ephemeral.setReceipt(receipt(room, 7))).toBeUndefined()
    expect(await all(room)).toEqual([{ ...receipt(room, 7), order: undefined, position }])
  })

  it('cost nothing when they are sent again', async () => {
    const room = '!again:test.example'
    await t.ephemeral.setReceipt(receipt(room, 5))
    expect(await t.statements(() => t.ephemeral.setReceipt(receipt(room, 5)))).toEqual([])
  })

  it('never go back after a restart either', async () => {
    const room = '!restart:test.example'
    await t.ephemeral.setReceipt(receipt(room, 5))
    t = await t.restart()
    expect(await t.ephemeral.setReceipt(receipt(room, 4))).toBeUndefined()
    expect((await all(room)).map((found) => found.eventId)).toEqual(['$event5'])
  })

  it('of the main timeline, of threads and of the whole room stand beside each other', async () => {
    const room = '!threads:test.example'
    await t.ephemeral.setReceipt(receipt(room, 3))
    await t.ephemeral.setReceipt(receipt(room, 2, { threadId: 'main' }))
    await t.ephemeral.setReceipt(receipt(room, 1, { threadId: '$root' }))
    const threads = (await all(room)).map((found) => [found.threadId, found.eventId])
    expect(threads).toEqual([
      [undefined, '$event3'],
      ['main', '$event2'],
      ['$root', '$event1'],
    ])
  })

  it('that are private reach their owner alone', async () => {
    const room = '!private:test.example'
    const before = t.streamClock.visible
    await t.ephemeral.setReceipt(receipt(room, 3, { type: 'm.read.private' }))
    expect(await all(room, bob)).toEqual([])
    expect((await all(room, alice)).map((found) => found.type)).toEqual(['m.read.private'])
    expect(t.feed.mayHaveChanged(EPHEMERAL_STREAMS.receipts, room, before)).toBe(false)
    expect(t.feed.mayHaveChanged(EPHEMERAL_STREAMS.privateReceipts, alice, before)).toBe(true)
  })

  it('at the same moment end with the furthest', async () => {
    const room = '!parallel:test.example'
    const orders = [3, 9, 1, 7, 5, 8, 2]
    await Promise.all(orders.map((order) => t.ephemeral.setReceipt(receipt(room, order))))
    expect((await all(room)).map((found) => found.eventId)).toEqual(['$event9'])
  })

  it('of many rooms are one statement', async () => {
    const rooms = Array.from({ length: 50 }, (_none, index) => aRoomId(`!many${index}:test.example`))
    await t.ephemeral.setReceipt(receipt('!many7:test.example', 1))
    const sent = await t.statements(async () => {
      expect(await t.ephemeral.receiptsBetween(rooms, bob, 0, t.streamClock.visible)).toHaveLength(1)
    })
    expect(sent).toHaveLength(1)
  })
})
