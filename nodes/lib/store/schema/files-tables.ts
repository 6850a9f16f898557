/** Tables of the files room. */
export const FILES_TABLES = `
`;
