import { createHash, type Hash } from 'node:crypto';
import type { FileVersion } from '../../files/files.ts';
import {
  type DownloadHead,
  judge,
  type Origin,
  standsStill,
  type Verdict,
} from '../download/origin.ts';
import type { DownloadDeps, PartialSegment } from '../download/partial-segments.ts';
import type { OpenSegment } from '../download/ranges.ts';
import { readLater } from '../entries/open-blobs.ts';
import type { DownloadTarget } from '../entries/space.ts';

/** During a long stream, received bytes are verified and published this often. */
const PROVE_EVERY_MS = 10_000;
/** More than this is not re-read while somebody waits: the slow check hashes it later. */
const READ_AGAIN_BYTES = 64 * 1024 * 1024;
/** At most this much is hashed before a stream is read; 0.2 s on a Pi. */
const CATCH_UP_BYTES = 8 * 1024 * 1024;
const READ_BYTES = 256 * 1024;

interface CheckFacts {
  readonly target: DownloadTarget;
  /** It is kept whole, with its complete hash. */
  readonly isOneSegment: boolean;
  readonly head: () => DownloadHead | null;
  readonly origin: () => Origin;
  /** Whether every byte of the file is here. */
  readonly isWhole: () => boolean;
  readonly open: (position: number) => Promise<OpenSegment | string>;
  /** A segment is kept. */
  readonly published: (number: number) => Promise<void>;
  /** The bytes are of more than one version, or of an old one. */
  readonly spoiled: () => void;
}

/**
 * Decides when segments may be published. A question to the NAS asked after a byte arrived, and
 * answered with the tag the stream began with, verifies that byte; one question serves all who
 * wait. A complete file is checked by its SHA-256 where the NAS knows one.
 */
export class VersionChecks {
  readonly #deps: DownloadDeps;
  readonly #facts: CheckFacts;
  readonly #hash = new WholeHash();
  #unproved: PartialSegment[] = [];
  readonly #added = new WeakSet<PartialSegment>();
  #running: Promise<Verdict> | null = null;
  /** The current check covers all bytes: none can arrive after it began. */
  #isLast = false;
  #next: Promise<Verdict> | null = null;
  #publishing: Promise<void> = Promise.resolve();
  #sha256: string | null = null;
  #lastAtMs: number;
  #keep = true;

  constructor(deps: DownloadDeps, facts: CheckFacts) {
    this.#deps = deps;
    this.#facts = facts;
    this.#lastAtMs = deps.clock.monotonicMs();
  }

  get hasUnproved(): boolean {
    return this.#unproved.length > 0;
  }

  /** Bytes that came, for the hash of the whole. */
  offer(position: number, chunk: Buffer): void {
    if (this.#wantsHash) this.#hash.offer(position, chunk);
  }

  /**
   * Hashes kept bytes before a stream that begins now, if they are few: the rest of the hash then
   * comes from the stream.
   * @param position where the stream begins
   * @param isThere whether everything before it is on disk
   */
  async catchUp(position: number, isThere: boolean): Promise<void> {
    const missing = position - this.#hash.next;
    if (!this.#wantsHash || !isThere) return;
    if (missing > 0 && missing <= CATCH_UP_BYTES) await this.#hashUpto(position);
  }

  /** A segment is full. Two streams that meet in it both report it, and it is sealed once. */
  add(segment: PartialSegment): void {
    if (this.#added.has(segment)) return;
    this.#added.add(segment);
    this.#unproved.push(segment);
    const isDue = this.#deps.clock.monotonicMs() - this.#lastAtMs >= PROVE_EVERY_MS;
    if (isDue && this.#running === null) void this.prove();
  }

  /** Nothing is published from now on. */
  stopKeeping(): void {
    this.#keep = false;
  }

  /** Asks, or joins a check about to start; a running one may have begun before the last byte. */
  prove(): Promise<Verdict> {
    if (this.#running === null) return this.#start();
    if (this.#isLast) return this.#running;
    this.#next ??= this.#running.then(() => {
      this.#next = null;
      return this.#start();
    });
    return this.#next;
  }

  /** Resolves when verified segments are published. Never rejects. */
  settled(): Promise<void> {
    return this.#publishing;
  }

  #start(): Promise<Verdict> {
    const full = this.#unproved;
    this.#lastAtMs = this.#deps.clock.monotonicMs();
    this.#isLast = this.#facts.isWhole();
    const asking = this.#judged().then((proof) => {
      this.#running = null;
      if (proof === 'changed') this.#facts.spoiled();
      if (proof === 'same') {
        this.#unproved = this.#unproved.filter((segment) => !full.includes(segment));
        this.#publishing = this.#publishing.then(() => this.#publish(full));
      }
      return proof;
    });
    this.#running = asking;
    return asking;
  }

  async #judged(): Promise<Verdict> {
    try {
      return await this.#judge();
    } catch (error) {
      this.#deps.storageFailed(error);
      return 'unknown';
    }
  }

