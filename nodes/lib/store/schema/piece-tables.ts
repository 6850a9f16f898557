/**
 * Tables of the cache room for files held in pieces. A row of `pieced_files` stands while at least
 * one of its pieces does; all its pieces are of the one version it names. Pieces have an eviction
 * index of their own, as whole copies do. The triggers do for pieces what those of the pins do for
 * whole copies: a pinned file is kept once all of it is here. `cache_care` remembers how far the
 * slow check has come and whether the last run ended in order.
 */
export const PIECE_TABLES = `
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
DROP TRIGGER pinned_file_changed;
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

CREATE TABLE cache_care (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  ended_in_order INTEGER NOT NULL DEFAULT 1,
  copy_cursor INTEGER NOT NULL DEFAULT 0,
  piece_cursor INTEGER NOT NULL DEFAULT 0,
  folder_cursor INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO cache_care (id) VALUES (1);
`;
