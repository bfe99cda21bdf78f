import { statement } from '../../../platform/statement.js'

export interface ServerKeyRow {
  readonly server_name: string
  readonly key_id: string
  readonly public_key: string
  readonly valid_until_ts: number | null
  readonly expired_ts: number | null
  readonly fetched_ts: number
}

export const SELECT_SERVER_KEYS = statement<ServerKeyRow, [serverNames: readonly string[]]>(
  'federationclient.server_keys.select',
  `SELECT server_name, key_id, public_key, valid_until_ts, expired_ts, fetched_ts
     FROM federationclient.server_keys WHERE server_name = ANY ($1::text[])`,
)

export const SELECT_RESPONSES = statement<
  { key_id: string; fetched_ts: number; response: string },
  [serverName: string]
>(
  'federationclient.server_keys.select_responses',
  `SELECT key_id, fetched_ts, response FROM federationclient.server_keys
    WHERE server_name = $1 ORDER BY fetched_ts DESC, key_id`,
)

/**
 * What was fetched earlier never replaces what was fetched later; and what a notary says is not necessarily new: it replaces
 * nothing that the server has said with a longer validity.
 */
export const UPSERT_SERVER_KEYS = statement<
  never,
  [
    serverName: string,
    keyIds: readonly string[],
    publicKeys: readonly string[],
    validUntil: readonly (number | null)[],
    expired: readonly (number | null)[],
    fetchedTs: number,
    response: string,
    saidUntilTs: number,
    isDirect: boolean,
  ]
>(
  'federationclient.server_keys.upsert',
  `INSERT INTO federationclient.server_keys AS known
          (server_name, key_id, public_key, valid_until_ts, expired_ts, fetched_ts, response, said_until_ts)
   SELECT $1, key.id, key.public_key, key.valid_until_ts, key.expired_ts, $6, $7, $8
     FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[])
          AS key (id, public_key, valid_until_ts, expired_ts)
   ON CONFLICT (server_name, key_id) DO UPDATE
      SET public_key = excluded.public_key, valid_until_ts = excluded.valid_until_ts, expired_ts = excluded.expired_ts,
          fetched_ts = excluded.fetched_ts, response = excluded.response, said_until_ts = excluded.said_until_ts
    WHERE known.fetched_ts <= excluded.fetched_ts AND ($9::boolean OR known.said_until_ts <= excluded.said_until_ts)`,
)
