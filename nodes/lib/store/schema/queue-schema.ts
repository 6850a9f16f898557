/** Who is notified of what, and where. */
export const NOTICES_SCHEMA = `
-- Browsers that have messages sent to them. id is the beginning of the SHA-256 of the endpoint; secret
-- is the endpoint with the browser's keys, sealed with a key derived from SECRET_KEY. sign_in names the
-- sign-in of the page it was added on, standing what that user's sign-ins stood on then.
CREATE TABLE push_devices (
  id TEXT PRIMARY KEY,
  user_id INTEGER NOT NULL,
  name TEXT NOT NULL,
  language TEXT NOT NULL,
  sign_in TEXT,
  standing INTEGER NOT NULL,
  secret BLOB NOT NULL,
  created_at_ms INTEGER NOT NULL,
  sent_at_ms INTEGER,
  problem TEXT,
  told_version TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX push_devices_by_user ON push_devices (user_id, created_at_ms);

-- What is still to be sent, one row for each browser and topic. facts is the JSON of the event.
CREATE TABLE push_messages (
  device_id TEXT NOT NULL,
  topic TEXT NOT NULL,
  kind TEXT NOT NULL,
  facts TEXT NOT NULL,
  first_at_ms INTEGER NOT NULL,
  PRIMARY KEY (device_id, topic)
) STRICT, WITHOUT ROWID;

-- unwanted: kinds with spaces between them. quiet_from and quiet_to are HH:MM of the house's day.
CREATE TABLE notice_choices (
  user_id INTEGER PRIMARY KEY,
  unwanted TEXT NOT NULL,
  quiet_from TEXT,
  quiet_to TEXT
) STRICT;

-- One row: the pair by which push services know this Pi. secret is the private half, sealed.
CREATE TABLE push_keys (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  public_key TEXT NOT NULL,
  secret BLOB NOT NULL
) STRICT;
`;

/** The activity log, 90 days of it. */
export const ACTIVITY_SCHEMA = `
-- Of what lasts (the NAS awake or asleep, a plug that is gone) ended_at_ms is null as long as it does.
-- user_id says whose it is, or who woke the NAS; null: the house's. facts is the JSON of the rest, by
-- kind.
CREATE TABLE activity (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  ended_at_ms INTEGER,
  user_id INTEGER,
  username TEXT,
  facts TEXT NOT NULL
) STRICT;
CREATE INDEX activity_by_user ON activity (user_id, id) WHERE user_id IS NOT NULL;
CREATE INDEX activity_open ON activity (id) WHERE ended_at_ms IS NULL;
`;

/**
 * The queue database: what was accepted, who may come in, and what the NAS told of itself. Columns in
 * `_ms` are epoch ms of the trusted time, `_tick_ms` monotonic readings of one process.
 */
