import { parseServerName } from '../../protocol/ids.js'
import { choice, flag, integer, list, opaque, section, text } from '../fields.js'
import { componentDatabase, isBase64Of32Bytes, network } from './common.js'

/** Networks no request made for somebody else may reach: private, loopback, link-local, test, multicast, translated ones. */
export const DEFAULT_DENY_NETWORKS: readonly string[] = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '::/128',
  '::1/128',
  '64:ff9b::/96',
  '2001::/32',
  '2001:db8::/32',
  'fc00::/7',
  'fe80::/10',
  'fec0::/10',
  'ff00::/8',
]

const perspective = section('A server that vouches for keys of others.', {
  server_name: text('', 'Its name.', {
    allowed: 'a server name',
    accepts: (given) => parseServerName(given) !== undefined,
  }),
  keys: list(
    section('A key of it.', {
      key_id: text('', 'Such as ed25519:auto.'),
      public_key: text('', 'base64.', { allowed: '32 bytes in base64', accepts: isBase64Of32Bytes }),
    }),
    [],
    'Its keys.',
  ),
})

const p2p = { unused: 'peer-to-peer mode only' }

/** Section `federation_api`. */
export const federationApiSection = section('Talking to other servers.', {
  send_max_retries: integer(16, 'After so many failures in a row a server is left alone until it speaks to us.', {
    max: 64,
  }),
  disable_tls_validation: flag(false, 'Believe any certificate. For tests only.'),
  disable_http_keepalives: flag(false, 'A new connection for every request.'),
  prefer_direct_fetch: flag(false, 'Ask a server itself for its keys before asking those below.'),
  key_perspectives: list(perspective, [], 'Servers asked for keys of servers that are gone.', {
    sample: [
      {
        server_name: 'matrix.org',
        keys: [
          { key_id: 'ed25519:auto', public_key: 'Noi6WqcDj0QmPxCNQqgezwTlBKrfqehY1u2FyWP9uYw' },
          { key_id: 'ed25519:a_RXGa', public_key: 'l8Hft5qXKn1vfHrg3p4+W8gELQVo8N13JkluMfmn2sQ' },
        ],
      },
    ],
  }),
  deny_networks: list(
    network(),
    DEFAULT_DENY_NETWORKS,
    'Addresses never connected to on behalf of others. Checked before allow_networks, on the address really used.',
  ),
  allow_networks: list(network(), ['0.0.0.0/0', '::/0'], 'Addresses that may be connected to.'),
  proxy_outbound: section('An HTTP proxy for requests to other servers.', {
    enabled: flag(false, 'Use it.'),
    protocol: choice(['http', 'https'], 'http', 'How to speak to the proxy.'),
    host: text('localhost', 'Its host.'),
    port: integer(8080, 'Its port.', { min: 1, max: 65_535 }),
  }),
  federation_certificates: opaque('Dendrite once read its certificates here.', {
    unused: '-tls-cert names the certificate',
    hidden: true,
  }),
  enable_relays: flag(false, 'Relays of the peer-to-peer mode.', { ...p2p, hidden: true }),
  p2p_retries_until_assumed_offline: integer(1, 'Peer-to-peer mode.', { ...p2p, hidden: true }),
  database: componentDatabase(),
})
