/**
 * Tables of the handshake room. A signature counts once, over a restart too; rows go once their
 * time (`signed_s`, unix seconds) alone refuses them. `nas_snapshot` has one row: the JSON of the
 * last goodbye.
 */
export const HANDSHAKE_TABLES = `
CREATE TABLE handshake_signatures (
  signature TEXT PRIMARY KEY,
  signed_s INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE nas_snapshot (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  text TEXT NOT NULL,
  received_at_ms INTEGER NOT NULL
) STRICT;
`;
