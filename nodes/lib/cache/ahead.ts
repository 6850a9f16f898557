import type { FileVersion, LocatedFile } from '../files/files.ts';
import { AheadRows, type Occasion } from './ahead-rows.ts';
import type { CopyRows } from './copy-rows.ts';
import { holds } from './cached-copy.ts';
import type { Fill } from './fill.ts';
import type { Fills } from './fills.ts';
import { GentleBody } from './gentle-body.ts';
import type { Origin, OriginFault } from './origin.ts';
import type { PieceCache } from './piece-cache.ts';
import { fetchPieces } from './pieces-ahead.ts';
import { isPieced } from './pieces.ts';
import type { Store } from '../store/store.ts';
import type { Tally } from './tally.ts';

/** What came of fetching a file that no caller waits for. */
export type AheadOutcome =
  /** It was fetched and is kept; a caller may have read along. */
  | { readonly kind: 'kept'; readonly usedMeanwhile: boolean }
  /** This very version was here already, or a caller is just fetching it. */
  | { readonly kind: 'here' }
  /** There is no room for it, or the NAS gave no whole version of it. */
  | { readonly kind: 'not_kept' }
  | { readonly kind: 'ended' }
  | OriginFault;

export interface AheadOptions {
  /** Aborted when the NAS goes: the fetch ends at once, unless a caller reads along. */
  readonly signal: AbortSignal;
  /** Nobody asked for it yet; null for a file of a pinned folder. */
  readonly occasion: Occasion | null;
  /** Waits while callers want the NAS for themselves; asked between two chunks. */
  readonly yieldToCallers: () => Promise<void> | undefined;
}

export interface AheadPorts {
  readonly store: Store;
  readonly fills: Fills;
  readonly pieces: PieceCache;
  readonly copies: CopyRows;
  readonly tally: Tally;
  readonly limitBytes: () => number;
}

/** Fills without a reader: what is fetched before a caller asks for it. */
export class Ahead {
  readonly #ports: AheadPorts;
  readonly #rows: AheadRows;

  constructor(ports: AheadPorts) {
    this.#ports = ports;
    this.#rows = new AheadRows(ports.store);
  }

  /** Whether this version of a path is here or on its way. */
  has(file: Pick<LocatedFile, 'path' | 'version'>): boolean {
    const { path, version } = file;
    if (version === null) return false;
    const { copies, fills } = this.#ports;
    const copy = copies.find(path);
    if (copy !== null && holds(copy, version)) return true;
    return fills.find(path, version) !== null || this.#holdsPieces(path, version);
  }

  /** @param origin asks with the token of the user it is fetched for */
  async fetch(file: LocatedFile, origin: Origin, options: AheadOptions): Promise<AheadOutcome> {
    const { version } = file;
    if (options.signal.aborted) return { kind: 'ended' };
    if (version === null || version.sizeBytes > this.#ports.limitBytes()) {
      return { kind: 'not_kept' };
    }
    if (this.has(file)) return { kind: 'here' };
    return isPieced(version.sizeBytes)
      ? this.#inPieces(file, version, origin, options)
      : this.#inOne(file, version, origin, options);
  }

  async #inPieces(
    file: LocatedFile,
    version: FileVersion,
    origin: Origin,
    options: AheadOptions,
  ): Promise<AheadOutcome> {
    const { pieces } = this.#ports;
    const quiet = (hasReaders: () => boolean): Origin => gentle(origin, hasReaders, options);
    const came = await fetchPieces(pieces, file, version, quiet, options.signal);
    if (options.signal.aborted) return { kind: 'ended' };
    if (came.kind !== 'came' && came.kind !== 'cut' && came.kind !== 'no_storage') return came;
    return this.#holdsPieces(file.path, version)
      ? { kind: 'kept', usedMeanwhile: false }
      : { kind: 'not_kept' };
  }

  #holdsPieces(path: string, version: FileVersion): boolean {
    const { pieces } = this.#ports;
    const pieced = pieces.find(path);
    return pieced !== null && holds(pieced, version) && pieces.isWhole(path);
  }

  async #inOne(
    file: LocatedFile,
    version: FileVersion,
    origin: Origin,
    options: AheadOptions,
  ): Promise<AheadOutcome> {
    const { path, mimeType, ownerId } = file;
    const hasReaders = (): boolean => fill.readerCount > 1;
    const target = { path, version, mimeType, ownerId, isAhead: true } as const;
    const fill: Fill = this.#ports.fills.start(gentle(origin, hasReaders, options), target);
    fill.join();
    const end = (): void => {
      // A caller who reads along keeps it going.
      if (!hasReaders()) fill.stop();
    };
    options.signal.addEventListener('abort', end, { once: true });
    try {
      return await this.#follow(fill, file, options);
    } finally {
      options.signal.removeEventListener('abort', end);
      fill.leave();
    }
  }

  async #follow(fill: Fill, file: LocatedFile, options: AheadOptions): Promise<AheadOutcome> {
    const first = await fill.opened;
    if (first.kind === 'no_storage') return { kind: 'not_kept' };
    if (first.kind !== 'open') return options.signal.aborted ? { kind: 'ended' } : first;
    const { sizeBytes } = fill.version;
    const last = await fill.extent().available(sizeBytes - 1);
    if (last.kind !== 'upto') return { kind: options.signal.aborted ? 'ended' : 'not_kept' };
    const version = fill.version;
    const copy = this.#ports.copies.find(file.path);
    if (copy === null || !holds(copy, version)) return { kind: 'not_kept' };
    if (options.occasion !== null && !fill.wasRead) {
      this.#rows.mark(file.path, options.occasion);
      this.#ports.tally.prefetched(sizeBytes);
    }
    return { kind: 'kept', usedMeanwhile: fill.wasRead };
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
      return { ...answer, body: new GentleBody(answer.body, wait) };
    },
  };
}
