import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SystemClock } from '../../nodes/lib/time/system-clock.ts';
import { PiProcess } from '../fakes/pi-process.ts';
import { PracticeNas } from '../practice/nas/practice-nas.ts';

/** As in `test/practice/nas/options.ts`. */
export const ADMIN = { username: 'admin', password: 'Practice-admin-1' } as const;

/** A BaluPi as `npm start` runs it, beside a practice NAS, with its editor open. */
export class RunningBaluPi {
  readonly dataFolder: string;
  readonly #pi: PiProcess;
  readonly #nas: PracticeNas;
  readonly #folder: string;

  private constructor(pi: PiProcess, nas: PracticeNas, folder: string) {
    this.#pi = pi;
    this.#nas = nas;
    this.#folder = folder;
    this.dataFolder = join(folder, 'balupi');
  }

  get url(): string {
    return this.#pi.url;
  }

  get editorUrl(): string {
    return this.#pi.editorUrl;
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
    const pi = new PiProcess({ environment: environment(nas, folder), flowsFolder: 'flows' });
    await pi.ready();
    return new RunningBaluPi(pi, nas, folder);
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

  /** As an admin stores a NAS key for somebody. */
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
    await this.#pi.stop();
    await this.#nas.stop();
    rmSync(this.#folder, { recursive: true });
  }
}

function environment(nas: PracticeNas, folder: string): Record<string, string> {
  return {
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
