import { createHash } from 'node:crypto';
import {
  closeSync,
  copyFileSync,
  existsSync,
  openSync,
  rmSync,
  statSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Proof, ProofOptions, ProofResult } from './proof.ts';
import { checkDatabases, orphansIn } from './world/data-folder-check.ts';
import { Household } from './world/household.ts';
import { Ledger } from './world/ledger.ts';
import { Random } from './world/random.ts';
import { Uploader } from './world/uploader.ts';

const FOLDER = 'alice/proof';
const CHUNKED = '/api/files/upload/chunked';
const CLIENTS = 2;
const UPLOADS_A_CLIENT = 2;
const LATEST_END_MS = 500;
const DRAIN_BASE_MS = 60_000;
/** BaluPi's pace, to spare the NAS. */
const DRAIN_A_FILE_MS = 1_500;
const WAYS = ['removed', 'truncated', 'older', 'damaged'] as const;
type Way = (typeof WAYS)[number];

/** Removes the queue's database of a BaluPi that has accepted, delivered and dropped. */
export const queueLost: Proof = {
  title: 'the queue database removed, truncated, replaced by an older copy, damaged',
  counts: 'losses',
  shortCount: 4,
  run: proveLosses,
};

interface World {
  readonly household: Household;
  readonly ledger: Ledger;
  readonly random: Random;
  readonly log: (line: string) => void;
  /** Names of a round's files share a prefix that no other round has. */
  round: number;
  found: number;
  dropped: number;
  /** Unfinished uploads that continued after a loss. */
  wentOn: number;
  /** Found uploads that waited for their owner's word. */
  awaited: number;
}

async function proveLosses({ count, seed, log }: ProofOptions): Promise<ProofResult> {
  const household = await Household.open();
  const counts = { round: 0, found: 0, dropped: 0, wentOn: 0, awaited: 0 };
  const world: World = {
    household,
    ledger: new Ledger(),
    random: new Random(seed),
    log,
    ...counts,
  };
  const failures: string[] = [];
  try {
    await household.start();
    await household.signIn();
    for (world.round = 1; world.round <= count; world.round += 1) {
      const way = WAYS[(world.round - 1) % WAYS.length] ?? 'removed';
      failures.push(...(await oneLoss(world, way)));
      if (world.round % 20 === 0 || world.round === count) log(progressOf(world));
    }
    failures.push(...(await judge(world)));
  } finally {
    await household.close();
  }
  const { ledger, found, dropped, wentOn, awaited } = world;
  return {
    failures,
    figures: {
      losses: count,
      sent: ledger.sentCount,
      acknowledged: ledger.acknowledged.length,
      'found again, over all starts': found,
      'unfinished that went on': wentOn,
      'waited for their owner': awaited,
      'dropped by their owner': dropped,
    },
  };
}

function progressOf({ round, ledger, found }: World): string {
  return `${round} losses, ${ledger.acknowledged.length} acknowledged, ${found} found again`;
}

async function oneLoss(world: World, way: Way): Promise<string[]> {
  const { household, random, ledger } = world;
  const asleep = random.next() < 0.6;
  if (asleep) await household.nas.sleep('suspend');
  await uploadSome(world, 'a');
  const unfinished = await begin(world);
  const faults = await sendChunk(world, unfinished, 0);
  const older = copyOf(household.dataFolder);
  const known = new Set(ledger.acknowledged.map(({ acknowledgedAs }) => acknowledgedAs));
  if (random.next() < 0.5) await dropOne(world);
  if (asleep && random.next() < 0.4) await household.nas.wake();
  await uploadSome(world, 'b');
  faults.push(...(await sendChunk(world, unfinished, 1)));
  await pause(random.between(0, LATEST_END_MS));
  if (random.next() < 0.5) await household.kill();
  else await household.pi.stop();
  lose(household.dataFolder, way, older, random);
  if (household.nas.sleepState === 'awake') await household.nas.sleep('suspend');
  await household.start();
  // The known sign-ins were lost too: only the NAS can tell.
  await household.nas.wake();
  await household.signInAgain();
  faults.push(...(await faultsAfter(world, known)), ...(await finish(world, unfinished)));
  return faults.map((fault) => `${way}: ${fault}`);
}

/** An upload in chunks that a loss interrupts. */
interface Unfinished {
  readonly id: string;
  readonly path: string;
  readonly chunks: readonly Buffer[];
}

async function begin({ household, random, round }: World): Promise<Unfinished> {
  const chunkBytes = random.between(1, 100_000);
  const sizes = [chunkBytes, chunkBytes, random.between(1, chunkBytes)];
  const chunks = sizes.map((size) => random.bytes(size));
  const filename = `${String(round)}-chunks.bin`;
  const total = Buffer.concat(chunks).length;
  const input = { filename, total_size: total, target_path: FOLDER };
  const { body } = await act(household, 'POST', `${CHUNKED}/init`, JSON.stringify(input));
  return { id: String(body['upload_id']), path: `${FOLDER}/${filename}`, chunks };
}

async function sendChunk(
  { household }: World,
  { id, chunks }: Unfinished,
  index: number,
): Promise<string[]> {
  const path = `${CHUNKED}/${id}/chunk?chunk_index=${String(index)}`;
  const { status, body } = await act(household, 'POST', path, chunks[index]);
  if (status === 200) return [];
  return [`chunk ${String(index)} of ${id} got ${String(status)}, ${String(body['detail'])}`];
}

