import { createHash } from 'node:crypto';
import { fdatasync, write } from 'node:fs';
import type { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { type FileVersion, isWithin, sameVersion } from '../../files/files.ts';
import type { TempFile } from '../entries/blob-store.ts';
import type {
  DownloadDeps,
  DownloadOpened,
  DownloadTarget,
  Reservation,
} from '../entries/space.ts';
import type { Availability, Extent } from '../serve/extent.ts';
import {
  faultOf,
  type DownloadHead,
  isOfVersion,
  isWorthFinishing,
  judge,
  type Origin,
} from './origin.ts';

const sync = promisify(fdatasync);

/**
 * One stream from the NAS into one file, for any number of readers. They follow the file as it
 * grows. Its last byte is held back until the whole is judged, so that bytes that turn out torn
 * never end cleanly.
 */
export class Download {
  readonly target: DownloadTarget;
  readonly opened: Promise<DownloadOpened>;
  /** Resolves when the download is over and its file gone or published. Never rejects. */
  readonly finished: Promise<void>;
  readonly #deps: DownloadDeps;
  readonly #origin: Origin;
  readonly #growth: Growth;
  #head: DownloadHead | null = null;
  #temp: TempFile | null = null;
  #reservation: Reservation | null = null;
  #body: Readable | null = null;
  #readers = 0;
  #mostReaders = 0;
  #keep = true;
  #idle: (() => void) | null = null;

  constructor(deps: DownloadDeps, origin: Origin, target: DownloadTarget) {
    this.#deps = deps;
    this.#origin = origin;
    this.target = target;
    this.#growth = new Growth(target.version.sizeBytes);
    const { promise, resolve } = Promise.withResolvers<DownloadOpened>();
    this.opened = promise;
    this.finished = this.#run(resolve);
  }

  /** The version with the tag the NAS sent, once it did. */
  get version(): FileVersion {
    return { ...this.target.version, etag: this.#head?.etag ?? this.target.version.etag };
  }

  /** Whether a new reader may still join. */
  get isJoinable(): boolean {
    return this.#growth.state !== 'failed' && this.#growth.state !== 'unstored';
  }

  /** Bytes on disk. */
  get writtenBytes(): number {
    return this.#growth.writtenBytes;
  }

  get readerCount(): number {
    return this.#readers;
  }

  /** Whether more than one ever read at once: of a download begun for nobody, whether a caller came. */
  get wasRead(): boolean {
    return this.#mostReaders > 1;
  }

  /** Counts a reader in; the download does not go away before {@link leave}. */
  join(): void {
    this.#readers += 1;
    this.#mostReaders = Math.max(this.#mostReaders, this.#readers);
  }

  /** Counts a reader out. After the last, what is not worth finishing is stopped. */
  leave(): void {
    this.#readers -= 1;
    this.#idle?.();
    this.#stopIfAbandoned();
  }

  #stopIfAbandoned(): void {
    if (this.#readers > 0) return;
    const { sizeBytes } = this.target.version;
    const isWorthIt = isWorthFinishing(sizeBytes, sizeBytes - this.#growth.writtenBytes);
    if (this.#growth.state === 'running' && !(this.#keep && isWorthIt)) this.stop();
  }

  /** What is being fetched was deleted or replaced: it may be read to its end, not kept. */
  doom(): void {
    this.#keep = false;
  }

  /** Ends it now; its readers are cut off. */
  stop(): void {
    this.#keep = false;
    this.#growth.become('failed');
    this.#body?.destroy();
  }

  /** The growing file for one reader. Only after `opened` said `open`, between join and leave. */
  extent(): Extent {
    const temp = this.#temp;
    if (temp === null) throw new Error('A fill was read before it was open.');
    return this.#growth.extent(temp.fd);
  }

  async #run(opened: (outcome: DownloadOpened) => void): Promise<void> {
    try {
      const outcome = await this.#open();
      opened(outcome);
      if (outcome.kind !== 'open') return;
      await this.#pump();
    } catch (error) {
      this.#deps.storageFailed(error);
      opened({ kind: 'no_storage' });
      this.#growth.become(this.#growth.state === 'running' ? 'unstored' : 'failed');
    } finally {
      await this.#close();
    }
  }

  async #open(): Promise<DownloadOpened> {
    const { sizeBytes } = this.target.version;
    this.#reservation = await this.#deps.reserve(this.target);
    if (this.#reservation === null) return this.#failed({ kind: 'no_storage' });
    if (this.#reservation.isPassing) this.doom();
    this.#temp = await this.#deps.blobs.createTemp();
    const answer = await this.#origin.open();
    if (answer.kind !== 'stream') return this.#failed(faultOf(answer));
    this.#body = answer.body;
    // Whoever stops the download destroys the stream; that it was cut short is told where it is read.
    answer.body.on('error', () => undefined);
    const isAsked = answer.status === 200 && answer.lengthBytes === sizeBytes;
    if (!isAsked || !isOfVersion(answer, this.target.version, null)) {
      answer.body.destroy();
      return this.#failed({ kind: 'changed' });
    }
    if (this.#growth.state === 'failed') return { kind: 'unreachable' };
    this.#head = { etag: answer.etag, mimeType: answer.contentType };
    this.#growth.become('running');
    this.#stopIfAbandoned();
    return { kind: 'open', head: this.#head };
  }

  #failed(outcome: DownloadOpened): DownloadOpened {
    this.#growth.become('failed');
    return outcome;
  }

  async #pump(): Promise<void> {
    const hash = createHash('sha256');
    if (!(await this.#copy((chunk) => hash.update(chunk)))) return;
    const sha256 = hash.digest('hex');
    const verdict = await judge(this.#origin, this.target.version, this.#head, sha256);
    if (verdict === 'cut') {
      this.#growth.become('failed');
      return;
    }
    // After stop() its readers are gone already, and what was dropped must not come back.
    if (this.#growth.state !== 'running') return;
    if (verdict === 'keep' && this.#keep) await this.#publish(sha256);
    this.#growth.become('whole');
  }

  /** @returns whether every byte came and is on disk */
  async #copy(digest: (chunk: Buffer) => void): Promise<boolean> {
    const { sizeBytes } = this.target.version;
    const chunks = (this.#body as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
    for (;;) {
      const chunk = await nextOf(chunks);
      if (chunk === 'cut' || this.#growth.state !== 'running') break;
      if (chunk === 'end') {
        if (this.#growth.writtenBytes === sizeBytes) return true;
        break;
      }
      if (this.#growth.writtenBytes + chunk.length > sizeBytes) break;
      digest(chunk);
      await this.#writeAll(chunk);
      this.#reservation?.wroteBytes(this.#growth.writtenBytes);
    }
    this.#growth.become('failed');
    return false;
  }

  async #writeAll(chunk: Buffer): Promise<void> {
    const { fd } = this.#temp as TempFile;
    let done = 0;
    while (done < chunk.length) {
      const count = await writeSome(fd, chunk.subarray(done), this.#growth.writtenBytes + done);
      done += count;
    }
    this.#growth.add(done);
  }

  async #publish(sha256: string): Promise<void> {
    const temp = this.#temp as TempFile;
    const { path, version, ownerId, mimeType } = this.target;
    try {
      await sync(temp.fd);
      if (!this.#keep) return;
      const file = this.#deps.blobs.tempPath(temp);
      const kept = { ...version, etag: this.#head?.etag ?? version.etag };
      const type = mimeType ?? this.#head?.mimeType ?? null;
      await this.#deps.publish({ path, version: kept, sha256, mimeType: type, ownerId, file });
    } catch (error) {
      // Its readers have every byte; only keeping it failed.
      this.#deps.storageFailed(error);
    }
  }

  /** Waits for the last reader, then lets go of file and room. */
  async #close(): Promise<void> {
    this.#body?.destroy();
    this.#reservation?.release();
    while (this.#readers > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    }
    // From here on nobody may join: the file is about to go.
    this.#growth.become('failed');
    if (this.#temp === null) return;
    try {
      await this.#deps.blobs.dropTemp(this.#temp);
    } catch (error) {
      this.#deps.storageFailed(error);
    }
  }
}

/** What a download has, whether of a file in one or of one in segments. */
interface RunningDownload {
  readonly version: FileVersion;
  readonly isJoinable: boolean;
  readonly finished: Promise<void>;
  doom(): void;
  stop(): void;
}

/** The downloads that run: at most one for each version of a file. */
export class Downloads<F extends RunningDownload = Download> {
  readonly #make: (origin: Origin, target: DownloadTarget) => F;
  readonly #running = new Map<string, Set<F>>();

  constructor(make: (origin: Origin, target: DownloadTarget) => F) {
    this.#make = make;
  }

  /** The download of exactly this version, if one runs. */
  find(path: string, version: FileVersion): F | null {
    for (const download of this.#running.get(path) ?? []) {
      if (download.isJoinable && sameVersion(download.version, version)) return download;
    }
    return null;
  }

  start(origin: Origin, target: DownloadTarget): F {
    const download = this.#make(origin, target);
    const { path } = target;
    const downloads = this.#running.get(path) ?? new Set<F>();
    downloads.add(download);
    this.#running.set(path, downloads);
    void download.finished.then(() => {
      downloads.delete(download);
      if (downloads.size === 0 && this.#running.get(path) === downloads) this.#running.delete(path);
    });
    return download;
  }

  /** What runs at or below a path is not to be kept. */
  doom(path: string): void {
    for (const [filled, downloads] of this.#running) {
      if (isWithin(filled, path)) for (const download of downloads) download.doom();
    }
  }

  /** Cuts all off and waits until their files are gone. */
  async stop(): Promise<void> {
    const all = [...this.#running.values()].flatMap((downloads) => [...downloads]);
    for (const download of all) download.stop();
    await Promise.all(all.map((download) => download.finished));
  }
}

/** The next chunk of an answer, its end, or that it was cut short. */
async function nextOf(chunks: AsyncIterator<Buffer>): Promise<Buffer | 'end' | 'cut'> {
  try {
    const next = await chunks.next();
    return next.done === true ? 'end' : next.value;
  } catch {
    // The NAS cut the stream short. What that means is decided by whoever called.
    return 'cut';
  }
}

/** @returns how many bytes went to the disk, which may be fewer than all */
export function writeSome(fd: number, chunk: Buffer, position: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  write(fd, chunk, 0, chunk.length, position, (error, count) => {
    if (error === null) resolve(count);
    else reject(error);
  });
  return promise;
}

/**
 * `whole`: all is there and judged good. `unstored`: the disk took no more. `failed`: what is there
 * is good for nothing.
 */
type GrowthState = 'opening' | 'running' | 'whole' | 'unstored' | 'failed';

interface Waiter {
  readonly position: number;
  readonly resolve: (availability: Availability) => void;
}

/** How much of a file is there, and who waits for more. */
class Growth {
  readonly #sizeBytes: number;
  readonly #waiters = new Set<Waiter>();
  #state: GrowthState = 'opening';
  #writtenBytes = 0;

  constructor(sizeBytes: number) {
    this.#sizeBytes = sizeBytes;
  }

  get state(): GrowthState {
    return this.#state;
  }

  get writtenBytes(): number {
    return this.#writtenBytes;
  }

  /** So many more bytes lie on the disk. */
  add(bytes: number): void {
    this.#writtenBytes += bytes;
    this.#wake();
  }

  /** Nothing comes after `failed`. */
  become(state: GrowthState): void {
    if (this.#state === 'failed') return;
    this.#state = state;
    this.#wake();
  }

  /** The file for one reader, who waits where it has not grown to yet. */
  extent(fd: number): Extent {
    let waiting: Waiter | null = null;
    return {
      fd,
      available: (position) => {
        const now = this.#at(position);
        if (now !== null) return now;
        return new Promise((resolve) => {
          waiting = { position, resolve };
          this.#waiters.add(waiting);
        });
      },
      cancel: () => {
        if (waiting === null || !this.#waiters.delete(waiting)) return;
        waiting.resolve({ kind: 'cut' });
      },
    };
  }

  #wake(): void {
    for (const waiter of this.#waiters) {
      const now = this.#at(waiter.position);
      if (now === null) continue;
      this.#waiters.delete(waiter);
      waiter.resolve(now);
    }
  }

  #at(position: number): Availability | null {
    if (this.#state === 'failed') return { kind: 'cut' };
    // The last byte waits for the judgement, so that a torn file never ends cleanly.
    const heldBack = this.#state === 'whole' ? 0 : 1;
    const bytes = Math.min(this.#writtenBytes, this.#sizeBytes - heldBack);
    if (bytes > position) return { kind: 'upto', bytes };
    return this.#state === 'unstored' ? { kind: 'unstored' } : null;
  }
}
