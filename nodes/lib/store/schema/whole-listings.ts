/**
 * A listing that is on its way into the tables shows nothing before all of it is there. The digest
 * of the last answer, kept so far to tell a change, is not read any more.
 */
export const WHOLE_LISTINGS = `
ALTER TABLE listings ADD COLUMN is_whole INTEGER NOT NULL DEFAULT 1;
`;
