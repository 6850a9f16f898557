import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { dashboardCookie, RawPage } from '../fakes/raw-page.ts';
import type { BenchOptions } from './options.ts';
import { short, Table } from './report/table.ts';
import { BaluPiProcess } from './world/balupi.ts';
import { BenchWorld, KB, MB, passwordOf } from './world/bench-nas.ts';
import { FivePlugs } from './world/five-plugs.ts';
import { PI, PiGroup } from './world/pi-group.ts';
import { cpuSeconds, MemoryWatch, rssBytes } from './world/proc.ts';
import { until } from '../fakes/until.ts';

const ENTRIES = 5_000;
/** Until garbage of the start has been collected, and how long an idle process is measured. */
const REST_MS = 15_000;
const IDLE_MS = 60_000;
/** Generous, for slow machines. */
const PATIENCE_MS = 300_000;

/** Timings of one kind of request. */
class Series {
  readonly #tookMs: number[] = [];
  busy = 0;
  failed = 0;

  /** @param act returns the status of the complete answer */
  async time(act: () => Promise<number>): Promise<void> {
    const fromMs = performance.now();
    let status = 0;
    try {
      status = await act();
    } catch (error) {
      // A cut or refused connection is a figure too; any other error is the bench's own.
      if (!(error instanceof TypeError)) throw error;
    }
    if (status === 503) this.busy += 1;
    else if (status < 200 || status >= 400) this.failed += 1;
    else this.#tookMs.push(performance.now() - fromMs);
  }

  get count(): number {
    return this.#tookMs.length;
  }

  /** In ms. @param share such as 0.95 */
  at(share: number): number {
    const sorted = [...this.#tookMs].sort((one, other) => one - other);
    return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? NaN;
  }
}

/** What people do, in one request or a few each. */
class Household {
  readonly #balupi: BaluPiProcess;
  #sent = 0;

  constructor(balupi: BaluPiProcess) {
    this.#balupi = balupi;
  }

