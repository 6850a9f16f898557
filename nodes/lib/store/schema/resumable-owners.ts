/** A resumable upload knows its person as uploads do: ids of the NAS come back, this does not. */
export const RESUMABLE_OWNERS = `
ALTER TABLE resumable_uploads ADD COLUMN owner_created_at TEXT;
`;
