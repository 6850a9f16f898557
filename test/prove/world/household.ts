import { randomBytes } from 'node:crypto';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SystemClock } from '../../../nodes/lib/time/system-clock.ts';
import { PiProcess } from '../../fakes/pi-process.ts';
import { PracticeNas } from '../../practice/nas/practice-nas.ts';
import { until } from '../../fakes/until.ts';

export interface HouseholdOptions {
  /** BaluPi's data folder; by default one of the household's own. */
  readonly dataFolder?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly preload?: readonly string[];
}

const PASSWORD = 'Practice-alice-1';
/** Where all proofs upload to. */
const FOLDER = 'alice/proof';
/** The NAS's tokens last 15 minutes; a long proof signs in again before that. */
const SIGN_IN_AGAIN_MS = 10 * 60_000;
/**
 * The NAS accepts five sign-ins a minute; beyond that a proof waits as told, and a little longer.
 */
const SIGN_IN_PATIENCE_MS = 90_000;
/** The most a restart may take until it is ready. */
export const READY_WITHIN_MS = 5_000;

/** A practice NAS and a BaluPi process next to it that can be killed and restarted. */
export class Household {
  readonly nas: PracticeNas;
  readonly folder: string;
  readonly dataFolder: string;
  /** The NAS address of BaluPi's next start, for a proxy in between. */
  nasUrl: string;
  readonly #options: HouseholdOptions;
  readonly #secret = randomBytes(32).toString('hex');
  #pi: PiProcess | null = null;
  #token = '';
  #signedInMs = -Infinity;
  #hasSignedIn = false;

  private constructor(nas: PracticeNas, folder: string, options: HouseholdOptions) {
    this.nas = nas;
    this.folder = folder;
    this.dataFolder = options.dataFolder ?? join(folder, 'balupi');
    this.nasUrl = nas.url;
    this.#options = options;
    const plain = (name: string) => !name.endsWith('.ts');
    cpSync('flows', join(folder, 'flows'), { recursive: true, filter: plain });
  }

  /** With the NAS running, and BaluPi not yet. */
  static async open(options: HouseholdOptions = {}): Promise<Household> {
    const folder = mkdtempSync(join(tmpdir(), 'balupi-prove-'));
    const clock = new SystemClock((problem) => {
      throw problem;
    });
    const nas = new PracticeNas({ clock, storageFolder: join(folder, 'nas') });
    await nas.start();
    return new Household(nas, folder, options);
  }

  /** @throws Error while BaluPi does not run */
  get pi(): PiProcess {
    if (this.#pi === null) throw new Error('BaluPi does not run.');
    return this.#pi;
  }

  get token(): string {
    return this.#token;
  }

  /** @returns how long it took until it was ready, in ms */
  async start(preload: readonly string[] = this.#options.preload ?? []): Promise<number> {
    const startedMs = performance.now();
    this.#pi = new PiProcess({
      environment: { ...this.#environment(), ...this.#options.environment },
      flowsFolder: join(this.folder, 'flows'),
      preload,
    });
    await this.#pi.ready();
    return performance.now() - startedMs;
  }

  /** A NAS file's path on disk, as Samba sees it. */
  onNas(path: string): string {
    return join(this.folder, 'nas', path);
  }

  /** Waits until BaluPi sees that the NAS is awake. */
  async awake(): Promise<void> {
    await until('BaluPi to see the NAS awake', async () => {
      const answered = await fetch(`${this.pi.url}/api/health`);
      const { checks } = (await answered.json()) as { checks: { nas: string } };
      return checks.nas === 'awake';
    });
  }

  /** Signs alice in, however young her token is. */
  async signInFresh(): Promise<void> {
    this.#signedInMs = -Infinity;
    await this.signIn();
  }

