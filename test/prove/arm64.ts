import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { SystemClock } from '../../nodes/lib/time/system-clock.ts';
import { ended } from '../bench/world/programs.ts';
import { PracticeNas } from '../practice/nas/practice-nas.ts';
import type { Proof, ProofOptions, ProofResult } from './proof.ts';
import { mirror } from './world/debian-machine.ts';
import { releaseArchive } from './world/release-archive.ts';
import { until } from '../fakes/until.ts';

const SUITES = ['bookworm', 'trixie'];
/** An emulated processor is some ten times slower than this one. */
const PATIENCE_MS = 600_000;
const NEEDED = ['debootstrap', 'qemu-aarch64-static', 'chroot'];
const HANDLERS = '/proc/sys/fs/binfmt_misc';
/** Without this machine's own environment, which names files that the root does not have. */
const CLEAN = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' };
const BYTES = Buffer.alloc(1_000_000, 'read on another processor ');

/**
 * The arm64 release as a Pi runs it, on a Debian of that architecture under an emulator: Node.js,
 * its modules and the one compiled part start and work. It says nothing about a Pi's speed.
 */
export const arm64: Proof = {
  title: 'the arm64 release in an arm64 Debian, under qemu',
  counts: 'Debian releases',
  shortCount: 1,
  onlyByName: true,
  run: proveArm64,
};

async function proveArm64({ count, log }: ProofOptions): Promise<ProofResult> {
  const skipped = whyNot();
  if (skipped !== null) return { failures: [], figures: {}, skipped };
  const archive = releaseArchive('arm64', log);
  const failures: string[] = [];
  const figures: Record<string, string | number> = {
    'packed, MB': (statSync(archive).size / 1e6).toFixed(1),
  };
  for (const suite of SUITES.slice(0, count)) {
    const root = rootOf(suite, log);
    try {
      await new Walk({ root, suite, log, failures, figures }).all(archive);
    } catch (error) {
      failures.push(`${suite}: ${(error as Error).message}`);
    } finally {
      rmSync(root, { recursive: true, force: true, maxRetries: 5 });
    }
  }
  return { failures, figures };
}

/** Why an arm64 root can be neither made nor run here; null if it can. */
function whyNot(): string | null {
  if (process.getuid?.() !== 0) return 'making a Debian root and going into it takes root';
  const missing = NEEDED.filter((tool) => spawnSync('which', [tool]).status !== 0);
  if (missing.length > 0) return `not here: ${missing.join(', ')}`;
  if (mirror() === null) return 'no source of Debian packages is configured';
  // If the kernel supports it, the emulator's package has registered itself once.
  spawnSync('mount', ['-t', 'binfmt_misc', 'binfmt_misc', HANDLERS], { stdio: 'ignore' });
  spawnSync('update-binfmts', ['--enable', 'qemu-aarch64'], { stdio: 'ignore' });
  const isKnown = existsSync(join(HANDLERS, 'qemu-aarch64'));
  return isKnown ? null : 'this kernel hands no arm64 program to an emulator (binfmt_misc)';
}

/** A fresh copy of a root, which is built once and kept. */
function rootOf(suite: string, log: (line: string) => void): string {
  const kept = join(tmpdir(), 'balupi-debian', `${suite}-arm64`);
  if (!existsSync(join(kept, 'made'))) {
    log(`making an arm64 Debian root (${suite}), once; that takes minutes`);
    rmSync(kept, { recursive: true, force: true });
    const root = join(kept, 'root');
    mkdirSync(root, { recursive: true });
    const how = ['--arch=arm64', '--foreign', '--variant=minbase'];
    execFileSync('debootstrap', [...how, suite, root, mirror() ?? ''], { stdio: 'ignore' });
    const rest = ['/debootstrap/debootstrap', '--second-stage'];
    execFileSync('chroot', [root, ...rest], { stdio: 'ignore' });
    execFileSync('touch', [join(kept, 'made')]);
  }
  const folder = mkdtempSync(join(tmpdir(), `balupi-arm64-${suite}-`));
  execFileSync('cp', ['-a', `${join(kept, 'root')}/.`, folder]);
  return folder;
}

interface Deps {
  readonly root: string;
  readonly suite: string;
  readonly log: (line: string) => void;
  readonly failures: string[];
  readonly figures: Record<string, string | number>;
}

/** From the archive to a file read twice. */
class Walk {
  readonly #deps: Deps;
  #output = '';
  #token = '';

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  async all(archive: string): Promise<void> {
    const { root } = this.#deps;
    const place = join(root, 'opt', 'balupi');
    mkdirSync(place, { recursive: true });
    execFileSync('tar', ['-xJf', archive, '-C', place, '--strip-components=1']);
    this.#programs();
    const storageFolder = mkdtempSync(join(tmpdir(), 'balupi-arm64-nas-'));
    const clock = new SystemClock((problem) => {
      throw problem;
    });
    const nas = new PracticeNas({ clock, storageFolder });
    await nas.start();
    await nas.putFile('alice/film.bin', BYTES, 'alice');
    const server = this.#start(nas);
    try {
      await this.#lives(nas);
    } finally {
      await ended(server);
      this.#expect('ends with 0', server.exitCode === 0, this.#output);
      await nas.stop();
      rmSync(storageFolder, { recursive: true });
    }
  }

