import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Caller } from '../accounts/caller.ts';
import type { FileVersion, LocatedFile } from '../files/files.ts';
import { localDays } from '../time/zoned-time.ts';
import { Download, Downloads } from './download/download.ts';
import { Fetcher, type FetchOutcome } from './download/fetcher.ts';
import type { Origin } from './download/origin.ts';
import { BlobStore, openIfThere, SMALL_FILES_BYTES } from './entries/blob-store.ts';
import { EntryRows } from './entries/entry-rows.ts';
import { EntryStore } from './entries/entry-store.ts';
import { isSegmented, SegmentRows } from './entries/segment-rows.ts';
import { type CacheDeps, type DownloadTarget, CacheSpace } from './entries/space.ts';
import { CachePolicy } from './policy/policy.ts';
import { Background } from './background/background.ts';
import { ScrubRows } from './scrub/scrub-rows.ts';
import { Scrub, type ScrubReport } from './scrub/scrub.ts';
import { type BufferPool, servingPool } from './serve/byte-source.ts';
import { KeptEntries, SegmentTouches } from './serve/kept.ts';
import {
  type FileHead,
  fileSource,
  headOf,
  plainFile,
  planAnswer,
  respond,
} from './serve/respond.ts';
import { type CacheStats, CacheCounters } from './stats/stats.ts';
import {
  type DeliveredFile,
  type QueuedFile,
  type ServeOutcome,
  FreshnessCheck,
} from './verify/freshness.ts';

export type { KeptEntry } from './entries/entry-rows.ts';
export type { FirstUse, Occasion } from './background/prefetch-rows.ts';
export type { Background } from './background/background.ts';
export * from './background/neighbours.ts';
export type { PinRow } from './pins/pin-rows.ts';
export type { Pin, Pins } from './pins/pins.ts';
export { wireDays, wireStats } from './stats/stats.ts';
export type { EntryTicket, QueuedFile } from './verify/freshness.ts';

/** Cache entries of the NAS's files: looked up, served, filled, evicted. */
export class Cache {
  /** Background work: pins, prefetching, counts per day. */
  readonly background: Background;
  /** Kept files, once the files module has decided that the caller may read them. */
  readonly kept: Pick<KeptEntries, 'lookup' | 'entryOf' | 'serve' | 'empty'>;
  /** The disk space the entries take, which uploads need too. */
  readonly space: Pick<CacheSpace, 'evictFor' | 'settle'>;
  readonly #deps: CacheDeps;
  readonly #entryRows: EntryRows;
  readonly #blobs: BlobStore;
  readonly #entries: EntryStore;
  readonly #counters: CacheCounters;
  readonly #space: CacheSpace;
  readonly #downloads: Downloads;
  readonly #fetcher: Fetcher;
  readonly #scrub: Scrub;
  readonly #pool: BufferPool;
  readonly #flushUses: () => void;

  constructor(deps: CacheDeps) {
    this.#deps = deps;
    const own = assemble(deps);
    this.#entryRows = own.entryRows;
    this.#blobs = own.blobs;
    this.#entries = own.entries;
    this.kept = own.kept;
    this.#counters = own.counters;
    this.space = this.#space = own.space;
    this.#downloads = own.downloads;
    this.#fetcher = own.fetcher;
    this.#pool = own.pool;
    this.#scrub = own.scrub;
    this.#flushUses = own.flushUses;
    this.background = new Background({ cache: deps, ...own });
  }

  /** Removes what was being downloaded when the process ended. Costs no more with more entries. */
  async start(): Promise<void> {
    await this.#blobs.start();
    this.#scrub.start();
  }

  /** Aborts what is being downloaded, and saves the counts. */
  async stop(): Promise<void> {
    this.#fetcher.cutAll();
    await Promise.all([this.#downloads.stop(), this.#scrub.stop()]);
    await this.#blobs.open.close();
    this.#flushUses();
  }

  /** Its disk disappeared or came back, so open files may belong to one that is gone. */
  diskChanged(): void {
    this.#blobs.open.close().catch((error: unknown) => {
      this.#deps.log.warn(`Files of a removed disk could not be closed: ${String(error)}`);
    });
  }