  /** Signs alice in, again once her token is old, and lets BaluPi see her while the NAS is up. */
  async signIn(): Promise<void> {
    if (performance.now() - this.#signedInMs < SIGN_IN_AGAIN_MS) return;
    await until(
      'BaluPi to sign somebody in',
      async () => {
        const answered = await fetch(`${this.pi.url}/api/auth/login`, {
          method: 'POST',
          headers: { 'Content-Type': 'application/json' },
          body: JSON.stringify({ username: 'alice', password: PASSWORD }),
        });
        const { access_token: token } = (await answered.json()) as { access_token?: string };
        this.#token = token ?? '';
        if (answered.status === 429) await sleep(Number(answered.headers.get('retry-after')) * 1e3);
        return answered.status === 200;
      },
      SIGN_IN_PATIENCE_MS,
    );
    // The first sign-in has nothing to see; a listing before the NAS has its files would be reused
    // for 10 s.
    if (this.#hasSignedIn) await this.#lookAround();
    this.#hasSignedIn = true;
    this.#signedInMs = performance.now();
  }

  /**
   * Lists its folder, as a starting app does. A new sign-in counts as another device, whose saves
   * would become conflicts with the previous one's unless it had been shown them (contract 4).
   */
  async #lookAround(): Promise<void> {
    const look = async (): Promise<boolean> => {
      const headers = { Authorization: `Bearer ${this.#token}` };
      const folder = encodeURIComponent(FOLDER);
      const listed = await fetch(`${this.pi.url}/api/files/list?path=${folder}`, { headers });
      await listed.arrayBuffer();
      return listed.status === 200;
    };
    if (this.nas.sleepState === 'awake') await until('the folder to be listed', look);
    else await look();
  }

  /** With a new token, as BaluPi may have lost the previous one. */
  async signInAgain(): Promise<void> {
    this.#signedInMs = -Infinity;
    await this.signIn();
  }

  async ask(path: string): Promise<Record<string, unknown>> {
    const headers = { Authorization: `Bearer ${this.#token}` };
    const answered = await fetch(`${this.pi.url}${path}`, { headers });
    return (await answered.json()) as Record<string, unknown>;
  }

  /** @returns what could not be delivered in time, as failures */
  async drain(patienceMs: number): Promise<string[]> {
    let last: Record<string, unknown> = {};
    try {
      await until(
        'the queue to be empty',
        async () => {
          await this.signIn();
          last = await this.ask('/api/files/sync/status');
          // What waits for its owner waits for ever.
          return last['pending_uploads'] === last['waiting_for_owner'];
        },
        patienceMs,
      );
    } catch (error) {
      const { uploads } = await this.ask('/api/files/uploads');
      const left = (uploads as Record<string, unknown>[]).filter(({ state }) => state !== 'synced');
      return [(error as Error).message, ...left.slice(0, 5).map((row) => JSON.stringify(row))];
    }
    return last['failed_uploads'] === 0 ? [] : [`${String(last['failed_uploads'])} uploads failed`];
  }

  /** As a power cut: no handler runs. */
  async kill(): Promise<void> {
    this.pi.signal('SIGKILL');
    await this.pi.exit();
  }

  async close(): Promise<void> {
    await this.#pi?.stop();
    await this.nas.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  #environment(): Record<string, string> {
    return {
      BALUPI_DATA_DIR: this.dataFolder,
      BALUPI_HOST: '127.0.0.1',
      BALUPI_PORT: '0',
      BALUPI_LOG_LEVEL: 'warn',
      BALUPI_NAS_URL: this.nasUrl,
      BALUPI_NAS_DIRECT_URL: this.nasUrl,
      BALUPI_NAS_MAC_ADDRESS: this.nas.macAddress,
      BALUPI_NAS_WAKE_ADDRESS: this.nas.wakeAddress,
      BALUPI_NAS_PROBE_INTERVAL_SECONDS: '1',
      BALUPI_CACHE_MIN_FREE_GB: '0.02',
      BALUPI_SECRET_KEY: this.#secret,
    };
  }
}
