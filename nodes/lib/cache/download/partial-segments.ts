import { fdatasync, write } from 'node:fs';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';
import { type FileVersion, sameVersion } from '../../files/files.ts';
import type { Clock } from '../../time/clock.ts';
import type { BlobStore, TempFile } from '../entries/blob-store.ts';
import type { EntryStore } from '../entries/entry-store.ts';
import { readLater } from '../entries/open-blobs.ts';
import { Layout, type SegmentRows } from '../entries/segment-rows.ts';
import type { DownloadTarget, Reservation } from '../entries/space.ts';
import type { DownloadHead, Origin } from './origin.ts';
import { PresentRanges, type OpenSegment, type Span, Spans } from './ranges.ts';

/** What a download and its parts know in common: what is fetched, through whom, and what for. */
export class DownloadState {
  readonly target: DownloadTarget;
  readonly layout: Layout;
  /** Through whom the NAS is asked: the reader who came last. */
  origin: Origin;
  /** What the NAS said of it; null before its first byte. */
  head: DownloadHead | null = null;
  /** Whether what is verified is published. */
  keep = true;

  constructor(target: DownloadTarget, origin: Origin) {
    this.target = target;
    this.layout = new Layout(target.version.sizeBytes);
    this.origin = origin;
  }

  /** The version with the tag the NAS sent, once it did. */
  get version(): FileVersion {
    return { ...this.target.version, etag: this.head?.etag ?? this.target.version.etag };
  }
}

/** The parts of one file version on disk: kept segments and partial ones. */
export class PresentSegments {
  readonly ranges = new PresentRanges();
  readonly partial: PartialSegments;
  readonly #deps: DownloadDeps;
  readonly #target: DownloadTarget;
  readonly #layout: Layout;

  constructor(deps: DownloadDeps, state: DownloadState) {
    this.#deps = deps;
    this.#target = state.target;
    this.#layout = state.layout;
    this.partial = new PartialSegments(deps, state);
  }

  get missingBytes(): number {
    return this.#layout.sizeBytes - this.ranges.present.totalBytes;
  }

