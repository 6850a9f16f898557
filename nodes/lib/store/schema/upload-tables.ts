/**
 * Tables of the upload room, in the queue database. `seq` is the order in which uploads were
 * accepted, and so the order in which versions of one path reach the NAS. `due_tick_ms` and
 * `lease_until_tick_ms` are monotonic readings of the process named by `lease_owner`, worth nothing
 * to the next one; `next_attempt_ms` is their wall-clock shadow for people to read.
 *
 * `upload_requests` keeps Idempotency-Keys apart from the rows, as one request may bring several
 * files.
 */
export const UPLOAD_TABLES = `
CREATE TABLE upload_queue (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  user_id INTEGER NOT NULL,
  username TEXT NOT NULL,
  folder TEXT NOT NULL,
  filename TEXT NOT NULL,
  path TEXT NOT NULL,
  second_path TEXT,
  size_bytes INTEGER NOT NULL CHECK (size_bytes >= 0),
  sha256 TEXT NOT NULL,
  base_source TEXT NOT NULL CHECK (base_source IN ('none', 'caller', 'listing', 'queue', 'own')),
  base_upload_id TEXT,
  base_size_bytes INTEGER,
  base_modified_at TEXT,
  base_checksum TEXT,
  state TEXT NOT NULL CHECK (state IN (
    'queued', 'sending', 'waiting', 'waiting_for_credential', 'synced', 'conflict', 'failed')),
  has_bytes INTEGER NOT NULL DEFAULT 1 CHECK (has_bytes IN (0, 1)),
  lost INTEGER NOT NULL DEFAULT 0 CHECK (lost IN (0, 1)),
  attempts INTEGER NOT NULL DEFAULT 0,
  resends INTEGER NOT NULL DEFAULT 0,
  next_attempt_ms INTEGER,
  due_tick_ms INTEGER NOT NULL DEFAULT 0,
  lease_owner TEXT,
  lease_until_tick_ms INTEGER,
  detail TEXT,
  conflict_path TEXT,
  delivered_path TEXT,
  created_at_ms INTEGER NOT NULL,
  synced_at_ms INTEGER
) STRICT;
CREATE INDEX upload_queue_by_path ON upload_queue (user_id, path, seq);
CREATE INDEX upload_queue_by_second_path ON upload_queue (user_id, second_path)
  WHERE second_path IS NOT NULL;
CREATE INDEX upload_queue_by_any_path ON upload_queue (path);
CREATE INDEX upload_queue_by_conflict_path ON upload_queue (conflict_path)
  WHERE conflict_path IS NOT NULL;
CREATE INDEX upload_queue_by_folder ON upload_queue (user_id, folder);
CREATE INDEX upload_queue_by_state ON upload_queue (state, seq);
CREATE INDEX upload_queue_by_user ON upload_queue (user_id, state, seq);
CREATE INDEX upload_queue_by_base ON upload_queue (base_upload_id) WHERE base_upload_id IS NOT NULL;
CREATE INDEX upload_queue_claimable ON upload_queue (seq)
  WHERE state IN ('queued', 'sending', 'waiting');
CREATE INDEX upload_queue_by_synced ON upload_queue (synced_at_ms) WHERE synced_at_ms IS NOT NULL;

CREATE TABLE upload_requests (
  user_id INTEGER NOT NULL,
  key TEXT NOT NULL,
  body_hash TEXT NOT NULL,
  files_json TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL,
  PRIMARY KEY (user_id, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX upload_requests_by_age ON upload_requests (created_at_ms);

CREATE TABLE sync_log (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  upload_id TEXT NOT NULL,
  user_id INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  outcome TEXT NOT NULL,
  detail TEXT
) STRICT;
CREATE INDEX sync_log_by_age ON sync_log (at_ms);
CREATE INDEX sync_log_by_upload ON sync_log (upload_id);

CREATE TABLE conflicts (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  upload_id TEXT NOT NULL,
  user_id INTEGER NOT NULL,
  path TEXT NOT NULL,
  conflict_path TEXT NOT NULL,
  size_bytes INTEGER NOT NULL,
  sha256 TEXT NOT NULL,
  found_at_ms INTEGER NOT NULL,
  resolution TEXT CHECK (resolution IN ('renamed', 'local', 'remote')),
  resolved_at_ms INTEGER
) STRICT;
CREATE INDEX conflicts_by_user ON conflicts (user_id, resolution);
`;
