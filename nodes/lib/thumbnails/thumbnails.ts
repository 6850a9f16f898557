import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { extname } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { KeptEntry } from '../cache/cache.ts';
import { LruMap } from '../limits/limits.ts';
import type { Log } from '../log/log.ts';
import type { Cancel, Clock } from '../time/clock.ts';
import { LENGTH_BYTES, type PictureOrder, READY } from './picture-words.ts';
import type { ThumbnailRows } from './thumbnail-rows.ts';

export { ThumbnailRows } from './thumbnail-rows.ts';

/** Longest sides that are made, in pixels: a row, a tile, a tile of a screen with twice the pixels. */
export const WIDTHS_PX = [160, 320, 640] as const;

export type Thumbnail =
  /** WebP. */
  | { readonly kind: 'image'; readonly bytes: Buffer }
  /** None can be made of it. */
  | { readonly kind: 'none' }
  /** Others are ahead of it, or memory is short: to be asked again in a moment. */
  | { readonly kind: 'busy' };

interface ThumbnailsDeps {
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

/** By the extension alone, so that no process is started for a film. */
const NAMES = /\.(?:jpe?g|jpe|jfif|png|webp|gif)$/i;
/** The size of a PNG of 12 million pixels, in bytes. */
const MOST_BYTES = 40_000_000;
/** Twice what a page of tiles asks for. */
const MOST_WAITING = 200;
const MOST_SUSPECTS = 1_000;

interface Job {
  readonly copy: KeptEntry;
  readonly widthPx: number;
  readonly waiters: Set<(thumbnail: Thumbnail) => void>;
}

const NONE: Thumbnail = { kind: 'none' };
const BUSY: Thumbnail = { kind: 'busy' };

/**
 * Thumbnails of cached files, made one at a time on request, and kept with the entry. The latest
 * request is served first: that is what is on the screen. The NAS is never asked.
 */
export class Thumbnails {
  readonly #deps: ThumbnailsDeps;
  readonly #waiting = new Map<string, Job>();
  /** A process died on these once, which may have had other causes. */
  readonly #suspects = new LruMap<string, true>(MOST_SUSPECTS);
  #now: { readonly key: string; readonly job: Job } | null = null;
  #isStopped = false;

  constructor(deps: ThumbnailsDeps) {
    this.#deps = deps;
  }

  stop(): void {
    this.#isStopped = true;
    for (const job of this.#waiting.values()) tell(job, BUSY);
    this.#waiting.clear();
    this.#deps.process.stop();
  }

  /**
   * @param copy of a file that the caller may read
   * @param name that they know it by
   * @param widthPx one of {@link WIDTHS_PX}
   * @param signal ends the wait; what nobody waits for is not made
   */
  async of(
    copy: KeptEntry,
    name: string,
    widthPx: (typeof WIDTHS_PX)[number],
    signal: AbortSignal,
  ): Promise<Thumbnail> {
    if (!NAMES.test(name) || copy.sizeBytes > MOST_BYTES || copy.sizeBytes === 0) return NONE;
    const known = this.#deps.rows.find(copy, widthPx);
    if (known !== null) return known.length === 0 ? NONE : { kind: 'image', bytes: known };
    if (this.#isStopped || signal.aborted || this.#deps.isShortOfMemory()) return BUSY;
    return await this.#wait(copy, widthPx, signal);
  }

  async #wait(copy: KeptEntry, widthPx: number, signal: AbortSignal): Promise<Thumbnail> {
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
    // Up to the end of the stack, from which the next is taken.
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
      // The table could not be written, which others report; the picture is asked for again.
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
    const { process, isShortOfMemory } = this.#deps;
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
          this.#suspects.set(key, true);
          return BUSY;
        }
        break;
      case 'unreadable':
        break;
    }
    await this.#keep(copy, widthPx, Buffer.alloc(0));
    return NONE;
  }

  async #keep(copy: KeptEntry, widthPx: number, image: Buffer): Promise<void> {
    const { rows, settle, diskRefuses } = this.#deps;
    if (diskRefuses()) return;
    rows.keep(copy, widthPx, image);
    await settle();
  }
}

function tell({ waiters }: Job, thumbnail: Thumbnail): void {
  for (const resolve of waiters) resolve(thumbnail);
}

type Picture =
  /** WebP. */
  | { readonly kind: 'image'; readonly bytes: Buffer }
  /** It is not a picture, of a kind that is not read, or damaged. */
  | { readonly kind: 'unreadable' }
  /** The process died of it, or took too long. */
  | { readonly kind: 'died' }
  /** There is none on this machine. */
  | { readonly kind: 'no_process' };

type PictureChild = ChildProcessByStdio<Writable, Readable, null>;

interface PictureProcessDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly start: () => PictureChild;
}

/** A Pi under load, at the lowest priority, takes some seconds for the largest. */
const MOST_MS = 30_000;
/** Starting it takes a Pi two seconds; while idle it holds 75 MB. */
const IDLE_MS = 120_000;
/** The most bytes that 640 pixels come to. */
const MOST_PICTURE_BYTES = 512 * 1024;

/** Its limit for data: 12 million pixels take 80 MB, 50 million 105 MB (measured). */
const MEMORY_MB = 200;
/** Without its compiler, V8 needs no executable memory, and little memory at all. */
const NODE_OPTIONS = [
  '--jitless',
  '--single-threaded',
  '--max-old-space-size=32',
  '--max-semi-space-size=1',
];

