import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { SystemClock } from '../../nodes/lib/time/system-clock.ts';
import { inAHurry } from './in-a-hurry.ts';
import { steady } from '../practice/plug/load-curve.ts';
import { PracticePlug } from '../practice/plug/practice-plug.ts';
import { PracticeNas } from '../practice/nas/practice-nas.ts';

/** The account of the practice plugs. */
export const TAPO = { username: 'owner@example.com', password: 'Practice-plugs-1' } as const;

const SERVER = resolve('dist', 'server.js');
const SMALL_HEAP = ['--max-old-space-size=192', '--max-semi-space-size=4'];
/** The exit code at which a service manager starts it again (host/start-fault.ts). */
const AGAIN = 75;
const NEIGHBOURS = pathToFileURL(join(import.meta.dirname, 'neighbours.js')).href;
/** The port of a BaluHost without a reverse proxy. */
const NAS_PORT = 8000;

export interface FreshPiOptions {
  /** Settings that are set nevertheless. */
  readonly environment?: Readonly<Record<string, string>>;
  /**
   * The NAS listens on BaluHost's own port and is in the neighbour table, so that it can be found.
   */
  readonly isNasNear?: boolean;
  /** Speed-up factor of its timers; see hurry.ts. */
  readonly hurry?: number;
}

/**
 * A BaluPi that nobody has configured, beside a practice NAS and two practice plugs that it does
 * not know; restarted whenever it asks for that.
 */
export class FreshPi {
  readonly nas: PracticeNas;
  readonly folder: string;
  readonly port: number;
  starts = 0;
  output = '';
  readonly #plugs: readonly PracticePlug[];
  readonly #environment: Readonly<Record<string, string>>;
  readonly #isNasNear: boolean;
  readonly #hurry: ReturnType<typeof inAHurry>;
  /** Emits `start` when it is up. */
  readonly #news = new EventEmitter();
  #process: ChildProcess | null = null;
  #isStopping = false;

  private constructor(
    nas: PracticeNas,
    plugs: readonly PracticePlug[],
    folder: string,
    port: number,
    { environment = {}, isNasNear = false, hurry = 1 }: FreshPiOptions,
  ) {
    this.nas = nas;
    this.#plugs = plugs;
    this.folder = folder;
    this.port = port;
    this.#environment = environment;
    this.#isNasNear = isNasNear;
    this.#hurry = inAHurry(hurry);
  }

  static async start(options: FreshPiOptions = {}): Promise<FreshPi> {
    const folder = mkdtempSync(join(tmpdir(), 'balupi-empty-'));
    const clock = new SystemClock((problem) => {
      throw problem;
    });
    const storageFolder = join(folder, 'nas');
    mkdirSync(storageFolder);
    const nas = new PracticeNas({ clock, storageFolder });
    // The port is fixed, so the address has to be one that nobody else on this machine uses.
    const near = { host: `127.${randomInt(1, 255)}.${randomInt(255)}.7`, port: NAS_PORT };
    await nas.start(options.isNasNear === true ? near : {});
    const plugs = [1, 2].map((serial) => {
      const nickname = serial === 1 ? 'Kitchen' : 'Corner';
      return new PracticePlug({ clock, load: steady(20 * serial), ...TAPO, serial, nickname });
    });
    for (const plug of plugs) await plug.start();
    cpSync('flows', join(folder, 'flows'), {
      recursive: true,
      filter: (name) => !name.endsWith('.ts'),
    });
    const fresh = new FreshPi(nas, plugs, folder, await freePort(), options);
    await fresh.#begin();
    return fresh;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get dataFolder(): string {
    return join(this.folder, 'balupi');
  }

  /** As printed in the log. */
  get code(): string {
    return [...this.output.matchAll(/setup code is ([0-9A-Z-]{11})/g)].at(-1)?.[1] ?? '';
  }

  /** Resolves at the start of that number. */
  async started(count: number): Promise<void> {
    while (this.starts < count) await once(this.#news, 'start');
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    const child = this.#process;
    if (child !== null && child.exitCode === null) {
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
    for (const plug of this.#plugs) await plug.stop();
    await this.nas.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #begin(): Promise<void> {
    const { promise, resolve: ready, reject } = Promise.withResolvers<undefined>();
    const child = spawn(
      process.execPath,
      [
        ...[
          ...SMALL_HEAP,
          ...this.#hurry.args,
          ...(this.#isNasNear ? ['--import', NEIGHBOURS] : []),
        ],
        ...[SERVER, '--no-env-file', '--flows', join(this.folder, 'flows')],
      ],
      { env: this.#settings(), stdio: ['ignore', 'pipe', 'pipe'] },
    );
    this.#process = child;
    const before = this.output.length;
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        this.output += chunk.toString();
        if (/^BaluPi ready on /m.test(this.output.slice(before))) ready(undefined);
      });
    }
    child.once('exit', (code) => {
      reject(new Error(`BaluPi ended (${String(code)}):\n${this.output}`));
      if (code === AGAIN && !this.#isStopping) void this.#begin();
    });
    await promise;
    this.starts += 1;
    this.#news.emit('start');
  }

  #settings(): NodeJS.ProcessEnv {
    const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('BALUPI_'));
    return {
      ...Object.fromEntries(kept),
      BALUPI_DATA_DIR: this.dataFolder,
      BALUPI_HOST: '127.0.0.1',
      BALUPI_PORT: String(this.port),
      BALUPI_LOG_LEVEL: 'info',
      BALUPI_CACHE_MIN_FREE_GB: '0.1',
      BALUPI_NAS_PROBE_INTERVAL_SECONDS: '1',
      BALUPI_NAS_WAKE_ADDRESS: this.nas.wakeAddress,
      BALUPI_TAPO_DISCOVERY_ADDRESS: this.#plugs
        .map((plug) => `127.0.0.1:${plug.udpPort}`)
        .join(','),
      // Not a setting of BaluPi: the content of the machine's neighbour table.
      NEIGHBOUR: `${new URL(this.nas.url).hostname} ${this.nas.macAddress}`,
      ...this.#hurry.env,
      ...this.#environment,
    };
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}
