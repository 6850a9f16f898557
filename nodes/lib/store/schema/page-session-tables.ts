/**
 * Sign-ins to the pages of the Pi. A cookie is kept as SHA-256 only. Times are epoch ms of the
 * trusted time.
 */
export const PAGE_SESSION_TABLES = `
CREATE TABLE page_sessions (
  cookie_hash BLOB PRIMARY KEY,
  user_id INTEGER NOT NULL REFERENCES users (id),
  -- what that user's sign-ins stood on at the sign-in; another value since means that it is over
  standing INTEGER NOT NULL,
  signed_in_at_ms INTEGER NOT NULL,
  ends_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX page_sessions_by_user ON page_sessions (user_id, signed_in_at_ms);
`;
