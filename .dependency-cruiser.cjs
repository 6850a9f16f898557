/**
 * The import rules of docs/ARCHITECTURE.md; test/docs.test.ts compares the two, and test/lint.test.ts
 * plants a violation of each rule.
 */

/** What each module of nodes/lib may use, `(types)` where nothing of it is loaded. */
const MODULES = {
  time: [],
  log: [],
  limits: [],
  store: [],
  http: [],
  guard: ['http', 'api', 'operations', 'accounts (types)', 'files (types)', 'cache (types)'],
  operations: ['api'],
  api: ['http', 'words'],
  nas: ['http'],
  handshake: [],
  dns: [],
  accounts: ['nas', 'http'],
  files: ['nas', 'accounts (types)', 'http'],
  cache: ['files', 'nas', 'accounts (types)', 'http'],
  pass: ['nas', 'accounts (types)', 'api', 'http'],
  prefetch: ['cache', 'files', 'nas (types)', 'accounts (types)'],
  thumbnails: ['cache (types)'],
  upload: ['files', 'nas', 'accounts (types)', 'api', 'http'],
  changes: [
    ...['files', 'cache (types)', 'upload', 'pass', 'guard', 'nas', 'accounts (types)', 'http'],
  ],
  kept: ['files', 'pass', 'nas', 'accounts (types)', 'http'],
  system: [],
  events: ['upload (types)', 'nas (types)', 'system (types)', 'words'],
  notices: ['accounts (types)', 'events', 'words'],
  activity: ['nas (types)', 'upload (types)', 'accounts (types)', 'files'],
  setup: [],
  viewers: ['accounts (types)', 'api', 'guard', 'http', 'words (types)'],
  words: [],
  services: ['all (types)'],
};
const EVERYONE_MAY_USE = ['time', 'log', 'limits', 'store'];

/** The modules that are entered by more than the file named like them, and why. */
const ENTRIES = {
  // Independent of each other, and a package carries along only those it uses.
  time: ['clock.ts', 'system-clock.ts', 'trusted-time.ts', 'zoned-time.ts'],
  // A package carries the store along, but none of BaluPi's tables, its data folder or its watches.
  store: [
    ...['store.ts', 'data-folder.ts', 'databases.ts', 'disk-watch.ts', 'read-only-query.ts'],
    'schema/energy-schema.ts',
  ],
  // The build writes the description; the process does not load what makes it.
  api: ['api.ts', 'openapi.ts'],
  // Opens the sealed settings, for the command `balupi` as well, which loads no accounts.
  accounts: ['accounts.ts', 'credential-vault.ts'],
};

/** What a caller and the NAS are, in types; no entry has to be loaded for them. */
const SHARED_TYPES = { accounts: ['caller.ts'], nas: ['nas-client.ts', 'presence.ts'] };

/** Everywhere that code of ours stands, but for the packages. */
const OURS = '^(nodes|host|flows|test|deploy|server|settings|compose)';

const entriesOf = (module) => ENTRIES[module] ?? [`${module}.ts`];
const within = (module, files) =>
  `^nodes/lib/${module}/(${files.join('|')})$`.replaceAll('.ts', '\\.ts');

const moduleRules = Object.entries(MODULES).map(([module, allowed]) => {
  const named = allowed.map((one) => one.replace(' (types)', '').replace('all', '[^/]+'));
  return {
    name: `module-${module}`,
    comment: allowed.join(', '),
    severity: 'error',
    from: { path: `^nodes/lib/${module}/` },
    to: {
      path: OURS,
      pathNot: `^nodes/lib/(${[module, ...named, ...EVERYONE_MAY_USE].join('|')})/`,
    },
  };
});

const typeRules = Object.entries(MODULES).flatMap(([module, allowed]) => {
  const typed = allowed.filter((one) => one.endsWith(' (types)'));
  if (typed.length === 0) return [];
  const named = typed.map((one) => one.replace(' (types)', '').replace('all', '[^/]+'));
  return {
    name: `types-of-${module}`,
    comment: `In types alone: ${typed.join(', ')}`,
    severity: 'error',
    from: { path: `^nodes/lib/${module}/` },
    to: {
      path: `^nodes/lib/(${named.join('|')})/`,
      pathNot: `^nodes/lib/(${[module, ...EVERYONE_MAY_USE].join('|')})/`,
      dependencyTypesNot: ['type-only'],
    },
  };
});

const entryRules = Object.keys(MODULES).flatMap((module) => {
  const types = SHARED_TYPES[module] ?? [];
  // What a page may take is a rule of its own.
  const from = { pathNot: `^(test|pages|nodes/lib/${module})/` };
  const entry = {
    name: `entry-of-${module}`,
    comment: entriesOf(module).join(', '),
    severity: 'error',
    from,
    to: {
      path: `^nodes/lib/${module}/`,
      pathNot: within(module, [...entriesOf(module), ...types]),
    },
  };
  if (types.length === 0) return entry;
  return [
    entry,
    {
      name: `shared-types-of-${module}`,
      comment: `Types alone: ${types.join(', ')}`,
      severity: 'error',
      from,
      to: { path: within(module, types), dependencyTypesNot: ['type-only'] },
    },
  ];
});

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
    ...typeRules,
    ...entryRules,
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
      from: {
        path: '^(nodes|packages|host|flows|compose|deploy|server|settings)',
        pathNot: '(^nodes/lib/store/|-rows\\.ts$)',
      },
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
