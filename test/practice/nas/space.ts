import type { Storage } from './storage.ts';
import { refused } from './wire.ts';

/** The quota of the whole NAS; users have none of their own. */
export class Space {
  readonly #quotaBytes: number;
  #usedBytes = 0;

  constructor(quotaBytes: number) {
    this.#quotaBytes = quotaBytes;
  }

  get view(): object {
    return {
      available_bytes: this.availableBytes,
      used_bytes: this.#usedBytes,
      quota_bytes: this.#quotaBytes,
    };
  }

  get availableBytes(): number {
    return Math.max(0, this.#quotaBytes - this.#usedBytes);
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  get quotaBytes(): number {
    return this.#quotaBytes;
  }

  /** Measures what is on the disk. */
  async measure(storage: Storage): Promise<void> {
    storage.touched('');
    this.#usedBytes = await storage.folderSize('');
  }

  changed(bytes: number): void {
    this.#usedBytes += bytes;
  }

  /** @throws Refusal 507 */
  ensure(bytes: number): void {
    if (bytes > this.availableBytes) throw refused(507, '');
  }
}
