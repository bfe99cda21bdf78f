-- A deactivated account that has rooms to leave yet: the rest of a deactivation that a crash has cut short.
ALTER TABLE userapi.accounts ADD COLUMN leaving boolean NOT NULL DEFAULT false;
CREATE INDEX accounts_leaving ON userapi.accounts (user_id) WHERE leaving;
