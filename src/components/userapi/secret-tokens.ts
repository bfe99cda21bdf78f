import { createHash, randomBytes } from 'node:crypto'

const TOKEN_BYTES = 32
/** Longer than any token of ours or of an imported database. */
const LONGEST_TOKEN = 512

/** 256 random bits. */
export function newToken(): string {
  return randomBytes(TOKEN_BYTES).toString('base64url')
}

export function hashToken(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}

/** False for what nobody need be asked about. */
export function canBeToken(text: string): boolean {
  return text !== '' && text.length <= LONGEST_TOKEN
}
