import { createHash, randomBytes } from 'node:crypto'
import { hash, verify } from '@node-rs/bcrypt'

/** bcrypt reads no further than this, nor beyond a NUL. */
const BCRYPT_BYTES = 72

export interface Passwords {
  hash(password: string): Promise<string>
  /** Takes as long for an account that is not there (`undefined`) or has no password (`null`). */
  verify(password: string, stored: string | null | undefined): Promise<boolean>
}

/** bcrypt on the thread pool; hashes are the ones Dendrite stores. `cost` doubles the work with each step. */
export function createPasswords(cost: number): Passwords {
  // Nobody knows its password: what is compared where there is nothing to compare with.
  let nobody: Promise<string> | undefined
  return {
    hash: (password) => hash(bcryptInput(password), { cost }),
    async verify(password, stored) {
      nobody ??= hash(randomBytes(32).toString('base64'), { cost })
      const matches = await verify(bcryptInput(password), stored ?? (await nobody)).catch(() => false)
      return matches && typeof stored === 'string' && password !== ''
    },
  }
}

/** Every byte of a password counts: one that bcrypt would cut is hashed first. Others are taken as they are. */
function bcryptInput(password: string): string {
  if (Buffer.byteLength(password) <= BCRYPT_BYTES && !password.includes('\0')) return password
  return createHash('sha256').update(password).digest('base64')
}
