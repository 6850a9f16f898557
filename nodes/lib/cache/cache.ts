import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Caller, User } from '../accounts/caller.ts';
import type { LocatedFile } from '../files/files.ts';
import { localDays } from '../time/local-day.ts';
import { planAnswer, type FileHead } from './answer-plan.ts';
import { Background } from './background.ts';
import { BlobStore, openIfThere } from './blob-store.ts';
import { servingPool } from './buffer-pool.ts';
import type { CachePorts } from './cache-ports.ts';
import { etagOf, holds, type CachedCopy } from './cached-copy.ts';
import { CopyRows } from './copy-rows.ts';
import { CopyServer } from './copy-server.ts';
import { Fetcher, type FetchOutcome } from './fetcher.ts';
import { Fills } from './fills.ts';
import type { Origin } from './origin.ts';
import { PieceRows } from './piece-rows.ts';
import { fileSource, plainFile, respond } from './respond.ts';
import { Room } from './room.ts';
import { Shelf } from './shelf.ts';
import { SMALL_FILES_BYTES } from './small-files.ts';
import type { CacheStats } from './stats.ts';
import { Tally } from './tally.ts';
import type { CopyTicket, DeliveredFile, Lookup, QueuedFile, ServeOutcome } from './tickets.ts';

export type { CacheLabel } from './answer-plan.ts';
export type { AheadOutcome } from './ahead.ts';
export type { FirstUse, Occasion } from './ahead-rows.ts';
export type { Background } from './background.ts';
export type { CachePorts } from './cache-ports.ts';
export type { FetchOutcome } from './fetcher.ts';
export type { DiskSpace } from './room.ts';
export type { CacheStats, WireStats } from './stats.ts';
export * from './neighbours.ts';
export type { PinRow } from './pin-rows.ts';
export type { Pin, Pins } from './pins.ts';
export { wireDays, wireStats } from './stats.ts';
export type { WireDays } from './stats.ts';
export type { CopyTicket, DeliveredFile, Lookup, QueuedFile, ServeOutcome } from './tickets.ts';

/** Copies of the NAS's files: looked up, served, filled, evicted. */
export class Cache {
  /** What goes on beside the answers: pins, fetching ahead, counts by day. */
  readonly background: Background;
  readonly #ports: CachePorts;
  readonly #copies: CopyRows;
  readonly #blobs: BlobStore;
  readonly #shelf: Shelf;
  readonly #tally: Tally;
  readonly #room: Room;
  readonly #fills: Fills;
  readonly #fetcher: Fetcher;
  readonly #server: CopyServer;
  readonly #pool = servingPool();

  constructor(ports: CachePorts) {
    this.#ports = ports;
    const { store, clock, disk, maxBytes, minFreeBytes, queuedBytes } = ports;
    this.#copies = new CopyRows(store);
    this.#blobs = new BlobStore(ports.folder, clock, ports.memoryBytes ?? SMALL_FILES_BYTES);
    this.#server = new CopyServer(this.#blobs, this.#pool);
    this.#shelf = new Shelf(this.#copies, this.#blobs, clock);
    this.#tally = new Tally(store, this.#copies, clock, localDays(ports.timeZone));
    const [copies, blobs, tally, pool] = [this.#copies, this.#blobs, this.#tally, this.#pool];
    const threshold = ports.evictionThreshold;
    const pieces = new PieceRows(store);
    const limits = { disk, maxBytes, minFreeBytes, threshold, queuedBytes };
    this.#room = new Room({ copies, pieces, blobs, tally, ...limits });
    this.#fills = new Fills({
      blobs,
      reserve: (bytes) => this.#room.reserve(bytes),
      publish: (file) => this.#shelf.keep(file),
      storageFailed: (cause) => {
        ports.log.warn(`The cache could not write to its disk: ${codeOf(cause)}.`);
      },
    });
    this.#fetcher = new Fetcher({ fills: this.#fills, room: this.#room, tally, pool });
    const [fills, fetcher, room] = [this.#fills, this.#fetcher, this.#room];
    this.background = new Background({ cache: ports, copies, fills, fetcher, room, tally });
  }

  /** Removes what was being filled when the process ended. Takes no longer with more copies. */
  start(): Promise<void> {
    return this.#blobs.start();
  }

  /** Cuts off what is being filled and writes the counts down. */
  async stop(): Promise<void> {
    this.#fetcher.cutAll();
    await this.#fills.stop();
    await this.#blobs.stop();
    this.#tally.flush();
  }

  /** Whether a copy answers for a file, once files has decided that the caller may read it. */
  lookup(file: LocatedFile): Lookup {
    const copy = this.#copies.find(file.path);
    if (copy === null) return { kind: 'miss' };
    const label = this.#labelOf(file, copy);
    if (label === null) return { kind: 'miss' };
    const ageMs = this.#ports.clock.nowMs() - copy.validatedAtMs;
    const ageSeconds = label === 'hit' ? 0 : Math.max(0, Math.floor(ageMs / 1000));
    return { kind: label, ticket: { file, copy, label, ageSeconds } };
  }

