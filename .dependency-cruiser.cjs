/** The import rules of docs/ARCHITECTURE.md. test/lint.test.ts plants a violation of each. */
const MODULES = {
  time: [],
  log: [],
  limits: [],
  store: [],
  http: [],
  guard: ['http', 'api', 'operations', 'accounts', 'files', 'cache'],
  operations: ['api'],
  api: ['http', 'words'],
  nas: ['http'],
  handshake: [],
  dns: [],
  accounts: ['nas', 'http'],
  files: ['nas', 'accounts', 'http'],
  cache: ['files', 'nas', 'accounts', 'http'],
  pass: ['nas', 'accounts', 'api', 'http'],
  prefetch: ['cache', 'files', 'nas', 'accounts', 'http'],
  upload: ['files', 'nas', 'accounts', 'api', 'http'],
  changes: ['files', 'cache', 'upload', 'pass', 'guard', 'nas', 'accounts', 'http'],
  kept: ['files', 'pass', 'guard', 'nas', 'accounts', 'http'],
  words: [],
  tapo: ['words'],
  energy: ['tapo'],
  system: [],
  events: ['upload', 'nas', 'tapo', 'energy', 'system', 'words'],
  notices: ['accounts', 'events', 'words'],
  setup: [],
  viewers: ['accounts', 'api', 'guard', 'http', 'words'],
  services: ['.+'],
};
const EVERYONE_MAY_USE = ['time', 'log', 'limits', 'store'];

const moduleRules = Object.entries(MODULES).map(([module, allowed]) => ({
  name: `module-${module}`,
  comment: `nodes/lib/${module} may use: ${[...allowed, ...EVERYONE_MAY_USE].join(', ')}`,
  severity: 'error',
  from: { path: `^nodes/lib/${module}/` },
  to: {
    path: '^(nodes|host|flows|test|deploy|server|settings|compose)',
    pathNot: `^nodes/lib/(${[module, ...allowed, ...EVERYONE_MAY_USE].join('|')})/`,
  },
}));

/** What others install: each package with the files of it that BaluPi uses. */
const PACKAGES = {
  'node-red-flow-files': ['flow-storage'],
  'node-red-contrib-balupi-wol': ['wake'],
  'node-red-contrib-balupi-tapo': ['tapo/tapo', 'tapo/connect/connect-login', 'energy/energy'],
};

const packageRules = Object.keys(PACKAGES).map((name) => ({
  name: `package-${name}`,
  comment: `A package may use itself and: ${EVERYONE_MAY_USE.join(', ')}, which go along in it.`,
  severity: 'error',
  from: { path: `^packages/${name}/` },
  to: {
    path: '^(nodes|packages|host|flows|test|deploy|server|settings|compose)',
    pathNot: `^(packages/${name}/|nodes/lib/(${EVERYONE_MAY_USE.join('|')})/)`,
  },
}));

module.exports = {
  forbidden: [
    ...moduleRules,
    ...packageRules,
    {
      name: 'packages-by-their-entry',
      comment: 'A package is imported through its entries.',
      severity: 'error',
      from: { pathNot: '^(packages|test)/' },
      to: {
        path: '^packages/',
        pathNot: `^packages/(${Object.entries(PACKAGES)
          .flatMap(([name, entries]) => entries.map((entry) => `${name}/lib/${entry}`))
          .join('|')})\\.ts$`,
      },
    },
    {
      name: 'lib-knows-no-framework',
      comment: 'The services know neither Node-RED nor Express.',
      severity: 'error',
      from: { path: '^(nodes|packages/[^/]+)/lib/' },
      to: {
        path: '(node_modules/)?(node-red|@node-red/.*|@types/node-red|express|@types/express)(/|$)',
      },
    },
    {
      name: 'no-node-to-node',
      comment: 'Nodes meet in a flow; each imports its own folder and the services.',
      severity: 'error',
      from: { path: '^nodes/(?!lib/)([^/]+)/' },
      to: {
        path: '^(nodes/(?!lib/)|host|flows|test|deploy|server|settings|compose)',
        pathNot: '^nodes/$1/',
      },
    },
    {
      name: 'no-sql-outside-rows',
      comment: 'SQL stands in the store and in the files that own a table.',
      severity: 'error',
      from: { path: '^(nodes|packages|host|flows)/', pathNot: '(^nodes/lib/store/|-rows\\.ts$)' },
      to: { path: '^(node:)?sqlite$' },
    },
    {
      name: 'node-red-internals-in-one-place',
      comment: "Node-RED's inner packages are touched by the host and the flow storage only.",
      severity: 'error',
      from: { pathNot: '^(host|flows|server\\.ts|test)' },
      to: { path: '@node-red/' },
    },
    {
      name: 'no-test-in-shipped-code',
      severity: 'error',
      from: { pathNot: '^(test|deploy)/' },
      to: { path: '^test/' },
    },
    {
      name: 'no-dev-dependency-in-shipped-code',
      severity: 'error',
      from: { path: '^(nodes|packages|host|flows|server\\.ts|settings\\.ts|compose)' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'], pathNot: '@types/' },
    },
    {
      name: 'pages-run-in-browsers',
      comment: 'The pages take types from the API, and at run time nothing but what a browser has.',
      severity: 'error',
      from: { path: '^pages/' },
      to: {
        pathNot: '^pages/|(^|node_modules/)(preact|vue)(/|$)',
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'pages-know-the-api-alone',
      comment: 'The types that a page takes are those of what it is answered, and of its words.',
      severity: 'error',
      from: { path: '^pages/' },
      to: {
        path: '^(nodes|host|flows|test|deploy|server|settings|compose)',
        pathNot: '^nodes/lib/(api/api\\.ts|words/en\\.json)$',
      },
    },
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    { name: 'no-unresolved', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node'] },
    doNotFollow: { path: 'node_modules' },
    exclude: { path: ['^dist/', '^packages/[^/]+/dist/'] },
  },
};