  #programs(): void {
    const machine = this.#run('uname', '-m');
    this.#expect('is an arm64 machine to its programs', machine.trim() === 'aarch64', machine);
    const sums = this.#run('sh', '-c', 'cd /opt/balupi && sha256sum --quiet --check SHA256SUMS');
    this.#expect('is whole', sums === '', sums);
    const version = this.#timed('balupi --version', () =>
      this.#run('/opt/balupi/bin/balupi', '--version'),
    );
    this.#expect('balupi --version', /^\d+\.\d+\.\d+\n$/.test(version), version);
  }

  /** As in the unit, except for the user. */
  #start(nas: PracticeNas): ChildProcess {
    const node = ['/opt/balupi/node/bin/node', '--disable-warning=ExperimentalWarning'];
    const heap = ['--max-old-space-size=192', '--max-semi-space-size=4'];
    const program = [...node, ...heap, '/opt/balupi/dist/server.js', '--no-env-file'];
    const server = spawn('chroot', [this.#deps.root, ...program], {
      env: {
        ...CLEAN,
        BALUPI_HOST: '127.0.0.1',
        BALUPI_PORT: '0',
        BALUPI_DATA_DIR: '/var/lib/balupi',
        BALUPI_NAS_URL: nas.url,
        BALUPI_NAS_DIRECT_URL: nas.url,
        BALUPI_NAS_MAC_ADDRESS: nas.macAddress,
        BALUPI_NAS_WAKE_ADDRESS: nas.wakeAddress,
        BALUPI_CACHE_MIN_FREE_GB: '0.1',
      },
    });
    for (const stream of [server.stdout, server.stderr]) {
      stream.on('data', (chunk: Buffer) => (this.#output += chunk.toString()));
    }
    return server;
  }

  async #lives(nas: PracticeNas): Promise<void> {
    await this.#timedAsync('start', () =>
      until('it to be ready', () => this.#url !== null, PATIENCE_MS),
    );
    const { checks } = (await (await this.#ask('/api/health')).json()) as {
      checks: Record<string, string>;
    };
    this.#expect('has its compiled part (the flow explore-energy)', checks['flows'] === 'ok');
    await this.#timedAsync('sign-in', () => this.#signIn());
    await this.#timedAsync('upload', () => this.#upload());
    await until(
      'the upload to be on the NAS',
      async () => (await nas.tree()).some(({ path }) => path.endsWith('night.txt')),
      PATIENCE_MS,
    );
    const first = await this.#timedAsync('1 MB, a miss', () => this.#read());
    this.#expect('fetches a file of the NAS', first === 'miss', first);
    const second = await this.#timedAsync('1 MB, a hit', () => this.#read());
    this.#expect('serves it from the cache', second === 'hit', second);
  }

  async #signIn(): Promise<void> {
    const answered = await this.#ask('/api/auth/login', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ username: 'alice', password: 'Practice-alice-1' }),
    });
    this.#token = ((await answered.json()) as { access_token: string }).access_token;
    this.#expect('lets a user of the NAS in', answered.status === 200);
  }

  async #upload(): Promise<void> {
    const form = new FormData();
    form.append('path', 'alice');
    form.append('file', new Blob(['written on another processor']), 'night.txt');
    const sent = await this.#ask('/api/files/upload', { method: 'POST', body: form });
    this.#expect('takes an upload', sent.status === 200, await sent.text());
  }

  /** @returns the cache state it was served with */
  async #read(): Promise<string> {
    const answered = await this.#ask('/api/files/download/alice/film.bin');
    const bytes = Buffer.from(await answered.arrayBuffer());
    this.#expect('gives the right bytes', bytes.equals(BYTES), String(bytes.length));
    return answered.headers.get('x-balupi-cache') ?? '';
  }

  async #ask(path: string, more: RequestInit = {}): Promise<Response> {
    const signed = this.#token === '' ? {} : { Authorization: `Bearer ${this.#token}` };
    const headers = { ...(more.headers as Record<string, string>), ...signed };
    return await fetch(`${this.#url ?? ''}${path}`, { ...more, headers });
  }

  get #url(): string | null {
    return /^BaluPi ready on (\S+)/m.exec(this.#output)?.[1] ?? null;
  }

  #run(...command: string[]): string {
    const args = [resolve(this.#deps.root), ...command];
    const done = spawnSync('chroot', args, { encoding: 'utf8', env: CLEAN });
    return done.stdout + done.stderr;
  }

  #timed<T>(what: string, act: () => T): T {
    const fromMs = performance.now();
    const done = act();
    this.#figure(what, fromMs);
    return done;
  }

  async #timedAsync<T>(what: string, act: () => Promise<T>): Promise<T> {
    const fromMs = performance.now();
    const done = await act();
    this.#figure(what, fromMs);
    return done;
  }

  #figure(what: string, fromMs: number): void {
    const seconds = ((performance.now() - fromMs) / 1_000).toFixed(1);
    this.#deps.figures[`${this.#deps.suite}: ${what}, s`] = seconds;
  }

  #expect(what: string, holds: boolean, seen = ''): void {
    const { suite, failures, log } = this.#deps;
    log(`${suite}: ${what}: ${holds ? 'yes' : 'NO'}`);
    if (!holds) failures.push(`${suite}: ${what}: ${seen.trim().slice(-600)}`);
  }
}
