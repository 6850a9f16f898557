/**
 * When the wish to wake the NAS for the queue was last met (FLUSH_WAKE), in the queue database, so
 * that a restart neither forgets nor repeats it. Epoch ms.
 */
export const FLUSH_WAKE_TABLES = `
CREATE TABLE flush_wake (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  met_ms INTEGER NOT NULL
) STRICT;
`;
