import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EntryRows } from '../../nodes/lib/cache/entries/entry-rows.ts';
import { type ItemCursor, ItemRows } from '../../nodes/lib/files/item-rows.ts';
import { ListingRows } from '../../nodes/lib/files/listing-rows.ts';
import type { ListedItem } from '../../nodes/lib/files/stored-item.ts';
import { CACHE_MIGRATIONS } from '../../nodes/lib/store/databases.ts';
import { Store } from '../../nodes/lib/store/store.ts';
import type { BenchOptions } from './options.ts';
import { Goals } from './report/goals.ts';
import { percentile } from './report/stats.ts';
import { Table } from './report/table.ts';

const LADDER = [10_000, 100_000, 1_000_000];
const ROUNDS = 1_000;
const PAGE_ITEMS = 200;
const SMALL_FOLDER = 100;
const BATCH = 5_000;
const TIME = '2026-02-22T14:30:00Z';
const AT_MS = Date.parse(TIME);

/** p50 and p99 in ms. */
interface Spread {
  readonly p50: number;
  readonly p99: number;
}

type Act = 'first page' | 'middle page' | 'small folder' | 'decision' | 'eviction' | 'touch';

interface Rung {
  readonly rows: number;
  readonly openMs: number;
  readonly of: ReadonlyMap<Act, Spread>;
}

/** List pages and eviction decisions on the services' own rows, for growing numbers of entries. */
export function benchMetadata(print: (line: string) => void, options: BenchOptions): void {
  const counts = [...LADDER.filter((rows) => rows < options.rows), Math.floor(options.rows)];
  const rungs = counts.map(measureAt);
  const ms = (value: number | undefined): string => (value ?? NaN).toFixed(3);
  const columns = rungs.map(
    ({ rows }) => `${rows.toLocaleString('en-US').replaceAll(',', ' ')} rows`,
  );
  const table = new Table('ms, p50 / p99', ...columns);
  const names: readonly (readonly [Act, string])[] = [
    ['first page', `first ${PAGE_ITEMS} of a folder with half of all`],
    ['middle page', `${PAGE_ITEMS} from anywhere in it`],
    ['small folder', `a folder of ${SMALL_FOLDER}`],
    ['decision', 'whom to evict'],
    ['eviction', 'evicting and keeping another, committed'],
    ['touch', 'a use noted, one of 256 in a commit'],
  ];
  for (const [act, name] of names) {
    const cells = rungs.map(({ of }) => `${ms(of.get(act)?.p50)} / ${ms(of.get(act)?.p99)}`);
    table.add(name, ...cells);
  }
  table.add('open, prepare, read the sums', ...rungs.map(({ openMs }) => openMs.toFixed(1)));
  for (const line of table.lines()) print(line);
  print('');
  for (const line of goalsOf(rungs).lines()) print(line);
}

function goalsOf(rungs: readonly Rung[]): Goals {
  const goals = new Goals();
  const [least, most] = [rungs[0], rungs.at(-1)];
  if (least === undefined || most === undefined) return goals;
  const figure = (rung: Rung, act: Act, what: keyof Spread): number =>
    rung.of.get(act)?.[what] ?? NaN;
  const at = `at ${most.rows.toLocaleString('en-US').replaceAll(',', ' ')}`;
  const page = Math.max(figure(most, 'first page', 'p99'), figure(most, 'middle page', 'p99'));
  goals.atMost(`list page p99 ${at}`, page, 1.5, ' ms');
  const grown = figure(most, 'middle page', 'p50') / figure(least, 'middle page', 'p50');
  goals.atMost(`list page p50 ${at} against 10 000`, grown, 1.5, ' times');
  goals.atMost(`eviction decision p99 ${at}`, figure(most, 'decision', 'p99'), 0.1, ' ms');
  goals.atMost(`opening ${at} beyond that at 10 000`, most.openMs - least.openMs, 50, ' ms');
  return goals;
}

