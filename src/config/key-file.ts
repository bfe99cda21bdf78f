import { generateKeyPairSync, randomInt } from 'node:crypto'
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { keyPemOf } from '../protocol/signing.js'

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

/** The text of a new `matrix_key.pem`: a PEM block with the key's id in a header and the 32-byte Ed25519 seed as its body. */
export function newSigningKey(): { readonly keyId: string; readonly pem: string } {
  const { privateKey } = generateKeyPairSync('ed25519')
  const seed = Buffer.from(privateKey.export({ format: 'jwk' }).d ?? '', 'base64url')
  if (seed.length !== 32) throw new Error('the key pair has no 32-byte seed')
  // Drawn apart from the seed, which the public id must say nothing about.
  const name = Array.from({ length: 6 }, () => LETTERS[randomInt(LETTERS.length)]).join('')
  const keyId = `ed25519:${name}`
  return { keyId, pem: keyPemOf({ keyId, seed }) }
}

/** Writes a new signing key to `path`, readable for its owner only, and gives its id. Throws where the file exists. */
export function createSigningKeyFile(path: string): string {
  const { keyId, pem } = newSigningKey()
  writeSecretFile(path, pem)
  return keyId
}

/** Makes the file (mode 0600) and its folder (0700), and returns when it is on disk. Throws EEXIST rather than overwriting. */
export function writeSecretFile(path: string, text: string): void {
  makeFolder(dirname(path))
  const file = openSync(path, 'wx', 0o600)
  try {
    writeSync(file, text)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  const folder = openSync(dirname(path), 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}

/** Step by step: Node's own `recursive` never ends where a folder can neither be made nor found missing, as below /proc. */
function makeFolder(path: string): void {
  if (existsSync(path)) return
  if (dirname(path) !== path) makeFolder(dirname(path))
  mkdirSync(path, { mode: 0o700 })
}
