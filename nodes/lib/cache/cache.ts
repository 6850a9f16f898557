import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Caller } from '../accounts/caller.ts';
import type { FileVersion, LocatedFile } from '../files/files.ts';
import { localDays } from '../time/zoned-time.ts';
import { Download, Downloads } from './download/download.ts';
import { Fetcher, type FetchOutcome } from './download/fetcher.ts';
import type { Origin } from './download/origin.ts';
import { BlobStore, openIfThere, SMALL_FILES_BYTES } from './entries/blob-store.ts';
import { EntryRows, type KeptEntry } from './entries/entry-rows.ts';
import { SegmentStore, EntryStore } from './entries/entry-store.ts';
import { isSegmented, SegmentRows } from './entries/segment-rows.ts';
import { type CacheDeps, type DownloadedFile, type DownloadTarget, Room } from './entries/space.ts';
import { CachePolicy } from './policy/policy.ts';
import { Background } from './prefetch/background.ts';
import { ScrubRows } from './scrub/scrub-rows.ts';
import { Scrub, type ScrubReport } from './scrub/scrub.ts';
import { type BufferPool, servingPool } from './serve/extent.ts';
import {
  EntryServer,
  type FileHead,
  fileSource,
  headOf,
  plainFile,
  planAnswer,
  respond,
  validatorsOf,
} from './serve/respond.ts';
import { SegmentedFiles, SegmentTouches } from './serve/segmented.ts';
import { type CacheStats, CacheCounters } from './stats/stats.ts';
import {
  type EntryTicket,
  type DeliveredFile,
  type Lookup,
  type QueuedFile,
  type ServeOutcome,
  Standing,
} from './verify/freshness.ts';

export type { KeptEntry } from './entries/entry-rows.ts';
export type { FirstUse, Occasion } from './prefetch/prefetch-rows.ts';
export type { Background } from './prefetch/background.ts';
export * from './prefetch/neighbours.ts';
export type { PinRow } from './pins/pin-rows.ts';
export type { Pin, Pins } from './pins/pins.ts';
export { wireDays, wireStats } from './stats/stats.ts';
export type { EntryTicket, QueuedFile } from './verify/freshness.ts';

/** Copies of the NAS's files: looked up, served, filled, evicted. */
export class Cache {
  /** What goes on beside the answers: pins, fetching ahead, counts by day. */
  readonly background: Background;
  readonly #ports: CacheDeps;
  readonly #copies: EntryRows;
  readonly #blobs: BlobStore;
  readonly #shelf: EntryStore;
  readonly #tally: CacheCounters;
  readonly #room: Room;
  readonly #policy: CachePolicy;
  readonly #downloads: Downloads;
  readonly #segments: SegmentedFiles;
  readonly #standing: Standing;
  readonly #fetcher: Fetcher;
  readonly #scrub: Scrub;
  readonly #server: EntryServer;
  readonly #pool: BufferPool;
  readonly #flushUses: () => void;
  readonly #publish: Assembled['publish'];

  constructor(ports: CacheDeps) {
    this.#ports = ports;
    const parts = assemble(ports);
    this.#copies = parts.copies;
    this.#blobs = parts.blobs;
    this.#shelf = parts.shelf;
    this.#tally = parts.tally;
    this.#room = parts.room;
    this.#policy = parts.policy;
    this.#downloads = parts.downloads;
    this.#segments = parts.segments;
    this.#standing = parts.standing;
    this.#fetcher = parts.fetcher;
    this.#pool = parts.pool;
    this.#scrub = parts.scrub;
    this.#server = new EntryServer(parts.blobs, parts.pool);
    this.#flushUses = parts.flushUses;
    this.#publish = parts.publish;
    this.background = new Background({ cache: ports, ...parts });
  }

  /** Removes what was being downloaded when the process ended. Takes no longer with more copies. */
  async start(): Promise<void> {
    await this.#blobs.start();
    this.#scrub.start();
  }

