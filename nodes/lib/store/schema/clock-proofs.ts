/** What puts the floor of trusted time right; owned by nodes/lib/accounts. */
export const CLOCK_PROOFS = `
-- the newest iat of a token the NAS accepted
ALTER TABLE trusted_time ADD COLUMN accepted_ms INTEGER NOT NULL DEFAULT 0;
-- a build date that two proofs showed to lie ahead
ALTER TABLE trusted_time ADD COLUMN refuted_build_ms INTEGER NOT NULL DEFAULT 0;
`;
