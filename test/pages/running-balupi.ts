import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { SystemClock } from '../../nodes/lib/time/system-clock.ts';
import { PracticeNas } from '../practice/nas/practice-nas.ts';

/** As in `test/practice/nas/options.ts`. */
export const ADMIN = { username: 'admin', password: 'Practice-admin-1' } as const;

const SERVER = resolve('dist', 'server.js');

/** A BaluPi as `npm start` runs it, beside a practice NAS, with its editor open. */
export class RunningBaluPi {
  readonly url: string;
  readonly editorUrl: string;
  readonly dataFolder: string;
  readonly #process: ChildProcess;
  readonly #nas: PracticeNas;
  readonly #folder: string;

  private constructor(child: ChildProcess, nas: PracticeNas, folder: string, ready: string) {
    this.#process = child;
    this.#nas = nas;
    this.#folder = folder;
    this.dataFolder = join(folder, 'balupi');
    this.url = /ready on (\S+)/.exec(ready)?.[1] ?? '';
    this.editorUrl = /editor (\S+)/.exec(ready)?.[1] ?? '';
  }

  static async start(): Promise<RunningBaluPi> {
    const folder = mkdtempSync(join(tmpdir(), 'balupi-pages-'));
    const storageFolder = join(folder, 'nas');
    mkdirSync(storageFolder);
    const clock = new SystemClock((problem) => {
      throw problem;
    });
    const nas = new PracticeNas({ clock, storageFolder });
    await nas.start();
    const child = spawn(process.execPath, [SERVER, '--no-env-file'], {
      env: environment(nas, folder),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    return new RunningBaluPi(child, nas, folder, await readyLine(child));
  }

  /** A token of the practice NAS's admin. */
  async token(): Promise<string> {
    const answered = await fetch(`${this.url}/api/auth/login`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(ADMIN),
    });
    const { access_token: token } = (await answered.json()) as { readonly access_token: string };
    return token;
  }

  /** As an admin stores a key of the NAS for somebody. */
  async storeKey(username: string): Promise<void> {
    const answered = await fetch(`${this.url}/api/nas/credentials/${username}`, {
      method: 'PUT',
      headers: {
        Authorization: `Bearer ${await this.token()}`,
        'Content-Type': 'application/json',
      },
      body: JSON.stringify({ api_key: this.#nas.accounts.apiKey(username) }),
    });
    assert.equal(answered.status, 200, await answered.text());
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode === null) {
      this.#process.kill('SIGTERM');
      await once(this.#process, 'exit');
    }
    await this.#nas.stop();
    rmSync(this.#folder, { recursive: true });
  }
}

/** Nothing of the household this runs in. */
function environment(nas: PracticeNas, folder: string): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('BALUPI_'));
  return {
    ...Object.fromEntries(kept),
    BALUPI_DATA_DIR: join(folder, 'balupi'),
    BALUPI_HOST: '127.0.0.1',
    BALUPI_PORT: '0',
    BALUPI_EDITOR: 'on',
    BALUPI_EDITOR_PORT: '0',
    BALUPI_LOG_LEVEL: 'warn',
    BALUPI_NAS_URL: nas.url,
    BALUPI_NAS_DIRECT_URL: nas.url,
    BALUPI_SECRET_KEY: randomBytes(32).toString('hex'),
  };
}

async function readyLine(child: ChildProcess): Promise<string> {
  const { promise, resolve: ready, reject } = Promise.withResolvers<string>();
  if (child.stdout === null) throw new Error('The server has no output to read.');
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (line.startsWith('BaluPi ready on ')) ready(line);
  });
  child.once('exit', () => {
    reject(new Error('BaluPi ended before it was ready.'));
  });
  return await promise;
}
