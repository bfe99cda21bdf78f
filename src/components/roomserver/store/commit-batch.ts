/**
 * The last statement of a batch: everything that carries a position, and the guard of each room's head, at once.
 * One statement, so that positions are taken right before it and never across anything but COMMIT.
 *
 * Both forms answer the number of heads that were where the batch expected them; fewer than it names means that another
 * writer was here, and the transaction has to be rolled back.
 */
import { statement } from '../../../platform/statement.js'

type Ints = readonly number[]
type Texts = readonly string[]
type MaybeInts = readonly (number | null)[]
type MaybeTexts = readonly (string | null)[]
type Booleans = readonly boolean[]

/** One element per room; extremities are array literals. */
export type HeadColumns = [
  roomNids: Ints,
  expectedVersions: Ints,
  extremities: Texts,
  depths: Ints,
  snapshotIds: MaybeInts,
  joined: Ints,
  invited: Ints,
  localJoined: Ints,
  lastPositions: Ints,
]

/** One element per event; auth events are array literals. */
export type EventColumns = [
  nids: Ints,
  eventIds: Texts,
  roomNids: Ints,
  typeNids: Ints,
  stateKeyNids: MaybeInts,
  senders: Texts,
  depths: Ints,
  originServerTs: Ints,
  positions: MaybeInts,
  snapshotIds: MaybeInts,
  authEventNids: Texts,
  verdicts: Ints,
  redactedByNids: MaybeInts,
  redacts: MaybeTexts,
  redactionPending: Booleans,
  replacesNids: MaybeInts,
  txnUserIds: MaybeTexts,
  txnDeviceIds: MaybeTexts,
  txnPaths: MaybeTexts,
  txnIds: MaybeTexts,
  containsUrl: Booleans,
  json: Texts,
]

/** One element per edge, and the time in ms for transaction ids. */
export type EdgeColumns = [eventNids: Ints, prevEventIds: Texts, roomNids: Ints, nowMs: number]

/** New entries of the current state: one element per key, the last of the batch. */
export type StateColumns = [roomNids: Ints, typeNids: Ints, stateKeyNids: Ints, eventNids: Ints, positions: Ints]

/** Changes of the current state, in order: every one of the batch. */
export type ChangeColumns = [
  roomNids: Ints,
  positions: Ints,
  typeNids: Ints,
  stateKeyNids: Ints,
  eventNids: MaybeInts,
  replacedNids: MaybeInts,
]

/** One element per member: the last of the batch. */
export type MembershipColumns = [
  roomNids: Ints,
  userIds: Texts,
  memberships: Ints,
  eventNids: Ints,
  senders: Texts,
  isLocal: Booleans,
  positions: Ints,
  displayNames: MaybeTexts,
  avatarUrls: MaybeTexts,
  strippedStates: MaybeTexts,
]

/** Positions of redactions that were held back until their target came. */
export type ReleasedColumns = [eventNids: Ints, positions: Ints]

