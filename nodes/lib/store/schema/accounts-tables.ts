/** Tables of the accounts room. */
export const ACCOUNTS_TABLES = `
`;
