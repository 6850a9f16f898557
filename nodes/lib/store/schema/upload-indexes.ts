/**
 * 90 days of delivered uploads stand in the same table as the few that wait. The room for copies
 * asks at every fill what is still on the disk, and every open page how the queue stands: neither
 * may grow with what was delivered.
 */
export const UPLOAD_INDEXES = `
CREATE INDEX upload_queue_with_bytes ON upload_queue (seq, size_bytes) WHERE has_bytes = 1;
DROP INDEX upload_queue_by_folder;
CREATE INDEX upload_queue_in_folder ON upload_queue (user_id, folder, seq) WHERE has_bytes = 1;
CREATE INDEX upload_queue_lost ON upload_queue (seq) WHERE lost = 1;
CREATE INDEX upload_queue_newest ON upload_queue (user_id, seq);
CREATE INDEX upload_queue_last_synced ON upload_queue (user_id, synced_at_ms)
  WHERE synced_at_ms IS NOT NULL;
`;
