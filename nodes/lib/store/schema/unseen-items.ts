/**
 * Entries that the Pi itself put into a listing, of which its user was told nothing yet: what they
 * upload there next was made from something older.
 */
export const UNSEEN_ITEMS = `
ALTER TABLE file_metadata_cache ADD COLUMN unseen INTEGER NOT NULL DEFAULT 0;
CREATE INDEX file_metadata_unseen ON file_metadata_cache (listing_id) WHERE unseen = 1;
`;
