import type { Caller } from '../accounts/caller.ts';
import type { LocatedFile } from '../files/files.ts';
import { Ahead, type AheadOptions, type AheadOutcome } from './ahead.ts';
import type { FirstUse } from './ahead-rows.ts';
import type { CachePorts } from './cache-ports.ts';
import type { CopyRows } from './copy-rows.ts';
import type { Fetcher } from './fetcher.ts';
import type { Fills } from './fills.ts';
import type { PieceCache } from './piece-cache.ts';
import { Holdings } from './holdings.ts';
import { Pins } from './pins.ts';
import type { Room } from './room.ts';
import type { Tally } from './tally.ts';
import type { CountedDay } from './tally-rows.ts';

export interface BackgroundPorts {
  readonly cache: Pick<CachePorts, 'store' | 'clock' | 'nas' | 'files' | 'tokenRefused'>;
  readonly copies: CopyRows;
  readonly fills: Fills;
  readonly pieces: PieceCache;
  readonly fetcher: Fetcher;
  readonly room: Room;
  readonly tally: Tally;
}

/** What the cache does that no caller waits for, and what it counts over days. */
export class Background {
  readonly pins: Pins;
  /** Who has how much here. */
  readonly holdings: Holdings;
  readonly #ports: BackgroundPorts;
  readonly #ahead: Ahead;

  constructor(ports: BackgroundPorts) {
    this.#ports = ports;
    const { fills, pieces, copies, tally, room } = ports;
    const { store, clock } = ports.cache;
    const limitBytes = (): number => room.limitBytes();
    const capacityBytes = (): number => room.capacityBytes();
    this.pins = new Pins({ store, clock, limitBytes, capacityBytes });
    this.holdings = new Holdings({ store, clock });
    this.#ahead = new Ahead({ store, fills, pieces, copies, tally, limitBytes });
  }

  /** Whether the NAS gives bytes to a caller at this moment. */
  get isServingCallers(): boolean {
    return this.#ports.fetcher.answeringCount > 0;
  }

  /** What the copies are kept below, in bytes. */
  limitBytes(): number {
    return this.#ports.room.limitBytes();
  }

  /** Whether this version of a file is here or on its way. */
  has(file: Pick<LocatedFile, 'path' | 'version'>): boolean {
    return this.#ahead.has(file);
  }

  /** Fetches a file that `caller` may read, with their own token, for nobody in particular. */
  async fetch(
    caller: Caller,
    file: LocatedFile,
    options: AheadOptions,
  ): Promise<AheadOutcome | { readonly kind: 'needs_nas_token' }> {
    const { nas, files, tokenRefused } = this.#ports.cache;
    const access = await files.access(caller);
    if (access.kind === 'needs_nas_token') return access;
    if (access.kind === 'asleep') return { kind: 'unreachable' };
    const { token } = access;
    const { path } = file;
    const origin = {
      open: (range?: Parameters<typeof nas.download>[2]) =>
        nas.download(token, path, range, { auto: true }),
      relist: (force: boolean) => files.relist(caller, path, force),
    };
    const outcome = await this.#ahead.fetch(file, origin, options);
    if (outcome.kind === 'token_refused') tokenRefused(token);
    if (outcome.kind === 'not_found') await files.refused(caller, token, path);
    return outcome;
  }

  /** A request that would have needed the NAS was answered from here while it slept. */
  spared(): void {
    this.#ports.tally.spared();
  }

  /** Calls back when a copy fetched ahead is read for the first time. Returns how to stop that. */
  onFirstUse(listener: (use: FirstUse) => void): () => void {
    return this.#ports.tally.onFirstUse(listener);
  }

  /**
   * What was counted on the last `count` calendar days in TIMEZONE up to today, oldest first. Days
   * on which nothing happened are left out.
   */
  days(count: number): { readonly today: string; readonly days: readonly CountedDay[] } {
    return this.#ports.tally.days(count);
  }
}
