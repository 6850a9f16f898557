import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Proof, ProofOptions, ProofResult } from './proof.ts';
import { checkDatabases, orphansIn } from './world/data-folder-check.ts';
import { Household } from './world/household.ts';
import { Ledger } from './world/ledger.ts';
import { LoopDisk } from './world/loop-disk.ts';
import { Random } from './world/random.ts';
import { Uploader } from './world/uploader.ts';
import { until } from '../fakes/until.ts';

const HOME = 'alice';
const FOLDER = `${HOME}/proof`;
const DISK_BYTES = 192 * 1024 * 1024;
const WAYS = ['read-only', 'gone', 'full'] as const;
/** Contract 7: shown within 60 s. */
const SHOWN_WITHIN_MS = 60_000;
const DRAIN_MS = 60_000;
const KEPT_BYTES = 300_000;
const ROUND_EVERY_MS = 20_000;

type Way = (typeof WAYS)[number];

/** The disk turns read-only, disappears, or is filled by another program, and comes back. */
export const diskGone: Proof = {
  title: 'a disk that turns read-only, is pulled, or is filled by another program',
  counts: 'faults',
  shortCount: WAYS.length,
  run: proveDiskGone,
};

async function proveDiskGone({ count, seed, log }: ProofOptions): Promise<ProofResult> {
  const disk = LoopDisk.create(DISK_BYTES);
  if (typeof disk === 'string') return { failures: [], figures: {}, skipped: disk };
  const dataFolder = join(disk.mountPoint, 'balupi');
  const environment = { BALUPI_CACHE_MIN_FREE_GB: '0.001' };
  const household = await Household.open({ dataFolder, environment });
  try {
    await household.start();
    await household.signIn();
    const faults = new Faults(household, disk, new Random(seed));
    for (let round = 0; round < count; round += 1) {
      const way = WAYS[round % WAYS.length] ?? 'gone';
      await faults.round(way, round);
      log(`${way}: shown after ${faults.shownMs} ms, well again after ${faults.healedMs} ms`);
    }
    return await faults.result();
  } finally {
    await household.close();
    disk.remove();
  }
}

class Faults {
  shownMs = 0;
  healedMs = 0;
  readonly #household: Household;
  readonly #disk: LoopDisk;
  readonly #ledger = new Ledger();
  readonly #uploader: Uploader;
  readonly #failures: string[] = [];
  readonly #random: Random;
  #slowestShownMs = 0;
  #slowestHealedMs = 0;
  #nextRoundMs = -Infinity;
  #asked = 0;
  #refused = 0;

  constructor(household: Household, disk: LoopDisk, random: Random) {
    this.#household = household;
    this.#disk = disk;
    this.#random = random;
    const { url } = household.pi;
    const ledger = this.#ledger;
    const parts = { url: () => url, token: () => household.token, folder: FOLDER, ledger, random };
    this.#uploader = new Uploader(parts);
  }

