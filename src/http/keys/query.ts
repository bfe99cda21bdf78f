import { z } from 'zod'
import type { KeyQuery } from '../../components/federationclient/index.js'
import { parseServerName } from '../../protocol/ids.js'
import { getInteger, getObject, type JsonObject } from '../../protocol/json.js'
import { MatrixError } from '../../protocol/matrix-error.js'
import type { RouteDeps } from '../deps.js'
import { type Route, route } from '../route.js'
import { serverNameSchema } from '../schema/ids.js'
import { jsonObjectSchema } from '../schema/json.js'
import { queryInteger } from '../schema/query.js'

/** Each may make us ask another server. */
const MOST_SERVERS = 100
const MOST_KEYS = 100

/** SS "Querying Keys Through Another Server". */
export function keyQueryRoutes({ federationclient }: Pick<RouteDeps, 'federationclient'>): Route[] {
  const answer = async (queries: readonly KeyQuery[]): Promise<object> => ({
    server_keys: await federationclient.keys.notarised(queries),
  })
  const query = z.object({ minimum_valid_until_ts: queryInteger.optional() })
  const queryOf = (server: KeyQuery['server'], keyIds: readonly string[], minimum: number | undefined): KeyQuery => ({
    server,
    keys: new Map(keyIds.map((keyId) => [keyId, undefined])),
    ...(minimum === undefined ? {} : { minimumValidUntil: minimum }),
  })
  return [
    route({
      method: 'GET',
      path: '/_matrix/key/v2/query/{serverName}',
      auth: 'none',
      rateLimit: 'client',
      params: z.object({ serverName: serverNameSchema }),
      query,
      handler: ({ params, query: given }) => answer([queryOf(params.serverName, [], given.minimum_valid_until_ts)]),
    }),
    route({
      method: 'GET',
      // Not in the specification any more, but asked by older servers.
      path: '/_matrix/key/v2/query/{serverName}/{keyId}',
      auth: 'none',
      rateLimit: 'client',
      params: z.object({ serverName: serverNameSchema, keyId: z.string() }),
      query,
      handler: ({ params, query: given }) =>
        answer([queryOf(params.serverName, [params.keyId], given.minimum_valid_until_ts)]),
    }),
    route({
      method: 'POST',
      path: '/_matrix/key/v2/query',
      auth: 'none',
      rateLimit: 'client',
      body: z.object({ server_keys: jsonObjectSchema }),
      handler: ({ body }) => answer(queriesIn(body.server_keys)),
    }),
  ]
}

/** Names that no server can have are left out, as are servers that nothing is known of. */
function queriesIn(serverKeys: JsonObject): KeyQuery[] {
  const names = Object.keys(serverKeys)
  if (names.length > MOST_SERVERS) {
    throw new MatrixError('M_INVALID_PARAM', `At most ${MOST_SERVERS} servers can be asked for at once`)
  }
  return names.flatMap((name): KeyQuery[] => {
    const server = parseServerName(name)
    const wanted = getObject(serverKeys, name)
    if (wanted === undefined) throw new MatrixError('M_BAD_JSON', 'server_keys: an object is expected for each server')
    if (server === undefined) return []
    const keys = Object.keys(wanted).slice(0, MOST_KEYS)
    return [{ server, keys: new Map(keys.map((keyId) => [keyId, minimumOf(wanted, keyId)])) }]
  })
}

function minimumOf(wanted: JsonObject, keyId: string): number | undefined {
  return getInteger(getObject(wanted, keyId) ?? {}, 'minimum_valid_until_ts')
}
