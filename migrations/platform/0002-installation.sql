-- What may never change under a database that is in use (the server's name, the ids of its keys): recorded at the first
-- start and compared at each later one.
CREATE TABLE platform.installation (
  fact text PRIMARY KEY,
  value text NOT NULL
);
