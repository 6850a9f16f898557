import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { cruise, RUNNING, textFaults } from '../deploy/lint-rules.ts';
import { unusedIn } from '../deploy/lint-unused.ts';

/** A rule, and the smallest tree that breaks it and nothing else of interest. */
interface Planted {
  readonly rule: string;
  readonly files: Readonly<Record<string, string>>;
}

const EMPTY = 'export const nothing = 0;\n';
const using = (from: string): string =>
  `import * as used from '${from}';\nexport const it = used;\n`;

const PLANTED: readonly Planted[] = [
  {
    rule: 'lib-knows-no-framework',
    files: { 'nodes/lib/energy/bad.ts': using('node-red') },
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
    rule: 'module-energy',
    files: { 'nodes/lib/energy/bad.ts': using('../../wol/wol.ts'), 'nodes/wol/wol.ts': EMPTY },
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

  describe('of what nobody uses', () => {
    const found = (files: Readonly<Record<string, string>>): string[] => {
      plant(files);
      return unusedIn(RUNNING, folder)
        .map(({ kind, file, name }) => `${kind} ${file} ${name}`)
        .sort();
    };
    const starting = (from: string, how: string): string =>
      `import { Room } from '${from}';\n${how}\n`;
    const room = (members: string): string => `export class Room {\n${members}\n}\n`;

    it('finds a planted export that only a test takes, and a re-export that nobody does', () => {
      const files = {
        'host/bad.ts': 'export function mend(): void {}\nexport const USED = 1;\n',
        'host/door.ts': "export { USED } from './bad.ts';\n",
        'server.ts': "import { USED } from './host/bad.ts';\nvoid USED;\n",
        'test/bad.test.ts': "import { mend } from '../host/bad.ts';\nmend();\n",
      };
      assert.deepEqual(found(files), ['export host/bad.ts mend', 'export host/door.ts USED']);
    });

    it('finds a planted member that only a test and a dead function call', () => {
      const files = {
        'host/room.ts': room('  start(): void {}\n  settle(): void { this.settle(); }'),
        'host/dead.ts': starting('./room.ts', 'export const dead = (room: Room) => room.settle();'),
        'server.ts': starting('./host/room.ts', 'new Room().start();'),
        'test/bad.test.ts': starting('../host/room.ts', 'new Room().settle();'),
      };
      assert.deepEqual(found(files), [
        'export host/dead.ts dead',
        'member host/room.ts Room.settle',
      ]);
    });

    it('takes a member as used that is called through a port or a type it was handed over as', () => {
      const files = {
        'host/room.ts': room('  start(): void {}\n  stop(): void {}\n  settle(): void {}'),
        'server.ts': starting(
          './host/room.ts',
          `interface Port { start(): void; settle(): void }
           const run = ({ port }: { readonly port: Port }, key: 'stop'): void => {
             port.start();
             new Room()[key]();
           };
           run({ port: new Room() }, 'stop');`,
        ),
      };
      assert.deepEqual(found(files), ['member host/room.ts Room.settle']);
    });
  });

  describe('of what files say', () => {
    const told = (files: Readonly<Record<string, string>>): string[] => {
      plant(files);
      return textFaults(Object.keys(files), folder).map(({ rule, file }) => `${rule} ${file}`);
    };

    it('finds planted marks of a merge, in any file', () => {
      for (const mark of ['<'.repeat(7) + ' HEAD', '='.repeat(7), '>'.repeat(7) + ' main']) {
        const page = `# A page\n${mark}\nmore\n`;
        assert.deepEqual(told({ 'docs/bad.md': page }), ['no-conflict-markers docs/bad.md'], mark);
      }
    });

    it('finds planted SQL outside of the files that own a table', () => {
      const sql = "store.prepare('SELECT 1');\n";
      assert.deepEqual(
        told({ 'nodes/lib/upload/bad.ts': sql, 'nodes/lib/upload/fine-rows.ts': sql }),
        ['no-sql-outside-rows nodes/lib/upload/bad.ts'],
      );
    });

    it('finds a planted answer of a node that no description types', () => {
      const made = "plainAnswer({ status: 'ok' });\n";
      assert.deepEqual(told({ 'nodes/wol/bad.ts': made, 'nodes/lib/changes/fine.ts': made }), [
        'no-untyped-answer nodes/wol/bad.ts',
      ]);
    });
  });

  it('refuses a promise nobody waits for', () => {
    const folder = mkdtempSync(join(tmpdir(), 'balupi-lint-'));
    try {
      writeFileSync(join(folder, 'tsconfig.json'), '{"compilerOptions":{"strict":true}}');
      writeFileSync(
        join(folder, 'bad.ts'),
        'async function work(): Promise<void> { await Promise.resolve(); }\nwork();\n',
      );
      const oxlint = join('node_modules', 'oxlint', 'bin', 'oxlint');
      const done = spawnSync(process.execPath, [oxlint, '-c', '.oxlintrc.json', folder], {
        encoding: 'utf8',
      });
      assert.equal(done.status, 1, done.stderr);
      assert.match(done.stdout, /no-floating-promises/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
