import { parseRoomAlias } from '../../protocol/ids.js'
import { roomVersion } from '../../protocol/room-version.js'
import { flag, integer, list, opaque, path, section, text } from '../fields.js'
import { componentDatabase } from './common.js'

const NOT_YET = 'not in this version yet'

/** Section `app_service_api`. */
export const appServiceApiSection = section('Bridges and bots that are application services.', {
  disable_tls_validation: flag(false, 'Believe any certificate of theirs.', { unused: NOT_YET }),
  legacy_auth: flag(false, 'Send them the token in the query string as well.', { unused: NOT_YET }),
  legacy_paths: flag(false, 'Call them without /_matrix/app/v1.', { unused: NOT_YET }),
  config_files: list(path('', 'A file.'), [], 'Their registration files.', { unused: NOT_YET }),
})

/** Section `key_server`. */
export const keyServerSection = section(
  'Nothing but a database in Dendrite.',
  { database: componentDatabase() },
  { hidden: true },
)

/** Section `relay_api`. */
export const relayApiSection = section(
  'Nothing but a database in Dendrite.',
  { database: componentDatabase() },
  { hidden: true },
)

/** Section `mscs`. */
export const mscsSection = section(
  'Proposals that Dendrite has behind a switch.',
  {
    mscs: list(text('', 'Its name.'), [], 'Such as msc2836.', { unused: 'what is supported is always on' }),
    database: componentDatabase(),
  },
  { hidden: true },
)

/** Section `room_server`. */
export const roomServerSection = section('Rooms.', {
  default_room_version: text('12', 'The version of new rooms, unless a client asks for another.', {
    allowed: 'a room version from 1 to 12, in quotes',
    accepts: (given) => roomVersion(given) !== undefined,
  }),
  database: componentDatabase(),
})

const IN_DATABASE = { unused: 'the index is in PostgreSQL' }

/** Section `sync_api`. */
export const syncApiSection = section('Synchronising clients.', {
  real_ip_header: text(
    '',
    `A header that a proxy sets to the client's address, such as X-Real-IP. Believed from everybody, as Dendrite does, unless
global.trusted_proxies is given: then from those only.`,
    {
      allowed: 'the name of an HTTP header',
      accepts: (given) => /^[A-Za-z0-9-]+$/.test(given),
    },
  ),
  search: section('Searching messages.', {
    enabled: flag(true, 'Offer it.'),
    index_path: path('./searchindex', 'Where Dendrite keeps its index.', { ...IN_DATABASE }),
    language: text('en', 'The language of most messages.'),
    in_memory: flag(false, 'Keep no index on disk.', { ...IN_DATABASE }),
  }),
  database: componentDatabase(),
})

/** Section `user_api`. */
export const userApiSection = section('Accounts.', {
  bcrypt_cost: integer(10, 'Work per password check; one more doubles it.', { min: 4, max: 20 }),
  openid_token_lifetime_ms: integer(3_600_000, 'How long OpenID tokens are good.', { min: 1_000 }),
  push_gateway_disable_tls_validation: flag(false, 'Believe any certificate of push gateways.'),
  auto_join_rooms: list(
    text('', 'An alias.', {
      allowed: 'a room alias such as "#lobby:example.com"',
      accepts: (given) => parseRoomAlias(given) !== undefined,
    }),
    [],
    'Rooms every new account joins, such as "#lobby:example.com".',
    { unused: NOT_YET },
  ),
  worker_count: integer(8, "Workers for other users' device lists.", { min: 1, unused: 'one loop does that' }),
  account_database: componentDatabase(),
})

/** Section `tracing`. */
export const tracingSection = section('Timings of single requests (OpenTelemetry).', {
  enabled: flag(false, 'Send them.', { unused: NOT_YET }),
  jaeger: opaque('Settings of the Jaeger client.', { unused: 'Jaeger is not supported', hidden: true }),
})
