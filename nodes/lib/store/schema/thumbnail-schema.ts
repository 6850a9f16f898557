/**
 * Small pictures of whole copies. They go with their copy, and are part of what the cache takes.
 * image is empty for a copy of which none can be made.
 */
export const THUMBNAIL_SCHEMA = `
CREATE TABLE thumbnails (
  id INTEGER PRIMARY KEY,
  copy_id INTEGER NOT NULL REFERENCES cached_files (id) ON DELETE CASCADE,
  width_px INTEGER NOT NULL,
  image BLOB NOT NULL,
  UNIQUE (copy_id, width_px)
) STRICT;
CREATE TRIGGER thumbnail_in AFTER INSERT ON thumbnails BEGIN
  UPDATE cache_totals SET total_bytes = total_bytes + length(NEW.image);
END;
CREATE TRIGGER thumbnail_out AFTER DELETE ON thumbnails BEGIN
  UPDATE cache_totals SET total_bytes = total_bytes - length(OLD.image);
END;
`;
