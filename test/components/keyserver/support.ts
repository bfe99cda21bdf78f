import { createKeyServer, KEY_STREAMS, type KeyServer } from '../../../src/components/keyserver/index.js'
import { createCacheBudget } from '../../../src/platform/cache.js'
import { systemClock } from '../../../src/platform/time.js'
import { type DeviceId, deviceId as parseDeviceId, parseUserId, type UserId } from '../../../src/protocol/ids.js'
import { type JsonObject, parseJsonObject } from '../../../src/protocol/json.js'
import { type SigningKey, signedTextOf, signingKeyOf, signText, withSignature } from '../../../src/protocol/signing.js'
import { createTestUserApi, type TestUserApi } from '../../support/userapi.js'

export interface TestKeyServer extends TestUserApi {
  readonly keyserver: KeyServer
  /** Another one on the same database: with nothing in memory. */
  fresh(): KeyServer
  account(name: string): Promise<UserId>
  device(userId: UserId, deviceId: string): Promise<DeviceId>
  /** Ends when a change of the user's device list after `since` is visible. */
  deviceListChange(userId: UserId, since: number): Promise<void>
}

export async function createTestKeyServer(): Promise<TestKeyServer> {
  const base = await createTestUserApi()
  const { userapi, test, streamClock, feed, loops } = base
  const fresh = (): KeyServer =>
    createKeyServer({
      userapi,
      database: test.database,
      streamClock,
      feed,
      caches: createCacheBudget(10_000_000),
      loops,
      time: systemClock,
    })
  const keyserver = fresh()
  await keyserver.start()
  return {
    ...base,
    keyserver,
    fresh,
    async account(name) {
      const userId = parseUserId(`@${name}:${userapi.serverName}`)
      if (userId === undefined) throw new Error(`not a user name: ${name}`)
      await userapi.createAccount({ userId, type: 'user' })
      return userId
    },
    device: async (userId, deviceId) => (await userapi.login({ userId, deviceId })).deviceId,
    deviceListChange: (userId, since) =>
      new Promise((resolve) => {
        const isDone = (): boolean => {
          const done = streamClock.visible > since && feed.mayHaveChanged(KEY_STREAMS.deviceLists, userId, since)
          if (done) resolve()
          return done
        }
        if (isDone()) return
        const stop = feed.subscribe(() => {
          if (isDone()) stop()
        })
      }),
    async close() {
      await keyserver.stop()
      await base.close()
    },
  }
}

/** As it comes out of a request. */
export function json(value: unknown): JsonObject {
  return parseJsonObject(JSON.stringify(value))
}

export function aDevice(id: string): DeviceId {
  const parsed = parseDeviceId(id)
  if (parsed === undefined) throw new Error(`not a device id: ${id}`)
  return parsed
}

/** Any key pair: the byte tells them apart. */
export function keyPair(byte: number): SigningKey {
  return signingKeyOf('ed25519:x', new Uint8Array(32).fill(byte))
}

export function signed(object: JsonObject, userId: UserId, keyName: string, key: SigningKey): JsonObject {
  return withSignature(object, userId, `ed25519:${keyName}`, signText(signedTextOf(object), key))
}

export function deviceKeys(userId: UserId, deviceId: string, key: SigningKey = keyPair(99)): JsonObject {
  const keys = json({
    user_id: userId,
    device_id: deviceId,
    algorithms: ['m.olm.v1.curve25519-aes-sha2', 'm.megolm.v1.aes-sha2'],
    keys: { [`curve25519:${deviceId}`]: 'curve25519+key', [`ed25519:${deviceId}`]: key.publicKey },
  })
  return signed(keys, userId, deviceId, key)
}

export function crossSigningKey(userId: UserId, usage: string, key: SigningKey): JsonObject {
  return json({ user_id: userId, usage: [usage], keys: { [`ed25519:${key.publicKey}`]: key.publicKey } })
}

export function oneTimeKeys(count: number, prefix = 'k'): JsonObject {
  const names = Array.from({ length: count }, (_none, index) => `signed_curve25519:${prefix}${index}`)
  return json(Object.fromEntries(names.map((name) => [name, { key: `key of ${name}`, signatures: {} }])))
}
