import { existsSync, readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { resolve } from 'node:path'
import { createSigningKeyFile, writeSecretFile } from '../config/key-file.js'
import { CommandFailed, defineCommand } from './command.js'
import { integerFlag, textFlag } from './flags.js'

/** Makes a signing key, a TLS certificate, or both. Never touches a file that is there. */
export const generateKeysCommand = defineCommand({
  name: 'generate-keys',
  summary:
    'Makes the signing key of a server (-private-key) and a TLS certificate with its key (-tls-cert and -tls-key).',
  flags: {
    'private-key': textFlag("The `file` for a new signing key: the server's identity towards other servers."),
    'tls-cert': textFlag('The `file` for a new certificate.'),
    'tls-key': textFlag("The `file` for the certificate's key."),
    'tls-authority-cert': textFlag(
      'The certificate `file` of an authority that signs; without it the certificate signs itself.',
    ),
    'tls-authority-key': textFlag('The key `file` of that authority.'),
    server: textFlag('The host `name` in the certificate; without it localhost and the loopback addresses.'),
    keysize: integerFlag("The `bits` of the certificate's RSA key.", 4096),
  },
  async execute({ values, cwd, stdout }) {
    const at = (path: string): string => (path === '' ? '' : resolve(cwd, path))
    const signingKey = at(values['private-key'])
    const certificate = at(values['tls-cert'])
    const certificateKey = at(values['tls-key'])
    checkUsage(signingKey, certificate, certificateKey)
    for (const path of [signingKey, certificate, certificateKey]) {
      if (path !== '' && existsSync(path))
        throw new CommandFailed(`${path} is already there and stays as it is: nothing was made`)
    }
    const authority = readAuthority(at(values['tls-authority-cert']), at(values['tls-authority-key']))
    if (authority !== undefined && certificate === '')
      throw new CommandFailed('an authority signs nothing without -tls-cert and -tls-key')
    if (certificate !== '') {
      const made = await makeCertificate(hostNames(values.server), values.keysize, authority)
      writing(() => writeSecretFile(certificateKey, made.key))
      writing(() => writeSecretFile(certificate, made.certificate))
      stdout.write(`Created TLS certificate: ${certificate}\nCreated TLS key: ${certificateKey}\n`)
    }
    if (signingKey !== '') {
      const keyId = writing(() => createSigningKeyFile(signingKey))
      stdout.write(`Created private key file: ${signingKey} (${keyId})\n`)
    }
    return 0
  },
})

function checkUsage(signingKey: string, certificate: string, certificateKey: string): void {
  if (signingKey === '' && certificate === '' && certificateKey === '') {
    throw new CommandFailed('nothing to make: give -private-key, or -tls-cert and -tls-key; --help lists the flags')
  }
  if ((certificate === '') !== (certificateKey === '')) throw new CommandFailed('-tls-cert and -tls-key go together')
  const paths = [signingKey, certificate, certificateKey].filter((path) => path !== '')
  if (new Set(paths).size < paths.length) throw new CommandFailed('two of the files have the same name')
}

function readAuthority(certificate: string, key: string): { certificate: string; key: string } | undefined {
  if (certificate === '' && key === '') return undefined
  if (certificate === '' || key === '')
    throw new CommandFailed('-tls-authority-cert and -tls-authority-key go together')
  try {
    return { certificate: readFileSync(certificate, 'utf8'), key: readFileSync(key, 'utf8') }
  } catch (error) {
    throw new CommandFailed(`the authority cannot be read: ${(error as Error).message}`)
  }
}

async function makeCertificate(
  names: readonly string[],
  keySize: number,
  authority: { certificate: string; key: string } | undefined,
): Promise<{ certificate: string; key: string }> {
  if (keySize < 2048 || keySize > 16_384) throw new CommandFailed('-keysize: from 2048 to 16384 bits')
  // The X.509 packages are big and of use to nobody else.
  const { createCertificate } = await import('./certificate.js')
  try {
    return await createCertificate({ names, keySize, authority, now: new Date() })
  } catch (error) {
    throw new CommandFailed(`the certificate could not be made: ${(error as Error).message}`)
  }
}

/** A server name may have a port, which a certificate has no place for. */
function hostNames(server: string): readonly string[] {
  if (server === '') return ['localhost', '127.0.0.1', '::1']
  const host = isIP(server) === 6 ? server : server.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')
  if (isIP(host) === 0 && !/^[A-Za-z0-9.*-]{1,253}$/.test(host))
    throw new CommandFailed('-server: not a host name or address')
  return [host]
}

function writing<T>(action: () => T): T {
  try {
    return action()
  } catch (error) {
    throw new CommandFailed(`cannot write: ${(error as Error).message}`)
  }
}
