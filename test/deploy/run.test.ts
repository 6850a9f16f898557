import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A project folder with the scripts alone, where a start lacks everything. */
class BareProject {
  readonly folder = mkdtempSync(join(tmpdir(), 'balupi-bare-'));

  constructor() {
    for (const file of ['run.mjs', 'build.mjs']) {
      cpSync(join('deploy', file), join(this.folder, 'deploy', file));
    }
    writeFileSync(join(this.folder, 'package.json'), '{"type": "module"}');
    writeFileSync(join(this.folder, 'server.ts'), 'console.log("started");\n');
  }

  install(): void {
    mkdirSync(join(this.folder, 'node_modules'));
    writeFileSync(join(this.folder, 'node_modules', '.package-lock.json'), '{}');
  }

  /** As a build leaves it, without what is built. */
  build(mark: { readonly program: string }): void {
    mkdirSync(join(this.folder, 'dist'));
    writeFileSync(join(this.folder, 'dist', '.balupi-built'), JSON.stringify(mark));
  }

  start(): { readonly code: number | null; readonly said: string; readonly changed: boolean } {
    const before = this.#files();
    const program = join(this.folder, 'deploy', 'run.mjs');
    const done = spawnSync(process.execPath, [program, 'start'], { encoding: 'utf8' });
    return { code: done.status, said: done.stderr, changed: before !== this.#files() };
  }

  #files(): string {
    return readdirSync(this.folder, { recursive: true }).sort().join('\n');
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }
}

describe('npm start', () => {
  const project = new BareProject();

  after(() => {
    project.remove();
  });

  it('installs nothing: what is missing is one sentence and exit 78', () => {
    const { code, said, changed } = project.start();
    assert.equal(code, 78);
    assert.equal(said, 'Nothing is installed here yet: run `npm ci`, then `npm run build`.\n');
    assert.equal(changed, false);
  });

  it('builds nothing: a missing build is one sentence and exit 78', () => {
    project.install();
    const { code, said, changed } = project.start();
    assert.equal(code, 78);
    assert.equal(said, 'There is no build yet: run `npm run build`.\n');
    assert.equal(changed, false);
  });

  it('does not run a build of other sources', () => {
    project.build({ program: 'made of what stood here yesterday' });
    const { code, said, changed } = project.start();
    assert.equal(code, 78);
    assert.equal(said, 'The build is of other sources than these: run `npm run build`.\n');
    assert.equal(changed, false);
  });
});
