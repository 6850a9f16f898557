import { createHash, type Hash } from 'node:crypto';
import type { FileVersion } from '../../files/files.ts';
import { isUnchanged, judge, type Comparison } from '../download/origin.ts';
import type {
  DownloadDeps,
  DownloadState,
  PartialSegment,
  PresentSegments,
} from '../download/partial-segments.ts';
import type { SegmentSource } from '../download/ranges.ts';
import { readLater } from '../entries/open-blobs.ts';

/** During a long stream, received bytes are verified and published this often. */
const VERIFY_EVERY_MS = 10_000;
/** More than this is not re-read while somebody waits: the slow check hashes it later. */
const READ_AGAIN_BYTES = 64 * 1024 * 1024;
/** At most this much is hashed before a stream is read; 0.2 s on a Pi. */
const CATCH_UP_BYTES = 8 * 1024 * 1024;
const READ_BYTES = 256 * 1024;

/**
 * Decides when segments may be published. A question to the NAS asked after a byte arrived, and
 * answered with the tag the stream began with, verifies that byte; one question serves all who
 * wait. A complete file is checked by its SHA-256 where the NAS knows one.
 */
export class VersionChecks {
  readonly #deps: DownloadDeps;
  readonly #state: DownloadState;
  readonly #here: PresentSegments;
  readonly #hash = new WholeHash();
  #unverified: PartialSegment[] = [];
  readonly #added = new WeakSet<PartialSegment>();
  #running: Promise<Comparison> | null = null;
  /** The current check covers all bytes: none can arrive after it began. */
  #isLast = false;
  #next: Promise<Comparison> | null = null;
  #publishing: Promise<void> = Promise.resolve();
  #sha256: string | null = null;
  #lastAtMs: number;

  constructor(deps: DownloadDeps, state: DownloadState, here: PresentSegments) {
    this.#deps = deps;
    this.#state = state;
    this.#here = here;
    this.#lastAtMs = deps.clock.monotonicMs();
  }

  get hasUnverified(): boolean {
    return this.#unverified.length > 0;
  }

  /** Bytes that came, for the hash of the whole. */
  offer(position: number, chunk: Buffer): void {
    if (this.#wantsHash) this.#hash.offer(position, chunk);
  }

  /**
   * Hashes kept bytes before a stream that begins now, if they are few: the rest of the hash then
   * comes from the stream.
   * @param position where the stream begins
   * @param source where kept bytes are read
   */
  async catchUp(position: number, source: SegmentSource): Promise<void> {
    const missing = position - this.#hash.next;
    const isThere = this.#here.ranges.present.endFrom(0) >= position;
    if (!this.#wantsHash || !isThere) return;
    if (missing > 0 && missing <= CATCH_UP_BYTES) await this.#hashUpto(position, source);
  }

  /**
   * A segment is full. Two streams that meet in it both report it, and it is sealed once.
   * @returns whether it is time for a check
   */
  add(segment: PartialSegment): boolean {
    if (this.#added.has(segment)) return false;
    this.#added.add(segment);
    this.#unverified.push(segment);
    const isDue = this.#deps.clock.monotonicMs() - this.#lastAtMs >= VERIFY_EVERY_MS;
    return isDue && this.#running === null;
  }

  /**
   * Asks, or joins a check about to start; a running one may have begun before the last byte.
   * @param source where bytes are read that came past the hash
   */
  verify(source: SegmentSource): Promise<Comparison> {
    if (this.#running === null) return this.#start(source);
    if (this.#isLast) return this.#running;
    this.#next ??= this.#running.then(() => {
      this.#next = null;
      return this.#start(source);
    });
    return this.#next;
  }

  /** Resolves when verified segments are published. Never rejects. */
  settled(): Promise<void> {
    return this.#publishing;
  }

  #start(source: SegmentSource): Promise<Comparison> {
    const full = this.#unverified;
    this.#lastAtMs = this.#deps.clock.monotonicMs();
    this.#isLast = this.#here.missingBytes === 0;
    const asking = this.#judged(source).then((result) => {
      this.#running = null;
      if (result === 'same') {
        this.#unverified = this.#unverified.filter((segment) => !full.includes(segment));
        this.#publishing = this.#publishing.then(() => this.#publish(full));
      }
      return result;
    });
    this.#running = asking;
    return asking;
  }

