import { parseServerName } from '../../protocol/ids.js'
import { choice, duration, flag, integer, list, optionalSize, path, required, section, text } from '../fields.js'
import { database, isBase64Of32Bytes, isHttpUrl, network } from './common.js'

const SERVER_NAME = 'a server name such as example.com or example.com:8448'

function serverNameOrAddress(given: string): boolean {
  return parseServerName(given) !== undefined
}

const basicAuth = section('Asked for at /metrics.', {
  username: text('', 'Empty: no password is asked for.', { sample: 'metrics' }),
  password: text('', 'The password.', { sample: 'metrics', secret: true }),
})

const oldKey = section('A key that signed events in the past.', {
  private_key: path('', 'The old key file; or give the next two.'),
  public_key: text('', 'The public key, base64.', { allowed: '32 bytes in base64', accepts: isBase64Of32Bytes }),
  key_id: text('', 'Its id, such as ed25519:auto.'),
  expired_at: integer(0, 'When it was last used, in milliseconds since 1970.'),
})

/** Section `global`. */
export const globalSection = section('What concerns the whole server.', {
  server_name: required(
    `The name of this server: the part after the colon in every user's and room's address.
It is for ever: a server that comes back under another name is another server to everybody else.`,
    {
      sample: 'localhost',
      allowed: SERVER_NAME,
      read: parseServerName,
    },
  ),
  data_dir: path(
    './data',
    `Where the server keeps what no other key gives a place: the embedded database (postgres), the signing key
(matrix_key.pem) and the media (media).`,
  ),
  private_key: path(
    '',
    `The signing key, made by \`neurite generate-keys --private-key matrix_key.pem\`. Keep a copy: without it nobody
believes this server's name again. Empty: matrix_key.pem in the data directory.`,
    { sample: 'matrix_key.pem' },
  ),
  old_private_keys: list(
    oldKey,
    [],
    'Keys used earlier, published so that others can still check old events. Each has private_key (a file), or\npublic_key and key_id; and expired_at in milliseconds.',
  ),
  key_validity_period: duration('168h', 'How long other servers may keep our key before they ask again.', {
    sample: '168h0m0s',
  }),
  database: database(
    `The one PostgreSQL database. An empty connection string means the embedded one: a PostgreSQL of the server's own
under the data directory, started and stopped with it. A pooler in transaction mode cannot be used.`,
  ),
  trusted_proxies: list(
    network(),
    [],
    `Addresses and networks of reverse proxies. A request that comes from one of them counts as from the address in its
X-Forwarded-For header (rate limits, devices, logs); from everybody else that header is not believed.`,
  ),
  cache: section('One budget for all caches.', {
    max_size_estimated: optionalSize(
      'Memory for caches. Not given: 1gb, or 12 % of the memory the machine allows where that is less, and never more.',
    ),
    max_age: duration('1h', 'Dendrite drops entries after this time.', { unused: 'caches are bounded by size' }),
  }),
  well_known_server_name: text(
    '',
    'Answered at /.well-known/matrix/server: host and port where other servers reach this one, such as "matrix.example.com:443".',
    { allowed: 'a host with an optional port, such as matrix.example.com:443', accepts: serverNameOrAddress },
  ),
  well_known_client_name: text(
    '',
    'Answered at /.well-known/matrix/client: the base URL for clients, such as "https://matrix.example.com".',
    { allowed: 'a URL that starts with http:// or https://', accepts: isHttpUrl },
  ),
  well_known_sliding_sync_proxy: text('', 'The URL of a sliding sync proxy, for clients that still look for one.', {
    allowed: 'a URL that starts with http:// or https://',
    accepts: isHttpUrl,
  }),
  trusted_third_party_id_servers: list(
    text('', 'A host name.'),
    [],
    'Identity servers that users of this server may use.',
    { sample: ['matrix.org', 'vector.im'] },
  ),
  disable_federation: flag(false, 'Neither asks other servers nor answers them.'),
  presence: section('Who is online. Costs traffic in big rooms.', {
    enable_inbound: flag(false, "Take other servers' presence in."),
    enable_outbound: flag(false, "Tell other servers about our users'."),
  }),
  server_notices: section('Messages from the server to its users.', {
    enabled: flag(false, 'Allow them.'),
    local_part: text('_server', 'Who they come from.'),
    display_name: text('Server Alerts', 'The name shown.', { sample: 'Server Alerts' }),
    avatar_url: text('', 'The picture shown (mxc://).'),
    room_name: text('Server Alerts', "The room's name."),
  }),
  metrics: section('Figures for Prometheus at /metrics.', {
    enabled: flag(false, 'Serve them.'),
    basic_auth: basicAuth,
  }),
  dns_cache: section('Remember addresses of other servers.', {
    enabled: flag(false, 'Use it.'),
    cache_size: integer(256, 'Entries.', { min: 1 }),
    cache_lifetime: duration('5m', 'How long an entry is good; a bare number means seconds.'),
  }),
  jetstream: section(
    'Dendrite sends its work through NATS.',
    {
      addresses: list(text('', 'An address.'), [], 'NATS servers.'),
      topic_prefix: text('Dendrite', 'Prefix of the streams.'),
      storage_path: path('', 'Where the embedded NATS keeps its files.'),
      in_memory: flag(false, 'Keep nothing.'),
      disable_tls_validation: flag(false, 'Believe any certificate.'),
      js_domain: text('', 'JetStream domain.'),
      credentials_path: path('', 'Credentials file.'),
    },
    { unused: 'queues are in PostgreSQL' },
  ),
  report_stats: section(
    'Dendrite can report figures to its makers.',
    {
      enabled: flag(false, 'Report.'),
      endpoint: text('https://panopticon.matrix.org/push', 'Where to.'),
    },
    { unused: 'nothing is ever reported' },
  ),
  sentry: section(
    'Dendrite can report errors to Sentry.',
    {
      enabled: flag(false, 'Report.'),
      dsn: text('', 'The project.', { secret: true }),
      environment: text('', 'A name for this server.'),
    },
    { unused: 'errors are in the log' },
  ),
})

const LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const
/** Other words of Dendrite's logger. */
const LEVEL_ALIASES = { panic: 'fatal', warning: 'warn' } as const

const logSection = section('One place the log goes to.', {
  type: choice(['std', 'file', 'syslog'], 'std', 'Standard error output, a folder of files, or syslog.'),
  level: choice(LEVELS, 'info', 'The least important that is written: error, warn, info, debug or trace.', {
    aliases: LEVEL_ALIASES,
  }),
  params: section('What the type needs.', {
    path: path('', 'For file: the folder. It is made when it is missing.'),
    protocol: choice(['', 'udp', 'tcp', 'unix'], '', 'For syslog: udp, tcp, or unix for the socket of this machine.'),
    address: text('', 'For syslog: host and port, or the socket.'),
  }),
})

/** Section `logging`. */
export const loggingSection = list(
  logSection,
  [{ type: 'std', level: 'info' }],
  'Where the log goes. Several at once are fine.',
)
