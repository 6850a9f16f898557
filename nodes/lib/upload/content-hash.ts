import { createHash } from 'node:crypto';
import type { FileHashing, FollowedHash } from './file-hashing.ts';

/**
 * What is hashed on the event loop: below this, handing over costs more than hashing (measured: two
 * messages take as long as 64 KB). A Pi takes 6 ms for it.
 */
const SMALL_BYTES = 256 * 1024;
/** Written and not hashed yet; more might have left the page cache before it is read back. */
const MOST_BEHIND_BYTES = 32 * 1024 * 1024;

/**
 * SHA-256 of one file that is being written: of a small one as its bytes go by, of a larger one by
 * who reads it back beside the event loop.
 */
export class ContentHash {
  readonly #hashing: FileHashing;
  readonly #file: string;
  readonly #hash = createHash('sha256');
  #seenBytes = 0;
  #followed: FollowedHash | null = null;

  constructor(hashing: FileHashing, file: string) {
    this.#hashing = hashing;
    this.#file = file;
  }

  /** The next bytes, before they are written. */
  update(bytes: Uint8Array): void {
    this.#seenBytes += bytes.length;
    if (this.#seenBytes <= SMALL_BYTES) this.#hash.update(bytes);
  }

  /** The file holds that many bytes by now. Resolves when more may be written. */
  async written(sizeBytes: number): Promise<void> {
    if (this.#seenBytes <= SMALL_BYTES) return;
    this.#followed ??= this.#hashing.follow(this.#file);
    this.#followed.extend(sizeBytes);
    if (this.#followed.behindBytes > MOST_BEHIND_BYTES) await this.#followed.caughtUp();
  }

  /**
   * Hex.
   * @throws what reading the file back threw
   */
  async digest(): Promise<string> {
    if (this.#followed === null) return this.#hash.digest('hex');
    return this.#followed.finish(this.#seenBytes);
  }

  drop(): void {
    this.#followed?.drop();
  }
}
