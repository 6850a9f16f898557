/** Tables of the energy room. */
export const ENERGY_TABLES = `
`;
