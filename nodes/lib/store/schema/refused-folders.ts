/**
 * Folders whose listing the NAS refused a user, in the cache database, until it lists them again:
 * asleep, the folder above may still show one, and copies of what is in it may be kept.
 */
export const REFUSED_FOLDERS = `
CREATE TABLE refused_folders (
  user_id INTEGER NOT NULL,
  path TEXT NOT NULL,
  PRIMARY KEY (user_id, path)
) STRICT, WITHOUT ROWID;
`;
