import { statement } from '../../../platform/statement.js'

export const INSERT_RELATIONS = statement<
  never,
  [
    eventNids: readonly number[],
    roomNids: readonly number[],
    relatesTo: readonly string[],
    relTypes: readonly string[],
    typeNids: readonly number[],
    senders: readonly string[],
    keys: readonly (string | null)[],
    threadRoots: readonly (string | null)[],
  ]
>(
  'roomserver.relations.insert',
  `INSERT INTO roomserver.relations
    (event_nid, room_nid, relates_to, rel_type, type_nid, sender, aggregation_key, thread_root)
  SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[],
    $8::text[])
  ON CONFLICT (event_nid) DO NOTHING`,
)

/** A redacted event relates to nothing any more. */
export const DELETE_RELATIONS = statement<never, [eventNids: readonly number[]]>(
  'roomserver.relations.delete',
  'DELETE FROM roomserver.relations WHERE event_nid = ANY($1::bigint[])',
)
