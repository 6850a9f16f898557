import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

interface LockEntry {
  readonly version?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly hasInstallScript?: boolean;
}

const read = <T>(file: string): T => JSON.parse(readFileSync(file, 'utf8')) as T;

/** Versions below these have known faults; see docs/DEPENDENCIES.md. */
const FLOORS: Readonly<Record<string, string>> = {
  busboy: '1.6.0',
  multer: '2.3.0',
  systeminformation: '5.31.7',
  sqlite3: '5.1.5',
};

function isAtLeast(version: string, floor: string): boolean {
  const [have, want] = [version, floor].map((text) => text.split('.').map(Number));
  for (let place = 0; place < 3; place += 1) {
    const difference = (have?.[place] ?? 0) - (want?.[place] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}

describe('The dependencies', () => {
  const { packages } = read<{ packages: Record<string, LockEntry> }>('package-lock.json');
  const manifest = read<Record<string, Record<string, string> | undefined>>('package.json');
  const named = {
    ...manifest['dependencies'],
    ...manifest['optionalDependencies'],
    ...manifest['devDependencies'],
  };

  // The older Node-RED is taken as published: it runs in tests alone, and only they connect to it.
  const copiesOf = (name: string): LockEntry[] =>
    Object.entries(packages)
      .filter(([path]) => path.endsWith(`node_modules/${name}`))
      .filter(([path]) => !path.startsWith('node_modules/node-red-4/'))
      .map(([, entry]) => entry);

  for (const [name, floor] of Object.entries(FLOORS)) {
    it(`have no ${name} below ${floor}`, () => {
      const copies = copiesOf(name);
      assert.ok(copies.length > 0);
      for (const { version = '0' } of copies) assert.ok(isAtLeast(version, floor), version);
    });
  }

  it('have one Express in production, the one Node-RED runs on', () => {
    const versions = copiesOf('express').filter(({ dev }) => dev !== true);
    assert.deepEqual(
      versions.map(({ version }) => version),
      ['4.22.2'],
    );
  });

  it('have no old axios in production: Node-RED brings one for its command line', () => {
    for (const { dev, version = '0' } of copiesOf('axios')) {
      assert.ok(dev === true || isAtLeast(version, '1.15.1'), version);
    }
  });

  it('are pinned to the very version', () => {
    for (const [name, version] of Object.entries(named))
      assert.match(version, /^(?:npm:[\w-]+@)?\d+\.\d+\.\d+$/, name);
  });

  it('have a line each in docs/DEPENDENCIES.md', () => {
    const text = readFileSync('docs/DEPENDENCIES.md', 'utf8');
    for (const name of Object.keys(named)) assert.ok(text.includes(`\`${name}\``), name);
  });

  it('run no install script that nobody has decided on', () => {
    const { allowScripts } = read<{ allowScripts: Record<string, boolean> }>('package.json');
    const withScripts = Object.entries(packages)
      .filter(([, entry]) => entry.hasInstallScript === true)
      .map(([path]) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length));
    assert.ok(withScripts.length > 0);
    for (const name of withScripts) assert.ok(Object.hasOwn(allowScripts, name), name);
  });

  it('run none at their installation, under any npm', () => {
    assert.match(readFileSync('.npmrc', 'utf8'), /^ignore-scripts=true$/m);
  });

  it('name no address in the lock file to fetch from', () => {
    assert.doesNotMatch(readFileSync('package-lock.json', 'utf8'), /"resolved": "http/);
  });
});
