/**
 * Which device a token belongs to and which one sent an upload, in the queue database. `device` is
 * the lineage of a refresh token, an API key or a session of the Pi; `agent` what is left where
 * nothing of these is known: program and address. `sent_name` is the name a file came with where
 * its path ends in another. `needs_folder` marks a failed upload that its folder refused.
 */
export const DEVICE_COLUMNS = `
ALTER TABLE refresh_tokens ADD COLUMN device TEXT;
ALTER TABLE token_verdicts ADD COLUMN device TEXT;
ALTER TABLE upload_queue ADD COLUMN device TEXT;
ALTER TABLE upload_queue ADD COLUMN agent TEXT;
ALTER TABLE upload_queue ADD COLUMN sent_name TEXT;
ALTER TABLE upload_queue ADD COLUMN needs_folder INTEGER NOT NULL DEFAULT 0
  CHECK (needs_folder IN (0, 1));
CREATE INDEX upload_queue_needing_folder ON upload_queue (user_id, folder)
  WHERE needs_folder = 1;
DROP INDEX upload_queue_claimable;
CREATE INDEX upload_queue_claimable ON upload_queue (user_id, seq)
  WHERE state IN ('queued', 'sending', 'waiting', 'found');
CREATE INDEX conflicts_open ON conflicts (user_id, path) WHERE resolution IS NULL;
`;
