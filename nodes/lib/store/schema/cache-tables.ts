/** Tables of the cache room. */
export const CACHE_TABLES = `
`;