  async round(way: Way, number: number): Promise<void> {
    // Everybody signs in again after each fault, and the NAS accepts five sign-ins a minute.
    await sleep(Math.max(0, this.#nextRoundMs - performance.now()));
    this.#nextRoundMs = performance.now() + ROUND_EVERY_MS;
    const { nas } = this.#household;
    const [kept, fresh] = [`${HOME}/kept-${number}.bin`, `${HOME}/fresh-${number}.bin`];
    for (const path of [kept, fresh]) this.#layDown(path);
    await this.#listed(kept, fresh);
    this.#want(`${way}: before, a file`, await this.#get(kept), 200, 'miss');
    // Waits on the Pi while the disk fails.
    await nas.sleep('suspend');
    await this.#send(`${way}: before, an upload`, 'waiting', 200, number);
    await this.#break(way);
    await this.#asleep(way, kept, number);
    await nas.wake();
    await this.#household.awake();
    await this.#awake(way, { kept, fresh }, number);
    await this.#heal(way);
    await this.#send(`${way}: afterwards, an upload`, 'after', 200, number);
    this.#failures.push(...(await this.#household.drain(DRAIN_MS)));
  }

  async result(): Promise<ProofResult> {
    const failures = this.#failures;
    failures.push(...(await this.#ledger.faultsAt(this.#household.nas, FOLDER)));
    await this.#household.pi.stop();
    checkDatabases(this.#household.dataFolder);
    failures.push(...orphansIn(this.#household.dataFolder));
    return {
      failures,
      figures: {
        'answers while the disk was ill': this.#asked,
        'uploads refused': this.#refused,
        'shown in health after, slowest, ms': this.#slowestShownMs,
        'well again after, slowest, ms': this.#slowestHealedMs,
      },
    };
  }

  async #break(way: Way): Promise<void> {
    if (way === 'read-only') this.#disk.turnReadOnly();
    else if (way === 'gone') this.#disk.cut();
    else fill(this.#disk.mountPoint);
    this.shownMs = await this.#healthBecomes(way === 'full' ? 'full' : 'failing');
    this.#slowestShownMs = Math.max(this.#slowestShownMs, this.shownMs);
  }

  async #heal(way: Way): Promise<void> {
    if (way === 'full') rmSync(fillerIn(this.#disk.mountPoint));
    else this.#disk.comeBack();
    this.healedMs = await this.#healthBecomes(null);
    this.#slowestHealedMs = Math.max(this.#slowestHealedMs, this.healedMs);
  }

  /** @param word the health of the disk; null: well, or low on a disk as small as this */
  async #healthBecomes(word: 'failing' | 'full' | null): Promise<number> {
    const startedMs = performance.now();
    await until(
      `the disk to be ${word ?? 'well'} in health`,
      async () => {
        const answered = await fetch(`${this.#household.pi.url}/api/health`);
        const { status, checks } = (await answered.json()) as Health;
        const isRefusing = ['failing', 'full'].includes(checks.disk);
        return word === null ? !isRefusing : status === 'degraded' && checks.disk === word;
      },
      2 * SHOWN_WITHIN_MS,
    );
    const tookMs = Math.round(performance.now() - startedMs);
    if (word !== null && tookMs > SHOWN_WITHIN_MS) {
      this.#failures.push(`${word} was shown after ${tookMs} ms`);
    }
    return tookMs;
  }

  async #asleep(way: Way, kept: string, number: number): Promise<void> {
    // What is on a missing disk cannot be served from it.
    if (way !== 'gone') this.#want(`${way}, asleep: kept`, await this.#get(kept), 200, 'stale');
    await this.#send(`${way}, asleep: an upload`, 'asleep', way === 'full' ? 507 : 503, number);
  }

  async #awake(
    way: Way,
    { kept, fresh }: { readonly kept: string; readonly fresh: string },
    number: number,
  ): Promise<void> {
    await this.#household.signInFresh();
    const listed = await this.#get(HOME, 'list?path=');
    this.#want(`${way}, awake: a list`, listed, 200, 'bypass');
    const { files = [] } = JSON.parse(listed.body.toString() || '{}') as { files?: unknown[] };
    if (files.length < 2) this.#failures.push(`${way}: the list shows ${files.length} files`);
    this.#want(`${way}, awake: another file`, await this.#get(fresh), 200, 'bypass');
    const label = way === 'gone' ? 'bypass' : 'hit';
    this.#want(`${way}, awake: kept`, await this.#get(kept), 200, label);
    await this.#send(`${way}, awake: an upload`, 'awake', way === 'full' ? 507 : 503, number);
  }

  async #get(path: string, route = 'download/'): Promise<Got> {
    const answered = await fetch(`${this.#household.pi.url}/api/files/${route}${path}`, {
      headers: { Authorization: `Bearer ${this.#household.token}` },
    });
    const body = Buffer.from(await answered.arrayBuffer());
    const label = answered.headers.get('X-Balupi-Cache');
    return { path, route, status: answered.status, label, body };
  }

  /** Files put there behind the Pi's back show once an earlier listing is no longer fresh. */
  async #listed(...paths: readonly string[]): Promise<void> {
    await until('the new files to be listed', async () => {
      const { files = [] } = (await this.#household.ask(`/api/files/list?path=${HOME}`)) as {
        readonly files?: readonly { readonly path: string }[];
      };
      return paths.every((path) => files.some((file) => file.path === path));
    });
  }

  #layDown(path: string): void {
    const file = this.#household.onNas(path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, this.#random.bytes(KEPT_BYTES));
  }

  #want(what: string, got: Got, status: number, label: string): void {
    this.#asked += 1;
    if (got.status !== status || got.label !== label) {
      const said = got.status === 200 ? '' : `: ${got.body.toString().slice(0, 200)}`;
      this.#failures.push(`${what} is ${got.status} ${got.label ?? 'unlabelled'}${said}`);
    } else if (got.route === 'download/') {
      const there = readFileSync(this.#household.onNas(got.path));
      if (!there.equals(got.body)) this.#failures.push(`${what} has other bytes than the NAS`);
    }
  }

  async #send(what: string, name: string, status: number, number: number): Promise<void> {
    const outcome = await this.#uploader.send(`${name}-${number}.bin`, 50_000);
    const found = outcome.kind === 'refused' ? outcome.status : outcome.kind;
    if (outcome.kind === 'refused') this.#refused += 1;
    if (found === (status === 200 ? 'acknowledged' : status)) return;
    this.#failures.push(`${what} is ${found}`);
  }
}

interface Health {
  readonly status: string;
  readonly checks: { readonly disk: string };
}

interface Got {
  readonly path: string;
  readonly route: string;
  readonly status: number;
  readonly label: string | null;
  readonly body: Buffer;
}

function fillerIn(folder: string): string {
  return join(folder, 'filler');
}

/** To the last byte, including those reserved for root. */
function fill(folder: string): void {
  const file = openSync(fillerIn(folder), 'w');
  try {
    for (const size of [1 << 20, 1 << 12, 1]) {
      const block = Buffer.alloc(size, 1);
      for (let hasSpace = true; hasSpace;) hasSpace = fits(file, block);
    }
  } finally {
    closeSync(file);
  }
  const { bavail } = statfsSync(folder);
  if (bavail > 0) throw new Error(`${bavail} blocks of the disk could not be filled.`);
}

function fits(file: number, block: Buffer): boolean {
  try {
    return writeSync(file, block) > 0;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOSPC') return false;
    throw error;
  }
}
