import {
  closeSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Proof, ProofOptions, ProofResult } from './proof.ts';
import { Household } from './world/household.ts';
import { Ledger } from './world/ledger.ts';
import { Random } from './world/random.ts';
import { Uploader } from './world/uploader.ts';

const NAMES = ['queue', 'cache', 'energy'] as const;
type Name = (typeof NAMES)[number];
const WAYS = ['header', 'page 1', 'all pages', 'truncated', 'empty', 'one byte'] as const;
type Way = (typeof WAYS)[number];
const FOLDER = 'alice/proof';
const PAGE = 4096;
const HEADER_BYTES = 100;
const HOURS = 2_000;
const FIRST_HOUR_S = 1_700_000_000;
const DRAIN_MS = 90_000;

/**
 * All three databases are damaged before each start, each in another way; six starts cover all 18.
 */
export const damage: Proof = {
  title: 'each database damaged in its header, page 1, all pages, its length, one byte, or emptied',
  counts: 'starts beside three damaged databases',
  shortCount: WAYS.length,
  run: proveDamage,
};

interface World {
  readonly household: Household;
  readonly ledger: Ledger;
  readonly random: Random;
  round: number;
  salvaged: number;
  slowestMs: number;
}

async function proveDamage({ count, seed, log }: ProofOptions): Promise<ProofResult> {
  const household = await Household.open();
  const counts = { round: 0, salvaged: 0, slowestMs: 0 };
  const world: World = { household, ledger: new Ledger(), random: new Random(seed), ...counts };
  const failures: string[] = [];
  try {
    await household.start();
    await household.signIn();
    for (; world.round < count; world.round += 1) {
      failures.push(...(await oneStart(world)));
      log(`${world.round + 1} starts`);
    }
    await household.nas.wake();
    await household.signInAgain();
    failures.push(...(await household.drain(DRAIN_MS)));
    failures.push(...(await world.ledger.faultsAt(household.nas, FOLDER)));
  } finally {
    await household.close();
  }
  const { ledger, salvaged, slowestMs } = world;
  return {
    failures,
    figures: {
      cases: count * NAMES.length,
      acknowledged: ledger.acknowledged.length,
      'hours of energy taken over, of all': `${salvaged} of ${HOURS * count}`,
      'slowest start, ms': Math.round(slowestMs),
    },
  };
}

async function oneStart(world: World): Promise<string[]> {
  const { household, ledger, random, round } = world;
  const over = new AbortController();
  const { url } = household.pi;
  const token = (): string => household.token;
  const uploader = new Uploader({ url: () => url, token, folder: FOLDER, ledger, random });
  await uploader.keepSending(String(round), over.signal, 1);
  await household.pi.stop();
  const fileOf = (name: Name): string => join(household.dataFolder, `${name}.db`);
  const before = layHistory(fileOf('energy'));
  const ways = NAMES.map((_, at) => WAYS[(round + at) % WAYS.length] ?? 'header');
  const spared = NAMES.map((name, at) => harm(fileOf(name), ways[at] ?? 'header', random, before));
  world.slowestMs = Math.max(world.slowestMs, await household.start());
  const faults = await asideFaults(household);
  await household.signInAgain();
  const after = hoursIn(fileOf('energy'));
  world.salvaged += after.size;
  faults.push(...energyFaults(before, after, spared[NAMES.indexOf('energy')] ?? 0));
  removeAside(household.dataFolder);
  return faults.map(
    (fault) => `${NAMES.map((name, at) => `${name} ${ways[at]}`).join()}: ${fault}`,
  );
}

async function asideFaults(household: Household): Promise<string[]> {
  const answered = await fetch(`${household.pi.url}/api/health`);
  const { checks } = (await answered.json()) as { checks: Record<string, string> };
  const lying = readdirSync(household.dataFolder);
  return NAMES.flatMap((name) => {
    const word = checks[`${name}_db`];
    const lies = lying.some((each) => each.startsWith(`${name}.db.damaged-`));
    const isSaid = household.pi.output.includes(`The ${name} database was damaged`);
    if (word === 'set_aside' && lies && isSaid) return [];
    const [aside, logged] = [String(lies), String(isSaid)];
    return [`health says ${String(word)} of ${name}, set aside ${aside}, logged ${logged}`];
  });
}