  async signIn(username: string): Promise<number> {
    return await this.#whole('/api/auth/login', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ username, password: passwordOf(username) }),
    });
  }

  list(): Promise<number> {
    return this.#whole('/api/files/list?path=alice%2Fbench%2Fmany');
  }

  read(name: string): Promise<number> {
    return this.#whole(this.#balupi.pathOf(name));
  }

  async upload(bytes: Buffer<ArrayBuffer>): Promise<number> {
    this.#sent += 1;
    const form = new FormData();
    form.append('path', 'alice/bench/up');
    form.append('file', new Blob([bytes]), `${this.#sent}.bin`);
    return await this.#whole('/api/files/upload', { method: 'POST', body: form });
  }

  async delivered(): Promise<void> {
    await until(
      'the delivery',
      async () => {
        const status = (await this.#balupi.ask('/api/files/sync/status')) as {
          pending_uploads: number;
        };
        return status.pending_uploads === 0;
      },
      PATIENCE_MS,
    );
  }

  /** What the page Energy requests: a month of all plugs, its costs and its sums. */
  async energy(): Promise<number> {
    const parts = ['history?period=month', 'history?period=day', 'costs?period=month', 'summary'];
    const seen = await Promise.all(parts.map((part) => this.#whole(`/api/energy/${part}`)));
    return Math.max(...seen);
  }

  /** Opens the page, until the Dashboard has accepted it. */
  async page(cookie: string): Promise<number> {
    const headers = { Cookie: cookie, Accept: 'text/html' };
    const status = await this.#whole('/dashboard/energy', { headers });
    const isOpen = await new RawPage(this.#balupi.url, cookie).open();
    return isOpen ? status : 500;
  }

  health(): Promise<number> {
    return this.#whole('/api/health');
  }

  async #whole(path: string, more: RequestInit = {}): Promise<number> {
    const headers = { ...this.#balupi.headers, ...(more.headers as Record<string, string>) };
    const answered = await fetch(this.#balupi.url + path, { ...more, headers });
    for await (const chunk of answered.body ?? []) void chunk;
    return answered.status;
  }
}

/** The whole service within 0.4 of a core and 700 MB: each operation alone, then all at once. */
export async function benchPi(print: (line: string) => void, options: BenchOptions): Promise<void> {
  const group = PiGroup.make();
  if (typeof group === 'string') {
    print(`Not measured, as ${group}.`);
    return;
  }
  const world = new BenchWorld();
  const plugs = new FivePlugs();
  try {
    await world.start();
    await furnish(world);
    const folder = world.workFolder('balupi');
    await plugs.start(join(folder, 'data'));
    print(
      `Within ${PI.cores} of a core and ${PI.memoryBytes / 1e6} MB; NAS, plugs and callers outside.`,
    );
    await new Bench({ world, plugs, group, folder, print }).run(options.minutes * 60_000);
  } finally {
    await plugs.stop();
    await world.stop();
    group.remove();
  }
}

async function furnish(world: BenchWorld): Promise<void> {
  await world.put('small.bin', 100 * KB);
  await world.put('photo.bin', MB);
  await world.put('film.bin', 100 * MB);
  await world.nas.putFolder('alice/bench/many', 'alice');
  await world.nas.putFolder('alice/bench/up', 'alice');
  for (let index = 0; index < ENTRIES; index += 1) {
    const name = `IMG_${String(index).padStart(4, '0')}.jpg`;
    await world.nas.putFile(`alice/bench/many/${name}`, Buffer.from('x'), 'alice');
  }
}

interface Parts {
  readonly world: BenchWorld;
  readonly plugs: FivePlugs;
  readonly group: PiGroup;
  readonly folder: string;
  readonly print: (line: string) => void;
}

class Bench {
  readonly #parts: Parts;
  readonly #single = new Table('alone', 'times', 'median', 'p95');

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  async run(togetherMs: number): Promise<void> {
    const states = new Table('idle for a minute', 'start', 'RSS', 'of a core');
    await (await this.#idle('without plugs', states, {})).stop();
    const { plugs } = this.#parts;
    const balupi = await this.#idle('reading five plugs', states, plugs.settings());
    try {
      this.#print(states.lines());
      await this.#alone(balupi);
      this.#print(this.#single.lines());
      await this.#together(balupi, togetherMs);
    } finally {
      await balupi.stop();
    }
  }

  async #idle(
    what: string,
    table: Table,
    settings: Readonly<Record<string, string>>,
  ): Promise<BaluPiProcess> {
    const { world, folder, group } = this.#parts;
    const fromMs = performance.now();
    const balupi = await BaluPiProcess.start(world.nas, folder, settings, null, group);
    const startS = (performance.now() - fromMs) / 1_000;
    await pause(REST_MS);
    const before = cpuSeconds(balupi.pids);
    await pause(IDLE_MS);
    const share = ((cpuSeconds(balupi.pids) - before) / (IDLE_MS / 1_000)) * 100;
    table.add(what, `${short(startS)} s`, mb(rssBytes(balupi.pids)), `${short(share)} %`);
    return balupi;
  }

  async #alone(balupi: BaluPiProcess): Promise<void> {
    const { nas } = this.#parts.world;
    await balupi.signIn('alice', passwordOf('alice'));
    const home = new Household(balupi);
    const cookie = await dashboardCookie(balupi.url, 'alice');
    await this.#one('listing of 5,000, asking the NAS', 1, () => home.list());
    await this.#one('listing of 5,000, kept', 20, () => home.list());
    await home.read('photo.bin');
    await home.read('film.bin');
    await this.#one('hit of 1 MB', 50, () => home.read('photo.bin'));
    await this.#one('hit of 100 MB', 5, () => home.read('film.bin'));
    await this.#one('upload of 1 MB', 20, () => home.upload(Buffer.alloc(MB, 1)));
    await this.#one('upload of 100 MB', 3, () => home.upload(Buffer.alloc(100 * MB, 2)));
    await this.#one('their delivery', 1, async () => {
      await home.delivered();
      return 200;
    });
    await this.#one('energy: a month of five plugs', 10, () => home.energy());
    await this.#one('energy: its page and socket', 10, () => home.page(cookie));
    await nas.sleep('suspend');
    await until('the NAS to be seen asleep', async () => {
      const status = (await balupi.ask('/api/nas/status')) as { online: boolean };
      return !status.online;
    });
    await this.#one('sign-in, NAS asleep', 4, () => home.signIn('alice'));
    await this.#one('listing of 5,000, NAS asleep', 20, () => home.list());
    await nas.wake();
    await until('the NAS to be seen awake', async () => {
      const status = (await balupi.ask('/api/nas/status')) as { online: boolean };
      return status.online;
    });
  }

  async #one(what: string, times: number, act: () => Promise<number>): Promise<void> {
    const series = new Series();
    for (let time = 0; time < times; time += 1) await series.time(act);
    const missed = series.busy + series.failed;
    const count = missed === 0 ? String(times) : `${series.count} (${missed} not)`;
    this.#single.add(what, count, ms(series.at(0.5)), ms(series.at(0.95)));
  }

  async #together(balupi: BaluPiProcess, forMs: number): Promise<void> {
    // Tokens last 15 minutes.
    await pause(60_000);
    await balupi.signIn('alice', passwordOf('alice'));
    const cookie = await dashboardCookie(balupi.url, 'alice');
    const home = new Household(balupi);
    const { group } = this.#parts;
    const before = { cpu: cpuSeconds(balupi.pids), periods: group.throttled };
    const memory = new MemoryWatch(balupi.pids);
    const endMs = performance.now() + forMs;
    const table = new Table('all at once', 'each', 'done', 'busy', 'failed', 'median', 'p95');
    const bytes = Buffer.alloc(MB, 3);
    const acts: readonly (readonly [string, number, () => Promise<number>])[] = [
      ['sign-in', 30_000, () => home.signIn('alice')],
      ['listing of 5,000', 5_000, () => home.list()],
      ['hit of 1 MB', 500, () => home.read('photo.bin')],
      ['hit of 1 MB, somebody else', 700, () => home.read('photo.bin')],
      ['hit of 100 MB', 20_000, () => home.read('film.bin')],
      ['upload of 1 MB', 4_000, () => home.upload(bytes)],
      ['energy: a month of five plugs', 10_000, () => home.energy()],
      ['energy: its page and socket', 15_000, () => home.page(cookie)],
      ['health', 2_000, () => home.health()],
    ];
    const all = acts.map(async ([what, everyMs, act]) => {
      const series = new Series();
      while (performance.now() < endMs) {
        const nextMs = performance.now() + everyMs;
        await series.time(act);
        await pause(Math.max(0, nextMs - performance.now()));
      }
      return [what, everyMs, series] as const;
    });
    for (const [what, everyMs, series] of await Promise.all(all)) {
      const counts = [series.count, series.busy, series.failed].map(String);
      table.add(what, `${everyMs / 1_000} s`, ...counts, ms(series.at(0.5)), ms(series.at(0.95)));
    }
    const cpu = cpuSeconds(balupi.pids) - before.cpu;
    const { mostBytes } = memory.stop();
    this.#print(table.lines());
    await home.delivered();
    this.#sums({ forMs, cpu, mostBytes, before: before.periods, after: group.throttled });
  }

  #sums(seen: {
    readonly forMs: number;
    readonly cpu: number;
    readonly mostBytes: number;
    readonly before: PiGroup['throttled'];
    readonly after: PiGroup['throttled'];
  }): void {
    const { group } = this.#parts;
    const periods = seen.after.periods - seen.before.periods;
    const usedUp = seen.after.usedUp - seen.before.usedUp;
    const table = new Table('over all of it', 'measured');
    table.add('minutes all at once', short(seen.forMs / 60_000));
    table.add('RSS at its peak', mb(seen.mostBytes));
    table.add('memory of the group at its peak, with its files’ pages', mb(group.peakBytes));
    table.add('ended for want of memory', String(group.kills));
    table.add('of a core', `${short((seen.cpu / (seen.forMs / 1_000)) * 100)} %`);
    table.add('time slices used up', `${short((usedUp / periods) * 100)} %`);
    this.#print(table.lines());
  }

  #print(lines: readonly string[]): void {
    for (const line of lines) this.#parts.print(line);
    this.#parts.print('');
  }
}

function ms(value: number): string {
  return `${short(value)} ms`;
}

function mb(bytes: number): string {
  return `${short(bytes / 1e6)} MB`;
}
