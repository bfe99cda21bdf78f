import { statement } from '../../../platform/statement.js'
import type { EventId } from '../../../protocol/ids.js'

/** A batch of the log: what is redacted goes, what is new comes, and how far the log has been read. */
export const INDEX_BATCH = statement<
  never,
  [
    redacted: readonly string[],
    cursor: number,
    configuration: string,
    eventIds: readonly string[],
    roomIds: readonly string[],
    positions: readonly number[],
    senders: readonly string[],
    keys: readonly number[],
    texts: readonly string[],
  ]
>(
  'search.messages.index_batch',
  `WITH gone AS (
    DELETE FROM search.messages WHERE event_id = ANY($1::text[])),
  moved AS (
    INSERT INTO search.cursor (position, language) VALUES ($2, $3::text)
    ON CONFLICT (singleton) DO UPDATE SET position = excluded.position)
  INSERT INTO search.messages (event_id, room_id, position, sender, key, words)
  SELECT m.event_id, m.room_id, m.position, m.sender, m.key, to_tsvector($3::text::regconfig, m.body)
  FROM unnest($4::text[], $5::text[], $6::bigint[], $7::text[], $8::smallint[], $9::text[])
    AS m(event_id, room_id, position, sender, key, body)
  ON CONFLICT (event_id) DO NOTHING`,
)

export interface MatchRow {
  readonly event_id: EventId
  readonly rank: number
  readonly count: number
}

/** Newest matches that are ranked and counted: a common word in a big server is in millions. */
export const MAX_MATCHES = 10_000

const matchesSql = (order: string): string => `
  WITH matches AS (
    SELECT m.event_id, m.position, ts_rank(m.words, q.query)::float8 AS rank
    FROM search.messages m, websearch_to_tsquery($1::text::regconfig, $2) AS q(query)
    WHERE m.words @@ q.query AND m.room_id = ANY($3::text[]) AND m.key = ANY($4::smallint[])
      AND ($5::text[] IS NULL OR m.sender = ANY($5::text[])) AND m.sender <> ALL($6::text[])
    ORDER BY m.position DESC LIMIT ${MAX_MATCHES})
  SELECT event_id, rank, count(*) OVER () AS count FROM matches ORDER BY ${order} OFFSET $7 LIMIT $8`

type MatchColumns = [
  configuration: string,
  term: string,
  roomIds: readonly string[],
  keys: readonly number[],
  senders: readonly string[] | null,
  notSenders: readonly string[],
  offset: number,
  limit: number,
]

export const SELECT_CLOSEST = statement<MatchRow, MatchColumns>(
  'search.messages.select_closest',
  matchesSql('rank DESC, position DESC'),
)

export const SELECT_RECENT = statement<MatchRow, MatchColumns>(
  'search.messages.select_recent',
  matchesSql('position DESC'),
)

export const DELETE_MESSAGES = statement('search.messages.delete_all', 'DELETE FROM search.messages')
