import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';

/** The part of `openapi-typescript` that is used. */
interface Generator {
  readonly default: (document: object) => Promise<unknown>;
  readonly astToString: (ast: unknown) => string;
}

/** What the client in `test/fixtures/typed-client.txt` reports. */
interface Visit {
  readonly names: readonly string[];
  readonly uploadId: string;
  readonly resolution: string;
  readonly wattHours: readonly (number | null)[];
  readonly csv: string;
  readonly why: string;
}

interface Client {
  readonly visit: (baseUrl: string, username: string, password: string) => Promise<Visit>;
}

const GENERATOR = 'openapi-typescript';
const CHECKED = {
  compilerOptions: {
    ...{ target: 'es2024', lib: ['es2024', 'dom', 'dom.iterable'], types: [] },
    ...{ module: 'nodenext', moduleResolution: 'nodenext', noEmit: true },
    ...{ strict: true, noUncheckedIndexedAccess: true, exactOptionalPropertyTypes: true },
    ...{ allowImportingTsExtensions: true, skipLibCheck: true },
  },
  files: ['client.ts'],
};

describe('A client generated from the description', function () {
  this.timeout(120_000);
  const program = readFileSync(join('test', 'fixtures', 'typed-client.txt'), 'utf8');
  let folder: string;
  let pi: BootedBaluPi;

  before(async () => {
    pi = await BootedBaluPi.start();
    folder = mkdtempSync(join(tmpdir(), 'balupi-client-'));
    symlinkSync(resolve('node_modules'), join(folder, 'node_modules'));
    const { default: generate, astToString } = (await import(GENERATOR)) as Generator;
    const published = (await (await fetch(`${pi.url}/api/openapi.json`)).json()) as object;
    writeFileSync(join(folder, 'schema.ts'), astToString(await generate(published)));
    writeFileSync(join(folder, 'client.ts'), program);
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(CHECKED));
  });

  after(async () => {
    rmSync(folder, { recursive: true });
    await pi.stop();
  });

  it('needs no cast, and knows which codes cannot come', () => {
    assert.doesNotMatch(program, /\bas\b|\bany\b|\bunknown\b|@ts-ignore|!\./);
    const compiler = resolve('node_modules', 'typescript', 'bin', 'tsc');
    execFileSync(process.execPath, [compiler, '-p', folder], { stdio: 'inherit' });
  });

  it('signs in, uploads, lists, and reads energy as JSON and as CSV', async () => {
    const client = (await import(pathToFileURL(join(folder, 'client.ts')).href)) as Client;
    const seen = await client.visit(pi.url, 'alice', 'Practice-alice-1');
    assert.ok(seen.names.includes('typed.txt'));
    assert.match(seen.uploadId, /^\w+$/);
    assert.equal(seen.resolution, 'hour');
    assert.ok(Array.isArray(seen.wattHours));
    assert.match(seen.csv, /^timestamp,avg_power_w,/);
    assert.equal(seen.why, 'not_found');
  });
});
