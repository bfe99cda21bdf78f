-- The room DAG. Rooms, event types, state keys and events have integer ids; event JSON is stored once, as the exact
-- canonical federation text. Strings are in the injective form of the database encoder.

CREATE TABLE roomserver.rooms (
  room_nid bigint PRIMARY KEY,
  room_id text NOT NULL UNIQUE,
  room_version text NOT NULL,
  -- Guards every write to the room: a batch that was built on another head than this one must not land.
  head_version bigint NOT NULL DEFAULT 0,
  -- Forward extremities, newest last; empty while this server is not in the room.
  forward_extremities bigint[] NOT NULL DEFAULT '{}',
  depth bigint NOT NULL DEFAULT 0,
  -- The snapshot of the current state; null while this server is not in the room.
  current_snapshot_id bigint,
  joined_members integer NOT NULL DEFAULT 0,
  invited_members integer NOT NULL DEFAULT 0,
  local_joined_members integer NOT NULL DEFAULT 0,
  -- The position of the newest timeline event.
  last_position bigint NOT NULL DEFAULT 0
);

CREATE TABLE roomserver.event_types (
  type_nid bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  type text NOT NULL UNIQUE
);

CREATE TABLE roomserver.state_keys (
  state_key_nid bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  state_key text NOT NULL UNIQUE
);

CREATE TABLE roomserver.events (
  event_nid bigint PRIMARY KEY,
  event_id text NOT NULL UNIQUE,
  room_nid bigint NOT NULL,
  type_nid bigint NOT NULL,
  -- Null: not a state event.
  state_key_nid bigint,
  sender text NOT NULL,
  depth bigint NOT NULL,
  origin_server_ts bigint NOT NULL,
  -- Arrival order on the one clock. Null: an outlier, or soft-failed, or rejected: never in /sync.
  -- Negative: backfilled history, older than anything that arrived live.
  position bigint,
  -- State before the event; 0 is the empty state. Null: an outlier.
  snapshot_id bigint,
  auth_event_nids bigint[] NOT NULL DEFAULT '{}',
  -- 0 accepted, 1 soft-failed, 2 rejected.
  verdict smallint NOT NULL DEFAULT 0,
  -- The redaction that was applied to it; its JSON is pruned when it is read, and the stored text is replaced.
  redacted_by_nid bigint,
  -- For a redaction whose target has not been seen, or could not be checked, yet.
  redacts text,
  redaction_pending boolean NOT NULL DEFAULT false,
  -- The event that this one replaced in the current state when it became current (unsigned.replaces_state).
  replaces_nid bigint,
  -- Who sent it with which transaction id: shown to that device only.
  txn_device_id text,
  txn_id text,
  contains_url boolean NOT NULL DEFAULT false,
  json text NOT NULL
);
CREATE UNIQUE INDEX events_position ON roomserver.events (room_nid, position) WHERE position IS NOT NULL;
CREATE INDEX events_stream ON roomserver.events (position) WHERE position > 0;
CREATE INDEX events_topology ON roomserver.events (room_nid, depth, position) WHERE position IS NOT NULL;
-- Every event that one key of the state has had: who was a member when, and who could see what.
CREATE INDEX events_state_key ON roomserver.events (room_nid, type_nid, state_key_nid) WHERE state_key_nid IS NOT NULL;
CREATE INDEX events_redactions ON roomserver.events (redacts) WHERE redaction_pending;

-- Edges of the DAG by name, since the predecessor may not be here.
CREATE TABLE roomserver.event_edges (
  event_nid bigint NOT NULL,
  prev_event_id text NOT NULL,
  room_nid bigint NOT NULL,
  PRIMARY KEY (event_nid, prev_event_id)
);
CREATE INDEX event_edges_prev ON roomserver.event_edges (prev_event_id);

-- Predecessors that are not here: where history has to be fetched from other servers.
CREATE TABLE roomserver.backward_extremities (
  room_nid bigint NOT NULL,
  prev_event_id text NOT NULL,
  event_nid bigint NOT NULL,
  PRIMARY KEY (room_nid, prev_event_id, event_nid)
);

