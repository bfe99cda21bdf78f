-- What the rule said that made the event unread: JSON of its actions. Empty: `["notify"]`, as nearly always.
ALTER TABLE pushserver.unread_events ADD COLUMN actions text NOT NULL DEFAULT '';

-- Where users want to be told of events while no client of theirs is connected.
CREATE TABLE pushserver.pushers (
  pusher_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  user_id text NOT NULL,
  app_id text NOT NULL,
  pushkey text NOT NULL,
  -- Of the login that made it; the pusher goes with it.
  device_id text NOT NULL,
  -- JSON: what clients are shown (names, language, profile tag) and `data`, as they set it.
  shown text NOT NULL,
  data text NOT NULL,
  enabled boolean NOT NULL,
  updated_ts bigint NOT NULL,
  -- In a row, of requests to the gateway; and before when it is left alone.
  failures integer NOT NULL DEFAULT 0,
  retry_ts bigint NOT NULL DEFAULT 0,
  UNIQUE (user_id, app_id, pushkey)
);
CREATE INDEX pushers_key ON pushserver.pushers (app_id, pushkey);

-- Requests that gateways have not had yet, written together with the counts.
CREATE TABLE pushserver.owed_pushes (
  pusher_id bigint NOT NULL REFERENCES pushserver.pushers ON DELETE CASCADE,
  -- Of the event, on the clock; 0: no event, only the new count of what is unread.
  position bigint NOT NULL,
  room_id text NOT NULL,
  created_ts bigint NOT NULL,
  -- How often it was owed anew since: who has sent an older count must not take away the newer one.
  times integer NOT NULL DEFAULT 0,
  PRIMARY KEY (pusher_id, position)
);
