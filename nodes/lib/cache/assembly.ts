import { localDays } from '../time/local-day.ts';
import { BlobStore } from './blob-store.ts';
import { servingPool, type BufferPool } from './buffer-pool.ts';
import { CachePolicy } from './cache-policy.ts';
import type { CachePorts } from './cache-ports.ts';
import { CareRows } from './care-rows.ts';
import { CopyRows } from './copy-rows.ts';
import { Fetcher } from './fetcher.ts';
import type { FilledFile, FillTarget } from './fill-ports.ts';
import { Fill } from './fill.ts';
import { Fills } from './fills.ts';
import { PieceCache } from './piece-cache.ts';
import { PieceRows } from './piece-rows.ts';
import { PieceShelf } from './piece-shelf.ts';
import { PieceTouches } from './piece-touches.ts';
import { Room } from './room.ts';
import { Scrub } from './scrub.ts';
import { Shelf } from './shelf.ts';
import { SMALL_FILES_BYTES } from './small-files.ts';
import { Standing } from './standing.ts';
import { Tally } from './tally.ts';

/** What a cache is made of. */
export interface CacheParts {
  readonly copies: CopyRows;
  readonly pieceRows: PieceRows;
  readonly blobs: BlobStore;
  readonly shelf: Shelf;
  readonly pieceShelf: PieceShelf;
  readonly tally: Tally;
  readonly room: Room;
  readonly policy: CachePolicy;
  readonly fills: Fills;
  readonly pieces: PieceCache;
  readonly standing: Standing;
  readonly fetcher: Fetcher;
  readonly pool: BufferPool;
  readonly scrub: Scrub;
  /** Keeps a whole, synced file in place of what its path had. */
  readonly publish: (file: FilledFile) => Promise<void>;
}

/** Builds the parts of a cache from what it is given. */
export function assemble(ports: CachePorts): CacheParts {
  const { store, clock, files } = ports;
  const copies = new CopyRows(store);
  const pieceRows = new PieceRows(store);
  const blobs = new BlobStore(ports.folder, clock, ports.memoryBytes ?? SMALL_FILES_BYTES);
  const shelf = new Shelf(copies, blobs, clock);
  const pieceShelf = new PieceShelf(pieceRows, blobs, clock, shelf, ports.diskHealth);
  const tally = new Tally({ ...ports, copies, dayOf: localDays(ports.timeZone) });
  const touches = new PieceTouches(store, pieceRows, clock);
  const pool = servingPool();
  const flushUses = (): void => {
    tally.flush();
    touches.flush();
  };
  const threshold = ports.evictionThreshold;
  const limitBytes = (): number => room.limitBytes();
  const policy = new CachePolicy({ store, limitBytes, beforeChange: flushUses });
  const kept = { copies, pieces: pieceRows, blobs };
  const room: Room = new Room({ ...ports, ...kept, policy, flushUses, threshold });
  const fillPorts = {
    blobs,
    reserve: (bytes: number) => room.reserve(bytes, null),
    storageFailed: failureTeller(ports),
  };
  // Of a path there is a whole copy or pieces, never both: the newer goes in place of the older.
  const publish = async (file: FilledFile): Promise<void> => {
    await shelf.keep(file);
    await pieceShelf.discardFile(file.path);
  };
  const wholePorts = { ...fillPorts, reserve: roomFor(room), publish };
  const fills = new Fills((origin, target) => new Fill(wholePorts, origin, target));
  const common = { ...fillPorts, store, clock, pool, tally, touches };
  const pieces = new PieceCache({ ...common, rows: pieceRows, shelf: pieceShelf });
  const fetcher = new Fetcher({ fills, pieces, room, policy, tally, pool, clock });
  const standing = new Standing((...which) => files.mayRead(...which), clock);
  const stock = { copies, pieceRows, blobs, shelf, pieceShelf, tally, room, policy };
  const scrub = new Scrub({ ...stock, rows: new CareRows(store), health: ports.diskHealth });
  return { ...stock, scrub, fills, pieces, standing, fetcher, pool, publish };
}

/** Room for a whole file, whose worth is weighed where somebody asked for it. */
function roomFor(room: Room): (target: FillTarget) => ReturnType<Room['reserve']> {
  return ({ path, version, isAhead }) =>
    room.reserve(version.sizeBytes, isAhead === true ? null : path);
}

function failureTeller({ diskHealth, log }: CachePorts): (cause: unknown) => void {
  return (cause) => {
    diskHealth.failed(cause);
    log.warn(`The cache could not write to its disk: ${codeOf(cause)}.`);
  };
}

function codeOf(cause: unknown): string {
  return cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown fault';
}
