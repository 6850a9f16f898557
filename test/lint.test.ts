import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { cruise, lintFlows, RUNNING, textFaults } from '../deploy/lint-rules.ts';
import { readProgram } from '../deploy/lint-program.ts';
import { sqlOutsideRows } from '../deploy/lint-sql.ts';
import { type Exemption, unusedIn } from '../deploy/lint-unused.ts';

/** A rule, and the smallest tree that breaks it and no other. */
interface Planted {
  readonly rule: string;
  readonly files: Readonly<Record<string, string>>;
}

const EMPTY = 'export const nothing = 0;\n';
const using = (from: string): string =>
  `import * as used from '${from}';\nexport const it = used;\n`;

/** Runs a lint tool of this tree over what was planted elsewhere. */
const run = (args: readonly string[], input = '') =>
  spawnSync(process.execPath, args, { encoding: 'utf8', input });

const PLANTED: readonly Planted[] = [
  {
    rule: 'lib-knows-no-framework',
    files: { 'nodes/lib/system/bad.ts': using('node-red') },
  },
  {
    rule: 'lib-knows-no-framework',
    files: { 'nodes/lib/http/bad.ts': using('express') },
  },
  {
    rule: 'module-http',
    files: {
      'nodes/lib/http/bad.ts': using('../cache/cache.ts'),
      'nodes/lib/cache/cache.ts': EMPTY,
    },
  },
  {
    rule: 'module-system',
    files: { 'nodes/lib/system/bad.ts': using('../../wol/wol.ts'), 'nodes/wol/wol.ts': EMPTY },
  },
  {
    rule: 'module-thumbnails',
    files: {
      'nodes/lib/thumbnails/bad.ts': using('../accounts/accounts.ts'),
      'nodes/lib/accounts/accounts.ts': EMPTY,
    },
  },
  {
    rule: 'types-of-activity',
    files: {
      'nodes/lib/activity/bad.ts': using('../upload/upload.ts'),
      'nodes/lib/upload/upload.ts': EMPTY,
    },
  },
  {
    rule: 'entry-of-upload',
    files: {
      'nodes/lib/kept/bad.ts': using('../upload/rows/upload-rows.ts'),
      'nodes/lib/upload/rows/upload-rows.ts': EMPTY,
    },
  },
  {
    rule: 'entry-of-store',
    files: {
      'deploy/bad.ts': using('../nodes/lib/store/salvage.ts'),
      'nodes/lib/store/salvage.ts': EMPTY,
    },
  },
  {
    rule: 'shared-types-of-nas',
    files: {
      'host/bad.ts': using('../nodes/lib/nas/presence.ts'),
      'nodes/lib/nas/presence.ts': EMPTY,
    },
  },
  {
    rule: 'no-node-to-node',
    files: {
      'nodes/wol/bad.ts': using('../nas-proxy/nas-proxy.ts'),
      'nodes/nas-proxy/nas-proxy.ts': EMPTY,
    },
  },
  {
    rule: 'no-sql-outside-rows',
    files: { 'nodes/lib/upload/bad.ts': using('node:sqlite') },
  },
  {
    rule: 'node-red-internals-in-one-place',
    files: { 'nodes/wol/bad.ts': using('@node-red/runtime') },
  },
  {
    rule: 'no-test-in-shipped-code',
    files: { 'host/bad.ts': using('../test/fakes/clock.ts'), 'test/fakes/clock.ts': EMPTY },
  },
  {
    rule: 'no-cycles',
    files: { 'host/a.ts': using('./b.ts'), 'host/b.ts': using('./a.ts') },
  },
  {
    rule: 'package-node-red-contrib-balupi-wol',
    files: {
      'packages/node-red-contrib-balupi-wol/lib/bad.ts': using('../../../nodes/lib/nas/nas.ts'),
      'nodes/lib/nas/nas.ts': EMPTY,
    },
  },
  {
    rule: 'packages-by-their-entry',
    files: {
      'host/bad.ts': using('../packages/node-red-flow-files/lib/flow-set.ts'),
      'packages/node-red-flow-files/lib/flow-set.ts': EMPTY,
    },
  },
  { rule: 'no-unresolved', files: { 'host/bad.ts': using('./nowhere.ts') } },
  { rule: 'no-dev-dependency-in-shipped-code', files: { 'compose/bad.ts': using('mocha') } },
  {
    rule: 'pages-run-in-browsers',
    files: { 'pages/files/bad.ts': using('../../host/a.ts'), 'host/a.ts': EMPTY },
  },
  {
    rule: 'pages-know-the-api-alone',
    files: {
      'pages/files/bad.ts': "import type { nothing } from '../../nodes/lib/files/files.ts';\n",
      'nodes/lib/files/files.ts': EMPTY,
    },
  },
];

