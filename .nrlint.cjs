/** Rules for the flows as a whole; those for single files are in test/flows/flow-files.test.ts. */
module.exports = {
  rules: {
    'align-to-grid': { gridSize: 20 },
    'max-flow-size': { maxSize: 60 },
    'no-duplicate-http-in-urls': true,
    'no-loops': true,
    'no-overlapping-nodes': true,
    'no-unconnected-http-nodes': true,
    'no-unnamed-functions': true,
    'no-unnamed-links': true,
  },
};
