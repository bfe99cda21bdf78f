import 'reflect-metadata'
import { createPrivateKey, randomBytes, webcrypto } from 'node:crypto'
import { isIP } from 'node:net'
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  type GeneralNameType,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509'

export interface CertificateRequest {
  /** Host names and addresses the certificate is for; the first is its common name. */
  readonly names: readonly string[]
  /** Bits of the RSA key. */
  readonly keySize: number
  /** Signs the certificate; without it the certificate signs itself. Both as PEM. */
  readonly authority?: { readonly certificate: string; readonly key: string } | undefined
  readonly now: Date
}

const SIGNATURE = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' } as const
const DAY_MS = 86_400_000
/** Clocks of other machines may be behind. */
const BACKDATED_MS = DAY_MS
const VALID_DAYS = 365

/** A server certificate with a new RSA key, both as PEM. Throws for an authority that cannot be read or whose key is not its certificate's. */
export async function createCertificate(request: CertificateRequest): Promise<{ certificate: string; key: string }> {
  const keys = await webcrypto.subtle.generateKey(
    { ...SIGNATURE, modulusLength: request.keySize, publicExponent: new Uint8Array([1, 0, 1]) },
    true,
    ['sign', 'verify'],
  )
  const subject = `CN=${(request.names[0] ?? 'localhost').replaceAll(/[,+"\\<>;=#]/g, '\\$&')}`
  const authority = request.authority === undefined ? undefined : await readAuthority(request.authority)
  const extensions: Extension[] = [
    new BasicConstraintsExtension(false, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature | KeyUsageFlags.keyEncipherment, true),
    new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
    new SubjectAlternativeNameExtension(
      request.names.map((value): { type: GeneralNameType; value: string } => ({
        type: isIP(value) === 0 ? 'dns' : 'ip',
        value,
      })),
    ),
    await SubjectKeyIdentifierExtension.create(keys.publicKey, false, webcrypto),
    await AuthorityKeyIdentifierExtension.create(authority?.certificate.publicKey ?? keys.publicKey, false, webcrypto),
  ]
  const certificate = await X509CertificateGenerator.create(
    {
      serialNumber: serialNumber(),
      subject,
      issuer: authority?.certificate.subjectName ?? subject,
      notBefore: new Date(request.now.getTime() - BACKDATED_MS),
      notAfter: new Date(request.now.getTime() + VALID_DAYS * DAY_MS),
      publicKey: keys.publicKey,
      signingKey: authority?.key ?? keys.privateKey,
      signingAlgorithm: authority?.algorithm ?? SIGNATURE,
      extensions,
    },
    webcrypto,
  )
  const der = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)
  return { certificate: `${certificate.toString('pem')}\n`, key: `${PemConverter.encode(der, 'PRIVATE KEY')}\n` }
}

async function readAuthority({ certificate, key }: { certificate: string; key: string }) {
  const parsed = new X509Certificate(certificate)
  const own = createPrivateKey(key)
  const der = own.export({ type: 'pkcs8', format: 'der' })
  const isRsa = own.asymmetricKeyType === 'rsa'
  const curve = own.asymmetricKeyDetails?.namedCurve === 'secp384r1' ? 'P-384' : 'P-256'
  const algorithm = isRsa ? SIGNATURE : ({ name: 'ECDSA', namedCurve: curve, hash: 'SHA-256' } as const)
  const imported = await webcrypto.subtle.importKey('pkcs8', der, algorithm, false, ['sign'])
  const message = randomBytes(32)
  const signature = await webcrypto.subtle.sign(algorithm, imported, message)
  const publicKey = await parsed.publicKey.export(algorithm, ['verify'], webcrypto)
  if (!(await webcrypto.subtle.verify(algorithm, publicKey, signature, message))) {
    throw new Error('the key is not the one of the certificate')
  }
  return { certificate: parsed, key: imported, algorithm }
}

/** Positive, as X.509 asks, and without a leading zero byte. */
function serialNumber(): string {
  const bytes = randomBytes(16)
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40
  return bytes.toString('hex')
}
