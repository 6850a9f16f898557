/**
 * Deletes, renames, moves and new folders that were taken while the NAS slept, in the queue database.
 * `seq` comes from the sequence of `upload_queue`: which of an upload and a change came first is which
 * has the lower one. `seen_json` is what its user saw at the place and below it, `found_json` what
 * lay there instead when a conflict was found. `is_shown`: the listings and copies of everybody know
 * that it was carried out. `due_tick_ms` is a monotonic reading of the process that runs.
 */
export const CHANGE_TABLES = `
CREATE TABLE queued_changes (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  user_id INTEGER NOT NULL,
  username TEXT NOT NULL,
  owner_created_at TEXT,
  kind TEXT NOT NULL CHECK (kind IN ('delete', 'rename', 'move', 'mkdir')),
  path TEXT NOT NULL,
  to_path TEXT,
  is_folder INTEGER NOT NULL CHECK (is_folder IN (0, 1)),
  size_bytes INTEGER NOT NULL,
  checksum TEXT,
  seen_json TEXT NOT NULL,
  found_json TEXT,
  state TEXT NOT NULL,
  found INTEGER NOT NULL DEFAULT 0 CHECK (found IN (0, 1)),
  is_shown INTEGER NOT NULL DEFAULT 0 CHECK (is_shown IN (0, 1)),
  attempts INTEGER NOT NULL DEFAULT 0,
  next_attempt_ms INTEGER,
  due_tick_ms INTEGER NOT NULL DEFAULT 0,
  detail TEXT,
  created_at_ms INTEGER NOT NULL,
  done_at_ms INTEGER,
  conflict_at_ms INTEGER,
  intent_file TEXT
) STRICT;
CREATE INDEX queued_changes_by_user ON queued_changes (user_id, state, seq);
CREATE INDEX queued_changes_open ON queued_changes (seq)
  WHERE state IN ('queued', 'sending', 'waiting', 'waiting_for_credential', 'found');
CREATE INDEX queued_changes_by_intent ON queued_changes (intent_file)
  WHERE intent_file IS NOT NULL;
CREATE INDEX queued_changes_by_end ON queued_changes (done_at_ms) WHERE done_at_ms IS NOT NULL;
`;
