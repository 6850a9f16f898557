/**
 * How many files of a listing the NAS told no checksum of, so that a page knows it of the whole;
 * null until the folder changes after this step.
 */
export const LISTING_COUNTS = `
ALTER TABLE listings ADD COLUMN unhashed_count INTEGER;
`;
