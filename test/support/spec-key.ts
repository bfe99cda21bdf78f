import { decodeBase64, signingKeyOf } from '../../src/protocol/signing.js'

/** The key of the specification's test vectors (appendices "Cryptographic Test Vectors"). */
export const SPEC_KEY = signingKeyOf(
  'ed25519:1',
  decodeBase64('YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1') ?? new Uint8Array(),
)
