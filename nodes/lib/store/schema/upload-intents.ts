/**
 * What a start may rebuild, and what became nobody's. `state` has no list here any more: the words
 * stand once, in the upload room, which refuses any other. `found`: rebuilt from its intent.
 * `intent_file` names the file in the queue's folder that tells of the row too, while it may still
 * be needed; `owner_created_at` is when the NAS says its user was made.
 */
export const UPLOAD_INTENTS = `
CREATE TABLE upload_queue_next (
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
  state TEXT NOT NULL,
  has_bytes INTEGER NOT NULL DEFAULT 1 CHECK (has_bytes IN (0, 1)),
  lost INTEGER NOT NULL DEFAULT 0 CHECK (lost IN (0, 1)),
  found INTEGER NOT NULL DEFAULT 0 CHECK (found IN (0, 1)),
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
  synced_at_ms INTEGER,
  owner_created_at TEXT,
  intent_file TEXT
) STRICT;
INSERT INTO upload_queue_next (seq, id, user_id, username, folder, filename, path, second_path,
  size_bytes, sha256, base_source, base_upload_id, base_size_bytes, base_modified_at, base_checksum,
  state, has_bytes, lost, attempts, resends, next_attempt_ms, due_tick_ms, lease_owner,
  lease_until_tick_ms, detail, conflict_path, delivered_path, created_at_ms, synced_at_ms)
SELECT seq, id, user_id, username, folder, filename, path, second_path,
  size_bytes, sha256, base_source, base_upload_id, base_size_bytes, base_modified_at, base_checksum,
  state, has_bytes, lost, attempts, resends, next_attempt_ms, due_tick_ms, lease_owner,
  lease_until_tick_ms, detail, conflict_path, delivered_path, created_at_ms, synced_at_ms
FROM upload_queue;
DROP TABLE upload_queue;
ALTER TABLE upload_queue_next RENAME TO upload_queue;
CREATE INDEX upload_queue_by_path ON upload_queue (user_id, path, seq);
CREATE INDEX upload_queue_by_second_path ON upload_queue (user_id, second_path)
  WHERE second_path IS NOT NULL;
CREATE INDEX upload_queue_by_any_path ON upload_queue (path);
CREATE INDEX upload_queue_by_conflict_path ON upload_queue (conflict_path)
  WHERE conflict_path IS NOT NULL;
CREATE INDEX upload_queue_by_state ON upload_queue (state, seq);
CREATE INDEX upload_queue_by_user ON upload_queue (user_id, state, seq);
CREATE INDEX upload_queue_by_base ON upload_queue (base_upload_id) WHERE base_upload_id IS NOT NULL;
CREATE INDEX upload_queue_claimable ON upload_queue (seq)
  WHERE state IN ('queued', 'sending', 'waiting', 'found');
CREATE INDEX upload_queue_by_synced ON upload_queue (synced_at_ms) WHERE synced_at_ms IS NOT NULL;
CREATE INDEX upload_queue_with_bytes ON upload_queue (seq, size_bytes) WHERE has_bytes = 1;
CREATE INDEX upload_queue_bytes_of ON upload_queue (user_id, size_bytes) WHERE has_bytes = 1;
CREATE INDEX upload_queue_in_folder ON upload_queue (user_id, folder, seq) WHERE has_bytes = 1;
CREATE INDEX upload_queue_lost ON upload_queue (seq) WHERE lost = 1;
CREATE INDEX upload_queue_newest ON upload_queue (user_id, seq);
CREATE INDEX upload_queue_last_synced ON upload_queue (user_id, synced_at_ms)
  WHERE synced_at_ms IS NOT NULL;
CREATE INDEX upload_queue_by_intent ON upload_queue (intent_file) WHERE intent_file IS NOT NULL;
CREATE INDEX upload_queue_by_age ON upload_queue (created_at_ms, user_id);
`;
