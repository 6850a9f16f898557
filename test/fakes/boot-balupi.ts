import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { SystemClock } from '../../nodes/lib/time/system-clock.ts';
import { PracticeNas } from '../practice/nas/practice-nas.ts';

const SERVER = resolve('dist', 'server.js');
const ARGUMENTS = ['--no-env-file', '--flows'];
/** As `deploy/run.mjs` starts it; without them V8 grows because it may. */
const SMALL_HEAP = ['--max-old-space-size=192', '--max-semi-space-size=4', '--optimize-for-size'];

export interface BootOptions {
  /** Settings beside those of a test, such as `BALUPI_EDITOR`. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Changes the copy of the flows before the start. */
  readonly prepare?: (folders: { readonly flows: string; readonly data: string }) => void;
}

/** How a start that was to fail ended. */
export interface Ended {
  readonly code: number | null;
  readonly output: string;
}

/**
 * A BaluPi as `npm start` runs it, in a process of its own (Node-RED is one per process), beside a
 * practice NAS in this one, with folders and flows of its own.
 */
export class BootedBaluPi {
  readonly nas: PracticeNas;
  readonly folder: string;
  readonly #process: ChildProcess;
  #output = '';

  private constructor(nas: PracticeNas, folder: string, options: BootOptions) {
    this.nas = nas;
    this.folder = folder;
    const flows = join(folder, 'flows');
    cpSync('flows', flows, { recursive: true, filter: (name) => !name.endsWith('.ts') });
    options.prepare?.({ flows, data: this.dataFolder });
    this.#process = spawn(process.execPath, [...SMALL_HEAP, SERVER, ...ARGUMENTS, flows], {
      env: { ...this.#environment(), ...options.environment },
    });
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.on('data', (chunk: Buffer) => (this.#output += chunk.toString()));
    }
  }

  /** Starts and waits for the ready line. */
  static async start(options: BootOptions = {}): Promise<BootedBaluPi> {
    const booted = await BootedBaluPi.begin(options);
    await booted.#ready();
    return booted;
  }

  /** For a start that cannot succeed. */
  static async fail(options: BootOptions): Promise<Ended> {
    const booted = await BootedBaluPi.begin(options);
    const code = await booted.#exited();
    const ended = { code, output: booted.output };
    await booted.stop();
    return ended;
  }

  /** Starts and waits for nothing. */
  static async begin(options: BootOptions = {}): Promise<BootedBaluPi> {
    const folder = mkdtempSync(join(tmpdir(), 'balupi-boot-'));
    const clock = new SystemClock((problem) => {
      throw problem;
    });
    const nas = new PracticeNas({ clock, storageFolder: join(folder, 'nas') });
    await nas.start();
    return new BootedBaluPi(nas, folder, options);
  }

  get output(): string {
    return this.#output;
  }

  get dataFolder(): string {
    return join(this.folder, 'balupi');
  }

  get flowsFolder(): string {
    return join(this.folder, 'flows');
  }

  get url(): string {
    return /^BaluPi ready on (\S+)/m.exec(this.#output)?.[1] ?? '';
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  get editorUrl(): string {
    return / editor (\S+)/.exec(this.#output)?.[1] ?? '';
  }

  get residentBytes(): number {
    const status = readFileSync(`/proc/${String(this.#process.pid)}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1_024;
  }

  async signIn(username = 'alice'): Promise<string> {
    const answered = await fetch(`${this.url}/api/auth/login`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ username, password: `Practice-${username}-1` }),
    });
    return ((await answered.json()) as { access_token: string }).access_token;
  }

  signal(name: NodeJS.Signals): void {
    this.#process.kill(name);
  }

  /** @returns the exit code, once it ended */
  async exit(): Promise<number | null> {
    return await this.#exited();
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      this.#process.kill('SIGTERM');
      await this.#exited();
    }
    await this.nas.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #exited(): Promise<number | null> {
    if (this.#process.exitCode !== null) return this.#process.exitCode;
    const { promise, resolve: ended } = Promise.withResolvers<number | null>();
    this.#process.once('close', ended);
    return await promise;
  }

  async #ready(): Promise<void> {
    const { promise, resolve: found, reject } = Promise.withResolvers<undefined>();
    this.#process.stdout?.on('data', () => {
      if (this.url !== '') found(undefined);
    });
    this.#process.once('close', () => {
      reject(new Error(`BaluPi ended before it was ready:\n${this.#output}`));
    });
    await promise;
  }

  /** Nothing of the household this runs in. */
  #environment(): NodeJS.ProcessEnv {
    const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('BALUPI_'));
    return {
      ...Object.fromEntries(kept),
      BALUPI_DATA_DIR: this.dataFolder,
      BALUPI_HOST: '127.0.0.1',
      BALUPI_PORT: '0',
      BALUPI_EDITOR_PORT: '0',
      BALUPI_LOG_LEVEL: 'warn',
      BALUPI_NAS_URL: this.nas.url,
      BALUPI_NAS_DIRECT_URL: this.nas.url,
      BALUPI_NAS_MAC_ADDRESS: this.nas.macAddress,
      BALUPI_NAS_WAKE_ADDRESS: this.nas.wakeAddress,
      BALUPI_CACHE_MIN_FREE_GB: '0.1',
      BALUPI_SECRET_KEY: randomBytes(32).toString('hex'),
    };
  }
}
