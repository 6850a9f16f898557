/**
 * Answers of the NAS that are kept for its sleep. `scope` is one user, or a role for what is the same
 * for everybody who has it.
 */
export const KEPT_TABLES = `
CREATE TABLE kept_answers (
  scope TEXT NOT NULL,
  address TEXT NOT NULL,
  body TEXT NOT NULL,
  told_at_ms INTEGER NOT NULL,
  PRIMARY KEY (scope, address)
) STRICT, WITHOUT ROWID;
`;
