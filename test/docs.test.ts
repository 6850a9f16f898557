import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { GENERATED } from '../deploy/generated.ts';
import { ENDPOINTS } from '../nodes/lib/api/api.ts';
import {
  CACHE_MIGRATIONS,
  ENERGY_MIGRATIONS,
  QUEUE_MIGRATIONS,
} from '../nodes/lib/store/databases.ts';
import { SETTINGS } from '../settings.ts';

/** Facts that a reader takes from the docs, checked against the code. */

const read = (file: string): string => readFileSync(file, 'utf8');
const PAGES = [
  'README.md',
  'CHANGELOG.md',
  ...readdirSync('docs', { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
];

/** The cells of each table row whose first cell contains code. */
function rows(text: string): string[][] {
  return [...text.matchAll(/^\| `.*\|$/gm)].map(([row]) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

function tablesOf(migrations: typeof QUEUE_MIGRATIONS): string[] {
  const sql = migrations.map((step) => step.sql).join('\n');
  return [...sql.matchAll(/CREATE TABLE (\w+)/g)].map(([, name = '']) => name);
}

interface ImportRule {
  readonly name: string;
  readonly comment?: string;
}

function importRules(): readonly ImportRule[] {
  const load = createRequire(import.meta.url);
  const rules = load(resolve('.dependency-cruiser.cjs')) as { forbidden: readonly ImportRule[] };
  return rules.forbidden;
}

function commentOf(rule: string): string | undefined {
  return importRules().find(({ name }) => name === rule)?.comment;
}

const FOLDERS = ['nodes', 'packages', 'host', 'flows', 'pages', 'compose', 'deploy', 'test'];
/** Every source file, and those of the root. */
const FILES = [
  ...readdirSync('.'),
  ...FOLDERS.flatMap((place) =>
    readdirSync(place, { recursive: true, encoding: 'utf8' }).map((name) => join(place, name)),
  ),
].map((name) => `/${name.replaceAll('\\', '/')}`);
/** Files that the docs tell readers to write, as examples. */
const TO_BE_WRITTEN = [
  ['PLUGS.md', 'packages/node-red-contrib-balupi-tapo/lib/tapo/shelly/shelly-plug.ts'],
];

/** `listings.ts`, `accounts/user-book.ts`, `deploy/turn.sh`, `host/setup/`. */
function isPathOfCode(path: string): boolean {
  const isFile = /[\w-]\.(?:ts|mjs|cjs|sh|bash|pl|vue)$/.test(path);
  return isFile || FOLDERS.some((place) => path.startsWith(`${place}/`));
}

/** A page about a module leaves its folders out of file names. */
function isThere(path: string): boolean {
  return existsSync(path) || FILES.some((file) => file.endsWith(`/${path}`));
}

describe('The pages', () => {
  for (const [file, text] of Object.entries(GENERATED)) {
    it(`${file} says what the code says (npm run docs writes it)`, () => {
      assert.equal(read(file), text());
    });
  }

  it('name each endpoint, setting and default once', () => {
    const api = read('docs/API.md');
    for (const { method, path } of ENDPOINTS) {
      assert.equal(api.split(`| \`${method} ${path}\` |`).length, 2, `${method} ${path}`);
    }
    const settings = read('docs/SETTINGS.md');
    for (const [name, { standard }] of Object.entries(SETTINGS)) {
      const [, value] = new RegExp(`^\\| \`${name}\` \\| (.*?) \\|`, 'm').exec(settings) ?? [];
      const wanted = standard === null || standard === '' ? '–' : `\`${standard}\``;
      assert.equal(value, name === 'TIMEZONE' ? "the system's" : wanted);
    }
  });

  it('are short where everybody begins', () => {
    assert.ok(Buffer.byteLength(read('README.md')) <= 10 * 1024);
  });

  it('name the owner and the database of every table', () => {
    const owners = rows(read('docs/ARCHITECTURE.md')).map((cells) => cells[4] ?? '');
    for (const [database, migrations] of [
      ['queue', QUEUE_MIGRATIONS],
      ['cache', CACHE_MIGRATIONS],
      ['energy', ENERGY_MIGRATIONS],
    ] as const) {
      const tables = tablesOf(migrations);
      assert.ok(tables.length > 0);
      for (const table of tables) {
        const named = owners.filter((cell) => cell.includes(`\`${table}\``));
        assert.equal(named.length, 1, table);
        assert.ok(named[0]?.endsWith(`(${database})`), `${table} lies in ${database}`);
      }
    }
  });

  it('name every module with its entries and what it may use, as the import rules have it', () => {
    const told = rows(read('docs/ARCHITECTURE.md')).filter((cells) => cells.length === 5);
    const modules = readdirSync(join('nodes', 'lib')).sort();
    const ruled = importRules().filter(({ name }) => name.startsWith('module-'));
    assert.deepEqual(ruled.map(({ name }) => name.slice('module-'.length)).sort(), modules);
    for (const module of modules) {
      const [, entries = '', , uses = ''] = told.find(([name]) => name === `\`${module}\``) ?? [];
      const plain = (cell: string): string => cell.replaceAll('`', '').replace(/^–$/, '');
      assert.equal(plain(entries), commentOf(`entry-of-${module}`), `entries of ${module}`);
      assert.equal(plain(uses), commentOf(`module-${module}`), `what ${module} may use`);
      for (const entry of plain(entries).split(', ')) {
        assert.ok(existsSync(join('nodes', 'lib', module, entry)), `${module}/${entry}`);
      }
    }
  });

  it('name no file of the code that is not there', () => {
    const named = readdirSync('docs')
      .filter((name) => name.endsWith('.md'))
      .flatMap((name) =>
        [...read(join('docs', name)).matchAll(/`([\w.@/-]+)`/g)].map(([, path = '']) => [
          name,
          path,
        ]),
      );
    const gone = named.filter(([, path = '']) => isPathOfCode(path) && !isThere(path));
    assert.deepEqual(gone, TO_BE_WRITTEN);
  });

  it('tell what changed in the form of Keep a Changelog, up to the version in package.json', () => {
    const text = read('CHANGELOG.md');
    const { version } = JSON.parse(read('package.json')) as { readonly version: string };
    const [head = '', ...sections] = text.split(/^## /m);
    assert.match(sections[0] ?? '', /^\[Unreleased\]\n/);
    const dated = sections
      .slice(1)
      .map((section) => /^\[(.+)\] - \d{4}-\d\d-\d\d\n/.exec(section)?.[1]);
    assert.ok(!dated.includes(undefined), 'a version has its day');
    assert.ok(dated[0] === version || head.includes(version), `${version} is told of`);
    for (const section of sections) {
      const kinds = [...section.matchAll(/^### (.+)$/gm)].map(([, kind = '']) => kind);
      assert.equal(new Set(kinds).size, kinds.length);
      for (const kind of kinds) {
        assert.match(kind, /^(?:Added|Changed|Deprecated|Removed|Fixed|Security)$/);
      }
    }
  });

  for (const page of PAGES) {
    it(`${page} leads nowhere that is not there`, () => {
      const links = [...read(page).matchAll(/\]\((?!https?:|#)([^)#\s]+)(?:#[^)]*)?\)/g)];
      for (const [, target = ''] of links) {
        assert.ok(existsSync(join(dirname(page), target)), target);
      }
    });
  }
});
