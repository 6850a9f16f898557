/**
 * What settling a conflict needs, in the queue database. `swap_path` is where the other version lies
 * while two files change places on the NAS, written down before the first of three renames.
 * `kept_bytes` are conflict copies that were taken off the NAS; their files lie in `queue/kept`.
 */
export const CONFLICT_TABLES = `
ALTER TABLE conflicts ADD COLUMN swap_path TEXT;

CREATE TABLE kept_bytes (
  id TEXT PRIMARY KEY,
  conflict_id INTEGER NOT NULL,
  user_id INTEGER NOT NULL,
  path TEXT NOT NULL,
  size_bytes INTEGER NOT NULL,
  sha256 TEXT NOT NULL,
  kept_until_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX kept_bytes_by_conflict ON kept_bytes (conflict_id);
CREATE INDEX kept_bytes_by_end ON kept_bytes (kept_until_ms);
`;

/**
 * Rows that say `conflict` have one that is open: what was settled since, or replaced by a later
 * version, is delivered, and what was taken off the NAS is out of the queue.
 */
export const SETTLED_CONFLICTS = `
DELETE FROM upload_queue WHERE state = 'conflict' AND has_bytes = 0 AND id IN (
  SELECT upload_id FROM conflicts WHERE resolution = 'remote');
UPDATE upload_queue SET state = 'synced' WHERE state = 'conflict' AND id NOT IN (
  SELECT upload_id FROM conflicts WHERE resolution IS NULL);
`;
