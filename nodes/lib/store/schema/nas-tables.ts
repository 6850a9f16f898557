/** Tables of the nas room. */
export const NAS_TABLES = `
`;