/** As the owner does after salvage, so that the next start reports only its own damage. */
function removeAside(dataFolder: string): void {
  for (const name of readdirSync(dataFolder)) {
    if (name.includes('.db.damaged-')) rmSync(join(dataFolder, name));
  }
}

/** Hours of a plug that is long gone, so that nothing else writes to them. */
function layHistory(file: string): Map<number, number> {
  const database = new DatabaseSync(file);
  try {
    const add = database.prepare(
      'INSERT OR REPLACE INTO energy_hourly VALUES (900, ?, ?, 3600, 5, 5, 5, 0, 1, 1, 0)',
    );
    database.exec('BEGIN');
    for (let hour = 0; hour < HOURS; hour += 1) add.run(FIRST_HOUR_S + hour * 3_600, 1_000 + hour);
    database.exec('COMMIT');
    database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get();
  } finally {
    database.close();
  }
  return hoursIn(file);
}

function hoursIn(file: string): Map<number, number> {
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    const rows = database
      .prepare('SELECT start_s, energy_mwh FROM energy_hourly WHERE device_number = 900')
      .all();
    return new Map(rows.map((row) => [Number(row['start_s']), Number(row['energy_mwh'])]));
  } finally {
    database.close();
  }
}

/** @param spared how many hours are on pages left intact */
function energyFaults(
  before: ReadonlyMap<number, number>,
  after: ReadonlyMap<number, number>,
  spared: number,
): string[] {
  const faults = [...after].filter(([hour, mwh]) => before.get(hour) !== mwh);
  if (faults.length > 0) return [`${faults.length} hours have other energy than before`];
  return after.size === spared ? [] : [`${after.size} hours are there, ${spared} could be`];
}

/** @returns how many of the hours are on pages left intact */
function harm(file: string, way: Way, random: Random, before: ReadonlyMap<number, number>): number {
  const { size } = statSync(file);
  const cells = cellsByPage(file);
  const all = before.size;
  const cut = Math.floor(size / PAGE / 2) * PAGE + 1_000;
  if (way === 'truncated') {
    truncateSync(file, cut);
    const gone = [...cells].filter(([page]) => page * PAGE > cut);
    return all - gone.reduce((sum, [, count]) => sum + count, 0);
  }
  if (way === 'empty') truncateSync(file, 0);
  else if (way === 'all pages') write(file, random.bytes(size), 0);
  else if (way === 'page 1') write(file, random.bytes(PAGE), 0);
  else if (way === 'header') write(file, random.bytes(HEADER_BYTES), 0);
  else return all - harmOnePage(file, cells);
  return way === 'empty' || way === 'all pages' ? 0 : all;
}

/** Corrupts the byte that holds a page's type. @returns how many of the hours are on that page */
function harmOnePage(file: string, cells: ReadonlyMap<number, number>): number {
  const middle = Math.ceil(statSync(file).size / PAGE / 2);
  const page = [...cells.keys()].find((number) => number >= middle) ?? middle;
  write(file, Buffer.from([0xaa]), (page - 1) * PAGE);
  return cells.get(page) ?? 0;
}

/** The number of hours on each page; only the energy database has any. */
function cellsByPage(file: string): Map<number, number> {
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    const rows = database
      .prepare("SELECT pageno, ncell FROM dbstat WHERE name = 'energy_hourly' ORDER BY pageno")
      .all();
    return new Map(rows.map((row) => [Number(row['pageno']), Number(row['ncell'])]));
  } finally {
    database.close();
  }
}

function write(file: string, bytes: Buffer, at: number): void {
  const handle = openSync(file, 'r+');
  try {
    writeSync(handle, bytes, 0, bytes.length, at);
  } finally {
    closeSync(handle);
  }
}
