import { randomBytes } from 'node:crypto';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SystemClock } from '../../nodes/lib/time/system-clock.ts';
import { PiProcess } from '../fakes/pi-process.ts';
import { DemoWorld } from '../practice/demo-world.ts';

/** BaluPi's time zone; browsers may be in any other. */
export const ZONE = 'Europe/Berlin';
/** Long enough to be seen waking. */
const BOOT_MS = 1_000;
/** Longer than the first retries of a delivery that failed take together. */
export const DELIVERY_MS = 60_000;

/** A BaluPi as `npm start` runs it, beside a practice NAS and practice plugs, with a past. */
export class DashboardWorld {
  readonly world: DemoWorld;
  readonly #folder: string;
  #pi: PiProcess | null = null;
  #url = '';

  private constructor(world: DemoWorld, folder: string) {
    this.world = world;
    this.#folder = folder;
  }

  /** @param change edits a copy of the flows, as an owner would */
  static async start(change: (flows: string) => void = () => undefined): Promise<DashboardWorld> {
    const clock = new SystemClock((problem) => {
      throw problem;
    });
    const folder = mkdtempSync(join(tmpdir(), 'balupi-dashboard-'));
    const world = new DemoWorld(clock, folder, ZONE, BOOT_MS);
    await world.start();
    const started = new DashboardWorld(world, folder);
    await started.#boot(change);
    return started;
  }

  get url(): string {
    return this.#url;
  }

  get port(): number {
    return Number(new URL(this.#url).port);
  }

  /**
   * A token as an app has it. Awake it is the NAS's, issued without a sign-in, of which one address
   * has few a minute; asleep it is the Pi's.
   */
  async token(username: string): Promise<string> {
    const { nas } = this.world;
    if (nas.sleepState === 'awake') return nas.accounts.accessToken(username);
    const answered = await fetch(`${this.#url}/api/auth/login`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ username, password: `Practice-${username}-1` }),
    });
    return ((await answered.json()) as { readonly access_token: string }).access_token;
  }

  async call(token: string, path: string, init: RequestInit = {}): Promise<Response> {
    const headers = { Authorization: `Bearer ${token}`, ...init.headers };
    return await fetch(`${this.#url}${path}`, { ...init, headers });
  }

  /** Kills it, deletes the queue's database as a broken SD card would, and starts it again. */
  async loseQueue(): Promise<void> {
    this.#pi?.signal('SIGKILL');
    await this.#pi?.exit();
    const folder = this.#dataFolder;
    for (const suffix of ['', '-wal', '-shm']) {
      rmSync(join(folder, `queue.db${suffix}`), { force: true });
    }
    writeFileSync(join(folder, 'queue', 'restored'), '');
    await this.#begin();
  }

  async stop(): Promise<void> {
    await this.#pi?.stop();
    await this.world.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  get #dataFolder(): string {
    return join(this.#folder, 'balupi');
  }

  async #boot(change: (flows: string) => void): Promise<void> {
    const flows = join(this.#folder, 'flows');
    cpSync('flows', flows, { recursive: true, filter: (file) => !file.endsWith('.ts') });
    change(flows);
    await this.world.past(this.#dataFolder);
    await this.#begin();
  }

  async #begin(): Promise<void> {
    this.#pi = new PiProcess({
      flowsFolder: join(this.#folder, 'flows'),
      environment: {
        ...this.world.environment(),
        BALUPI_DATA_DIR: this.#dataFolder,
        BALUPI_HOST: '127.0.0.1',
        BALUPI_PORT: '0',
        BALUPI_LOG_LEVEL: 'warn',
        BALUPI_CACHE_MIN_FREE_GB: '0.1',
        BALUPI_ENERGY_SAMPLE_INTERVAL_SECONDS: '2',
        BALUPI_ENERGY_CO2_G_PER_KWH: '380',
        BALUPI_NAS_PROBE_INTERVAL_SECONDS: '1',
        BALUPI_TIMEZONE: ZONE,
        BALUPI_SECRET_KEY: randomBytes(32).toString('hex'),
      },
    });
    await this.#pi.ready();
    this.#url = this.#pi.url;
  }
}