/** The sender knows which chunks were acknowledged, and sends the rest. */
async function finish(world: World, unfinished: Unfinished): Promise<string[]> {
  const { household, ledger } = world;
  const { id, path, chunks } = unfinished;
  const faults = await sendChunk(world, unfinished, 2);
  const sha256 = createHash('sha256').update(Buffer.concat(chunks)).digest('hex');
  const sent = ledger.sending(path, sha256);
  const { status } = await act(household, 'POST', `${CHUNKED}/${id}/complete`);
  if (status !== 200) return [...faults, `${id} could not be completed: ${String(status)}`];
  sent.acknowledgedAs = id;
  world.wentOn += 1;
  return faults;
}

async function uploadSome({ household, ledger, random, round }: World, part: string) {
  const over = new AbortController();
  const { url } = household.pi;
  const token = (): string => household.token;
  const uploader = new Uploader({ url: () => url, token, folder: FOLDER, ledger, random });
  await Promise.all(
    Array.from({ length: CLIENTS }, (_, at) =>
      uploader.keepSending(`${String(round)}${part}${String(at)}`, over.signal, UPLOADS_A_CLIENT),
    ),
  );
}

/** The owner takes one back that is not being delivered yet. */
async function dropOne(world: World): Promise<void> {
  const { household, random, ledger } = world;
  const waiting = await uploadsOf(household, 'queued');
  if (waiting.length === 0) return;
  const { id } = random.pick(waiting);
  const answered = await act(household, 'DELETE', `/api/files/uploads/${id}`);
  if (answered.status !== 200) return;
  world.dropped += 1;
  ledger.dropped(id);
}

/** From this moment on, each acknowledged upload is in a row or on the NAS. */
async function faultsAfter(world: World, known: ReadonlySet<string | null>): Promise<string[]> {
  const { household, ledger } = world;
  const rows = new Map((await uploadsOf(household, null)).map((row) => [row.id, row]));
  const given = new Set(household.nas.contents.map(({ checksum }) => checksum));
  world.found += [...rows.values()].filter(({ state }) => state === 'found').length;
  const faults: string[] = [];
  for (const { acknowledgedAs: id, sha256, isDropped } of ledger.acknowledged) {
    if (id === null) continue;
    const state = rows.get(id)?.state;
    if (isDropped && state !== undefined) faults.push(`a dropped upload came back`);
    if (isDropped || given.has(sha256) || state !== undefined) continue;
    faults.push(`${id} is gone${known.has(id) ? ', which the copy knew' : ''}`);
  }
  return faults;
}

async function judge(world: World): Promise<string[]> {
  const { household, ledger } = world;
  const patienceMs = DRAIN_BASE_MS + ledger.acknowledged.length * DRAIN_A_FILE_MS;
  const failures = await household.drain(patienceMs);
  const waiting = await uploadsOf(household, 'found');
  world.awaited = waiting.length;
  for (const { id } of [...waiting].reverse()) {
    await act(household, 'POST', `/api/files/uploads/${id}/retry`);
  }
  failures.push(...(await household.drain(patienceMs)));
  failures.push(...(await ledger.faultsAt(household.nas, FOLDER)));
  await household.pi.stop();
  checkDatabases(household.dataFolder);
  failures.push(...orphansIn(household.dataFolder));
  return failures;
}

interface Row {
  readonly id: string;
  readonly state: string;
}

async function uploadsOf(household: Household, state: string | null): Promise<Row[]> {
  const query = state === null ? '' : `?state=${state}`;
  return (await household.ask(`/api/files/uploads${query}`))['uploads'] as Row[];
}

async function act(
  household: Household,
  method: string,
  path: string,
  body: Buffer | string | null = null,
): Promise<{ readonly status: number; readonly body: Readonly<Record<string, unknown>> }> {
  const headers: Record<string, string> = { Authorization: `Bearer ${household.token}` };
  if (typeof body === 'string') headers['Content-Type'] = 'application/json';
  const sent = Buffer.isBuffer(body) ? new Uint8Array(body) : body;
  const answered = await fetch(`${household.pi.url}${path}`, { method, headers, body: sent });
  const text = await answered.text();
  const said: unknown = text === '' ? {} : JSON.parse(text);
  return { status: answered.status, body: said as Readonly<Record<string, unknown>> };
}

const SUFFIXES = ['', '-wal', '-shm'] as const;

/** As somebody copies the files of a running process: the database with its WAL. */
function copyOf(dataFolder: string): string {
  const copy = join(dataFolder, '..', 'older.db');
  for (const suffix of SUFFIXES) {
    rmSync(copy + suffix, { force: true });
    const file = join(dataFolder, `queue.db${suffix}`);
    if (existsSync(file) && suffix !== '-shm') copyFileSync(file, copy + suffix);
  }
  return copy;
}

function lose(dataFolder: string, way: Way, older: string, random: Random): void {
  const file = join(dataFolder, 'queue.db');
  if (way === 'truncated') return truncateSync(file, random.between(0, statSync(file).size - 1));
  if (way === 'damaged') return overwrite(file, random);
  for (const suffix of SUFFIXES) rmSync(file + suffix, { force: true });
  if (way === 'removed') return;
  for (const suffix of SUFFIXES) {
    if (existsSync(older + suffix)) copyFileSync(older + suffix, file + suffix);
  }
}

function overwrite(file: string, random: Random): void {
  const size = statSync(file).size;
  const bytes = random.bytes(Math.min(size, random.between(4_096, 65_536)));
  const handle = openSync(file, 'r+');
  try {
    writeSync(handle, bytes, 0, bytes.length, random.between(0, size - bytes.length));
  } finally {
    closeSync(handle);
  }
}
