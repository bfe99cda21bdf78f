-- Which event is nearest to a time.
CREATE INDEX events_time ON roomserver.events (room_nid, origin_server_ts) WHERE position IS NOT NULL;

-- What users have reported to the people who run this server: an event, a whole room, or a user.
CREATE TABLE roomserver.reports (
  report_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  received_ts bigint NOT NULL,
  reporter text NOT NULL,
  -- Null: a user was reported.
  room_id text,
  -- Null: the room was reported, or a user.
  event_id text,
  -- Who sent the event, or the user who was reported; null for a room.
  reported_user text,
  reason text NOT NULL,
  score integer NOT NULL
);
