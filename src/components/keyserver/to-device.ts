import { type DeviceId, fitsBytes, MAX_ID_BYTES, type UserId } from '../../protocol/ids.js'
import { quote, stringifyJson } from '../../protocol/json.js'
import { MatrixError } from '../../protocol/matrix-error.js'
import { KEY_STREAMS, type ToDevice } from './api.js'
import { type Context, deviceStreamKey } from './context.js'
import { DELETE_TO_DEVICE_UP_TO, INSERT_TO_DEVICE, SELECT_TO_DEVICE } from './store/to-device.js'
import { INSERT_TO_DEVICE_TRANSACTION } from './store/to-device-transactions.js'

/** Content of one message: what fits into an EDU to another server. */
const CONTENT_BYTES = 65_536

/** Messages that wait for one device. Further ones are dropped, so that a device that is never used again cannot fill the disk. */
const QUEUE_LENGTH = 10_000

interface Recipients {
  readonly userIds: UserId[]
  readonly deviceIds: DeviceId[]
  readonly messages: string[]
}

type Message = Parameters<ToDevice['sendToDevice']>[0]

export function createToDevice(context: Context): ToDevice {
  const { database, feed, streamClock, devices, caches, time } = context

  /** Up to where a device has acknowledged: its queue holds nothing at or below. Keyed like the stream. */
  const acknowledged = caches.cache<string, number>('keyserver.to_device', () => 100)

  const mayHoldMore = (key: string, after: number): boolean =>
    feed.mayHaveChanged(KEY_STREAMS.toDevice, key, Math.max(after, acknowledged.get(key) ?? 0))

  const recipientsOf = async (message: Message): Promise<Recipients> => {
    const recipients: Recipients = { userIds: [], deviceIds: [], messages: [] }
    const known = await devices.of(message.messages.keys())
    for (const [userId, byDevice] of message.messages) {
      const all = byDevice.get('*')
      for (const deviceId of known.get(userId) ?? []) {
        const content = byDevice.get(deviceId) ?? all
        if (content === undefined) continue
        recipients.userIds.push(userId)
        recipients.deviceIds.push(deviceId)
        recipients.messages.push(
          `{"sender":${quote(message.sender)},"type":${quote(message.type)},"content":${stringifyJson(content)}}`,
        )
      }
    }
    return recipients
  }

  return {
    async sendToDevice(message) {
      checkSizes(message)
      const recipients = await recipientsOf(message)
      await database.transaction(async (tx) => {
        const { sender, senderDeviceId, type, txnId } = message
        const first = await tx.run(INSERT_TO_DEVICE_TRANSACTION, sender, senderDeviceId, type, txnId, time.now())
        if (first.length === 0 || recipients.userIds.length === 0) return
        const { userIds, deviceIds, messages } = recipients
        const position = await streamClock.take(tx, 1)
        const keys: string[] = []
        tx.afterCommit(() => feed.publish({ stream: KEY_STREAMS.toDevice, position, keys }))
        const queued = await tx.run(INSERT_TO_DEVICE, userIds, deviceIds, messages, position, QUEUE_LENGTH)
        for (const row of queued) keys.push(deviceStreamKey(row.user_id, row.device_id))
      })
    },

    async toDeviceMessages(userId, deviceId, after, upTo, limit) {
      if (upTo <= after || !mayHoldMore(deviceStreamKey(userId, deviceId), after)) return []
      const rows = await database.run(SELECT_TO_DEVICE, userId, deviceId, after, upTo, limit)
      return rows.map((row) => ({ position: row.position, json: row.message }))
    },

    async acknowledgeToDevice(userId, deviceId, token) {
      // A token that nobody has given out must not acknowledge what is still to come.
      const upTo = Math.min(token, streamClock.visible)
      const key = deviceStreamKey(userId, deviceId)
      const before = acknowledged.get(key)
      if (before !== undefined && (upTo <= before || !feed.mayHaveChanged(KEY_STREAMS.toDevice, key, before))) return
      await database.run(DELETE_TO_DEVICE_UP_TO, userId, deviceId, upTo)
      acknowledged.set(key, upTo)
    },
  }
}

function checkSizes(message: Message): void {
  if (!fitsBytes(message.type, MAX_ID_BYTES))
    throw new MatrixError('M_INVALID_PARAM', 'An event type may have 255 bytes')
  if (!fitsBytes(message.txnId, MAX_ID_BYTES)) {
    throw new MatrixError('M_INVALID_PARAM', 'A transaction ID may have 255 bytes')
  }
  for (const byDevice of message.messages.values()) {
    for (const content of byDevice.values()) {
      if (Buffer.byteLength(stringifyJson(content)) > CONTENT_BYTES) {
        throw new MatrixError('M_TOO_LARGE', `A message to a device may have ${CONTENT_BYTES} bytes`)
      }
    }
  }
}