export const QUEUE_SCHEMA = `
-- People. An id alone is no person, as the NAS gives ids of deleted users anew: created_at_s goes
-- with it, null until the NAS told. replaced_open stays 1 until all that the person before had is
-- put away, so that a power cut in between leaves nothing of theirs to the next one. logout_owed:
-- signed out here while the NAS could not be told.
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
  permissions_at_ms INTEGER,
  created_at_s INTEGER,
  replaced_open INTEGER NOT NULL DEFAULT 0,
  logout_owed INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX users_by_name ON users (username);

-- Tokens are kept as SHA-256 only, passwords as scrypt verifiers only. device is the lineage of a
-- refresh token, an API key or a session of the Pi. A verdict that is signed_out ended because its
-- user signed out, not because the NAS refused the token: the same token may be given out again
-- within its second.
CREATE TABLE token_verdicts (
  token_hash BLOB PRIMARY KEY,
  user_id INTEGER NOT NULL REFERENCES users (id),
  kind TEXT NOT NULL CHECK (kind IN ('jwt', 'api_key')),
  expires_at_ms INTEGER,
  confirmed_at_ms INTEGER NOT NULL,
  ended_at_ms INTEGER,
  device TEXT,
  signed_out INTEGER NOT NULL DEFAULT 0
    CHECK (signed_out IN (0, 1))
) STRICT, WITHOUT ROWID;
CREATE INDEX token_verdicts_by_user ON token_verdicts (user_id);
CREATE INDEX token_verdicts_by_age ON token_verdicts (confirmed_at_ms);
CREATE TABLE refresh_tokens (
  token_hash BLOB PRIMARY KEY,
  user_id INTEGER NOT NULL REFERENCES users (id),
  expires_at_ms INTEGER,
  accepted_at_ms INTEGER NOT NULL,
  device TEXT
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

-- What a logout ended, as the NAS may still take it.
CREATE TABLE ended_refresh_tokens (
  token_hash BLOB PRIMARY KEY,
  expires_at_ms INTEGER,
  ended_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX ended_refresh_tokens_by_age ON ended_refresh_tokens (ended_at_ms);

-- SHA-256 of user and address.
CREATE TABLE sign_in_places (
  place_hash BLOB PRIMARY KEY,
  user_id INTEGER NOT NULL REFERENCES users (id),
  seen_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sign_in_places_by_user ON sign_in_places (user_id, seen_at_ms);

-- The floor of trusted time: the newest time seen, the newest iat of a token the NAS accepted, and a
-- build date that two proofs showed to lie ahead.
CREATE TABLE trusted_time (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  newest_ms INTEGER NOT NULL,
  accepted_ms INTEGER NOT NULL DEFAULT 0,
  refuted_build_ms INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Sign-ins to the pages of the Pi. A cookie is kept as SHA-256 only.
CREATE TABLE page_sessions (
  cookie_hash BLOB PRIMARY KEY,
  user_id INTEGER NOT NULL REFERENCES users (id),
  -- what that user's sign-ins stood on at the sign-in; another value since means that it is over
  standing INTEGER NOT NULL,
  signed_in_at_ms INTEGER NOT NULL,
  ends_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX page_sessions_by_user ON page_sessions (user_id, signed_in_at_ms);

-- Whose a device is, as the NAS said when it was paired or registered: BaluHost lets any user read
-- another's device (measured on 1.38), so the Pi has to know.
CREATE TABLE known_devices (
  device_id TEXT PRIMARY KEY,
  user_id INTEGER NOT NULL REFERENCES users (id),
  learnt_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX known_devices_by_user ON known_devices (user_id, learnt_at_ms);

-- Desktops whose approved pairing was seen here. user_state is what the NAS said of its user then
-- (updated_at), which changes with a password; ended_at_ms is for good.
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

-- What the Pi keeps to act for a user later. secret is sealed with a key derived from SECRET_KEY; it
-- is null once it is good for nothing. user_id is null until the NAS said whose an API key is. A row
-- in state removed is the memory of a user who took the Pi off their devices, so that it never
-- registers itself again.
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

-- One row: what the NAS told of itself, for the time it sleeps and for the next start.
-- sleep_schedule is the NAS's own JSON, next_wake_at its own ISO 8601 text.
CREATE TABLE servers (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  url TEXT NOT NULL,
  mac_address TEXT,
  version TEXT,
  sleep_schedule TEXT,
  next_wake_at TEXT,
  last_seen_ms INTEGER
) STRICT;

-- A signature counts once, over a restart too; rows go once their time (signed_s, unix seconds)
-- alone refuses them.
CREATE TABLE handshake_signatures (
  signature TEXT PRIMARY KEY,
  signed_s INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One row: the JSON of the last goodbye.
CREATE TABLE nas_snapshot (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  text TEXT NOT NULL,
  received_at_ms INTEGER NOT NULL
) STRICT;

-- When the NAS was last woken for the queue (FLUSH_WAKE), so that a restart neither
-- forgets nor repeats it.
CREATE TABLE flush_wake (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  met_ms INTEGER NOT NULL
) STRICT;

-- Uploads. seq is the order in which they were accepted, and so the order in which versions of one
-- path reach the NAS. due_tick_ms and lease_until_tick_ms are readings of the process named by
-- lease_owner, worth nothing to the next one; next_attempt_ms is their wall-clock shadow for
-- people to read. state has no list here: the words stand once, in the queue's code, which refuses
-- any other. found: rebuilt from its intent. intent_file names the file in the queue's folder that
-- tells of the row too, while it may still be needed; owner_created_at is when the NAS says its user
-- was made. device sent it, or agent (program and address) where no device is known. sent_name
-- is the name a file came with where its path ends in another. needs_folder marks a failed upload
-- that its folder refused. 90 days of delivered uploads stand beside the few that wait, so that every
-- look at those has an index of its own.
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
  intent_file TEXT,
  device TEXT,
  agent TEXT,
  sent_name TEXT,
  needs_folder INTEGER NOT NULL DEFAULT 0
    CHECK (needs_folder IN (0, 1))
) STRICT;
CREATE INDEX upload_queue_by_path ON upload_queue (user_id, path, seq);
CREATE INDEX upload_queue_by_second_path ON upload_queue (user_id, second_path)
  WHERE second_path IS NOT NULL;
CREATE INDEX upload_queue_by_any_path ON upload_queue (path);
CREATE INDEX upload_queue_by_conflict_path ON upload_queue (conflict_path)
  WHERE conflict_path IS NOT NULL;
CREATE INDEX upload_queue_by_state ON upload_queue (state, seq);
CREATE INDEX upload_queue_by_user ON upload_queue (user_id, state, seq);
CREATE INDEX upload_queue_by_base ON upload_queue (base_upload_id) WHERE base_upload_id IS NOT NULL;
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
CREATE INDEX upload_queue_needing_folder ON upload_queue (user_id, folder)
  WHERE needs_folder = 1;
CREATE INDEX upload_queue_claimable ON upload_queue (user_id, seq)
  WHERE state IN ('queued', 'sending', 'waiting', 'found');

-- Idempotency-Keys, apart from the rows, as one request may bring several files.
CREATE TABLE upload_requests (
  user_id INTEGER NOT NULL,
  key TEXT NOT NULL,
  body_hash TEXT NOT NULL,
  files_json TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL,
  PRIMARY KEY (user_id, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX upload_requests_by_age ON upload_requests (created_at_ms);

-- Uploads that come in chunks, until they are complete. received_bytes of the file are durable;
-- whatever lies behind them is cut off.
CREATE TABLE resumable_uploads (
  id TEXT PRIMARY KEY,
  user_id INTEGER NOT NULL,
  folder TEXT NOT NULL,
  filename TEXT NOT NULL,
  total_bytes INTEGER NOT NULL CHECK (total_bytes >= 0),
  received_bytes INTEGER NOT NULL DEFAULT 0 CHECK (received_bytes <= total_bytes),
  next_index INTEGER NOT NULL DEFAULT 0,
  touched_at_ms INTEGER NOT NULL,
  owner_created_at TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX resumable_uploads_by_user ON resumable_uploads (user_id, touched_at_ms);
CREATE INDEX resumable_uploads_by_age ON resumable_uploads (touched_at_ms);

-- Each attempt to deliver.
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

-- swap_path is where the other version lies while two files change places on the NAS, written down
-- before the first of three renames.
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
  resolved_at_ms INTEGER,
  swap_path TEXT
) STRICT;
CREATE INDEX conflicts_by_user ON conflicts (user_id, resolution);
CREATE INDEX conflicts_open ON conflicts (user_id, path) WHERE resolution IS NULL;

-- Conflict copies that were taken off the NAS; their files lie in queue/kept.
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

-- Deletes, renames, moves and new folders that were taken while the NAS slept. seq comes from the
-- sequence of upload_queue. seen_json is what its user saw at the place and below it, found_json
-- what lay there instead when a conflict was found. is_shown: the listings and copies of everybody
-- know that it was carried out.
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

-- Which of an upload and a change came first is which has the lower number of one sequence; it
-- stands before anything was accepted.
INSERT INTO sqlite_sequence (name, seq) VALUES ('upload_queue', 0);
`;