const HEADS_AND_EVENTS = `
heads AS (
  UPDATE roomserver.rooms r
  SET head_version = r.head_version + 1, forward_extremities = h.extremities::bigint[], depth = h.depth,
    current_snapshot_id = h.snapshot_id, joined_members = h.joined, invited_members = h.invited,
    local_joined_members = h.local_joined, last_position = greatest(r.last_position, h.last_position)
  FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::int[], $7::int[], $8::int[],
    $9::bigint[]) AS h(room_nid, expected, extremities, depth, snapshot_id, joined, invited, local_joined, last_position)
  WHERE r.room_nid = h.room_nid AND r.head_version = h.expected
  RETURNING r.room_nid),
e AS (
  SELECT * FROM unnest($10::bigint[], $11::text[], $12::bigint[], $13::bigint[], $14::bigint[], $15::text[],
    $16::bigint[], $17::bigint[], $18::bigint[], $19::bigint[], $20::text[], $21::smallint[], $22::bigint[],
    $23::text[], $24::boolean[], $25::bigint[], $26::text[], $27::text[], $28::text[], $29::text[], $30::boolean[],
    $31::text[])
  AS e(event_nid, event_id, room_nid, type_nid, state_key_nid, sender, depth, origin_server_ts, position, snapshot_id,
    auth_event_nids, verdict, redacted_by_nid, redacts, redaction_pending, replaces_nid, txn_user_id, txn_device_id,
    txn_path, txn_id, contains_url, json)),
written AS (
  INSERT INTO roomserver.events (event_nid, event_id, room_nid, type_nid, state_key_nid, sender, depth,
    origin_server_ts, position, snapshot_id, auth_event_nids, verdict, redacted_by_nid, redacts, redaction_pending,
    replaces_nid, txn_device_id, txn_id, contains_url, json)
  SELECT event_nid, event_id, room_nid, type_nid, state_key_nid, sender, depth, origin_server_ts, position, snapshot_id,
    auth_event_nids::bigint[], verdict, redacted_by_nid, redacts, redaction_pending, replaces_nid, txn_device_id,
    txn_id, contains_url, json
  FROM e),
edges AS (
  INSERT INTO roomserver.event_edges (event_nid, prev_event_id, room_nid)
  SELECT * FROM unnest($32::bigint[], $33::text[], $34::bigint[])),
transactions AS (
  INSERT INTO roomserver.transaction_ids (user_id, device_id, path, txn_id, event_id, created_ts)
  SELECT txn_user_id, txn_device_id, txn_path, txn_id, event_id, $35::bigint FROM e WHERE txn_path IS NOT NULL),
logged AS (
  INSERT INTO roomserver.output_log (position, room_nid, event_nid)
  SELECT position, room_nid, event_nid FROM e WHERE position IS NOT NULL)`

/** For a batch that changes no state. */
export const COMMIT_MESSAGES = statement<{ readonly heads: number }, [...HeadColumns, ...EventColumns, ...EdgeColumns]>(
  'roomserver.batch.commit_messages',
  `WITH ${HEADS_AND_EVENTS} SELECT count(*) AS heads FROM heads`,
)

/** For a batch that changes state or releases held redactions, beside whatever messages it has. */
export const COMMIT_WITH_STATE = statement<
  { readonly heads: number },
  [
    ...HeadColumns,
    ...EventColumns,
    ...EdgeColumns,
    ...StateColumns,
    ...ChangeColumns,
    ...MembershipColumns,
    ...ReleasedColumns,
  ]
>(
  'roomserver.batch.commit_with_state',
  `WITH ${HEADS_AND_EVENTS},
state AS (
  INSERT INTO roomserver.current_state (room_nid, type_nid, state_key_nid, event_nid, position)
  SELECT * FROM unnest($36::bigint[], $37::bigint[], $38::bigint[], $39::bigint[], $40::bigint[])
  ON CONFLICT (room_nid, type_nid, state_key_nid) DO UPDATE
  SET event_nid = excluded.event_nid, position = excluded.position),
changes AS (
  INSERT INTO roomserver.state_changes (room_nid, position, type_nid, state_key_nid, event_nid, replaced_nid)
  SELECT * FROM unnest($41::bigint[], $42::bigint[], $43::bigint[], $44::bigint[], $45::bigint[], $46::bigint[])),
members AS (
  INSERT INTO roomserver.memberships (room_nid, user_id, membership, event_nid, sender, is_local, position,
    display_name, avatar_url, stripped_state)
  SELECT * FROM unnest($47::bigint[], $48::text[], $49::smallint[], $50::bigint[], $51::text[], $52::boolean[],
    $53::bigint[], $54::text[], $55::text[], $56::text[])
  ON CONFLICT (room_nid, user_id) DO UPDATE
  SET membership = excluded.membership, event_nid = excluded.event_nid, sender = excluded.sender,
    -- A change of name or picture begins no new membership.
    position = CASE WHEN memberships.membership = 1 AND excluded.membership = 1 THEN memberships.position
      ELSE excluded.position END,
    forgotten = false, display_name = excluded.display_name,
    avatar_url = excluded.avatar_url, stripped_state = excluded.stripped_state),
released AS (
  UPDATE roomserver.events x SET position = l.position
  FROM unnest($57::bigint[], $58::bigint[]) AS l(event_nid, position)
  WHERE x.event_nid = l.event_nid
  RETURNING x.position, x.room_nid, x.event_nid),
released_log AS (
  INSERT INTO roomserver.output_log (position, room_nid, event_nid) SELECT position, room_nid, event_nid FROM released)
SELECT count(*) AS heads FROM heads`,
)
