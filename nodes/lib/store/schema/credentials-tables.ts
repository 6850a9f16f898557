/**
 * What the Pi keeps to act for a user later, in the queue database. `secret` is sealed with a key
 * derived from SECRET_KEY; it is null once it is good for nothing. `user_id` is null until the NAS
 * said whose an API key is. A row in state `removed` is the memory of a user who took the Pi off
 * their devices, so that it never registers itself again.
 */
export const CREDENTIALS_TABLES = `
CREATE TABLE nas_credentials (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind IN ('api_key', 'device')),
  username TEXT NOT NULL,
  user_id INTEGER,
  state TEXT NOT NULL CHECK (state IN (
    'unchecked', 'ok', 'revoked', 'inactive', 'removed', 'unreadable')),
  secret BLOB,
  device_id TEXT,
  expires_at_ms INTEGER,
  last_used_ms INTEGER,
  detail TEXT,
  created_at_ms INTEGER NOT NULL,
  UNIQUE (username, kind)
) STRICT, WITHOUT ROWID;
CREATE INDEX nas_credentials_by_user ON nas_credentials (user_id, kind);
`;
