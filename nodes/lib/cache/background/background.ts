import { Readable } from 'node:stream';
import type { Caller } from '../../accounts/caller.ts';
import type { FileVersion, LocatedFile } from '../../files/files.ts';
import type { Download, Downloads } from '../download/download.ts';
import type { Fetcher } from '../download/fetcher.ts';
import type { Origin, OriginFault } from '../download/origin.ts';
import type { Reader } from '../download/ranges.ts';
import { type EntryRows, holds } from '../entries/entry-rows.ts';
import type { EntryStore } from '../entries/entry-store.ts';
import { isSegmented, type SegmentRows } from '../entries/segment-rows.ts';
import type { CacheDeps, CacheSpace } from '../entries/space.ts';
import { Holdings, Pins } from '../pins/pins.ts';
import type { CacheCounters } from '../stats/stats.ts';
import { PrefetchRows, type Occasion } from './prefetch-rows.ts';

interface BackgroundDeps {
  readonly cache: Pick<CacheDeps, 'store' | 'clock' | 'nas' | 'files' | 'tokenRefused'>;
  readonly entryRows: EntryRows;
  readonly downloads: Downloads;
  readonly entries: EntryStore;
  readonly segments: SegmentRows;
  readonly fetcher: Fetcher;
  readonly space: CacheSpace;
  readonly counters: CacheCounters;
}

/** The outcome of fetching a file no caller waits for. */
type AheadOutcome =
  /** It was fetched and is kept; a caller may have read along. */
  | { readonly kind: 'kept'; readonly usedMeanwhile: boolean }
  /** This very version was here already, or a caller is just fetching it. */
  | { readonly kind: 'here' }
  /** There is no space for it, or the NAS gave no whole version of it. */
  | { readonly kind: 'not_kept' }
  | { readonly kind: 'ended' }
  | OriginFault;

interface AheadOptions {
  /** Aborted when the NAS goes: the fetch ends at once, unless a caller reads along. */
  readonly signal: AbortSignal;
  /** Nobody asked for it yet; null for a file of a pinned folder. */
  readonly occasion: Occasion | null;
  /** Waits while callers want the NAS for themselves; asked between two chunks. */
  readonly yieldToCallers: () => Promise<void> | undefined;
}

/** The cache's background work, and its counts over days. */
export class Background {
  readonly pins: Pins;
  /** Who has how much here. */
  readonly holdings: Holdings;
  /** What is counted of the answers, by day. */
  readonly counters: Pick<CacheCounters, 'days' | 'onFirstUse' | 'spared'>;
  /** The space that the entries may take. */
  readonly space: Pick<CacheSpace, 'limitBytes'>;
  readonly #deps: BackgroundDeps;
  readonly #rows: PrefetchRows;

  constructor(deps: BackgroundDeps) {
    this.#deps = deps;
    const { space } = deps;
    const { store, clock } = deps.cache;
    const limitBytes = (): number => space.limitBytes();
    const capacityBytes = (): number => space.capacityBytes();
    this.pins = new Pins({ store, clock, limitBytes, capacityBytes });
    this.holdings = new Holdings({ store, clock });
    this.counters = deps.counters;
    this.space = space;
    this.#rows = new PrefetchRows(store);
  }

  /** Whether the NAS gives bytes to a caller at this moment. */
  get isServingCallers(): boolean {
    return this.#deps.fetcher.answeringCount > 0;
  }

  /** Whether this version of a path is here or on its way. */
  has(file: Pick<LocatedFile, 'path' | 'version'>): boolean {
    const { path, version } = file;
    if (version === null) return false;
    const { entryRows, downloads } = this.#deps;
    const entry = entryRows.find(path);
    if (entry !== null && holds(entry, version)) return true;
    // A file of one segment is fetched to its end whoever asked for it; a larger one may not be.
    if (!isSegmented(version.sizeBytes)) return downloads.find(path, version) !== null;
    return this.#holdsSegments(path, version);
  }

  /** Fetches a file that `caller` may read, with their own token, in the background. */
  async fetch(
    caller: Caller,
    file: LocatedFile,
    options: AheadOptions,
  ): Promise<AheadOutcome | { readonly kind: 'needs_nas_token' }> {
    const { nas, files, tokenRefused } = this.#deps.cache;
    const access = await files.views.access(caller);
    if (access.kind === 'needs_nas_token') return access;
    if (access.kind === 'asleep') return { kind: 'unreachable' };
    const { token } = access;
    const { path } = file;
    const origin = {
      open: (range?: Parameters<typeof nas.download>[2]) =>
        nas.download(token, path, range, { auto: true }),
      relist: (force: boolean) => files.locator.relist(caller, path, force),
    };
    const outcome = await this.#fetch(file, origin, options);
    if (outcome.kind === 'token_refused') tokenRefused(token);
    if (outcome.kind === 'not_found') await files.refused(caller, token, path);
    return outcome;
  }

