// Two people with two devices each talk in an encrypted room; the server is restarted in between. Runs on the Node that
// today's SDK needs; each step prints one JSON line for the test, and waits for a line where the test has something to do.
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { ClientPrefix, Visibility } from 'matrix-js-sdk'
import {
  CryptoEvent,
  VerificationPhase,
  VerificationRequestEvent,
  VerifierEvent,
} from 'matrix-js-sdk/lib/crypto-api/index.js'
import { eventually, Person, within } from './device.mjs'

const [, , baseUrl] = process.argv
const orders = createInterface({ input: process.stdin })
const say = (step, facts = {}) => process.stdout.write(`${JSON.stringify({ step, ...facts })}\n`)

const alice = new Person(baseUrl, 'alice', 'a long password of alice')
const bob = new Person(baseUrl, 'bob', 'a long password of bob')
await Promise.all([alice.register(), bob.register()])

// First devices: cross-signing keys (the server asks for the password), secret storage, key backup.
const alice1 = await alice.device()
const bob1 = await bob.device()
for (const device of [alice1, bob1]) {
  await setUp(device)
  say(`${device.person.name} set up`, {
    crossSigning: await device.crypto.isCrossSigningReady(),
    secretStorage: await device.crypto.isSecretStorageReady(),
    backup: await device.crypto.getActiveSessionBackupVersion(),
  })
}

// Alice's second device is verified by comparing emoji on both; bob's gets the keys out of secret storage.
const alice2 = await alice.device()
await compareEmoji(alice2, alice1)
const bob2 = await bob.device()
await unlock(bob2)
say('second devices', {
  alice1SeesAlice2: await isVerified(alice1, alice2),
  alice2SeesAlice1: await isVerified(alice2, alice1),
  bob1SeesBob2: await isVerified(bob1, bob2),
  alice2HasTheKeys: await alice2.crypto.isCrossSigningReady(),
})

const roomId = await encryptedRoom()
await exchange('before the restart')

say('restart')
await once(orders, 'line')
for (const device of [alice1, alice2, bob1, bob2]) device.client.retryImmediately()
await exchange('after the restart')

// A new device of alice knows nothing but the recovery key, and reads what was said before it existed.
await allBackedUp(alice1)
const alice3 = await alice.device()
await unlock(alice3)
await alice3.crypto.loadSessionBackupPrivateKeyFromSecretStorage()
const restored = await alice3.crypto.restoreKeyBackup()
const old = await alice3.read(roomId, 'from alice1 before the restart')
const newer = await alice3.read(roomId, 'from bob2 after the restart')
say('restored', { imported: restored.imported, old, newer, alice1SeesAlice3: await isVerified(alice1, alice3) })

for (const device of [alice1, alice2, alice3, bob1, bob2]) device.stop()
say('done')
process.exit(0)

async function setUp({ crypto, person }) {
  await crypto.bootstrapCrossSigning({ authUploadDeviceSigningKeys: person.authorise })
  await crypto.bootstrapSecretStorage({
    setupNewKeyBackup: true,
    createSecretStorageKey: async () => {
      person.recoveryKey = await crypto.createRecoveryKeyFromPassphrase()
      return person.recoveryKey
    },
  })
}

/** What an app does with a recovery key: its device signs itself with the keys out of secret storage. */
async function unlock({ crypto, person }) {
  // The private keys are only taken in when the public ones are known.
  await crypto.userHasCrossSigningKeys(undefined, true)
  await crypto.bootstrapCrossSigning({ authUploadDeviceSigningKeys: person.authorise })
}

async function compareEmoji(fresh, known) {
  // The SDK drops a request from a device whose keys it has not got yet; /sync tells both of the other.
  await Promise.all([fresh.knows(known), known.knows(fresh)])
  const asked = known.next(CryptoEvent.VerificationRequestReceived, () => true)
  const ours = await fresh.crypto.requestOwnUserVerification()
  const theirs = await asked
  const ready = fresh.next(VerificationRequestEvent.Change, () => ours.phase === VerificationPhase.Ready, ours)
  await theirs.accept()
  await ready
  const started = known.next(VerificationRequestEvent.Change, () => theirs.verifier !== undefined, theirs)
  const verifiers = [await ours.startVerification('m.sas.v1'), await started.then(() => theirs.verifier)]
  const shown = verifiers.map((verifier) =>
    within('the emoji', (resolve) => verifier.once(VerifierEvent.ShowSas, resolve)),
  )
  const ends = verifiers.map((verifier) => verifier.verify())
  const [mine, other] = await Promise.all(shown)
  say('emoji', { equal: JSON.stringify(mine.sas.emoji) === JSON.stringify(other.sas.emoji) })
  await Promise.all([mine.confirm(), other.confirm()])
  await Promise.all(ends)
}

/** By cross-signing, as `device` sees it; its knowledge is brought up to date first. */
async function isVerified(device, other) {
  await device.crypto.getUserDeviceInfo([other.userId], true)
  await device.crypto.userHasCrossSigningKeys(other.userId, true)
  const status = await device.crypto.getDeviceVerificationStatus(other.userId, other.deviceId)
  return status?.crossSigningVerified ?? false
}

async function encryptedRoom() {
  const { room_id } = await alice1.client.createRoom({
    visibility: Visibility.Private,
    invite: [bob1.userId],
    initial_state: [{ type: 'm.room.encryption', state_key: '', content: { algorithm: 'm.megolm.v1.aes-sha2' } }],
  })
  await bob1.client.joinRoom(room_id)
  await Promise.all([alice1, alice2, bob1, bob2].map((device) => device.sees(room_id, 2)))
  return room_id
}

/** One message from each side; every device of both reads each. */
async function exchange(when) {
  const devices = { alice1, alice2, bob1, bob2 }
  for (const from of ['alice1', 'bob2']) {
    const body = `from ${from} ${when}`
    await devices[from].client.sendTextMessage(roomId, body)
    const read = {}
    for (const [name, device] of Object.entries(devices)) read[name] = await device.read(roomId, body)
    say(body, { read })
  }
}

/** The backup on the server has as many keys as the device. (The SDK's own `getKeyBackupInfo` answers from memory.) */
async function allBackedUp({ client, crypto }) {
  const keys = (await crypto.exportRoomKeys()).length
  await eventually(`${keys} keys in the backup`, async () => {
    const { count } = await client.http.authedRequest('GET', '/room_keys/version', undefined, undefined, {
      prefix: ClientPrefix.V3,
    })
    return count >= keys
  })
}
