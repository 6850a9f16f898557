/**
 * Tables of fetching ahead: for whom and in which round a copy nobody read yet was fetched, and how
 * far ahead is fetched for each user. `occasion`: after a file was read, or a folder listed.
 */
export const PREFETCH_TABLES = `
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
`;