  /**
   * Takes over what was kept by an earlier reader or before a restart. A one-segment file is kept
   * whole or not at all, and whole would not have been a miss.
   * @returns what the NAS said of that version; null where nothing of it is kept
   */
  takeUp(): DownloadHead | null {
    if (this.#layout.isOneSegment) return null;
    const { path, version } = this.#target;
    const file = this.#deps.segments.find(path);
    if (file === null || !sameVersion(file.version, version)) return null;
    for (const number of this.#deps.segments.numbers(file.id)) {
      this.ranges.present.add(this.#layout.start(number), this.#layout.end(number));
    }
    return { etag: file.version.etag, mimeType: file.mimeType };
  }

  /** Whether a stretch lies in segments that are published already. */
  isKept(first: number, last: number): boolean {
    if (this.ranges.present.endFrom(first) <= last) return false;
    const layout = this.#layout;
    for (let number = layout.at(first); number <= layout.at(last); number += 1) {
      if (this.partial.get(number) !== undefined) return false;
    }
    return true;
  }

  /** The first missing stretch of one segment. */
  gapIn(number: number): Span | null {
    return this.ranges.present.firstGap(this.#layout.start(number), this.#layout.end(number));
  }

  /** The first missing stretch of a partial segment. */
  gapInPartial(): Span | null {
    for (const number of this.partial.numbers()) {
      const gap = this.gapIn(number);
      if (gap !== null) return gap;
    }
    return null;
  }

  /** The first missing stretch of the file. */
  firstGap(): Span | null {
    return this.ranges.present.firstGap(0, this.#layout.sizeBytes);
  }

  /** Opens a segment; null where it was evicted or spoiled since, and so is missing again. */
  async open(number: number): Promise<OpenSegment | null> {
    const [start, end] = [this.#layout.start(number), this.#layout.end(number)];
    const partial = this.partial.get(number);
    if (partial !== undefined) {
      partial.retain();
      return { fd: partial.fd, start, end, id: null, close: () => partial.release() };
    }
    const { path, version } = this.#target;
    const kept = await this.#deps.entries.openSegment(path, version, number);
    if (kept === null) {
      if (this.partial.get(number) === undefined) this.ranges.present.remove(start, end);
      return null;
    }
    const { segment, blob } = kept;
    const { fd, read } = blob;
    return { fd, read, start, end, id: segment.id, close: () => blob.close() };
  }

  /**
   * Writes incoming bytes, segment by segment.
   * @param written called after each part; says whether to continue
   * @returns false where a segment has no space
   */
  async take(
    position: number,
    chunk: Buffer,
    written: (at: number, part: Buffer, number: number) => boolean,
  ): Promise<boolean> {
    const end = position + chunk.length;
    let at = this.ranges.present.endFrom(position);
    while (at < end) {
      const segment = await this.partial.make(this.#layout.at(at));
      if (segment === null) return false;
      const start = this.#layout.start(segment.number);
      const stop = Math.min(end, start + segment.sizeBytes);
      const part = chunk.subarray(at - position, stop - position);
      await segment.write(part, at - start);
      this.ranges.arrived(at, stop);
      if (!written(at, part, segment.number)) return true;
      at = stop;
    }
    return true;
  }
}

/** The partial segments of one file: created when their first byte arrives. */
class PartialSegments {
  readonly #deps: DownloadDeps;
  readonly #state: DownloadState;
  readonly #segments = new Map<number, PartialSegment>();
  readonly #making = new Map<number, Promise<PartialSegment | null>>();

  constructor(deps: DownloadDeps, state: DownloadState) {
    this.#deps = deps;
    this.#state = state;
  }

  get(number: number): PartialSegment | undefined {
    return this.#segments.get(number);
  }

  numbers(): Iterable<number> {
    return this.#segments.keys();
  }

  /** The segment to write to; null when there is no space for it. */
  make(number: number): Promise<PartialSegment | null> {
    const known = this.#making.get(number);
    if (known !== undefined) return known;
    const making = this.#make(number);
    this.#making.set(number, making);
    return making;
  }

  /** A segment is published or given up. */
  async letGo(number: number): Promise<void> {
    const segment = this.#segments.get(number);
    this.#segments.delete(number);
    this.#making.delete(number);
    try {
      await segment?.release();
    } catch (error) {
      this.#deps.storageFailed(error);
    }
  }

  async letAllGo(): Promise<void> {
    for (const number of [...this.#segments.keys()]) await this.letGo(number);
  }

  async #make(number: number): Promise<PartialSegment | null> {
    const sizeBytes = this.#state.layout.bytesOf(number);
    const reservation = await this.#deps.reserve(this.#state.target, sizeBytes);
    if (reservation === null) return null;
    // The space is there only while somebody reads.
    if (reservation.isPassing) this.#state.keep = false;
    try {
      const temp = await this.#deps.blobs.createTemp();
      const segment = new PartialSegment(this.#deps.blobs, temp, reservation, number, sizeBytes);
      this.#segments.set(number, segment);
      return segment;
    } catch (error) {
      reservation.release();
      throw error;
    }
  }
}

const sync = promisify(fdatasync);

const READ_BACK_BYTES = 256 * 1024;

/**
 * A partial segment: a temporary file filled from any position on. It stays open, and so readable,
 * until its last user releases it, published or not.
 */
export class PartialSegment {
  readonly number: number;
  readonly sizeBytes: number;
  readonly fd: number;
  /** Its disk reservation: released once it counts as an entry, or never will. */
  readonly reservation: Reservation;
  readonly #blobs: BlobStore;
  readonly #temp: TempFile;
  readonly #spans = new Spans();
  #users = 1;

  constructor(
    blobs: BlobStore,
    temp: TempFile,
    reservation: Reservation,
    number: number,
    sizeBytes: number,
  ) {
    this.#blobs = blobs;
    this.#temp = temp;
    this.fd = temp.fd;
    this.reservation = reservation;
    this.number = number;
    this.sizeBytes = sizeBytes;
  }

  /** Where it lies until it is published. */
  get path(): string {
    return this.#blobs.tempPath(this.#temp);
  }

  get isFull(): boolean {
    return this.#spans.endFrom(0) >= this.sizeBytes;
  }

  /** @param offset within the segment */
  async write(chunk: Buffer, offset: number): Promise<void> {
    let done = 0;
    while (done < chunk.length)
      done += await writeSome(this.fd, chunk.subarray(done), offset + done);
    this.#spans.add(offset, offset + chunk.length);
    this.reservation.wroteBytes(this.#spans.totalBytes);
  }

  /** Puts a full segment on the disk for good. */
  sync(): Promise<void> {
    return sync(this.fd);
  }

  /** The CRC-32 of what lies on the disk. */
  async crc32(): Promise<number> {
    const buffer = Buffer.allocUnsafe(READ_BACK_BYTES);
    let sum = 0;
    for (let at = 0; at < this.sizeBytes;) {
      const wanted = Math.min(buffer.length, this.sizeBytes - at);
      const count = await readLater(this.fd, buffer, wanted, at);
      if (count === 0) throw new Error('A segment just written is shorter than what was written.');
      sum = crc32(buffer.subarray(0, count), sum);
      at += count;
    }
    return sum;
  }

  retain(): void {
    this.#users += 1;
  }

  /** The last release closes the file, and deletes it unless it was published. */
  async release(): Promise<void> {
    this.#users -= 1;
    if (this.#users > 0) return;
    this.reservation.release();
    await this.#blobs.dropTemp(this.#temp);
  }
}

/** @returns how many bytes went to the disk, which may be fewer than all */
function writeSome(fd: number, chunk: Buffer, position: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  write(fd, chunk, 0, chunk.length, position, (error, count) => {
    if (error === null) resolve(count);
    else reject(error);
  });
  return promise;
}

/** What downloads work with. */
export interface DownloadDeps {
  readonly blobs: BlobStore;
  readonly entries: EntryStore;
  readonly segments: SegmentRows;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  /** Reserves space for one segment of a file; null when there is none. */
  readonly reserve: (target: DownloadTarget, bytes: number) => Promise<Reservation | null>;
  /** A disk fault, for the log. */
  readonly storageFailed: (cause: unknown) => void;
}
