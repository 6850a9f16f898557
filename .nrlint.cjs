/**
 * Rules for the flows as a whole; those for single files are in test/flows/flow-files.test.ts, and
 * those of lines and groups in flows/flow-check.ts. `no-unconnected-http-nodes` is one of them: the
 * rule of that name here takes a reply that only a Catch leads to for unconnected.
 */
module.exports = {
  rules: {
    'align-to-grid': { gridSize: 20 },
    'max-flow-size': { maxSize: 60 },
    'no-duplicate-http-in-urls': true,
    'no-loops': true,
    'no-overlapping-nodes': true,
    'no-unnamed-functions': true,
    'no-unnamed-links': true,
  },
};
