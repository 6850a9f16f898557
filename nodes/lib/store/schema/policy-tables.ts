/**
 * What the choice of victims needs beyond the rank itself: how often an entry was used, with what
 * was remembered of it, and the floor it was last ranked at; the same of what was evicted, bounded;
 * and how the cache leans (see the cache room's policy folder). `use_exponent` and `ages` follow
 * from `temper`; they stand here so that a statement can rank by itself.
 */
export const POLICY_TABLES = `
ALTER TABLE cached_files ADD COLUMN uses REAL NOT NULL DEFAULT 1;
ALTER TABLE cached_files ADD COLUMN ranked_at REAL NOT NULL DEFAULT 0;
UPDATE cached_files
  SET uses = access_count, ranked_at = max(0, priority - access_count / weight);

CREATE TABLE cache_ghosts (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  key INTEGER NOT NULL UNIQUE,
  uses REAL NOT NULL,
  ranked_at REAL NOT NULL,
  weight REAL NOT NULL
) STRICT;

ALTER TABLE cache_totals ADD COLUMN temper TEXT NOT NULL DEFAULT 'even';
ALTER TABLE cache_totals ADD COLUMN use_exponent REAL NOT NULL DEFAULT 1;
ALTER TABLE cache_totals ADD COLUMN ages REAL NOT NULL DEFAULT 1;
`;
