/**
 * Table of the upload room, in the queue database: uploads that come in chunks, until they are
 * complete. `received_bytes` of the file are durable; whatever lies behind them is cut off.
 */
export const RESUMABLE_TABLES = `
CREATE TABLE resumable_uploads (
  id TEXT PRIMARY KEY,
  user_id INTEGER NOT NULL,
  folder TEXT NOT NULL,
  filename TEXT NOT NULL,
  total_bytes INTEGER NOT NULL CHECK (total_bytes >= 0),
  received_bytes INTEGER NOT NULL DEFAULT 0 CHECK (received_bytes <= total_bytes),
  next_index INTEGER NOT NULL DEFAULT 0,
  touched_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX resumable_uploads_by_user ON resumable_uploads (user_id, touched_at_ms);
CREATE INDEX resumable_uploads_by_age ON resumable_uploads (touched_at_ms);
`;
