import { expect, it } from 'vitest'
import type { Requester } from '../../../src/components/userapi/index.js'
import { transactionOf } from '../../../src/http/transaction-id.js'
import { parseServerName, type ServerName, userIdOf } from '../../../src/protocol/ids.js'

const user = {
  userId: userIdOf('alice', parseServerName('test.example') as ServerName),
  deviceId: 'A',
} as Requester
const path = 'PUT /_matrix/client/v3/rooms/{roomId}/send/{eventType}/{txnId}'

it('a transaction id is scoped to the device and to the path with what is in it', () => {
  const at = (params: Record<string, string> & { txnId: string }) => transactionOf({ path, params, user })
  const first = at({ roomId: '!a:b', eventType: 'm.room.message', txnId: '1' })
  expect(first).toMatchObject({ userId: '@alice:test.example', deviceId: 'A', txnId: '1' })
  expect(at({ roomId: '!a:b', eventType: 'm.room.message', txnId: '2' }).path).toBe(first.path)
  expect(at({ roomId: '!c:b', eventType: 'm.room.message', txnId: '1' }).path).not.toBe(first.path)
  expect(at({ roomId: '!a:b', eventType: 'm.sticker', txnId: '1' }).path).not.toBe(first.path)
  // A slash in a parameter is not a slash of the path.
  expect(at({ roomId: '!a', eventType: 'b/send/c', txnId: '1' }).path).not.toBe(
    at({ roomId: '!a/send/b', eventType: 'c', txnId: '1' }).path,
  )
})

it('a transaction id of more than 255 bytes is refused', () => {
  const params = { roomId: '!a:b', eventType: 'x', txnId: 'é'.repeat(128) }
  expect(() => transactionOf({ path, params, user })).toThrow(expect.objectContaining({ errcode: 'M_INVALID_PARAM' }))
})
