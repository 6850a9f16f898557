/**
 * Tables of the accounts room. Tokens are kept as SHA-256 only, passwords as scrypt verifiers only.
 * Times are epoch ms of the trusted time.
 */
export const ACCOUNTS_TABLES = `
CREATE TABLE users (
  id INTEGER PRIMARY KEY,
  username TEXT NOT NULL,
  role TEXT NOT NULL,
  -- the iat (NAS clock, seconds) of the token the role was last learnt with
  role_iat_s INTEGER NOT NULL,
  is_active INTEGER NOT NULL CHECK (is_active IN (0, 1)),
  -- the last time the NAS answered for this user: the grace counts from here
  answered_at_ms INTEGER NOT NULL,
  -- the last logout, deactivation or refusal of a token that had not run out
  ended_at_ms INTEGER,
  me_json TEXT,
  permissions_json TEXT,
  permissions_at_ms INTEGER
) STRICT;
CREATE INDEX users_by_name ON users (username);

CREATE TABLE token_verdicts (
  token_hash BLOB PRIMARY KEY,
  user_id INTEGER NOT NULL REFERENCES users (id),
  kind TEXT NOT NULL CHECK (kind IN ('jwt', 'api_key')),
  expires_at_ms INTEGER,
  confirmed_at_ms INTEGER NOT NULL,
  ended_at_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX token_verdicts_by_user ON token_verdicts (user_id);
CREATE INDEX token_verdicts_by_age ON token_verdicts (confirmed_at_ms);

CREATE TABLE refresh_tokens (
  token_hash BLOB PRIMARY KEY,
  user_id INTEGER NOT NULL REFERENCES users (id),
  expires_at_ms INTEGER,
  accepted_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX refresh_tokens_by_user ON refresh_tokens (user_id);

CREATE TABLE password_verifiers (
  user_id INTEGER PRIMARY KEY REFERENCES users (id),
  salt BLOB NOT NULL,
  hash BLOB NOT NULL,
  cost INTEGER NOT NULL,
  created_at_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE pi_sessions (
  jti TEXT PRIMARY KEY,
  token_hash BLOB NOT NULL,
  user_id INTEGER NOT NULL REFERENCES users (id),
  scope TEXT NOT NULL CHECK (scope IN ('all', 'wake')),
  -- the refresh token this session came from; null for a password
  refresh_hash BLOB,
  issued_at_ms INTEGER NOT NULL,
  expires_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX pi_sessions_by_user ON pi_sessions (user_id);

CREATE TABLE trusted_time (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  newest_ms INTEGER NOT NULL
) STRICT;
`;