-- State as deltas: a snapshot is its parent plus these entries; event_nid 0 removes the key. A full one (parent null)
-- is written when the chain of deltas has grown as long as the state itself.
CREATE TABLE roomserver.state_snapshots (
  snapshot_id bigint PRIMARY KEY,
  room_nid bigint NOT NULL,
  parent_id bigint,
  -- Number of entries of the deltas, this one included, that stand on the full one; 0 for a full one.
  chain_entries integer NOT NULL,
  -- Number of keys in the whole state.
  state_size integer NOT NULL,
  type_nids bigint[] NOT NULL,
  state_key_nids bigint[] NOT NULL,
  event_nids bigint[] NOT NULL
);

CREATE TABLE roomserver.current_state (
  room_nid bigint NOT NULL,
  type_nid bigint NOT NULL,
  state_key_nid bigint NOT NULL,
  event_nid bigint NOT NULL,
  position bigint NOT NULL,
  PRIMARY KEY (room_nid, type_nid, state_key_nid)
);

-- Every change of the current state, in the order of the clock: what /sync needs to rebuild the state at a token.
CREATE TABLE roomserver.state_changes (
  room_nid bigint NOT NULL,
  position bigint NOT NULL,
  type_nid bigint NOT NULL,
  state_key_nid bigint NOT NULL,
  -- Null: the key is gone (state resolution).
  event_nid bigint,
  replaced_nid bigint,
  PRIMARY KEY (room_nid, position, type_nid, state_key_nid)
);

-- Membership by user, from the current state; for a user of this server also where the server is not in the room
-- (invites, knocks, rooms left).
CREATE TABLE roomserver.memberships (
  room_nid bigint NOT NULL,
  user_id text NOT NULL,
  -- 1 join, 2 invite, 3 knock, 4 leave, 5 ban
  membership smallint NOT NULL,
  event_nid bigint NOT NULL,
  sender text NOT NULL,
  is_local boolean NOT NULL,
  -- When this membership began, on the clock.
  position bigint NOT NULL,
  -- The position up to which a user who left may be shown the room.
  forgotten boolean NOT NULL DEFAULT false,
  display_name text,
  avatar_url text,
  -- Stripped state that came with an invite or knock, as a JSON array of events.
  stripped_state text,
  PRIMARY KEY (room_nid, user_id)
);
CREATE INDEX memberships_user ON roomserver.memberships (user_id, membership);

-- What the clock showed, in order: one row per timeline event or state change without one. The last row that a
-- transaction writes. Readers use it after a restart or when they have fallen behind.
CREATE TABLE roomserver.output_log (
  position bigint PRIMARY KEY,
  room_nid bigint NOT NULL,
  -- Null: the state changed without a timeline event.
  event_nid bigint
);

-- Transaction ids of clients: scoped to device and path, they outlive restarts and token refreshes.
CREATE TABLE roomserver.transaction_ids (
  user_id text NOT NULL,
  device_id text NOT NULL,
  path text NOT NULL,
  txn_id text NOT NULL,
  event_id text NOT NULL,
  created_ts bigint NOT NULL,
  PRIMARY KEY (user_id, device_id, path, txn_id)
);
CREATE INDEX transaction_ids_created ON roomserver.transaction_ids (created_ts);

-- m.relates_to of events, for threads, edits, reactions and references.
CREATE TABLE roomserver.relations (
  event_nid bigint PRIMARY KEY,
  room_nid bigint NOT NULL,
  relates_to text NOT NULL,
  rel_type text NOT NULL,
  type_nid bigint NOT NULL,
  sender text NOT NULL,
  aggregation_key text,
  -- Thread root that this event belongs to, following relations up to three hops; null: the main timeline.
  thread_root text
);
CREATE INDEX relations_target ON roomserver.relations (relates_to, rel_type);
CREATE INDEX relations_thread ON roomserver.relations (room_nid, thread_root) WHERE thread_root IS NOT NULL;

CREATE TABLE roomserver.room_aliases (
  alias text PRIMARY KEY,
  room_id text NOT NULL,
  creator text NOT NULL,
  created_ts bigint NOT NULL
);
CREATE INDEX room_aliases_room ON roomserver.room_aliases (room_id);

CREATE TABLE roomserver.published_rooms (
  room_id text NOT NULL,
  appservice_id text NOT NULL DEFAULT '',
  network_id text NOT NULL DEFAULT '',
  PRIMARY KEY (room_id, appservice_id, network_id)
);

-- Which event a redaction was applied to.
CREATE INDEX events_redacted_by ON roomserver.events (redacted_by_nid) WHERE redacted_by_nid IS NOT NULL;
