-- Numbers are given out from blocks that are reserved here, in memory: a stream position or an id costs no statement.
-- After a crash the rest of a block is lost, never given out twice.
CREATE TABLE platform.number_blocks (
  name text PRIMARY KEY,
  -- Every number up to and including this one belongs to some process, used or not.
  reserved_to bigint NOT NULL
);

-- The one server that may write. A single row.
CREATE TABLE platform.instance_lock (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  -- Rises by one with every change of hands: a server that still holds an older one has lost the lock.
  generation bigint NOT NULL,
  -- Null when nobody holds it.
  instance_id text,
  -- Where commands reach the running server, and what they show it; new at each start.
  address text,
  secret text,
  hostname text,
  pid integer,
  -- By the database's clock.
  beat_at timestamptz NOT NULL
);

INSERT INTO platform.instance_lock (generation, beat_at) VALUES (0, now());
