/** Tables of the upload room. */
export const UPLOAD_TABLES = `
`;
