/**
 * Who a person is, where they signed in, and what they ended, in the queue database.
 *
 * An id alone is no person, as the NAS gives ids of deleted users anew: `created_at_s` goes with it,
 * null until the NAS told. `replaced_open` stays 1 until every room has put away what the person
 * before had, so that a power cut in between leaves nothing of theirs to the next one.
 * `logout_owed`: signed out here while the NAS could not be told.
 *
 * `sign_in_places` keeps SHA-256 of user and address; `ended_refresh_tokens` what a logout ended, as
 * the NAS may still take it.
 */
export const PERSONS_TABLES = `
ALTER TABLE users ADD COLUMN created_at_s INTEGER;
ALTER TABLE users ADD COLUMN replaced_open INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN logout_owed INTEGER NOT NULL DEFAULT 0;
UPDATE users SET created_at_s = unixepoch(json_extract(me_json, '$.created_at'))
  WHERE me_json IS NOT NULL;

CREATE TABLE sign_in_places (
  place_hash BLOB PRIMARY KEY,
  user_id INTEGER NOT NULL REFERENCES users (id),
  seen_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sign_in_places_by_user ON sign_in_places (user_id, seen_at_ms);

CREATE TABLE ended_refresh_tokens (
  token_hash BLOB PRIMARY KEY,
  expires_at_ms INTEGER,
  ended_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX ended_refresh_tokens_by_age ON ended_refresh_tokens (ended_at_ms);
`;
