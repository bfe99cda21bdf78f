-- Receipts and presence. Typing lives in memory alone.

CREATE TABLE ephemeral.receipts (
  room_id text NOT NULL,
  -- m.read or m.read.private.
  receipt_type text NOT NULL,
  user_id text NOT NULL,
  -- `main`, a thread root, or empty: unthreaded.
  thread_id text NOT NULL,
  event_id text NOT NULL,
  -- The event's place on the clock: a receipt never moves back.
  event_order bigint NOT NULL,
  ts bigint NOT NULL,
  -- On the one clock.
  position bigint NOT NULL,
  PRIMARY KEY (room_id, receipt_type, user_id, thread_id)
);
CREATE INDEX receipts_position ON ephemeral.receipts (room_id, position);

-- Written in the background: what changes between two writes is lost in a crash.
CREATE TABLE ephemeral.presence (
  user_id text PRIMARY KEY,
  -- online, unavailable or offline.
  state text NOT NULL,
  status_message text,
  last_active_ts bigint NOT NULL,
  position bigint NOT NULL
);
CREATE INDEX presence_present ON ephemeral.presence (user_id) WHERE state <> 'offline';
