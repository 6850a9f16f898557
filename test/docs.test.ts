import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { GENERATED } from '../deploy/generated.ts';
import { ENDPOINTS } from '../nodes/lib/api/api.ts';
import {
  CACHE_MIGRATIONS,
  ENERGY_MIGRATIONS,
  QUEUE_MIGRATIONS,
} from '../nodes/lib/store/databases.ts';
import { SETTINGS } from '../settings.ts';

/** What a reader takes from the pages, held against the code. */

const read = (file: string): string => readFileSync(file, 'utf8');
const PAGES = [
  'README.md',
  'CHANGELOG.md',
  ...readdirSync('docs', { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
];

/** The cells of each row of a table whose first cell holds code. */
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

  it('name every module with its entry', () => {
    const told = rows(read('docs/ARCHITECTURE.md'));
    for (const room of readdirSync(join('nodes', 'lib'))) {
      const row = told.find(([name]) => name === `\`${room}\``);
      assert.ok(row !== undefined, room);
      for (const [, door = ''] of (row[1] ?? '').matchAll(/`([^`]+)`/g)) {
        assert.ok(existsSync(join('nodes', 'lib', room, door)), `${room}/${door}`);
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