  async #judged(source: SegmentSource): Promise<Comparison> {
    try {
      return await this.#judge(source);
    } catch (error) {
      this.#deps.storageFailed(error);
      return 'unknown';
    }
  }

  async #judge(source: SegmentSource): Promise<Comparison> {
    if (this.#isLast) {
      if (this.#sha256 !== null) return 'same';
      const result = await this.#judgeWhole(source);
      if (result !== null) return result;
    }
    const { origin, target, head } = this.#state;
    return isUnchanged(origin, target.version, head);
  }

  /** Skipped where nothing compares it; but a whole entry is checked by it later. */
  get #wantsHash(): boolean {
    const { target, layout } = this.#state;
    return layout.isOneSegment || target.version.checksum !== null;
  }

  /** Null where nobody needs the hash, or too much would have to be re-read. */
  async #judgeWhole(source: SegmentSource): Promise<Comparison | null> {
    const { version, path } = this.#state.target;
    if (!this.#wantsHash || version.sizeBytes - this.#hash.next > READ_AGAIN_BYTES) return null;
    if (!(await this.#hashUpto(version.sizeBytes, source))) return null;
    const sha256 = this.#hash.digest();
    const { origin, head } = this.#state;
    const result = await judge(origin, version, head, sha256);
    if (result === 'same') this.#sha256 = sha256;
    if (result !== 'torn') return result;
    // Which of them is torn is unknown; it may be those already kept.
    await this.#deps.entries.discardSegmentsOf(path);
    return 'changed';
  }

  async #hashUpto(position: number, source: SegmentSource): Promise<boolean> {
    if (this.#hash.next >= position) return true;
    const buffer = Buffer.allocUnsafe(READ_BYTES);
    while (this.#hash.next < position) {
      const { next } = this.#hash;
      const opened = await source.open({ last: next }, next);
      if (typeof opened === 'string') return false;
      try {
        while (this.#hash.next < opened.end) {
          const at = this.#hash.next;
          const wanted = Math.min(READ_BYTES, opened.end - at);
          const count = await readLater(opened.fd, buffer, wanted, at - opened.start);
          if (count === 0) return false;
          this.#hash.offer(at, buffer.subarray(0, count));
        }
      } finally {
        await opened.close();
      }
    }
    return true;
  }

  async #publish(segments: readonly PartialSegment[]): Promise<void> {
    const { layout, target } = this.#state;
    try {
      for (const segment of segments) {
        if (!this.#state.keep) return;
        await segment.sync();
        const isKept = await (layout.isOneSegment
          ? this.#keepWhole(segment)
          : this.#keepSegment(segment));
        if (!isKept) return;
        segment.reservation.release();
        // Readers of a one-segment file keep the file they have open.
        if (!layout.isOneSegment) await this.#here.partial.letGo(segment.number);
      }
      if (this.#sha256 !== null && !layout.isOneSegment)
        this.#deps.entries.hashed(target.path, this.#sha256);
    } catch (error) {
      // Their readers have every byte; only keeping them failed.
      this.#deps.storageFailed(error);
    }
  }

  async #keepWhole({ path: file }: PartialSegment): Promise<boolean> {
    const { path, ownerId } = this.#state.target;
    if (!this.#state.keep || this.#sha256 === null) return false;
    const sha256 = this.#sha256;
    await this.#deps.entries.keepWhole({ path, ownerId, ...this.#said, sha256, file });
    return true;
  }

  async #keepSegment(segment: PartialSegment): Promise<boolean> {
    const crc32 = await segment.crc32();
    const { target, keep } = this.#state;
    if (!keep) return false;
    const { number, path: file } = segment;
    await this.#deps.entries.keepSegment({ target, ...this.#said, number, crc32, file });
    return true;
  }

  /** What is kept of the answer the bytes came with. */
  get #said(): { readonly version: FileVersion; readonly mimeType: string | null } {
    const { version, target, head } = this.#state;
    return { version, mimeType: target.mimeType ?? head?.mimeType ?? null };
  }
}

/**
 * The SHA-256 of a file whose bytes arrive in any order: in-order bytes are hashed on the way, so
 * that only the others have to be re-read.
 */
class WholeHash {
  readonly #hash: Hash = createHash('sha256');
  #next = 0;

  /** The first byte that is not in the hash yet. */
  get next(): number {
    return this.#next;
  }

  /** Bytes that pass by; taken when they are the next ones. */
  offer(position: number, chunk: Buffer): void {
    if (position > this.#next || position + chunk.length <= this.#next) return;
    this.#hash.update(chunk.subarray(this.#next - position));
    this.#next = position + chunk.length;
  }

  /** The hash of all that was taken so far. */
  digest(): string {
    return this.#hash.copy().digest('hex');
  }
}
