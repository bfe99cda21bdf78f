// A device of somebody who uses the real client SDK: Rust crypto with its store in memory.
import { setTimeout as pause } from 'node:timers/promises'
import { ClientEvent, createClient, MatrixEventEvent, RoomEvent, SyncState } from 'matrix-js-sdk'
import { RustBackupManager } from 'matrix-js-sdk/lib/rust-crypto/backup.js'

// The SDK waits for a random part of ten seconds before it uploads keys, to spare servers.
RustBackupManager.maxBackupLoopStartDelayMillis = 1

const STEP_MS = 20_000
const quiet = () => undefined
const silence = { trace: quiet, debug: quiet, info: quiet, warn: quiet, error: quiet, getChild: () => silence }

/** Everything of one person: what a human would remember or write down. */
export class Person {
  recoveryKey
  constructor(baseUrl, name, password) {
    this.baseUrl = baseUrl
    this.name = name
    this.password = password
  }

  async register() {
    const client = createClient({ baseUrl: this.baseUrl, logger: silence })
    const auth = { type: 'm.login.dummy' }
    await client.registerRequest({ username: this.name, password: this.password, auth, inhibit_login: true })
  }

  /** A new device, logged in with the password, its first sync done. */
  async device() {
    const client = createClient({ baseUrl: this.baseUrl, logger: silence })
    const login = await client.loginRequest({
      type: 'm.login.password',
      identifier: { type: 'm.id.user', user: this.name },
      password: this.password,
    })
    const device = new Device(this, login)
    await device.start()
    return device
  }

  /** What the SDK asks for when it uploads cross-signing keys: first without, then with the password, as an app does it. */
  authorise = async (makeRequest) => {
    try {
      return await makeRequest(null)
    } catch (error) {
      const session = error.data?.session
      if (error.httpStatus !== 401 || session === undefined) throw error
      const identifier = { type: 'm.id.user', user: this.name }
      return await makeRequest({ type: 'm.login.password', identifier, password: this.password, session })
    }
  }
}

export class Device {
  constructor(person, login) {
    this.person = person
    this.client = createClient({
      baseUrl: person.baseUrl,
      userId: login.user_id,
      deviceId: login.device_id,
      accessToken: login.access_token,
      logger: silence,
      cryptoCallbacks: {
        getSecretStorageKey: async ({ keys }) => {
          const [keyId] = Object.keys(keys)
          return person.recoveryKey === undefined ? null : [keyId, person.recoveryKey.privateKey]
        },
      },
    })
  }

  get crypto() {
    return this.client.getCrypto()
  }

  get userId() {
    return this.client.getSafeUserId()
  }

  get deviceId() {
    return this.client.getDeviceId()
  }

  async start() {
    await this.client.initRustCrypto({ useIndexedDB: false })
    const prepared = this.next(ClientEvent.Sync, (state) => state === SyncState.Prepared)
    await this.client.startClient({ initialSyncLimit: 30, pollTimeout: 10_000 })
    await prepared
  }

  /** The first event of this name that `wanted` accepts: its first argument. */
  next(name, wanted, emitter = this.client) {
    return within(`${this.person.name} ${name}`, (resolve) => {
      const listener = (...given) => {
        if (!wanted(...given)) return
        emitter.off(name, listener)
        resolve(given[0])
      }
      emitter.on(name, listener)
    })
  }

  /** Waits until this device has learnt of another one by itself. */
  async knows(other) {
    await eventually(`${this.deviceId} knows ${other.deviceId}`, async () => {
      const devices = await this.crypto.getUserDeviceInfo([other.userId])
      return devices.get(other.userId)?.has(other.deviceId) ?? false
    })
  }

  /** Waits until the encrypted room is there with so many members. */
  async sees(roomId, members) {
    const isThere = () => {
      const room = this.client.getRoom(roomId)
      return room?.getJoinedMemberCount() === members && room.hasEncryptionStateEvent()
    }
    if (!isThere()) await this.next(ClientEvent.Sync, isThere)
    if (!(await this.crypto.isEncryptionEnabledInRoom(roomId))) throw new Error('the room is not encrypted')
  }

  /** The text of a message in a room, once this device can read it. */
  async read(roomId, wanted) {
    const find = () => this.events(roomId).find((event) => event.getContent().body === wanted)
    const found = find()
    if (found !== undefined) return facts(found)
    return await within(`${this.person.name} reads ${wanted}`, (resolve) => {
      const look = () => {
        const event = find()
        if (event === undefined) return
        this.client.off(MatrixEventEvent.Decrypted, look)
        this.client.off(RoomEvent.Timeline, look)
        resolve(facts(event))
      }
      this.client.on(MatrixEventEvent.Decrypted, look)
      this.client.on(RoomEvent.Timeline, look)
    })
  }

  events(roomId) {
    return this.client.getRoom(roomId)?.getLiveTimeline().getEvents() ?? []
  }

  stop() {
    this.client.stopClient()
  }
}

function facts(event) {
  return { body: event.getContent().body, encrypted: event.isEncrypted(), type: event.getWireType() }
}

/** Rejects with `what` when it takes too long. */
export function within(what, executor) {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`did not happen in time: ${what}`)), STEP_MS)
    executor((value) => {
      clearTimeout(late)
      resolve(value)
    }, reject)
  })
}

/** Looks again and again. */
export async function eventually(what, isSo) {
  const end = performance.now() + STEP_MS
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error(`did not happen in time: ${what}`)
    await pause(20)
  }
}
