/**
 * Second step of the cache's tables: pinned folders, copies fetched ahead of any reader, and counts
 * by day. The index on (pinned, priority, id) is the eviction heap now, so that what somebody pinned
 * goes last. `kept` and `pinned` follow from two tables at once; triggers keep them true whoever
 * writes, and `pinned_files_pending` holds just what is still to be fetched, newest first.
 */
export const PINS_TABLES = `
ALTER TABLE cached_files ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0 CHECK (pinned IN (0, 1));
ALTER TABLE cached_files
  ADD COLUMN prefetched INTEGER NOT NULL DEFAULT 0 CHECK (prefetched IN (0, 1));
DROP INDEX cached_files_by_priority;
CREATE INDEX cached_files_by_worth ON cached_files (pinned, priority, id);

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
CREATE TRIGGER pinned_file_changed AFTER UPDATE OF size_bytes, modified_at ON pinned_files BEGIN
  UPDATE pinned_files
    SET kept = EXISTS (SELECT 1 FROM cached_files AS copy WHERE copy.path = NEW.path
                       AND copy.size_bytes = NEW.size_bytes AND copy.modified_at = NEW.modified_at)
    WHERE user_id = NEW.user_id AND folder = NEW.folder AND path = NEW.path;
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

ALTER TABLE cache_totals ADD COLUMN prefetched_files INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cache_totals ADD COLUMN prefetched_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cache_totals ADD COLUMN used_files INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cache_totals ADD COLUMN used_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cache_totals ADD COLUMN needed_at_ms INTEGER NOT NULL DEFAULT 0;

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
`;
