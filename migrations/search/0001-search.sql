-- Words of messages, without the messages: a row goes when its event is redacted.
CREATE TABLE search.messages (
  event_id text PRIMARY KEY,
  room_id text NOT NULL,
  -- Of the event, on the clock.
  position bigint NOT NULL,
  sender text NOT NULL,
  -- 0 content.body, 1 content.name, 2 content.topic
  key smallint NOT NULL,
  words tsvector NOT NULL
);
CREATE INDEX messages_words ON search.messages USING gin (words);

-- Users who are in rooms, by what they are found under.
CREATE TABLE search.users (
  user_id text PRIMARY KEY,
  display_name text,
  avatar_url text,
  -- The name without case and accents; empty when there is none.
  folded_name text NOT NULL,
  -- Name and user id, folded.
  folded text NOT NULL
);

-- The last entry of the room log that is in the index, and the language its words are stemmed in. A single row.
CREATE TABLE search.cursor (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  position bigint NOT NULL,
  language text NOT NULL
);
