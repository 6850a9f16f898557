import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Proof, ProofOptions, ProofResult } from './proof.ts';
import { orphansIn } from './world/data-folder-check.ts';
import { Household } from './world/household.ts';
import { Ledger } from './world/ledger.ts';
import { Random } from './world/random.ts';
import { Uploader } from './world/uploader.ts';

const FOLDER = 'alice/proof';
const LIBRARY = 40;
/** A night and a day for the NAS. */
const NIGHT_SECONDS = 15;
const REQUESTS_A_SECOND = 20;
/** One upload in this many requests; the others read, list and query. */
const UPLOAD_ONE_IN = 60;
const WAL_BYTES = 8 * 1024 * 1024;
/** Allowed growth an hour once all code is loaded, including the noise of measuring. */
const GROWTH_A_HOUR = 0.5e6;
const MEASURING_BYTES = 12e6;
const MORE_FILES = 12;
const DRAIN_MS = 300_000;
const BUSY_REFUSALS = new Set([404, 503, 504]);

/** Mixed load over nights and days of half a minute. */
export const soak: Proof = {
  title: 'mixed load at an accelerated schedule',
  counts: 'seconds',
  shortCount: 60,
  isPatient: true,
  run: proveSoak,
};

interface Reading {
  readonly atMs: number;
  readonly residentBytes: number;
  readonly openFiles: number;
}

async function proveSoak({ count, seed, log }: ProofOptions): Promise<ProofResult> {
  const household = await Household.open({
    environment: { BALUPI_ENERGY_COMMIT_SECONDS: '1', BALUPI_ENERGY_SAMPLE_INTERVAL_SECONDS: '1' },
  });
  try {
    const random = new Random(seed);
    for (let at = 0; at < LIBRARY; at += 1) {
      const bytes = random.bytes(random.between(1_000, 500_000));
      await household.nas.putFile(`alice/library/file-${String(at)}.bin`, bytes, 'alice');
    }
    await household.start();
    await household.signIn();
    const load = new Load(household, random);
    const readings = await load.run(count * 1_000, log);
    return await judge(household, load, readings);
  } finally {
    await household.close();
  }
}

class Load {
  readonly failures: string[] = [];
  readonly ledger = new Ledger();
  requests = 0;
  largestWalBytes = 0;
  readonly #household: Household;
  readonly #random: Random;
  readonly #uploader: Uploader;

  constructor(household: Household, random: Random) {
    this.#household = household;
    this.#random = random;
    this.#uploader = new Uploader({
      url: () => household.pi.url,
      token: () => household.token,
      folder: FOLDER,
      ledger: this.ledger,
      random,
    });
  }

  async run(forMs: number, log: (line: string) => void): Promise<Reading[]> {
    const startedMs = performance.now();
    const readings: Reading[] = [];
    let [nextTurnMs, nextReadingMs] = [NIGHT_SECONDS * 1_000, 0];
    for (let atMs = 0; atMs < forMs; atMs = performance.now() - startedMs) {
      if (atMs >= nextTurnMs) {
        nextTurnMs += NIGHT_SECONDS * 1_000;
        await this.#turn();
      }
      if (atMs >= nextReadingMs) {
        nextReadingMs += Math.max(2_000, forMs / 60);
        readings.push(this.#read(atMs));
        if (readings.length % 10 === 0)
          log(`${Math.round(atMs / 1_000)} s, ${this.requests} requests`);
      }
      const asked = this.#ask();
      await Promise.all([asked, pause(1_000 / REQUESTS_A_SECOND)]);
    }
    return readings;
  }

  async #turn(): Promise<void> {
    const { nas } = this.#household;
    if (nas.sleepState === 'awake') await nas.sleep(this.#random.pick(['soft', 'suspend']));
    else {
      await nas.wake();
      await this.#household.signIn();
    }
  }

  #nasState(): string {
    return `the NAS was ${this.#household.nas.sleepState}`;
  }

  #read(atMs: number): Reading {
    for (const name of ['queue', 'cache', 'energy']) {
      const wal = join(this.#household.dataFolder, `${name}.db-wal`);
      if (existsSync(wal))
        this.largestWalBytes = Math.max(this.largestWalBytes, statSync(wal).size);
    }
    const { residentBytes, openFiles } = this.#household.pi;
    return { atMs, residentBytes, openFiles };
  }

  async #ask(): Promise<void> {
    this.requests += 1;
    if (this.requests % UPLOAD_ONE_IN === 0) {
      const name = `file-${String(this.#random.between(1, 30))}.bin`;
      const outcome = await this.#uploader.send(name, this.#random.between(1, 200_000));
      if (outcome.kind !== 'acknowledged') this.failures.push(`an upload was ${outcome.kind}`);
      return;
    }
    const file = `alice/library/file-${String(this.#random.between(0, LIBRARY - 1))}.bin`;
    const path = this.#random.pick([
      `/api/files/download/${file}`,
      `/api/files/download/${file}`,
      '/api/files/list?path=alice/library',
      '/api/files/sync/status',
      '/api/energy/current',
      '/api/energy/history?period=day',
      '/api/nas/status',
      '/api/health',
      '/api/cache/stats',
      '/metrics',
    ]);
    const headers = { Authorization: `Bearer ${this.#household.token}` };
    const answered = await fetch(`${this.#household.pi.url}${path}`, { headers });
    const answer = await answered.text();
    if (answered.ok) return;
    // Asleep, what was never read is missing, as the contract says.
    if (path.startsWith('/api/files/') && BUSY_REFUSALS.has(answered.status)) return;
    const told = answer.slice(0, 200);
    this.failures.push(
      `${path} was answered ${answered.status} while ${this.#nasState()}: ${told}`,
    );
  }
}

async function judge(household: Household, load: Load, readings: Reading[]): Promise<ProofResult> {
  const { failures } = load;
  // The first third loads code and fills bounded caches.
  const settled = readings.slice(Math.floor(readings.length / 3));
  const [first, last] = [settled.slice(0, 5), settled.slice(-5)];
  const grown = median(last.map(bytesOf)) - median(first.map(bytesOf));
  const hours = ((last.at(-1)?.atMs ?? 0) - (first[0]?.atMs ?? 0)) / 3_600_000;
  const files = median(last.map(filesOf)) - median(first.map(filesOf));
  if (grown > MEASURING_BYTES + hours * GROWTH_A_HOUR)
    failures.push(`memory grew by ${grown} bytes`);
  if (files > MORE_FILES) failures.push(`${files} more files are open`);
  if (load.largestWalBytes > WAL_BYTES)
    failures.push(`a log is ${load.largestWalBytes} bytes long`);
  if (household.nas.sleepState !== 'awake') await household.nas.wake();
  failures.push(...(await household.drain(DRAIN_MS)));
  failures.push(...(await load.ledger.faultsAt(household.nas, FOLDER)));
  await household.pi.stop();
  failures.push(...orphansIn(household.dataFolder));
  return {
    failures,
    figures: {
      requests: load.requests,
      acknowledged: load.ledger.acknowledged.length,
      'memory, MB': Math.round(median(last.map(bytesOf)) / 1e6),
      'memory grew by, MB': Math.round(grown / 1e5) / 10,
      'more files open': files,
      'longest log, MB': Math.round(load.largestWalBytes / 1e5) / 10,
    },
  };
}

function bytesOf({ residentBytes }: Reading): number {
  return residentBytes;
}

function filesOf({ openFiles }: Reading): number {
  return openFiles;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