  /** A round of the slow check: meant to be called every 15 minutes. */
  async check(): Promise<ScrubReport> {
    const report = await this.#scrub.round();
    if (report.damaged > 0) {
      this.#deps.log.warn(
        `${report.damaged} cached files had changed on the disk and were dropped.`,
      );
    }
    return report;
  }

  /**
   * Whether a HEAD depends on the tag a GET would give, and only the NAS knows that: it is in no
   * listing.
   */
  wantsTag(version: FileVersion, { headers }: IncomingMessage): boolean {
    if (version.etag !== null) return false;
    return headers['if-none-match'] !== undefined || headers['if-match'] !== undefined;
  }

  /** Answers HEAD from the caller's listing, without asking the NAS. */
  async describe(
    file: LocatedFile,
    version: FileVersion,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<ServeOutcome> {
    const nowMs = this.#deps.clock.nowMs();
    const isFresh = file.known === 'fresh';
    const said = { etag: version.etag, mimeType: null };
    const told = headOf(file, version, said, isFresh ? 'miss' : 'stale', nowMs);
    // A GET would give the NAS's own tag; another one here would suggest a false change.
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
    const access = await this.#deps.files.views.access(caller);
    if (access.kind === 'needs_nas_token') return access;
    const { version } = file;
    if (access.kind === 'asleep' || version === null) return { kind: 'unreachable' };
    const { token } = access;
    const origin = this.#originOf(caller, file.path, token);
    const outcome = await this.#fetcher.fetch(file, version, origin, request, response);
    if (outcome.kind === 'token_refused') this.#deps.tokenRefused(token);
    if (outcome.kind === 'not_found') await this.#deps.files.refused(caller, token, file.path);
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
        lastModifiedMs: Math.min(acceptedAtMs, this.#deps.clock.nowMs()),
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

  /** Keeps a delivered upload as a cache entry. `no_room`: its file was left where it is. */
  async admit(delivered: DeliveredFile): Promise<'admitted' | 'no_room'> {
    const reservation = await this.#space.reserve(delivered.version.sizeBytes, null);
    if (reservation === null) return 'no_room';
    try {
      await this.#entries.keepWhole(delivered);
      return 'admitted';
    } finally {
      reservation.release();
    }
  }

  /** Bytes of all entries. */
  keptBytes(): number {
    return this.#entryRows.totals().totalBytes;
  }

  isKept(path: string): boolean {
    return this.#entries.isKept(path);
  }

  /** Drops the entries at and below a path, as after a delete, rename or move; `''` drops all. */
  async drop(path: string): Promise<void> {
    this.#downloads.doom(path);
    await this.#entries.discardBelow(path);
  }

  /** A file or folder was deleted on the NAS: its entries go, and nothing of it is pinned. */
  async gone(path: string): Promise<void> {
    this.background.pins.gone(path);
    await this.drop(path);
  }

  /** A file or folder moved on the NAS: its entries and pins follow it. */
  async moved(from: string, to: string): Promise<void> {
    await this.drop(to);
    this.#downloads.doom(from);
    await this.#entries.move(from, to);
    this.background.pins.moved(from, to);
  }

  stats(): CacheStats {
    const capacityBytes = this.#space.capacityBytes();
    const { maxBytes } = this.#deps;
    return { ...this.#entryRows.totals(), ...this.#counters.totals(), maxBytes, capacityBytes };
  }

  #originOf(caller: Caller, path: string, token: string): Origin {
    const { nas, files } = this.#deps;
    return {
      open: (range) => nas.download(token, path, range),
      relist: (force) => files.locator.relist(caller, path, force),
    };
  }
}

/** What a cache is made of. */
interface Assembled {
  readonly entryRows: EntryRows;
  readonly segments: SegmentRows;
  readonly blobs: BlobStore;
  readonly entries: EntryStore;
  readonly counters: CacheCounters;
  readonly space: CacheSpace;
  readonly policy: CachePolicy;
  readonly downloads: Downloads;
  readonly kept: KeptEntries;
  readonly fetcher: Fetcher;
  readonly pool: BufferPool;
  readonly scrub: Scrub;
  /** Saves the most recent uses. */
  readonly flushUses: () => void;
}

/** Builds what a cache consists of. */
function assemble(deps: CacheDeps): Assembled {
  const { store, clock, files } = deps;
  const entryRows = new EntryRows(store);
  const segments = new SegmentRows(store);
  const blobs = new BlobStore(deps.folder, clock, deps.memoryBytes ?? SMALL_FILES_BYTES);
  const { diskHealth } = deps;
  const entries = new EntryStore({ entryRows, segments, blobs, clock, diskHealth });
  const counters = new CacheCounters({ ...deps, entryRows, dayOf: localDays(deps.timeZone) });
  const touches = new SegmentTouches(store, segments, clock);
  const pool = servingPool();
  const flushUses = (): void => {
    counters.flush();
    touches.flush();
  };
  const threshold = deps.evictionThreshold;
  const limitBytes = (): number => space.limitBytes();
  const policy = new CachePolicy({ store, limitBytes, beforeChange: flushUses });
  const space: CacheSpace = new CacheSpace({
    ...{ ...deps, entryRows, segments, blobs },
    ...{ policy, flushUses, threshold },
  });
  const storageFailed = failureTeller(deps);
  const downloadDeps = {
    blobs,
    entries,
    segments,
    clock,
    reserve: reserveIn(space),
    storageFailed,
  };
  const downloads = new Downloads((origin, target) => new Download(downloadDeps, origin, target));
  const freshnessCheck = new FreshnessCheck((...which) => files.grants.mayRead(...which), clock);
  const stock = { entryRows, segments, blobs, entries, counters, space, policy };
  const serving = { ...stock, clock, pool, touches, diskHealth };
  const kept = new KeptEntries({ ...serving, freshnessCheck });
  const fetcher = new Fetcher({ ...serving, downloads, kept });
  const scrub = new Scrub({ ...stock, rows: new ScrubRows(store), health: diskHealth });
  return { ...stock, scrub, downloads, kept, fetcher, pool, flushUses };
}

/**
 * Reserves space for a segment. A small file is weighed as a whole when requested; a segment of a
 * larger one costs so little that it is admitted and proves its worth later.
 */
function reserveIn(
  space: CacheSpace,
): (target: DownloadTarget, bytes: number) => ReturnType<CacheSpace['reserve']> {
  return ({ path, version, isAhead }, bytes) => {
    const isWeighed = isAhead !== true && !isSegmented(version.sizeBytes);
    return space.reserve(bytes, isWeighed ? path : null);
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
