/**
 * Tables of the nas room. `servers` has one row: what the NAS told of itself, for the time it sleeps
 * and for the next start. Times are epoch ms; `sleep_schedule` is the NAS's own JSON, `next_wake_at`
 * its own ISO 8601 text.
 */
export const NAS_TABLES = `
CREATE TABLE servers (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  url TEXT NOT NULL,
  mac_address TEXT,
  version TEXT,
  sleep_schedule TEXT,
  next_wake_at TEXT,
  last_seen_ms INTEGER
) STRICT;
`;
