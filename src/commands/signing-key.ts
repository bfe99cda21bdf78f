import { existsSync, readFileSync } from 'node:fs'
import { createSigningKeyFile } from '../config/key-file.js'
import type { Config } from '../config/schema.js'
import { parseKeyPem, type SigningKey } from '../protocol/signing.js'
import { CommandFailed } from './command.js'

/**
 * The key in `global.private_key`. A new one is made only where nothing has ever been signed: a key that appears by
 * accident beside a used database would break every room.
 */
export function loadSigningKey(config: Config, mayCreate: boolean): SigningKey {
  const path = config.global.private_key
  if (!existsSync(path)) {
    if (!mayCreate) {
      throw new CommandFailed(
        `global.private_key: ${path} does not exist, but the database is in use: its rooms are signed with another key.\n` +
          'Put the key file back from your backup; a new key would not be accepted by anybody.',
      )
    }
    make(path)
  }
  try {
    return parseKeyPem(readFileSync(path, 'utf8'))
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new CommandFailed(
      `global.private_key: ${path} cannot be used: ${why}\n\`neurite generate-keys -private-key FILE\` makes a key.`,
    )
  }
}

function make(path: string): void {
  try {
    createSigningKeyFile(path)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new CommandFailed(
      `global.private_key: ${path} does not exist, and no new key can be put there: ${why}\n` +
        'Let its folder be writable for the server, or name another path.',
    )
  }
}

/** Undefined when there is no such file, or it holds no key. */
export function keyIdOfFile(path: string): string | undefined {
  try {
    return parseKeyPem(readFileSync(path, 'utf8')).keyId
  } catch {
    return undefined
  }
}
