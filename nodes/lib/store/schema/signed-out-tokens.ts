/**
 * A verdict that ended because its user signed out, not because the NAS refused the token: the same
 * token may be given out again within its second.
 */
export const SIGNED_OUT_TOKENS = `
ALTER TABLE token_verdicts ADD COLUMN signed_out INTEGER NOT NULL DEFAULT 0
  CHECK (signed_out IN (0, 1));
`;