function measureAt(rows: number): Rung {
  const folder = mkdtempSync(join(tmpdir(), 'balupi-metadata-bench-'));
  const file = join(folder, 'cache.db');
  try {
    const filling = openStore(file);
    const flat = fillListings(filling, rows);
    fillCopies(filling, rows);
    filling.close();
    const beganMs = performance.now();
    const store = openStore(file);
    const entryRows = new EntryRows(store);
    entryRows.totals();
    const openMs = performance.now() - beganMs;
    const of = new Map<Act, Spread>([
      ...measurePages(store, flat, rows),
      ...measureCopies(store, entryRows, rows),
    ]);
    store.close();
    return { rows, openMs, of };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function openStore(file: string): Store {
  return Store.open({ file, name: 'cache', synchronous: 'NORMAL', migrations: CACHE_MIGRATIONS });
}

/** Times `act` repeatedly, at scattered places. */
function spreadOf(act: (place: number) => void): Spread {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const place = (round * 0.618_034) % 1;
    const beganMs = performance.now();
    act(place);
    times.push(performance.now() - beganMs);
  }
  return { p50: percentile(times, 0.5), p99: percentile(times, 0.99) };
}

/** Half of all in one folder, the rest in folders of 100. @returns the listing of the large one */
function fillListings(store: Store, rows: number): number {
  const items = new ItemRows(store);
  const listings = new ListingRows(store, items);
  const flat = Math.floor(rows / 2);
  const listing = newListing(listings, 'alice/flat');
  inBatches(store, flat, (index) => {
    items.put(listing, itemAt('alice/flat', index));
  });
  let small = -1;
  for (let index = flat; index < rows; index += SMALL_FOLDER) {
    small += 1;
    const folder = `alice/small-${small}`;
    const id = newListing(listings, folder);
    inBatches(store, Math.min(SMALL_FOLDER, rows - index), (at) => {
      items.put(id, itemAt(folder, at));
    });
  }
  return listing;
}

function newListing(listings: ListingRows, path: string): number {
  listings.begin(4, path, AT_MS, []);
  return listings.find(4, path)?.id ?? 0;
}

function inBatches(store: Store, count: number, act: (index: number) => void): void {
  for (let from = 0; from < count; from += BATCH) {
    store.transaction(() => {
      for (let index = from; index < Math.min(count, from + BATCH); index += 1) act(index);
    });
  }
}

const nameAt = (index: number): string => `IMG_${String(index).padStart(7, '0')}.jpg`;

function itemAt(folder: string, index: number): ListedItem {
  return {
    name: nameAt(index),
    path: `${folder}/${nameAt(index)}`,
    isDirectory: false,
    sizeBytes: 1_000_000 + index,
    modifiedAtText: TIME,
    modifiedAtMs: AT_MS,
    ownerId: '4',
    ownerName: 'alice',
    mimeType: 'image/jpeg',
    nasFileId: null,
    checksum: String(index).padStart(64, '0'),
    canRead: true,
    canWrite: true,
    canDelete: true,
  };
}

function measurePages(store: Store, flat: number, rows: number): [Act, Spread][] {
  const items = new ItemRows(store);
  const listings = new ListingRows(store, items);
  const folders = Math.max(1, Math.ceil(Math.ceil(rows / 2) / SMALL_FOLDER));
  const cursorAt = (place: number): ItemCursor => {
    const name = nameAt(Math.floor(place * Math.max(1, rows / 2 - PAGE_ITEMS)));
    return { isDirectory: false, name, path: `alice/flat/${name}` };
  };
  const full = (found: number, wanted: number): void => {
    if (found !== Math.min(wanted, Math.floor(rows / 2))) throw new Error(`A page of ${found}.`);
  };
  return [
    ['first page', spreadOf(() => full(items.page(flat, null, PAGE_ITEMS).length, PAGE_ITEMS))],
    [
      'middle page',
      spreadOf((place) => full(items.page(flat, cursorAt(place), PAGE_ITEMS).length, PAGE_ITEMS)),
    ],
    [
      'small folder',
      spreadOf((place) => {
        const id = listings.find(4, `alice/small-${Math.floor(place * folders)}`)?.id ?? 0;
        items.page(id, null, PAGE_ITEMS);
      }),
    ],
  ];
}

function fillCopies(store: Store, rows: number): void {
  const entryRows = new EntryRows(store);
  for (let index = 0; index < rows; index += 1) keep(entryRows, index);
}

function keep(entryRows: EntryRows, index: number): void {
  const blob = index.toString(16).padStart(32, '0');
  const sizeBytes = 5_000 + ((index * 7_919) % 9_000_000);
  const version = {
    sizeBytes,
    modifiedAtText: TIME,
    modifiedAtMs: AT_MS,
    checksum: blob + blob,
    etag: null,
  };
  const path = `alice/flat/${nameAt(index)}`;
  const about = { sha256: blob + blob, mimeType: 'image/jpeg', ownerId: '4' };
  entryRows.replace({ path, version, ...about, blob, validatedAtMs: AT_MS }, AT_MS);
}

function measureCopies(store: Store, entryRows: EntryRows, rows: number): [Act, Spread][] {
  let next = rows;
  const decision = spreadOf(() => entryRows.lowest(null));
  const eviction = spreadOf(() => {
    const victim = entryRows.lowest(null);
    if (victim !== null) entryRows.evict(victim);
    keep(entryRows, (next += 1));
  });
  const touches = 256;
  const touch = spreadOf((place) => {
    store.transaction(() => {
      for (let index = 0; index < touches; index += 1) {
        entryRows.touch(1 + Math.floor(((place + index / touches) % 1) * rows), 1, AT_MS, AT_MS);
      }
    });
  });
  const each = { p50: touch.p50 / touches, p99: touch.p99 / touches };
  return [
    ['decision', decision],
    ['eviction', eviction],
    ['touch', each],
  ];
}