describe('The lint', function () {
  this.timeout(120_000);
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'balupi-lint-'));
    cpSync('tsconfig.json', join(folder, 'tsconfig.json'));
    cpSync('package.json', join(folder, 'package.json'));
    symlinkSync(resolve('node_modules'), join(folder, 'node_modules'));
  });

  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  const plant = (files: Readonly<Record<string, string>>): void => {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), text);
    }
  };

  PLANTED.forEach(({ rule, files }) => {
    it(`finds a planted violation of ${rule} (${Object.keys(files)[0]})`, async () => {
      plant(files);
      const tops = [...new Set(Object.keys(files).map((name) => name.split('/')[0] ?? name))];
      const report = await cruise(tops, folder);
      assert.ok(report.modules > 0);
      assert.ok(
        report.violations.some((violation) => violation.rule === rule),
        `expected ${rule}, found ${JSON.stringify(report.violations)}`,
      );
    });
  });

  it('has a planted violation of each kind of import rule', () => {
    const { forbidden } = createRequire(import.meta.url)(resolve('.dependency-cruiser.cjs')) as {
      readonly forbidden: readonly { readonly name: string }[];
    };
    // The rules of modules and packages come from one table each.
    const kindOf = (name: string): string =>
      /^(?:module|types-of|entry-of|shared-types-of|package)-/.exec(name)?.[0] ?? name;
    const kinds = new Set(forbidden.map(({ name }) => kindOf(name)));
    assert.deepEqual(
      [...new Set(PLANTED.map(({ rule }) => kindOf(rule)))].sort(),
      [...kinds].sort(),
    );
  });

  describe('of what nobody uses', () => {
    const found = (
      files: Readonly<Record<string, string>>,
      exemptions: readonly Exemption[] = [],
    ): string[] => {
      plant(files);
      return unusedIn(readProgram(RUNNING, folder), exemptions)
        .map(({ kind, file, name }) => `${kind} ${file} ${name}`)
        .sort();
    };
    const starting = (from: string, how: string): string =>
      `import { Service } from '${from}';\n${how}\n`;
    const service = (members: string): string => `export class Service {\n${members}\n}\n`;

    it('finds a planted export that only a test takes, and a re-export that nobody does', () => {
      const files = {
        'host/bad.ts': 'export function mend(): void {}\nexport const USED = 1;\n',
        'host/index.ts': "export { USED } from './bad.ts';\n",
        'server.ts': "import { USED } from './host/bad.ts';\nvoid USED;\n",
        'test/bad.test.ts': "import { mend } from '../host/bad.ts';\nmend();\n",
      };
      assert.deepEqual(found(files), ['export host/bad.ts mend', 'export host/index.ts USED']);
    });

    it('finds a planted member that only a test and a dead function call', () => {
      const files = {
        'host/service.ts': service('  start(): void {}\n  settle(): void { this.settle(); }'),
        'host/dead.ts': starting(
          './service.ts',
          'export const dead = (service: Service) => service.settle();',
        ),
        'server.ts': starting('./host/service.ts', 'new Service().start();'),
        'test/bad.test.ts': starting('../host/service.ts', 'new Service().settle();'),
      };
      assert.deepEqual(found(files), [
        'export host/dead.ts dead',
        'member host/service.ts Service.settle',
      ]);
    });

    it('finds a planted exemption of what is used anyway, and of what is not there', () => {
      const files = {
        'host/service.ts': 'export const USED = 1;\nexport const taken = 2;\n',
        'server.ts': "import { USED } from './host/service.ts';\nvoid USED;\n",
      };
      const why = 'Taken by others.';
      const exemptions = [
        { what: /service\.ts (?:USED|taken)$/, why },
        { what: /gone\.ts/, why },
      ];
      assert.deepEqual(found(files, exemptions), [
        'exemption host/service.ts USED',
        'exemption nowhere gone\\.ts',
      ]);
    });

    it('takes a member as used that is called through a port or a type it was handed over as', () => {
      const files = {
        'host/service.ts': service('  start(): void {}\n  stop(): void {}\n  settle(): void {}'),
        'server.ts': starting(
          './host/service.ts',
          `interface Port { start(): void; settle(): void }
           const run = ({ port }: { readonly port: Port }, key: 'stop'): void => {
             port.start();
             new Service()[key]();
           };
           run({ port: new Service() }, 'stop');`,
        ),
      };
      assert.deepEqual(found(files), ['member host/service.ts Service.settle']);
    });
  });

  describe('of what files say', () => {
    const told = (files: Readonly<Record<string, string>>): string[] => {
      plant(files);
      return textFaults(Object.keys(files), folder).map(({ rule, file }) => `${rule} ${file}`);
    };

    it('finds planted marks of a merge, in any file but a picture', () => {
      const names = ['docs/bad.md', 'flows/parts/bad.vue', 'deploy/Badfile', '.env.bad', 'bad.svg'];
      for (const mark of ['<'.repeat(7) + ' HEAD', '='.repeat(7), '>'.repeat(7) + ' main']) {
        const page = `# A page\n${mark}\nmore\n`;
        const files = Object.fromEntries(names.map((name) => [name, page]));
        assert.deepEqual(
          told({ ...files, 'fine.png': `\0${page}` }),
          names.map((name) => `no-conflict-markers ${name}`),
          mark,
        );
      }
    });

    it('finds planted SQL outside of the files that own a table, by whatever name it is run', () => {
      const store = `export class Store {
        prepare(sql: string): void {}
        exec(sql: string): void {}
      }\n`;
      const entering = (how: string): string =>
        `import { Store } from '../nodes/lib/store/store.ts';\n${how}\n`;
      plant({
        'nodes/lib/store/store.ts': store,
        'host/literal.ts': entering("new Store().prepare('SELECT 1');"),
        'host/variable.ts': entering(
          'export const run = (db: Store, sql: string) => db.prepare(sql);',
        ),
        'deploy/exec.ts': entering("new Store().exec('DELETE FROM a');"),
        'deploy/taken.ts': entering('export const { prepare } = new Store();'),
        'deploy/node.ts':
          "import { DatabaseSync } from 'node:sqlite';\nnew DatabaseSync('a').exec('DROP TABLE a');\n",
        'host/fine-rows.ts': entering("new Store().prepare('SELECT 1');"),
        'host/fine.ts': "export const found = /a/.exec('a');\n",
      });
      assert.deepEqual([...sqlOutsideRows(readProgram(RUNNING, folder))].sort(), [
        'deploy/exec.ts',
        'deploy/node.ts',
        'deploy/taken.ts',
        'host/literal.ts',
        'host/variable.ts',
      ]);
    });

    it('finds a planted answer of a node that no description types', () => {
      const made = "plainAnswer({ status: 'ok' });\n";
      assert.deepEqual(
        told({
          'nodes/wol/bad.ts': made,
          'nodes/wol/variable.ts': 'plainAnswer(payload);\n',
          'nodes/wol/renamed.ts': "import { plainAnswer as answer } from '../lib/http/http.ts';\n",
          'nodes/lib/changes/fine.ts': made,
          // Its exceptions do not occur.
          'nodes/nas-proxy/file-operations.ts': 'plainAnswer(largest);\n',
        }),
        [
          'no-untyped-answer nodes/wol/bad.ts',
          'no-untyped-answer nodes/wol/variable.ts',
          'no-untyped-answer nodes/wol/renamed.ts',
          'no-untyped-answer nodes/nas-proxy/file-operations.ts',
        ],
      );
    });
  });

  it('refuses a promise nobody waits for, and a function of too many ways', () => {
    const ways = Array.from({ length: 13 }, (_, at) => `  if (a === ${at}) return ${at};\n`);
    // Otherwise oxlint would go through the packages as well.
    rmSync(join(folder, 'node_modules'));
    plant({
      'tsconfig.json': '{"compilerOptions":{"strict":true}}',
      'bad.ts': 'async function work(): Promise<void> { await Promise.resolve(); }\nwork();\n',
      'ways.ts': `export function ways(a: number): number {\n${ways.join('')}  return a;\n}\n`,
    });
    const oxlint = join('node_modules', 'oxlint', 'bin', 'oxlint');
    const done = run([oxlint, '-c', '.oxlintrc.json', folder]);
    assert.equal(done.status, 1, done.stderr);
    assert.match(done.stdout, /no-floating-promises/);
    assert.match(done.stdout, /complexity/);
  });

  it('refuses a part of a page that makes tags of what a message brings', () => {
    const eslint = join('node_modules', 'eslint', 'bin', 'eslint.js');
    const part = '<template>\n  <div v-html="msg" />\n</template>\n';
    const done = run([eslint, '--stdin', '--stdin-filename', 'flows/parts/bad.vue'], part);
    assert.equal(done.status, 1, done.stderr);
    assert.match(done.stdout, /vue\/no-v-html/);
  });

  it('refuses flows that go round in a circle', async () => {
    const node = { type: 'change', z: 'tab', y: 40, rules: [] };
    const nodes = [
      { id: 'tab', type: 'tab', label: 'bad' },
      { ...node, id: 'a', name: 'a', x: 100, wires: [['b']] },
      { ...node, id: 'b', name: 'b', x: 300, wires: [['a']] },
    ];
    plant({ 'flows/bad.json': JSON.stringify(nodes) });
    const { ok, output } = await lintFlows(join(folder, 'flows'));
    assert.ok(!ok);
    assert.match(output, /no-loops/);
  });
});
