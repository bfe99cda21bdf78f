-- Rooms that a device looks into without being in them (MSC2753).
CREATE TABLE syncapi.peeks (
  user_id text NOT NULL,
  device_id text NOT NULL,
  room_id text NOT NULL,
  -- When it began, on the clock.
  position bigint NOT NULL,
  PRIMARY KEY (user_id, device_id, room_id)
);
