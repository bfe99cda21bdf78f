import {
  createFederationClient,
  type FederationClient,
  FederationFailure,
  type Surroundings,
} from '../../../src/components/federationclient/index.js'
import { readConfigText } from '../../../src/config/load.js'
import { createCacheBudget } from '../../../src/platform/cache.js'
import { openLog } from '../../../src/platform/log.js'
import { FakeClock } from '../../../src/platform/time.js'
import type { ServerName } from '../../../src/protocol/ids.js'
import type { SigningKey } from '../../../src/protocol/signing.js'
import { createTestDatabase, type TestDatabase } from '../../support/database.js'
import { type DnsServer, startDnsServer } from '../../support/dns-server.js'
import { type EvilServer, keyNumber, startEvilServer } from '../../support/evil-server.js'

export const OWN_NAME = 'own.example' as ServerName
export const OWN_KEY: SigningKey = keyNumber(200, 'ed25519:own')

/** Names that the played server has a certificate for, and addresses. */
export const NAMES = ['a.example', 'b.example', 'delegate.example', 'notary.example', 'other.example', '127.0.0.1']

/** Servers, names and a database for a file of tests. */
export interface World {
  readonly test: TestDatabase
  readonly dns: DnsServer
  readonly remote: EvilServer & { readonly certificate: string }
  readonly clock: FakeClock
  /** A client of its own, without any memory; all share the database. `yaml`: of `federation_api` and more. */
  client(yaml?: string, surroundings?: Partial<Surroundings>): FederationClient
  close(): Promise<void>
}

export async function createWorld(): Promise<World> {
  const [test, dns, remote] = await Promise.all([
    createTestDatabase(),
    startDnsServer(),
    startEvilServer({ names: NAMES }),
  ])
  for (const name of [...NAMES, 'wrong.example']) dns.records.set(name, { addresses: ['127.0.0.1'] })
  const clients: FederationClient[] = []
  const clock = new FakeClock(Date.now())
  return {
    test,
    dns,
    remote,
    clock,
    client(yaml = 'federation_api: { deny_networks: [] }', surroundings = {}) {
      const text = `version: 2\nglobal: { server_name: ${OWN_NAME} }\n${yaml}`
      const { config } = readConfigText(text, 'test.yaml', process.cwd())
      const made = createFederationClient({
        serverName: OWN_NAME,
        signingKey: OWN_KEY,
        database: test.database,
        caches: createCacheBudget(1 << 20),
        time: clock,
        log: openLog([{ type: 'std', level: 'fatal' }]),
        config,
        userAgent: 'Neurite test',
        surroundings: {
          certificateAuthorities: [remote.certificate],
          nameServers: [dns.address],
          ports: { https: remote.port, federation: remote.port },
          ...surroundings,
        },
      })
      clients.push(made)
      return made
    },
    async close() {
      for (const client of clients) await client.stop()
      await Promise.all([remote.close(), dns.close()])
      await test.close()
    },
  }
}

/** How it fails: the reason, and the status of a refusal. */
export async function failureOf(action: Promise<unknown>): Promise<unknown> {
  try {
    return { answered: await action }
  } catch (error) {
    if (!(error instanceof FederationFailure)) throw error
    return error.status === undefined ? error.reason : [error.reason, error.status]
  }
}