  async #judge(): Promise<Verdict> {
    const { target, head, origin } = this.#facts;
    if (this.#isLast) {
      if (this.#sha256 !== null) return 'same';
      const verdict = await this.#judgeWhole();
      if (verdict !== null) return verdict;
    }
    return standsStill(origin(), target.version, head());
  }

  /** Skipped where nothing compares it; but a whole entry is checked by it later. */
  get #wantsHash(): boolean {
    const { target, isOneSegment } = this.#facts;
    return isOneSegment || target.version.checksum !== null;
  }

  /** Null where nobody needs the hash, or too much would have to be re-read. */
  async #judgeWhole(): Promise<Verdict | null> {
    const { target, origin, head } = this.#facts;
    const { version, path } = target;
    if (!this.#wantsHash || version.sizeBytes - this.#hash.next > READ_AGAIN_BYTES) return null;
    if (!(await this.#hashUpto(version.sizeBytes))) return null;
    const sha256 = this.#hash.digest();
    const verdict = await judge(origin(), version, head(), sha256);
    if (verdict === 'same') this.#sha256 = sha256;
    if (verdict !== 'torn') return verdict;
    // Which of them is torn is unknown; it may be those already kept.
    await this.#deps.entries.discardSegmentsOf(path);
    return 'changed';
  }

  async #hashUpto(position: number): Promise<boolean> {
    if (this.#hash.next >= position) return true;
    const buffer = Buffer.allocUnsafe(READ_BYTES);
    while (this.#hash.next < position) {
      const opened = await this.#facts.open(this.#hash.next);
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
    try {
      for (const segment of segments) {
        if (!this.#keep) return;
        await segment.sync();
        const isKept = await (this.#facts.isOneSegment
          ? this.#keepWhole(segment)
          : this.#keepSegment(segment));
        if (!isKept) return;
        segment.reservation.release();
        await this.#facts.published(segment.number);
      }
      const { target, isOneSegment } = this.#facts;
      if (this.#sha256 !== null && !isOneSegment)
        this.#deps.entries.hashed(target.path, this.#sha256);
    } catch (error) {
      // Their readers have every byte; only keeping them failed.
      this.#deps.storageFailed(error);
    }
  }

  async #keepWhole({ path: file }: PartialSegment): Promise<boolean> {
    const { path, ownerId } = this.#facts.target;
    if (!this.#keep || this.#sha256 === null) return false;
    const sha256 = this.#sha256;
    await this.#deps.entries.keepWhole({ path, ownerId, ...this.#said, sha256, file });
    return true;
  }

  async #keepSegment(segment: PartialSegment): Promise<boolean> {
    const crc32 = await segment.crc32();
    if (!this.#keep) return false;
    const { target } = this.#facts;
    const { number, path: file } = segment;
    await this.#deps.entries.keepSegment({ target, ...this.#said, number, crc32, file });
    return true;
  }

  /** What is kept of the answer the bytes came with. */
  get #said(): { readonly version: FileVersion; readonly mimeType: string | null } {
    const { target, head } = this.#facts;
    const version = { ...target.version, etag: head()?.etag ?? target.version.etag };
    return { version, mimeType: target.mimeType ?? head()?.mimeType ?? null };
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