  /** Sends a copy: whole, in ranges, or only its head. Nothing is written when it is `gone`. */
  async serve(
    ticket: CopyTicket,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<ServeOutcome> {
    const { copy, file, label, ageSeconds } = ticket;
    const { sizeBytes, modifiedAtMs: lastModifiedMs } = copy.version;
    const etag = etagOf(copy.version, copy.version.etag);
    const mimeType = file.mimeType ?? copy.mimeType;
    const head = { name: file.name, sizeBytes, etag, lastModifiedMs, mimeType, label, ageSeconds };
    const served = await this.#server.serve(copy.blob, head, request, response, (plan) => {
      this.#tally.hit(copy.id, plan.fileBytes, label === 'hit' ? 'validated' : 'stale');
    });
    if (served.kind === 'answered') return served;
    await this.#shelf.discard({ id: copy.id, blob: copy.blob, sizeBytes });
    return served;
  }

  /** Answers a miss from the NAS and keeps what comes, joining a fill that runs already. */
  async fetch(
    caller: Caller,
    file: LocatedFile,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<FetchOutcome | { readonly kind: 'needs_nas_token' }> {
    const token = await this.#ports.tokenOf(caller);
    if (token === null) return { kind: 'needs_nas_token' };
    const origin = this.#originOf(caller, file.path, token);
    const version = file.version;
    if (version === null) return { kind: 'unreachable' };
    const outcome = await this.#fetcher.fetch(file, version, origin, request, response);
    if (outcome.kind === 'token_refused') this.#ports.tokenRefused(token);
    return outcome;
  }

  /** Sends a file that still waits in the queue; `gone` when it was delivered meanwhile. */
  async serveQueued(
    queued: QueuedFile,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<ServeOutcome> {
    const { name, sizeBytes, mimeType, acceptedAtMs, sha256 } = queued;
    const handle = await openIfThere(queued.file);
    if (handle === null) return { kind: 'gone' };
    try {
      const head: FileHead = {
        name,
        sizeBytes,
        mimeType,
        etag: `"${sha256.slice(0, 32)}"`,
        lastModifiedMs: acceptedAtMs,
        label: 'queued',
        ageSeconds: null,
      };
      const plan = planAnswer(request, head);
      const source = fileSource(plainFile(handle.fd), sizeBytes, this.#pool);
      return { kind: 'answered', whole: await respond(request, response, plan, source) };
    } finally {
      await handle.close();
    }
  }

  /** Keeps a delivered upload as a copy. `no_room`: its file was left where it is. */
  async admit(delivered: DeliveredFile): Promise<'admitted' | 'no_room'> {
    const reservation = await this.#room.reserve(delivered.version.sizeBytes);
    if (reservation === null) return 'no_room';
    try {
      await this.#shelf.keep(delivered);
      return 'admitted';
    } finally {
      reservation.release();
    }
  }

  /** Bytes of all copies. */
  keptBytes(): number {
    return this.#copies.totals().totalBytes;
  }

  isKept(path: string): boolean {
    return this.#copies.isKept(path);
  }

  /** Drops the copies at and below a path, as after a delete, rename or move; `''` drops all. */
  drop(path: string): Promise<void> {
    this.#fills.doom(path);
    return this.#shelf.discardBelow(path);
  }

  /** As {@link drop} for whoever empties the cache: what somebody pinned stays. */
  empty(path: string): Promise<void> {
    return this.#shelf.discardBelow(path, 'unpinned');
  }

  /** Makes room on the disk for an upload of so many bytes, giving up copies. */
  makeRoom(bytes: number): Promise<boolean> {
    return this.#room.makeRoom(bytes);
  }

  /** Evicts back to the limit; to be called when the queue has grown. */
  settle(): Promise<void> {
    return this.#room.settle();
  }

  stats(): CacheStats {
    const capacityBytes = this.#room.capacityBytes();
    const { maxBytes } = this.#ports;
    return { ...this.#copies.totals(), ...this.#tally.totals(), maxBytes, capacityBytes };
  }

  #labelOf(file: LocatedFile, copy: CachedCopy): 'hit' | 'stale' | null {
    const { version } = file;
    if (version === null) return this.#mayHave(file.user, copy) ? 'stale' : null;
    const isSame = holds(copy, version);
    if (file.known === 'fresh') return isSame ? 'hit' : null;
    if (isSame) return 'stale';
    // The copy may have been confirmed for somebody else after this caller last listed the folder.
    return copy.validatedAtMs >= (file.listedAtMs ?? 0) ? 'stale' : null;
  }

  /** Where the caller's listing told no owner, the one noted with the copy decides. */
  #mayHave(user: User, copy: CachedCopy): boolean {
    return this.#ports.files.mayRead(user, copy.path, copy.ownerId);
  }

  #originOf(caller: Caller, path: string, token: string): Origin {
    const { nas, files } = this.#ports;
    return {
      open: (range) => nas.download(token, path, range),
      relist: (force) => files.relist(caller, path, force),
    };
  }
}

function codeOf(cause: unknown): string {
  return cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown fault';
}