  /** @param origin asks with the token of the user it is fetched for */
  async #fetch(file: LocatedFile, origin: Origin, options: AheadOptions): Promise<AheadOutcome> {
    const { version } = file;
    if (options.signal.aborted) return { kind: 'ended' };
    if (version === null || version.sizeBytes > this.space.limitBytes()) {
      return { kind: 'not_kept' };
    }
    if (this.has(file)) return { kind: 'here' };
    const { path, mimeType, ownerId } = file;
    const hasReaders = (): boolean => download.readerCount > 1;
    const quiet = gentle(origin, hasReaders, options);
    const target = { path, version, mimeType, ownerId, isAhead: true } as const;
    const download: Download = this.#deps.downloads.of(quiet, target);
    const last = version.sizeBytes - 1;
    const reader: Reader = { origin: quiet, position: 0, last, isPartial: false };
    download.join(reader);
    const end = (): void => {
      // A caller who reads along keeps it going.
      if (!hasReaders()) download.stop();
      else download.here.ranges.cancel(reader);
    };
    options.signal.addEventListener('abort', end, { once: true });
    try {
      const came = await readThrough(download, reader, options.signal);
      if (options.signal.aborted && came !== 'came') return { kind: 'ended' };
      if (typeof came !== 'string') return came;
      return this.#outcome(download, path, options.occasion);
    } finally {
      options.signal.removeEventListener('abort', end);
      download.leave(reader);
    }
  }

  #outcome(download: Download, path: string, occasion: Occasion | null): AheadOutcome {
    const { version, wasRead } = download;
    if (this.#holdsSegments(path, version)) return { kind: 'kept', usedMeanwhile: false };
    const entry = this.#deps.entryRows.find(path);
    if (entry === null || !holds(entry, version)) return { kind: 'not_kept' };
    if (occasion !== null && !wasRead) {
      this.#rows.mark(path, occasion);
      this.#deps.counters.prefetched(version.sizeBytes);
    }
    return { kind: 'kept', usedMeanwhile: wasRead };
  }

  #holdsSegments(path: string, version: FileVersion): boolean {
    const { entries, segments } = this.#deps;
    const segmented = segments.find(path);
    return segmented !== null && holds(segmented, version) && entries.isKept(path);
  }
}

/** An origin whose bytes wait while callers want the NAS, unless a caller reads along. */
function gentle(origin: Origin, hasReaders: () => boolean, options: AheadOptions): Origin {
  const wait = (): Promise<void> | undefined =>
    hasReaders() ? undefined : options.yieldToCallers();
  return {
    ...origin,
    open: async (range) => {
      const answer = await origin.open(range);
      if (answer.kind !== 'stream') return answer;
      return { ...answer, body: new ThrottledStream(answer.body, wait) };
    },
  };
}

/**
 * Reads all of a file in the background, next to its readers.
 * @param signal aborts it; what was verified until then stays
 * @returns `cut`: it did not come to its end
 */
async function readThrough(
  download: Download,
  reader: Reader,
  signal: AbortSignal,
): Promise<'came' | 'cut' | OriginFault> {
  const opened = await download.begin(reader);
  if (opened.kind === 'no_storage') return 'cut';
  if (opened.kind !== 'open') return opened;
  while (reader.position <= reader.last) {
    const arrival = await download.whenThere(reader, reader.position);
    if (arrival !== 'there' || signal.aborted) return 'cut';
    reader.position = download.here.ranges.present.endFrom(reader.position);
  }
  await download.verify();
  await download.checks.settled();
  return 'came';
}

/**
 * A stream that pauses between chunks for as long as its owner asks, so that background fetches
 * leave the network to callers. Destroying it destroys the source at once, even during a pause.
 */
class ThrottledStream extends Readable {
  readonly #source: Readable;
  readonly #wait: () => Promise<void> | undefined;

  /** @param wait resolves when the next chunk may be taken; undefined for at once */
  constructor(source: Readable, wait: () => Promise<void> | undefined) {
    super({ highWaterMark: 64 * 1024 });
    this.#source = source;
    this.#wait = wait;
    source.on('data', (chunk: Buffer) => {
      source.pause();
      this.push(chunk);
    });
    source.once('end', () => {
      this.push(null);
    });
    source.on('error', (error) => {
      this.destroy(error);
    });
    source.once('close', () => {
      if (!source.readableEnded) this.destroy(new Error('The source was cut short.'));
    });
    source.pause();
  }

  override _read(): void {
    const waiting = this.#wait();
    const go = (): void => {
      this.#source.resume();
    };
    if (waiting === undefined) go();
    // An aborted wait means nobody wants it any more; what arrives is dropped with the stream.
    else waiting.then(go, go);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#source.destroy();
    done(error);
  }
}
