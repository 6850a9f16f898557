import type { Disk } from './disk.ts';
import type { MakeRoom } from './upload-ports.ts';

/** A body of unknown length asks for room in steps of this size, in bytes. */
const STEP_BYTES = 16 * 1024 * 1024;

/** Room set aside for one body. */
export interface Reservation {
  /**
   * Makes sure that `bytes` more fit, asking for more room where what was set aside is used up.
   * @returns false when the disk has no room for them
   */
  take(bytes: number): Promise<boolean>;
  /** Gives back what was not used. Calling it twice is harmless. */
  release(): void;
}

/**
 * Keeps uploads from filling the disk: no body begins unless it fits beside all that are already
 * coming in and the room that stays free (contract 3, Room). Cached copies are evicted first.
 */
export class RoomKeeper {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #minFreeBytes: number;
  readonly #makeRoom: MakeRoom;
  #promisedBytes = 0;

  constructor(disk: Disk, folder: string, minFreeBytes: number, makeRoom: MakeRoom) {
    this.#disk = disk;
    this.#folder = folder;
    this.#minFreeBytes = minFreeBytes;
    this.#makeRoom = makeRoom;
  }

  /** Whether that many bytes would fit now, evicting copies where it takes that. */
  async fits(bytes: number): Promise<boolean> {
    const missing = await this.#missing(bytes);
    if (missing <= 0) return true;
    await this.#makeRoom(missing);
    return (await this.#missing(bytes)) <= 0;
  }

  /**
   * @param bytes how long the body says it is; null where it does not say
   * @returns null when there is no room
   */
  async reserve(bytes: number | null): Promise<Reservation | null> {
    const wanted = bytes ?? STEP_BYTES;
    return (await this.fits(wanted)) ? this.promise(wanted) : null;
  }

  /** Sets room aside that was promised before, whether it is there or not. */
  promise(bytes: number): Reservation {
    let left = bytes;
    let released = false;
    this.#promisedBytes += bytes;
    return {
      take: async (count) => {
        while (left < count) {
          const more = Math.max(STEP_BYTES, count);
          if (!(await this.fits(more))) return false;
          this.#promisedBytes += more;
          left += more;
        }
        left -= count;
        this.#promisedBytes -= count;
        return true;
      },
      release: () => {
        if (released) return;
        released = true;
        this.#promisedBytes -= left;
        left = 0;
      },
    };
  }

  async #missing(bytes: number): Promise<number> {
    const free = await this.#disk.freeBytes(this.#folder);
    return bytes + this.#minFreeBytes + this.#promisedBytes - free;
  }
}
