-- End-to-end encryption: what devices publish, what they are sent, what they back up. JSON is canonical text.

CREATE TABLE keyserver.device_keys (
  user_id text NOT NULL,
  device_id text NOT NULL,
  -- As uploaded, without `unsigned`.
  keys text NOT NULL,
  PRIMARY KEY (user_id, device_id)
);

CREATE TABLE keyserver.one_time_keys (
  user_id text NOT NULL,
  device_id text NOT NULL,
  algorithm text NOT NULL,
  key_id text NOT NULL,
  content text NOT NULL,
  -- Keys are given out in this order.
  uploaded bigint GENERATED ALWAYS AS IDENTITY,
  PRIMARY KEY (user_id, device_id, algorithm, key_id)
);
CREATE INDEX one_time_keys_oldest ON keyserver.one_time_keys (user_id, device_id, algorithm, uploaded);

CREATE TABLE keyserver.fallback_keys (
  user_id text NOT NULL,
  device_id text NOT NULL,
  algorithm text NOT NULL,
  key_id text NOT NULL,
  content text NOT NULL,
  -- Given out at least once.
  used boolean NOT NULL DEFAULT false,
  PRIMARY KEY (user_id, device_id, algorithm)
);

CREATE TABLE keyserver.cross_signing_keys (
  user_id text NOT NULL,
  -- master, self_signing or user_signing.
  usage text NOT NULL,
  -- Unpadded base64: names the key in signatures.
  public_key text NOT NULL,
  -- As uploaded, with the signatures that came along.
  content text NOT NULL,
  PRIMARY KEY (user_id, usage)
);

-- Signatures that were uploaded apart from the key they sign. Only verified ones.
CREATE TABLE keyserver.signatures (
  target_user_id text NOT NULL,
  -- A device id, or the public part of a master key.
  target_key text NOT NULL,
  signer text NOT NULL,
  -- `ed25519:` and a device id or a public key.
  signing_key_id text NOT NULL,
  signature text NOT NULL,
  PRIMARY KEY (target_user_id, target_key, signer, signing_key_id)
);
CREATE INDEX signatures_signer ON keyserver.signatures (signer, signing_key_id);

-- The last change of each user's device list, on the one clock.
CREATE TABLE keyserver.device_list_changes (
  user_id text NOT NULL,
  -- Who may know of it. Empty: everybody who shares a room.
  viewer text NOT NULL,
  position bigint NOT NULL,
  PRIMARY KEY (user_id, viewer)
);

CREATE TABLE keyserver.to_device (
  user_id text NOT NULL,
  device_id text NOT NULL,
  -- On the one clock. A request has one position: a device gets one message of it.
  position bigint NOT NULL,
  message text NOT NULL,
  PRIMARY KEY (user_id, device_id, position)
);

CREATE TABLE keyserver.to_device_transactions (
  user_id text NOT NULL,
  device_id text NOT NULL,
  event_type text NOT NULL,
  txn_id text NOT NULL,
  sent_ts bigint NOT NULL,
  PRIMARY KEY (user_id, device_id, event_type, txn_id)
);
CREATE INDEX to_device_transactions_sent ON keyserver.to_device_transactions (sent_ts);

CREATE TABLE keyserver.backup_versions (
  user_id text NOT NULL,
  version bigint NOT NULL,
  algorithm text NOT NULL,
  auth_data text NOT NULL,
  -- Rises with every change of the keys in it.
  etag bigint NOT NULL DEFAULT 0,
  key_count bigint NOT NULL DEFAULT 0,
  -- Kept, so that its number is not given out again.
  deleted boolean NOT NULL DEFAULT false,
  PRIMARY KEY (user_id, version)
);

CREATE TABLE keyserver.backup_keys (
  user_id text NOT NULL,
  version bigint NOT NULL,
  room_id text NOT NULL,
  session_id text NOT NULL,
  is_verified boolean NOT NULL,
  first_message_index bigint NOT NULL,
  forwarded_count bigint NOT NULL,
  -- The whole KeyBackupData.
  content text NOT NULL,
  PRIMARY KEY (user_id, version, room_id, session_id)
);
