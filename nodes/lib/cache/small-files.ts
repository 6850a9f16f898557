/** What a kept file costs beside its bytes: map entry, name, buffer object. */
const OVERHEAD_BYTES = 512;

/** Up to here a file may be held in memory, and is read and written in one go. */
export const SMALL_FILE_BYTES = 64 * 1024;

/** What a Pi with 1 GB spares for it. */
export const SMALL_FILES_BYTES = 16 * 1024 * 1024;

interface Held {
  readonly bytes: Buffer;
  wasUsed: boolean;
}

/**
 * Small files in memory, by the name of their blob. That name is random and belongs to one version
 * for ever, and it is learnt from the copy's row, after the permission was decided: so what was
 * replaced, evicted or dropped is never asked for again, and what is held is what was on disk.
 * Second chance decides who goes: a hit sets a mark and moves nothing, and what was read only once,
 * as when a phone walks through a folder, goes before what was read again.
 */
export class SmallFiles {
  readonly #mostBytes: number;
  readonly #held = new Map<string, Held>();
  #heldBytes = 0;

  /** @param mostBytes 0 holds nothing */
  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
  }

  /** Whether a file of that size would be held. */
  takes(sizeBytes: number): boolean {
    return sizeBytes <= SMALL_FILE_BYTES && sizeBytes + OVERHEAD_BYTES <= this.#mostBytes;
  }

  get(blob: string): Buffer | null {
    const held = this.#held.get(blob);
    if (held === undefined) return null;
    held.wasUsed = true;
    return held.bytes;
  }

  /** @param bytes all of the file; never written to again */
  put(blob: string, bytes: Buffer): void {
    if (!this.takes(bytes.length)) return;
    this.drop(blob);
    const neededBytes = bytes.length + OVERHEAD_BYTES;
    while (this.#heldBytes + neededBytes > this.#mostBytes) this.#evictOne();
    this.#heldBytes += neededBytes;
    this.#held.set(blob, { bytes, wasUsed: false });
  }

  drop(blob: string): void {
    const held = this.#held.get(blob);
    if (held === undefined) return;
    this.#held.delete(blob);
    this.#heldBytes -= held.bytes.length + OVERHEAD_BYTES;
  }

  #evictOne(): void {
    for (const [blob, held] of this.#held) {
      if (!held.wasUsed) {
        this.drop(blob);
        return;
      }
      held.wasUsed = false;
      this.#held.delete(blob);
      this.#held.set(blob, held);
    }
  }
}