  /** Cuts off what is being downloaded and writes the counts down. */
  async stop(): Promise<void> {
    this.#fetcher.cutAll();
    await Promise.all([this.#downloads.stop(), this.#scrub.stop()]);
    await this.#blobs.stop();
    this.#flushUses();
  }

  /** Its disk went or came back: files held open may be of one that is gone. */
  diskChanged(): void {
    this.#blobs.stop().catch((error: unknown) => {
      this.#ports.log.warn(`Files of a disk that went could not be closed: ${String(error)}`);
    });
  }

  /** A round of the slow check: meant to be called every 15 minutes. */
  async check(): Promise<ScrubReport> {
    const report = await this.#scrub.round();
    if (report.damaged > 0) {
      this.#ports.log.warn(`${report.damaged} kept files had changed on the disk; they are gone.`);
    }
    return report;
  }

  /**
   * Whether what is kept answers a request, once files has decided that the caller may read the
   * file. Of a file held in segments all that is asked for must be here.
   */
  lookup(file: LocatedFile, request: IncomingMessage): Lookup {
    const copy = this.#copies.find(file.path);
    const freshness = copy === null ? null : this.#standing.of(file, copy);
    if (copy !== null && freshness !== null) {
      return { kind: freshness.label, ticket: { file, copy, ...freshness } };
    }
    const segmented = this.#segments.find(file.path);
    const standing = segmented === null ? null : this.#standing.of(file, segmented);
    if (segmented === null || standing === null) return { kind: 'miss' };
    const ticket = this.#segments.ticketFor(file, segmented, standing, request);
    return ticket === null ? { kind: 'miss' } : { kind: ticket.label, ticket };
  }

  /**
   * Sends a copy: whole, in ranges, or only its head. Nothing is written when it is `gone`.
   * @param options `offload`: the nginx in front may be told to send the bytes
   */
  async serve(
    ticket: EntryTicket,
    request: IncomingMessage,
    response: ServerResponse,
    options: { readonly offload?: boolean } = {},
  ): Promise<ServeOutcome> {
    try {
      const served =
        'segmented' in ticket
          ? await this.#segments.serve(ticket, request, response)
          : await this.#serveWhole(ticket, request, response, options);
      return served;
    } catch (error) {
      // The NAS may have what cannot be read here; what was begun can only be cut.
      if (response.headersSent || !this.#ports.diskHealth.failed(error)) throw error;
      return { kind: 'gone' };
    }
  }

  async #serveWhole(
    ticket: Exclude<EntryTicket, { segmented: unknown }>,
    request: IncomingMessage,
    response: ServerResponse,
    options: { readonly offload?: boolean },
  ): Promise<ServeOutcome> {
    const { copy, file, label, heldAtMs, ageSeconds } = ticket;
    const { sizeBytes } = copy.version;
    const validators = validatorsOf(copy.version, copy.version.etag, this.#ports.clock.nowMs());
    const mimeType = file.mimeType ?? copy.mimeType;
    const head = { ...validators, name: file.name, sizeBytes, mimeType, label, ageSeconds };
    const exchange = { request, response, offload: options.offload === true };
    const served = await this.#server.serve(copy.blob, head, exchange, (plan) => {
      this.#policy.used(file.path, sizeBytes);
      this.#tally.hit(copy.id, plan.fileBytes, heldAtMs);
    });
    if (served.kind === 'answered' || this.#ports.diskHealth.refuses !== null) return served;
    await this.#shelf.discard({ id: copy.id, blob: copy.blob, sizeBytes });
    return served;
  }

  /**
   * Whether a HEAD depends on the tag a GET would give, and only the NAS knows that: it is in no
   * listing.
   */
  wantsTag(version: FileVersion, { headers }: IncomingMessage): boolean {
    if (version.etag !== null) return false;
    return headers['if-none-match'] !== undefined || headers['if-match'] !== undefined;
  }

