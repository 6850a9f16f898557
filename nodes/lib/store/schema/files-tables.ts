/**
 * Tables of the files room. A listing belongs to one user and one folder, so that nothing one user
 * was shown is ever read for another. Item rows lie clustered in the order they are paged in:
 * folders first, then names, which makes a page one row-value seek.
 */
export const FILES_TABLES = `
CREATE TABLE file_ids (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  path TEXT NOT NULL UNIQUE
) STRICT;
INSERT INTO sqlite_sequence (name, seq) VALUES ('file_ids', 999999999);

CREATE TABLE listings (
  id INTEGER PRIMARY KEY,
  user_id INTEGER NOT NULL,
  path TEXT NOT NULL,
  listed_at_ms INTEGER NOT NULL,
  item_count INTEGER NOT NULL,
  digest TEXT NOT NULL,
  UNIQUE (user_id, path)
) STRICT;
CREATE INDEX listings_by_path ON listings (path);

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
  PRIMARY KEY (listing_id, kind, name, path)
) STRICT, WITHOUT ROWID;
CREATE INDEX file_metadata_by_path ON file_metadata_cache (path, listing_id);
CREATE INDEX file_metadata_by_nas_id ON file_metadata_cache (nas_file_id)
  WHERE nas_file_id IS NOT NULL;

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
`;
