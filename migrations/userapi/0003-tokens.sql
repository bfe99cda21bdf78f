-- Logins that refresh their access tokens, tokens with one purpose, and tokens that open registration. Tokens that open an
-- account are nowhere: 256 random bits are found by their SHA-256.

ALTER TABLE userapi.access_tokens
  -- Null: never.
  ADD COLUMN expires_ts bigint,
  -- The refresh token that was handed out with it.
  ADD COLUMN refresh_hash bytea;
CREATE INDEX access_tokens_refresh ON userapi.access_tokens (refresh_hash) WHERE refresh_hash IS NOT NULL;

CREATE TABLE userapi.refresh_tokens (
  token_hash bytea PRIMARY KEY,
  user_id text NOT NULL,
  device_id text NOT NULL,
  session_id bigint NOT NULL,
  -- The one it was given for, as long as nothing shows that it has arrived: until then either is good.
  parent_hash bytea
);
CREATE INDEX refresh_tokens_device ON userapi.refresh_tokens (user_id, device_id);
CREATE INDEX refresh_tokens_parent ON userapi.refresh_tokens (parent_hash) WHERE parent_hash IS NOT NULL;

CREATE TABLE userapi.purpose_tokens (
  token_hash bytea PRIMARY KEY,
  -- 'login': good for one login. 'openid': tells another service who its owner is.
  purpose text NOT NULL,
  user_id text NOT NULL,
  expires_ts bigint NOT NULL
);
CREATE INDEX purpose_tokens_expiry ON userapi.purpose_tokens (expires_ts);

-- Administrators look them up and hand them on, so these are as they are.
CREATE TABLE userapi.registration_tokens (
  token text PRIMARY KEY,
  -- Null: as often as anybody likes.
  uses_allowed integer,
  completed integer NOT NULL DEFAULT 0,
  -- Null: never.
  expires_ts bigint
);
