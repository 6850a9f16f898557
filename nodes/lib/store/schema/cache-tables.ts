/**
 * Tables of the cache room. The index on (priority, id) is the eviction heap: the next victim is
 * one seek, and nothing is loaded or counted at start. Counts and sums are kept in one row.
 */
export const CACHE_TABLES = `
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
  created_at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX cached_files_by_priority ON cached_files (priority, id);

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
  nas_wakes_avoided INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO cache_totals (id) VALUES (1);
`;