  /** Answers HEAD from what the caller's listing shows, and asks nobody. */
  async describe(
    file: LocatedFile,
    version: FileVersion,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<ServeOutcome> {
    const nowMs = this.#ports.clock.nowMs();
    const isFresh = file.known === 'fresh';
    const said = { etag: version.etag, mimeType: null };
    const told = headOf(file, version, said, isFresh ? 'miss' : 'stale', nowMs);
    // A GET would give the NAS's own tag; another one here would tell of a change that is none.
    const head = { ...told, etag: version.etag === null ? null : told.etag };
    const ageSeconds = Math.max(0, Math.floor((nowMs - (file.listedAtMs ?? nowMs)) / 1_000));
    const plan = planAnswer(request, isFresh ? head : { ...head, ageSeconds });
    const none = { send: () => Promise.resolve(false) };
    return { kind: 'answered', whole: await respond(request, response, plan, none) };
  }

  /** Answers a miss from the NAS and keeps what comes, joining a download that runs already. */
  async fetch(
    caller: Caller,
    file: LocatedFile,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<FetchOutcome | { readonly kind: 'needs_nas_token' }> {
    const access = await this.#ports.files.access(caller);
    if (access.kind === 'needs_nas_token') return access;
    const { version } = file;
    if (access.kind === 'asleep' || version === null) return { kind: 'unreachable' };
    const { token } = access;
    const origin = this.#originOf(caller, file.path, token);
    const outcome = await this.#fetcher.fetch(file, version, origin, request, response);
    if (outcome.kind === 'token_refused') this.#ports.tokenRefused(token);
    if (outcome.kind === 'not_found') await this.#ports.files.refused(caller, token, file.path);
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
        lastModifiedMs: Math.min(acceptedAtMs, this.#ports.clock.nowMs()),
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
    const reservation = await this.#room.reserve(delivered.version.sizeBytes, null);
    if (reservation === null) return 'no_room';
    try {
      await this.#publish(delivered);
      return 'admitted';
    } finally {
      reservation.release();
    }
  }

  /** Bytes of all copies. */
  keptBytes(): number {
    return this.#copies.totals().totalBytes;
  }

  /**
   * The whole copy of a file, once files has decided that the caller may read it.
   * @returns null where there is none, or one of another version
   */
  copyOf(file: LocatedFile): KeptEntry | null {
    const copy = this.#copies.find(file.path);
    if (copy === null || this.#standing.of(file, copy) === null) return null;
    const { id, blob, version } = copy;
    return { id, blob, file: this.#blobs.pathOf(blob), sizeBytes: version.sizeBytes };
  }

  isKept(path: string): boolean {
    return this.#copies.isKept(path) || this.#segments.isWhole(path);
  }

  /** Drops the copies at and below a path, as after a delete, rename or move; `''` drops all. */
  async drop(path: string): Promise<void> {
    this.#downloads.doom(path);
    await this.#shelf.discardBelow(path);
    await this.#segments.drop(path);
  }

  /** A file or folder was deleted on the NAS: its copies go, and nothing of it is pinned. */
  async gone(path: string): Promise<void> {
    this.background.pins.gone(path);
    await this.drop(path);
  }

  /** A file or folder lies elsewhere on the NAS now: its copies and pins follow it. */
  async moved(from: string, to: string): Promise<void> {
    await this.drop(to);
    this.#downloads.doom(from);
    await this.#shelf.move(from, to);
    this.#segments.move(from, to);
    this.background.pins.moved(from, to);
  }

  /** As {@link drop} for whoever empties the cache: what somebody pinned stays. */
  async empty(path: string): Promise<void> {
    await this.#shelf.discardBelow(path, 'unpinned');
    await this.#segments.empty(path);
  }

  /** Makes room on the disk for an upload of so many bytes, giving up copies. */
  makeRoom(bytes: number): Promise<boolean> {
    return this.#room.makeRoom(bytes);
  }

  /** Evicts back to the limit; to be called every minute, as the queue and the disk grow. */
  settle(): Promise<void> {
    return this.#room.settle();
  }

  stats(): CacheStats {
    const capacityBytes = this.#room.capacityBytes();
    const { maxBytes } = this.#ports;
    return { ...this.#copies.totals(), ...this.#tally.totals(), maxBytes, capacityBytes };
  }

  #originOf(caller: Caller, path: string, token: string): Origin {
    const { nas, files } = this.#ports;
    return {
      open: (range) => nas.download(token, path, range),
      relist: (force) => files.relist(caller, path, force),
    };
  }
}

/** What a cache is made of. */
interface Assembled {
  readonly copies: EntryRows;
  readonly segmentRows: SegmentRows;
  readonly blobs: BlobStore;
  readonly shelf: EntryStore;
  readonly segmentShelf: SegmentStore;
  readonly tally: CacheCounters;
  readonly room: Room;
  readonly policy: CachePolicy;
  readonly downloads: Downloads;
  readonly segments: SegmentedFiles;
  readonly standing: Standing;
  readonly fetcher: Fetcher;
  readonly pool: BufferPool;
  readonly scrub: Scrub;
  /** Writes down what was used a moment ago. */
  readonly flushUses: () => void;
  /** Keeps a whole, synced file in place of what its path had. */
  readonly publish: (file: DownloadedFile) => Promise<void>;
}

/** Builds the parts of a cache from what it is given. */
function assemble(ports: CacheDeps): Assembled {
  const { store, clock, files } = ports;
  const copies = new EntryRows(store);
  const segmentRows = new SegmentRows(store);
  const blobs = new BlobStore(ports.folder, clock, ports.memoryBytes ?? SMALL_FILES_BYTES);
  const shelf = new EntryStore(copies, blobs, clock);
  const segmentShelf = new SegmentStore(segmentRows, blobs, clock, shelf, ports.diskHealth);
  const tally = new CacheCounters({ ...ports, copies, dayOf: localDays(ports.timeZone) });
  const touches = new SegmentTouches(store, segmentRows, clock);
  const pool = servingPool();
  const flushUses = (): void => {
    tally.flush();
    touches.flush();
  };
  const threshold = ports.evictionThreshold;
  const limitBytes = (): number => room.limitBytes();
  const policy = new CachePolicy({ store, limitBytes, beforeChange: flushUses });
  const kept = { copies, segments: segmentRows, blobs };
  const room: Room = new Room({ ...ports, ...kept, policy, flushUses, threshold });
  // Of a path there is a whole copy or segments, never both: the newer goes in place of the older.
  const publish = async (file: DownloadedFile): Promise<void> => {
    await shelf.keep(file);
    await segmentShelf.discardFile(file.path);
  };
  const storageFailed = failureTeller(ports);
  const toDownload = { blobs, shelf: segmentShelf, clock, publish, storageFailed };
  const deps = { ...toDownload, reserve: reserveIn(room) };
  const downloads = new Downloads((origin, target) => new Download(deps, origin, target));
  const common = { clock, pool, tally, touches };
  const segments = new SegmentedFiles({ ...common, rows: segmentRows, shelf: segmentShelf });
  const fetcher = new Fetcher({ ...common, downloads, segments, room, policy });
  const standing = new Standing((...which) => files.mayRead(...which), clock);
  const stock = { copies, segmentRows, blobs, shelf, segmentShelf, tally, room, policy };
  const scrub = new Scrub({ ...stock, rows: new ScrubRows(store), health: ports.diskHealth });
  return { ...stock, scrub, downloads, segments, standing, fetcher, pool, publish, flushUses };
}

/**
 * Room for a segment. A file kept in one is weighed as a whole, where somebody asked for it; a
 * segment of a larger one costs so little that it is let in, and proves its worth later.
 */
function reserveIn(
  room: Room,
): (target: DownloadTarget, bytes: number) => ReturnType<Room['reserve']> {
  return ({ path, version, isAhead }, bytes) => {
    const isWeighed = isAhead !== true && !isSegmented(version.sizeBytes);
    return room.reserve(bytes, isWeighed ? path : null);
  };
}

function failureTeller({ diskHealth, log }: CacheDeps): (cause: unknown) => void {
  return (cause) => {
    diskHealth.failed(cause);
    log.warn(`The cache could not write to its disk: ${codeOf(cause)}.`);
  };
}

function codeOf(cause: unknown): string {
  return cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown fault';
}
