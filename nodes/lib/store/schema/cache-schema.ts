/**
 * The cache database: what the NAS showed and gave, all of which it can give again. Columns in `_ms`
 * are epoch ms of the trusted time.
 */
export const CACHE_SCHEMA = `
CREATE TABLE file_ids (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  path TEXT NOT NULL UNIQUE
) STRICT;

-- A listing belongs to one user and one folder, so that nothing one user was shown is ever read for
-- another. Item rows lie clustered in the order they are paged in: folders first, then names, which
-- makes a page one row-value seek. unhashed_count: files whose checksum the NAS did not tell.
-- is_whole: one that is on its way into the tables shows nothing before all of it is there.
-- digest is not read any more.
CREATE TABLE listings (
  id INTEGER PRIMARY KEY,
  user_id INTEGER NOT NULL,
  path TEXT NOT NULL,
  listed_at_ms INTEGER NOT NULL,
  item_count INTEGER NOT NULL,
  digest TEXT NOT NULL,
  unhashed_count INTEGER,
  is_whole INTEGER NOT NULL DEFAULT 1,
  UNIQUE (user_id, path)
) STRICT;
CREATE INDEX listings_by_path ON listings (path);

-- unseen marks what the Pi itself put into a listing, of which its user was told nothing yet: what
-- they upload there next was made from something older.
CREATE TABLE file_metadata_cache (
  listing_id INTEGER NOT NULL REFERENCES listings (id) ON DELETE CASCADE,
  kind INTEGER NOT NULL CHECK (kind IN (0, 1)),
  name TEXT NOT NULL COLLATE NOCASE,
  path TEXT NOT NULL,
  pi_id INTEGER NOT NULL,
  size_bytes INTEGER NOT NULL,
  modified_at TEXT NOT NULL,
  modified_at_ms INTEGER NOT NULL,
  owner_id TEXT,
  owner_name TEXT,
  mime_type TEXT,
  nas_file_id INTEGER,
  checksum TEXT,
  can_read INTEGER,
  can_write INTEGER,
  can_delete INTEGER,
  unseen INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (listing_id, kind, name, path)
) STRICT, WITHOUT ROWID;
CREATE INDEX file_metadata_by_path ON file_metadata_cache (path, listing_id);
CREATE INDEX file_metadata_by_nas_id ON file_metadata_cache (nas_file_id)
  WHERE nas_file_id IS NOT NULL;
CREATE INDEX file_metadata_unseen ON file_metadata_cache (listing_id) WHERE unseen = 1;

CREATE TABLE share_grants (
  user_id INTEGER NOT NULL,
  path TEXT NOT NULL,
  is_directory INTEGER NOT NULL,
  can_read INTEGER NOT NULL,
  can_write INTEGER NOT NULL,
  expires_at_ms INTEGER,
  fetched_at_ms INTEGER NOT NULL,
  PRIMARY KEY (user_id, path)
) STRICT, WITHOUT ROWID;

-- Folders whose listing the NAS refused a user, until it lists them again: asleep, the folder above
-- may still show one, and copies of what is in it may be kept.
CREATE TABLE refused_folders (
  user_id INTEGER NOT NULL,
  path TEXT NOT NULL,
  PRIMARY KEY (user_id, path)
) STRICT, WITHOUT ROWID;

-- Whole copies. The index on (pinned, priority, id) is the eviction heap: the next victim is one seek,
-- and nothing is loaded or counted at start. uses and ranked_at are what the rank is made of: how
-- often it was used, with what was remembered of it, and the floor it was last ranked at.
CREATE TABLE cached_files (
  id INTEGER PRIMARY KEY,
  path TEXT NOT NULL UNIQUE,
  size_bytes INTEGER NOT NULL,
  modified_at TEXT NOT NULL,
  modified_at_ms INTEGER NOT NULL,
  nas_checksum TEXT,
  nas_etag TEXT,
  sha256 TEXT NOT NULL,
  mime_type TEXT,
  owner_id TEXT,
  blob TEXT NOT NULL UNIQUE,
  access_count INTEGER NOT NULL,
  accessed_at_ms INTEGER NOT NULL,
  weight REAL NOT NULL,
  priority REAL NOT NULL,
  validated_at_ms INTEGER NOT NULL,
  created_at_ms INTEGER NOT NULL,
  pinned INTEGER NOT NULL DEFAULT 0 CHECK (pinned IN (0, 1)),
  prefetched INTEGER NOT NULL DEFAULT 0 CHECK (prefetched IN (0, 1)),
  uses REAL NOT NULL DEFAULT 1,
  ranked_at REAL NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX cached_files_by_worth ON cached_files (pinned, priority, id);

-- Files held in segments. A row stands while at least one of its segments does; all are of the one
-- version it names.
CREATE TABLE pieced_files (
  id INTEGER PRIMARY KEY,
  path TEXT NOT NULL UNIQUE,
  size_bytes INTEGER NOT NULL,
  modified_at TEXT NOT NULL,
  modified_at_ms INTEGER NOT NULL,
  nas_checksum TEXT,
  nas_etag TEXT,
  sha256 TEXT,
  mime_type TEXT,
  owner_id TEXT,
  held_bytes INTEGER NOT NULL,
  validated_at_ms INTEGER NOT NULL,
  created_at_ms INTEGER NOT NULL
) STRICT;

-- Segments have an eviction index of their own, as whole copies do.
CREATE TABLE cached_pieces (
  id INTEGER PRIMARY KEY,
  file_id INTEGER NOT NULL REFERENCES pieced_files (id),
  number INTEGER NOT NULL,
  size_bytes INTEGER NOT NULL,
  blob TEXT NOT NULL UNIQUE,
  crc32 INTEGER NOT NULL,
  access_count INTEGER NOT NULL,
  accessed_at_ms INTEGER NOT NULL,
  weight REAL NOT NULL,
  priority REAL NOT NULL,
  pinned INTEGER NOT NULL DEFAULT 0 CHECK (pinned IN (0, 1)),
  UNIQUE (file_id, number)
) STRICT;
CREATE INDEX cached_pieces_by_worth ON cached_pieces (pinned, priority, id);

-- Counts and sums, in one row. temper is how the cache leans; use_exponent and ages follow from
-- it and stand here so that a statement can rank by itself.
CREATE TABLE cache_totals (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  file_count INTEGER NOT NULL DEFAULT 0,
  total_bytes INTEGER NOT NULL DEFAULT 0,
  inflation REAL NOT NULL DEFAULT 0,
  hits INTEGER NOT NULL DEFAULT 0,
  misses INTEGER NOT NULL DEFAULT 0,
  hit_bytes INTEGER NOT NULL DEFAULT 0,
  miss_bytes INTEGER NOT NULL DEFAULT 0,
  evictions INTEGER NOT NULL DEFAULT 0,
  nas_wakes_avoided INTEGER NOT NULL DEFAULT 0,
  prefetched_files INTEGER NOT NULL DEFAULT 0,
  prefetched_bytes INTEGER NOT NULL DEFAULT 0,
  used_files INTEGER NOT NULL DEFAULT 0,
  used_bytes INTEGER NOT NULL DEFAULT 0,
  needed_at_ms INTEGER NOT NULL DEFAULT 0,
  temper TEXT NOT NULL DEFAULT 'even',
  use_exponent REAL NOT NULL DEFAULT 1,
  ages REAL NOT NULL DEFAULT 1
) STRICT;

CREATE TABLE cache_days (
  day TEXT PRIMARY KEY,
  hits INTEGER NOT NULL,
  misses INTEGER NOT NULL,
  hit_bytes INTEGER NOT NULL,
  miss_bytes INTEGER NOT NULL,
  nas_wakes_avoided INTEGER NOT NULL,
  prefetched_files INTEGER NOT NULL,
  prefetched_bytes INTEGER NOT NULL,
  used_files INTEGER NOT NULL,
  used_bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What was evicted and may come back, bounded.
CREATE TABLE cache_ghosts (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  key INTEGER NOT NULL UNIQUE,
  uses REAL NOT NULL,
  ranked_at REAL NOT NULL,
  weight REAL NOT NULL
) STRICT;

-- How far the slow check has come, and whether the last run ended in order.
CREATE TABLE cache_care (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  ended_in_order INTEGER NOT NULL DEFAULT 1,
  copy_cursor INTEGER NOT NULL DEFAULT 0,
  piece_cursor INTEGER NOT NULL DEFAULT 0,
  folder_cursor INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Pinned folders. pinned_files_pending holds just what is still to be fetched, newest first.
CREATE TABLE cache_pins (
  user_id INTEGER NOT NULL,
  path TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('unchecked', 'whole', 'cut_short', 'missing', 'no_access')),
  created_at_ms INTEGER NOT NULL,
  checked_at_ms INTEGER,
  PRIMARY KEY (user_id, path)
) STRICT, WITHOUT ROWID;
CREATE TABLE pinned_files (
  user_id INTEGER NOT NULL,
  folder TEXT NOT NULL,
  path TEXT NOT NULL,
  size_bytes INTEGER NOT NULL,
  modified_at TEXT NOT NULL,
  modified_at_ms INTEGER NOT NULL,
  wanted INTEGER NOT NULL DEFAULT 0 CHECK (wanted IN (0, 1)),
  kept INTEGER NOT NULL DEFAULT 0 CHECK (kept IN (0, 1)),
  PRIMARY KEY (user_id, folder, path)
) STRICT, WITHOUT ROWID;
CREATE INDEX pinned_files_by_path ON pinned_files (path);
CREATE INDEX pinned_files_by_time ON pinned_files (user_id, modified_at_ms, path);
CREATE INDEX pinned_files_pending ON pinned_files (user_id, modified_at_ms, path)
  WHERE wanted = 1 AND kept = 0;

-- For whom and in which round a copy that nobody read yet was fetched, and how far ahead is fetched
-- for each user. occasion: after a file was read, or a folder listed.
CREATE TABLE prefetched_copies (
  copy_id INTEGER PRIMARY KEY REFERENCES cached_files (id) ON DELETE CASCADE,
  user_id INTEGER NOT NULL,
  occasion TEXT NOT NULL CHECK (occasion IN ('read', 'listed')),
  round INTEGER NOT NULL
) STRICT;
CREATE TABLE prefetch_depths (
  user_id INTEGER NOT NULL,
  occasion TEXT NOT NULL CHECK (occasion IN ('read', 'listed')),
  files INTEGER NOT NULL,
  round INTEGER NOT NULL,
  now_fetched INTEGER NOT NULL,
  now_used INTEGER NOT NULL,
  before_fetched INTEGER NOT NULL,
  before_used INTEGER NOT NULL,
  PRIMARY KEY (user_id, occasion)
) STRICT, WITHOUT ROWID;

-- Answers of the NAS that are kept for its sleep. scope is one user, or a role for what is the same
-- for everybody who has it.
CREATE TABLE kept_answers (
  scope TEXT NOT NULL,
  address TEXT NOT NULL,
  body TEXT NOT NULL,
  told_at_ms INTEGER NOT NULL,
  PRIMARY KEY (scope, address)
) STRICT, WITHOUT ROWID;

-- What is kept of a pinned file, and what is pinned of what is kept, follow from several tables at
-- once; these keep it true whoever writes: first for whole copies, then for those in segments.
CREATE TRIGGER cached_file_in AFTER INSERT ON cached_files BEGIN
  UPDATE pinned_files
    SET kept = (size_bytes = NEW.size_bytes AND modified_at = NEW.modified_at)
    WHERE path = NEW.path;
  UPDATE cached_files SET pinned = 1
    WHERE id = NEW.id
      AND EXISTS (SELECT 1 FROM pinned_files WHERE path = NEW.path AND wanted = 1);
END;
CREATE TRIGGER cached_file_out AFTER DELETE ON cached_files BEGIN
  UPDATE pinned_files SET kept = 0 WHERE path = OLD.path AND kept = 1;
END;
CREATE TRIGGER pinned_file_in AFTER INSERT ON pinned_files BEGIN
  UPDATE pinned_files SET kept = 1
    WHERE user_id = NEW.user_id AND folder = NEW.folder AND path = NEW.path
      AND EXISTS (SELECT 1 FROM cached_files AS copy WHERE copy.path = NEW.path
                  AND copy.size_bytes = NEW.size_bytes AND copy.modified_at = NEW.modified_at);
  UPDATE cached_files SET pinned = 1 WHERE path = NEW.path AND pinned = 0 AND NEW.wanted = 1;
END;
CREATE TRIGGER pinned_file_wanted AFTER UPDATE OF wanted ON pinned_files BEGIN
  UPDATE cached_files
    SET pinned = EXISTS (SELECT 1 FROM pinned_files WHERE path = NEW.path AND wanted = 1)
    WHERE path = NEW.path;
END;
CREATE TRIGGER pinned_file_out AFTER DELETE ON pinned_files BEGIN
  UPDATE cached_files
    SET pinned = EXISTS (SELECT 1 FROM pinned_files WHERE path = OLD.path AND wanted = 1)
    WHERE path = OLD.path AND pinned = 1;
END;
CREATE TRIGGER cached_piece_in AFTER INSERT ON cached_pieces BEGIN
  UPDATE cached_pieces SET pinned = 1
    WHERE id = NEW.id
      AND EXISTS (SELECT 1 FROM pieced_files AS file JOIN pinned_files AS pin ON pin.path = file.path
                  WHERE file.id = NEW.file_id AND pin.wanted = 1);
END;
CREATE TRIGGER pieced_file_grown AFTER UPDATE OF held_bytes ON pieced_files BEGIN
  UPDATE pinned_files
    SET kept = (NEW.held_bytes = NEW.size_bytes
                AND size_bytes = NEW.size_bytes AND modified_at = NEW.modified_at)
    WHERE path = NEW.path;
END;
CREATE TRIGGER pinned_piece_in AFTER INSERT ON pinned_files BEGIN
  UPDATE pinned_files SET kept = 1
    WHERE user_id = NEW.user_id AND folder = NEW.folder AND path = NEW.path
      AND EXISTS (SELECT 1 FROM pieced_files AS file
                  WHERE file.path = NEW.path AND file.held_bytes = file.size_bytes
                    AND file.size_bytes = NEW.size_bytes AND file.modified_at = NEW.modified_at);
  UPDATE cached_pieces SET pinned = 1
    WHERE NEW.wanted = 1 AND file_id = (SELECT id FROM pieced_files WHERE path = NEW.path);
END;
CREATE TRIGGER pinned_file_changed AFTER UPDATE OF size_bytes, modified_at ON pinned_files BEGIN
  UPDATE pinned_files
    SET kept = EXISTS (SELECT 1 FROM cached_files AS copy WHERE copy.path = NEW.path
                       AND copy.size_bytes = NEW.size_bytes AND copy.modified_at = NEW.modified_at)
            OR EXISTS (SELECT 1 FROM pieced_files AS file WHERE file.path = NEW.path
                       AND file.held_bytes = file.size_bytes
                       AND file.size_bytes = NEW.size_bytes AND file.modified_at = NEW.modified_at)
    WHERE user_id = NEW.user_id AND folder = NEW.folder AND path = NEW.path;
END;
CREATE TRIGGER pinned_piece_wanted AFTER UPDATE OF wanted ON pinned_files BEGIN
  UPDATE cached_pieces
    SET pinned = EXISTS (SELECT 1 FROM pinned_files WHERE path = NEW.path AND wanted = 1)
    WHERE file_id = (SELECT id FROM pieced_files WHERE path = NEW.path);
END;
CREATE TRIGGER pinned_piece_out AFTER DELETE ON pinned_files BEGIN
  UPDATE cached_pieces
    SET pinned = EXISTS (SELECT 1 FROM pinned_files WHERE path = OLD.path AND wanted = 1)
    WHERE pinned = 1 AND file_id = (SELECT id FROM pieced_files WHERE path = OLD.path);
END;

-- Ids that the Pi gives lie above those of the NAS.
INSERT INTO sqlite_sequence (name, seq) VALUES ('file_ids', 999999999);
INSERT INTO cache_totals (id) VALUES (1);
INSERT INTO cache_care (id) VALUES (1);
`;

/**
 * Small pictures of whole copies. They go with their copy, and are part of what the cache takes.
 * image is empty for a copy of which none can be made.
 */
export const THUMBNAIL_SCHEMA = `
CREATE TABLE thumbnails (
  id INTEGER PRIMARY KEY,
  copy_id INTEGER NOT NULL REFERENCES cached_files (id) ON DELETE CASCADE,
  width_px INTEGER NOT NULL,
  image BLOB NOT NULL,
  UNIQUE (copy_id, width_px)
) STRICT;
CREATE TRIGGER thumbnail_in AFTER INSERT ON thumbnails BEGIN
  UPDATE cache_totals SET total_bytes = total_bytes + length(NEW.image);
END;
CREATE TRIGGER thumbnail_out AFTER DELETE ON thumbnails BEGIN
  UPDATE cache_totals SET total_bytes = total_bytes - length(OLD.image);
END;
`;
