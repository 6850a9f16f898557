import type { KeptCopy } from '../cache/cache.ts';
import type { Picture } from './picture-process.ts';
import type { PictureOrder } from './picture-words.ts';
import type { ThumbnailRows } from './thumbnail-rows.ts';

export { PictureProcess, startPictureProgram } from './picture-process.ts';
export { ThumbnailRows } from './thumbnail-rows.ts';

/** Longest sides that are made, in pixels: a row, a tile, a tile of a screen with twice the pixels. */
export const WIDTHS_PX = [160, 320, 640] as const;

export type Thumbnail =
  /** WebP. */
  | { readonly kind: 'image'; readonly bytes: Buffer }
  /** None can be made of it. */
  | { readonly kind: 'none' }
  /** Others are before it, or memory is short: ask again in a moment. */
  | { readonly kind: 'busy' };

export interface ThumbnailsPorts {
  readonly rows: Pick<ThumbnailRows, 'find' | 'keep'>;
  readonly process: {
    make(order: PictureOrder): Promise<Picture>;
    stop(): void;
  };
  /** The disk takes nothing now. */
  readonly diskRefuses: () => boolean;
  readonly isShortOfMemory: () => boolean;
  /** More was kept: the cache may be over its limit. */
  readonly settle: () => Promise<void>;
}

/** By the end of the name alone, so that no process is begun for a film. */
const NAMES = /\.(?:jpe?g|jpe|jfif|png|webp|gif)$/i;
/** Of 12 million pixels a PNG takes so much. */
const MOST_BYTES = 40_000_000;
/** What a page of tiles asks for, twice over. */
const MOST_WAITING = 200;
const MOST_SUSPECTS = 1_000;

interface Job {
  readonly copy: KeptCopy;
  readonly widthPx: number;
  readonly waiters: Set<(thumbnail: Thumbnail) => void>;
}

const NONE: Thumbnail = { kind: 'none' };
const BUSY: Thumbnail = { kind: 'busy' };

/**
 * Small pictures of what is kept, made one after the other when somebody looks at them, and kept
 * with the copy. Who asked last is served first: that is what is on the screen. The NAS is asked for
 * nothing.
 */
export class Thumbnails {
  readonly #ports: ThumbnailsPorts;
  readonly #waiting = new Map<string, Job>();
  /** A process died of these once, which may have had other causes. */
  readonly #suspects = new Set<string>();
  #now: { readonly key: string; readonly job: Job } | null = null;
  #isStopped = false;

  constructor(ports: ThumbnailsPorts) {
    this.#ports = ports;
  }

  stop(): void {
    this.#isStopped = true;
    for (const job of this.#waiting.values()) tell(job, BUSY);
    this.#waiting.clear();
    this.#ports.process.stop();
  }

  /**
   * @param copy of a file that the asker may read
   * @param name that they know it by
   * @param widthPx one of {@link WIDTHS_PX}
   * @param signal ends the wait; what nobody waits for is not made
   */
  async of(
    copy: KeptCopy,
    name: string,
    widthPx: (typeof WIDTHS_PX)[number],
    signal: AbortSignal,
  ): Promise<Thumbnail> {
    if (!NAMES.test(name) || copy.sizeBytes > MOST_BYTES || copy.sizeBytes === 0) return NONE;
    const known = this.#ports.rows.find(copy, widthPx);
    if (known !== null) return known.length === 0 ? NONE : { kind: 'image', bytes: known };
    if (this.#isStopped || signal.aborted || this.#ports.isShortOfMemory()) return BUSY;
    return await this.#wait(copy, widthPx, signal);
  }

  async #wait(copy: KeptCopy, widthPx: number, signal: AbortSignal): Promise<Thumbnail> {
    const key = `${copy.blob} ${widthPx}`;
    const { promise, resolve } = Promise.withResolvers<Thumbnail>();
    const job = this.#jobFor(key, { copy, widthPx, waiters: new Set() });
    job.waiters.add(resolve);
    const leave = (): void => {
      job.waiters.delete(resolve);
      if (job.waiters.size === 0 && this.#waiting.get(key) === job) this.#waiting.delete(key);
      resolve(BUSY);
    };
    signal.addEventListener('abort', leave, { once: true });
    this.#go();
    const thumbnail = await promise;
    signal.removeEventListener('abort', leave);
    return thumbnail;
  }

  #jobFor(key: string, wanted: Job): Job {
    if (this.#now?.key === key) return this.#now.job;
    const job = this.#waiting.get(key) ?? wanted;
    // To the end of the line, which is where the next is taken from.
    this.#waiting.delete(key);
    this.#waiting.set(key, job);
    if (this.#waiting.size > MOST_WAITING) this.#dropOldest();
    return job;
  }

  #dropOldest(): void {
    for (const [key, job] of this.#waiting) {
      this.#waiting.delete(key);
      tell(job, BUSY);
      return;
    }
  }

  #go(): void {
    if (this.#now !== null || this.#isStopped) return;
    const next = [...this.#waiting].at(-1);
    if (next === undefined) return;
    const [key, job] = next;
    this.#waiting.delete(key);
    this.#now = { key, job };
    this.#make(key, job).then(
      (thumbnail) => {
        this.#over(job, thumbnail);
      },
      // The table could not be written, which others tell of; the picture is asked for again.
      () => {
        this.#over(job, BUSY);
      },
    );
  }

  #over(job: Job, thumbnail: Thumbnail): void {
    this.#now = null;
    tell(job, thumbnail);
    this.#go();
  }

  async #make(key: string, { copy, widthPx }: Job): Promise<Thumbnail> {
    const { process, isShortOfMemory } = this.#ports;
    if (isShortOfMemory()) {
      process.stop();
      return BUSY;
    }
    const { file, sizeBytes } = copy;
    const picture = await process.make({ file, sizeBytes, widthPx });
    switch (picture.kind) {
      case 'image':
        await this.#keep(copy, widthPx, picture.bytes);
        return picture;
      case 'no_process':
        return NONE;
      case 'died':
        if (this.#isStopped || !this.#suspects.delete(key)) {
          if (this.#suspects.size >= MOST_SUSPECTS) this.#suspects.clear();
          this.#suspects.add(key);
          return BUSY;
        }
        break;
      case 'unreadable':
        break;
    }
    await this.#keep(copy, widthPx, Buffer.alloc(0));
    return NONE;
  }

  async #keep(copy: KeptCopy, widthPx: number, image: Buffer): Promise<void> {
    const { rows, settle, diskRefuses } = this.#ports;
    if (diskRefuses()) return;
    rows.keep(copy, widthPx, image);
    await settle();
  }
}

function tell({ waiters }: Job, thumbnail: Thumbnail): void {
  for (const resolve of waiters) resolve(thumbnail);
}
