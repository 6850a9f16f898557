import { giveBack } from '../http/http.ts';
import type { SpoolHandle } from './disk.ts';
import { writeAll } from './write-all.ts';

/** What a piece costs in memory beside its bytes, about: a stranger may send a byte at a time. */
const PIECE_BYTES = 256;

/** What writing asks of others. */
export interface WriteHooks {
  /** Asked before each write. False ends the writing: there is no room. */
  readonly takeRoom: (bytes: number) => Promise<boolean>;
  /** That many bytes are written by now. The next write waits for it. */
  readonly written: (sizeBytes: number) => Promise<void>;
}

/**
 * Bytes between who gives them and a file. What comes while one write is under way is gathered for
 * the next, so that a fast sender costs few system calls. How much may be gathered is up to who
 * gives it: {@link heldBytes}.
 */
export class GatheredWrites {
  #sizeBytes = 0;
  #pending: Uint8Array[] = [];
  #heldBytes = 0;
  #more: (() => void) | null = null;
  #state: 'open' | 'ended' | 'given up' = 'open';

  /** All that was given. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Memory held by what was given and is not written yet. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Takes the next bytes. They are this one's from now on: once written, they are gone. */
  push(bytes: Uint8Array): void {
    this.#sizeBytes += bytes.length;
    this.#pending.push(bytes);
    this.#heldBytes += bytes.length + PIECE_BYTES;
    this.#more?.();
  }

  /** There are no more bytes. */
  end(): void {
    if (this.#state === 'open') this.#state = 'ended';
    this.#more?.();
  }

  /** Lets {@link writeTo} come to its end as it is. */
  giveUp(): void {
    this.#state = 'given up';
    this.#more?.();
  }

  /**
   * Writes what is pushed until the end.
   * @returns whether all of it is written: false when there is no room, or it was given up
   * @throws the disk's error
   */
  async writeTo(handle: SpoolHandle, { takeRoom, written }: WriteHooks): Promise<boolean> {
    let writtenBytes = 0;
    for (let batch = await this.#next(); batch.length > 0; batch = await this.#next()) {
      const bytes = this.#sizeBytes - writtenBytes;
      const held = this.#heldBytes;
      this.#pending = [];
      if (!(await takeRoom(bytes))) return false;
      await writeAll(handle, batch);
      batch.forEach(giveBack);
      writtenBytes += bytes;
      this.#heldBytes -= held;
      await written(writtenBytes);
    }
    return !this.#isGivenUp();
  }

  /** The next bytes to write; none at the end. */
  async #next(): Promise<readonly Uint8Array[]> {
    while (this.#pending.length === 0 && this.#state === 'open') {
      const { promise, resolve } = Promise.withResolvers<undefined>();
      this.#more = () => {
        resolve(undefined);
      };
      await promise;
      this.#more = null;
    }
    return this.#isGivenUp() ? [] : this.#pending;
  }

  #isGivenUp(): boolean {
    return this.#state === 'given up';
  }
}