/** The program next to this file, compiled or not. */
const PROGRAM = fileURLToPath(
  new URL(`./picture-program${extname(import.meta.url)}`, import.meta.url),
);

/**
 * Begins the process that decodes pictures, confined (deploy/confine.pl), without anything of our
 * environment.
 * @param confine where that program lies
 */
export function startPictureProgram(confine: string): PictureChild {
  const node = [process.execPath, ...NODE_OPTIONS, PROGRAM];
  return spawn('/usr/bin/perl', [confine, String(MEMORY_MB), ...node], {
    env: { MALLOC_ARENA_MAX: '1', UV_THREADPOOL_SIZE: '1', LANG: 'C' },
    cwd: '/',
    stdio: ['pipe', 'pipe', 'ignore'],
  });
}

interface Running {
  readonly child: PictureChild;
  /** Resolves the pending picture; null while it is idle. */
  done: ((picture: Picture) => void) | null;
  received: Buffer[];
  receivedBytes: number;
  /** It has ended, or is being ended. */
  isOver: boolean;
  isReady: boolean;
}

/**
 * The one process that decodes pictures: started for the first, kept for the next, ended when idle.
 * Its output is trusted to be bytes and nothing else.
 */
export class PictureProcess {
  readonly #deps: PictureProcessDeps;
  #running: Running | null = null;
  #cancel: Cancel = () => undefined;
  #isMissing = false;

  constructor(deps: PictureProcessDeps) {
    this.#deps = deps;
  }

  /** One at a time: the next only after this one has arrived. */
  async make(order: PictureOrder): Promise<Picture> {
    if (this.#isMissing) return { kind: 'no_process' };
    this.#cancel();
    const running = (this.#running ??= this.#begin());
    const picture = await new Promise<Picture>((resolve) => {
      running.done = resolve;
      this.#cancel = this.#deps.clock.after(MOST_MS, () => {
        this.#end(running, { kind: 'died' });
      });
      if (!running.isOver) running.child.stdin.write(`${JSON.stringify(order)}\n`);
    });
    this.#cancel();
    if (this.#running !== null) this.#cancel = this.#deps.clock.after(IDLE_MS, () => this.stop());
    return picture;
  }

  /** Ends it; its current order fails. The next order starts another. */
  stop(): void {
    this.#cancel();
    if (this.#running !== null) this.#end(this.#running, { kind: 'died' });
  }

  #begin(): Running {
    const child = this.#deps.start();
    const running: Running = {
      ...{ child, done: null, received: [], receivedBytes: 0 },
      ...{ isOver: false, isReady: false },
    };
    child.stdout.on('data', (bytes: Buffer) => {
      this.#take(running, bytes);
    });
    // It died; the `exit` event tells.
    child.stdin.on('error', () => undefined);
    child.on('error', () => {
      this.#ended(running);
    });
    child.on('exit', () => {
      this.#ended(running);
    });
    return running;
  }

  /** If it ends before it was ready, and not by us, it cannot run here. */
  #ended(running: Running): void {
    if (running.isOver) return;
    if (!running.isReady && running.child.signalCode === null) {
      this.#isMissing = true;
      this.#deps.log.warn(
        'There are no thumbnails on this machine: their process needs Linux on arm64 or x64 ' +
          'with Perl, and a kernel with seccomp.',
      );
    }
    this.#end(running, { kind: this.#isMissing ? 'no_process' : 'died' });
  }

  #end(running: Running, picture: Picture): void {
    if (this.#running === running) this.#running = null;
    running.isOver = true;
    running.child.kill('SIGKILL');
    running.done?.(picture);
    running.done = null;
  }

  #take(running: Running, bytes: Buffer): void {
    if (running.isOver) return;
    running.received.push(bytes);
    running.receivedBytes += bytes.length;
    if (running.receivedBytes < LENGTH_BYTES) return;
    const all = Buffer.concat(running.received);
    running.received = [all];
    if (running.isReady) this.#takePicture(running, all);
    else this.#takeHello(running, all);
  }

  #takeHello(running: Running, all: Buffer): void {
    const rest = all.subarray(READY.length);
    running.isReady = all.toString('latin1', 0, READY.length) === READY;
    running.received = [];
    running.receivedBytes = 0;
    if (!running.isReady) this.#end(running, { kind: 'died' });
    else if (rest.length > 0) this.#take(running, rest);
  }

  #takePicture(running: Running, all: Buffer): void {
    const length = all.readUInt32BE(0);
    // It was compromised: it says more than a picture can be, or speaks when nobody asked.
    if (
      length > MOST_PICTURE_BYTES ||
      all.length > LENGTH_BYTES + length ||
      running.done === null
    ) {
      this.#end(running, { kind: 'died' });
      return;
    }
    if (all.length < LENGTH_BYTES + length) return;
    running.received = [];
    running.receivedBytes = 0;
    const image = all.subarray(LENGTH_BYTES);
    running.done(isWebp(image) ? { kind: 'image', bytes: image } : { kind: 'unreadable' });
    running.done = null;
  }
}

function isWebp(bytes: Buffer): boolean {
  return bytes.toString('latin1', 0, 4) === 'RIFF' && bytes.toString('latin1', 8, 12) === 'WEBP';
}
