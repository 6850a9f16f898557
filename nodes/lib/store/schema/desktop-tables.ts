/**
 * Desktops whose approved pairing was seen here. `user_state` is what the NAS said of its user then
 * (`updated_at`), which changes with a password; `ended_at_ms` is for good.
 */
export const DESKTOP_TABLES = `
CREATE TABLE paired_desktops (
  refresh_hash BLOB PRIMARY KEY,
  device_id TEXT NOT NULL,
  device_name TEXT NOT NULL,
  user_id INTEGER NOT NULL REFERENCES users (id),
  user_state TEXT NOT NULL,
  paired_at_ms INTEGER NOT NULL,
  ends_at_ms INTEGER NOT NULL,
  -- when the NAS last showed the device among those of its user
  listed_at_ms INTEGER NOT NULL,
  ended_at_ms INTEGER,
  ended_why TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX paired_desktops_by_user ON paired_desktops (user_id, paired_at_ms);
`;
