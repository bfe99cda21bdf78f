-- Other servers: which of them are not answering, and the keys they sign with.

-- Only servers that have failed since they last answered or spoke to us.
CREATE TABLE federationclient.destinations (
  server_name text PRIMARY KEY,
  failures int NOT NULL,
  -- When it may be tried again, in milliseconds since 1970; NULL: not before it speaks to us.
  retry_ts bigint
);

-- A row is never deleted: events that a key has signed stay in rooms for ever.
CREATE TABLE federationclient.server_keys (
  server_name text NOT NULL,
  key_id text NOT NULL,
  -- Unpadded base64.
  public_key text NOT NULL,
  -- Of a key in use: the lesser of what its server says and seven days after it was fetched. NULL for a key no longer in use.
  valid_until_ts bigint,
  -- Of a key no longer in use: when its server stopped signing with it.
  expired_ts bigint,
  fetched_ts bigint NOT NULL,
  -- `valid_until_ts` of the response, as it stands there: the later of two that came through notaries is the newer.
  said_until_ts bigint NOT NULL,
  -- What the server said of its key, with its own signatures: what a notary passes on.
  response text NOT NULL,
  PRIMARY KEY (server_name, key_id),
  CHECK ((valid_until_ts IS NULL) <> (expired_ts IS NULL))
);
