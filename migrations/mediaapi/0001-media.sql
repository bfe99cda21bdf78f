-- Files that people have uploaded, and pictures made of them. The bytes are on disk, named by their hash.

CREATE TABLE mediaapi.media (
  -- The server of the mxc:// URI.
  origin text NOT NULL,
  media_id text NOT NULL,
  -- Who has made the URI.
  user_id text NOT NULL,
  created_ts bigint NOT NULL,
  -- When a URI that was made without content ends, as long as it has none.
  expires_ts bigint,
  -- SHA-256 of the content, url-safe unpadded base64; NULL: not uploaded yet. Several URIs may share a file.
  hash text,
  content_type text,
  size_bytes bigint,
  upload_name text,
  -- Whether the endpoints without authentication serve it: only what was there before they were frozen.
  before_freeze boolean NOT NULL DEFAULT false,
  PRIMARY KEY (origin, media_id),
  CHECK ((hash IS NULL) = (content_type IS NULL) AND (hash IS NULL) = (size_bytes IS NULL)),
  CHECK (hash IS NOT NULL OR expires_ts IS NOT NULL)
);
CREATE INDEX media_hash ON mediaapi.media (hash);
CREATE INDEX media_pending ON mediaapi.media (user_id, expires_ts) WHERE hash IS NULL;
CREATE INDEX media_expiry ON mediaapi.media (expires_ts) WHERE hash IS NULL;

-- What the headers of a picture say, by content. Only files that somebody has wanted a thumbnail of.
CREATE TABLE mediaapi.images (
  hash text PRIMARY KEY,
  content_type text NOT NULL,
  -- Pixels, after the turn that the file asks for.
  width int NOT NULL,
  height int NOT NULL,
  frames int NOT NULL,
  -- The file itself moves when it is shown.
  animated boolean NOT NULL
);

CREATE TABLE mediaapi.thumbnails (
  -- Of the picture it was made of.
  hash text NOT NULL,
  -- The frame that was asked for; the thumbnail may be smaller.
  width int NOT NULL,
  height int NOT NULL,
  -- crop or scale.
  method text NOT NULL,
  animated boolean NOT NULL,
  content_type text NOT NULL,
  size_bytes bigint NOT NULL,
  created_ts bigint NOT NULL,
  PRIMARY KEY (hash, width, height, method, animated)
);

-- Files that are about to be put in place, until the row that refers to them is there: what a crash leaves behind.
CREATE TABLE mediaapi.file_intents (
  hash text NOT NULL,
  -- Within the folder of that hash.
  name text NOT NULL,
  PRIMARY KEY (hash, name)
);
