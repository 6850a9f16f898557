/** Tables of the tapo room. */
export const TAPO_TABLES = `
`;
