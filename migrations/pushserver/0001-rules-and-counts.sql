-- What a user's push rules differ from the defaults by. Users who changed nothing have no row.
CREATE TABLE pushserver.push_rules (
  user_id text PRIMARY KEY,
  -- JSON of protocol/push-rules' UserRules.
  rules text NOT NULL,
  position bigint NOT NULL
);

-- One row for each event that a local user was to be told of and has not read: the unread counts are counts of these.
CREATE TABLE pushserver.unread_events (
  room_id text NOT NULL,
  -- Of the event, on the clock.
  position bigint NOT NULL,
  user_id text NOT NULL,
  -- Empty: the main timeline.
  thread_root text NOT NULL,
  highlight boolean NOT NULL,
  event_id text NOT NULL,
  created_ts bigint NOT NULL,
  PRIMARY KEY (room_id, position, user_id)
);
CREATE INDEX unread_events_user ON pushserver.unread_events (user_id, room_id, position);
CREATE INDEX unread_events_created ON pushserver.unread_events (created_ts);

-- The last entry of the room log that has been counted. A single row.
CREATE TABLE pushserver.cursor (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  position bigint NOT NULL
);
