import { randomBytes } from 'node:crypto';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SystemClock } from '../../nodes/lib/time/system-clock.ts';
import { PracticeNas } from '../practice/nas/practice-nas.ts';
import { checkAnswersOf, forgetAnswersOf } from './checked-answers.ts';
import { inAHurry } from './in-a-hurry.ts';
import { PiProcess } from './pi-process.ts';
import { type There, until } from './until.ts';

const PRINTED_SHOWN = 4_000;

export interface BootOptions {
  /** Settings beside those of a test, such as `BALUPI_EDITOR`. */
  readonly environment?: Readonly<Record<string, string>>;
  /** More of them, where something stands between it and the NAS. */
  readonly before?: (nas: PracticeNas) => Promise<Readonly<Record<string, string>>>;
  /** Changes the copy of the flows before the start. */
  readonly prepare?: (folders: { readonly flows: string; readonly data: string }) => void;
  /** Modules loaded before BaluPi. */
  readonly preload?: readonly string[];
  /** How many times as fast its timers and its steady clock go; see hurry.ts. */
  readonly hurry?: number;
}

/** How a start that was to fail ended. */
export interface Ended {
  readonly code: number | null;
  readonly output: string;
}

/** A BaluPi process beside a practice NAS in this one, with folders and flows of its own. */
export class BootedBaluPi {
  readonly nas: PracticeNas;
  readonly folder: string;
  readonly #environment: Readonly<Record<string, string>>;
  readonly #preload: readonly string[];
  readonly #nodeArgs: readonly string[];
  #process: PiProcess;

  private constructor(nas: PracticeNas, folder: string, options: BootOptions) {
    this.nas = nas;
    this.folder = folder;
    const flows = join(folder, 'flows');
    cpSync('flows', flows, { recursive: true, filter: (name) => !name.endsWith('.ts') });
    options.prepare?.({ flows, data: this.dataFolder });
    const { args, env } = inAHurry(options.hurry ?? 1);
    this.#preload = options.preload ?? [];
    this.#nodeArgs = args;
    this.#environment = { ...this.#defaults(), ...env, ...options.environment };
    this.#process = this.#begin();
  }

  /** Starts and waits for the ready line. */
  static async start(options: BootOptions = {}): Promise<BootedBaluPi> {
    const booted = await BootedBaluPi.begin(options);
    await booted.#process.ready();
    checkAnswersOf(booted.url);
    return booted;
  }

  /** For a start that cannot succeed. */
  static async fail(options: BootOptions): Promise<Ended> {
    const booted = await BootedBaluPi.begin(options);
    const code = await booted.exit();
    const ended = { code, output: booted.output };
    await booted.stop();
    return ended;
  }

  /** Ends the process and starts another one on the same data, with some settings changed. */
  async restart(changed: Readonly<Record<string, string>> = {}): Promise<void> {
    forgetAnswersOf(this.url);
    await this.#process.stop();
    this.#process = this.#begin(changed);
    await this.#process.ready();
    checkAnswersOf(this.url);
  }

  /** Starts and waits for nothing. */
  static async begin(options: BootOptions = {}): Promise<BootedBaluPi> {
    const folder = mkdtempSync(join(tmpdir(), 'balupi-boot-'));
    const clock = new SystemClock((problem) => {
      throw problem;
    });
    const nas = new PracticeNas({ clock, storageFolder: join(folder, 'nas') });
    await nas.start();
    const between = await options.before?.(nas);
    const environment = { ...options.environment, ...between };
    return new BootedBaluPi(nas, folder, { ...options, environment });
  }

  get output(): string {
    return this.#process.output;
  }

  get dataFolder(): string {
    return join(this.folder, 'balupi');
  }

  get flowsFolder(): string {
    return join(this.folder, 'flows');
  }

  get url(): string {
    return this.#process.url;
  }

  get port(): number {
    return this.#process.port;
  }

  get editorUrl(): string {
    return this.#process.editorUrl;
  }

  get residentBytes(): number {
    return this.#process.residentBytes;
  }

  /**
   * A token as an app gets it. Awake, what is more than one address's share of the NAS's sign-ins a
   * minute is made past the Pi, as a test is in more of a hurry than a household.
   */
  async signIn(username = 'alice'): Promise<string> {
    const answered = await fetch(`${this.url}/api/auth/login`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ username, password: `Practice-${username}-1` }),
    });
    const { access_token: token = '' } = (await answered.json()) as { access_token?: string };
    const isOver = answered.status === 429 || isPiToken(token);
    const isAwake = this.nas.sleepState === 'awake';
    return isOver && isAwake ? this.nas.accounts.accessToken(username) : token;
  }

  /** {@link until}, which says with what never came what BaluPi printed. */
  async until<T>(what: string, look: () => T | Promise<T>): Promise<There<T>> {
    const printed = (): string => this.output.slice(-PRINTED_SHOWN);
    return await until(() => `${what}. It printed: ${printed()}`, look);
  }

  async tell(message: object): Promise<unknown> {
    return await this.#process.tell(message);
  }

  /** Nobody reads its lines from here on. */
  readNoMore(): void {
    this.#process.readNoMore();
  }

  signal(name: NodeJS.Signals): void {
    this.#process.signal(name);
  }

  /** @returns the exit code, once it ended */
  async exit(): Promise<number | null> {
    return await this.#process.exit();
  }

  async stop(): Promise<void> {
    if (this.url !== '') forgetAnswersOf(this.url);
    await this.#process.stop();
    await this.nas.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  #begin(changed: Readonly<Record<string, string>> = {}): PiProcess {
    const environment = { ...this.#environment, ...changed };
    const { flowsFolder } = this;
    const [nodeArgs, preload] = [this.#nodeArgs, this.#preload];
    return new PiProcess({ flowsFolder, environment, preload, nodeArgs });
  }

  #defaults(): Record<string, string> {
    return {
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

/** Whether the Pi gave it out itself. */
export function isPiToken(token: string): boolean {
  const claims = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8');
  return claims.includes('"iss":"balupi"');
}
