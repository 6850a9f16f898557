/** Reads into `into` from `position` on; a number where the bytes were in memory already. */
export type ReadAt = (into: Buffer, length: number, position: number) => number | Promise<number>;

export interface WarmPorts {
  readonly monotonicMs: () => number;
  /** Memory the system could give out, the page cache included, in bytes. */
  readonly availableBytes: () => number;
}

/** As long as a serving buffer, so that a buffer read whole is a block known whole. */
export const BLOCK_BYTES = 256 * 1024;

/** Of the memory that is free, how much of what was read last is trusted to be there still. */
const TRUSTED_SHARE = 1 / 4;
const MOST_TRUSTED_BYTES = 256 * 1024 * 1024;
const MEASURED_FOR_MS = 1_000;
/**
 * A block from memory takes 0.06 ms here and about ten times that on a Pi; from its SD card it
 * takes 13 ms at least. In between, the guess was wrong.
 */
const SLOW_MS = 8;
/** So a wrong guess may hold the loop up for one block each so long, and not more. */
const PAUSE_MS = 5_000;

/**
 * Guesses which stretches of files the system still holds in memory, because reading those on the
 * spot costs half of what a trip through the thread pool does, and reading others so would hold
 * everybody up for an SD card. A stretch counts as warm when it was read lately: when, since then,
 * less came from the disk than the system can surely keep. Each read on the spot is timed; one that
 * was slow ends all trust for a while.
 */
export class WarmReads {
  readonly #ports: WarmPorts;
  /** Bytes that came through the thread pool so far: the clock that the stamps are of. */
  #flowBytes = 0;
  #trustedBytes = 0;
  #measuredAtMs = -Infinity;
  #pausedUntilMs = -Infinity;
  /** Stamps of before a slow read say nothing any more. */
  #voidBelowBytes = 0;

  constructor(ports: WarmPorts) {
    this.#ports = ports;
  }

  /** Whether anything at all may be read on the spot now. */
  get isPaused(): boolean {
    return this.#ports.monotonicMs() < this.#pausedUntilMs;
  }

  /** The stamp of something read at this moment. */
  stamp(): number {
    return this.#flowBytes;
  }

  /** So many bytes came through the thread pool. */
  flowed(bytes: number): void {
    this.#flowBytes += bytes;
  }

  isTrusted(stamp: number): boolean {
    if (stamp < this.#voidBelowBytes) return false;
    return this.#flowBytes - stamp < this.#budgetBytes();
  }

  /** Runs a read on the spot, and takes note of how long it took. */
  timed(read: () => number): number {
    const beganMs = this.#ports.monotonicMs();
    const count = read();
    const nowMs = this.#ports.monotonicMs();
    if (nowMs - beganMs >= SLOW_MS) {
      this.#pausedUntilMs = nowMs + PAUSE_MS;
      this.#flowBytes += 1;
      this.#voidBelowBytes = this.#flowBytes;
    }
    return count;
  }

  #budgetBytes(): number {
    const nowMs = this.#ports.monotonicMs();
    if (nowMs - this.#measuredAtMs >= MEASURED_FOR_MS) {
      this.#measuredAtMs = nowMs;
      const share = this.#ports.availableBytes() * TRUSTED_SHARE;
      this.#trustedBytes = Math.min(MOST_TRUSTED_BYTES, share);
    }
    return this.#trustedBytes;
  }
}

/** When each block of one open file was last read. A number for every 256 KB, while it is open. */
export class Warmth {
  readonly #reads: WarmReads;
  readonly #sizeBytes: number;
  readonly #stamps: Float64Array;

  constructor(reads: WarmReads, sizeBytes: number) {
    this.#reads = reads;
    this.#sizeBytes = sizeBytes;
    this.#stamps = new Float64Array(Math.ceil(sizeBytes / BLOCK_BYTES)).fill(-1);
  }

  /** Whether the whole stretch is surely in memory. */
  covers(position: number, length: number): boolean {
    if (this.#reads.isPaused) return false;
    const last = Math.floor((position + length - 1) / BLOCK_BYTES);
    for (let block = Math.floor(position / BLOCK_BYTES); block <= last; block += 1) {
      const stamp = this.#stamps[block] ?? -1;
      if (stamp < 0 || !this.#reads.isTrusted(stamp)) return false;
    }
    return true;
  }

  /** The stretch was just read. Only blocks it holds whole count. */
  note(position: number, length: number): void {
    const end = position + length;
    const stamp = this.#reads.stamp();
    for (let block = Math.ceil(position / BLOCK_BYTES); ; block += 1) {
      const blockEnd = Math.min((block + 1) * BLOCK_BYTES, this.#sizeBytes);
      if (blockEnd > end || block >= this.#stamps.length) return;
      this.#stamps[block] = stamp;
    }
  }
}
