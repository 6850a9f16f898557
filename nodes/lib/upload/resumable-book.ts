import type { Caller } from '../accounts/caller.ts';
import type { Clock } from '../time/clock.ts';
import type { ResumableRows, ResumableUpload } from './resumable-rows.ts';
import type { ResumableSpool } from './resumable-spool.ts';

/** Unfinished uploads of one user. */
const MOST_OF_USER = 16;
/** One that is idle for so long may make place for a new one of its user. */
const IDLE_MS = 3_600_000;
/** One that moved within this may well go on in a moment. */
const MOVING_MS = 600_000;
/** One that nothing has come of for so long is given up, as on the NAS. */
const KEPT_MS = 86_400_000;

export interface BookParts {
  readonly rows: ResumableRows;
  readonly spool: ResumableSpool;
  readonly clock: Clock;
  /** Both proofs of the time stand, so that what is old may be deleted for its age. */
  readonly isClockProved: () => boolean;
}

/** Which unfinished uploads there are, whose, and how many and how old they may be. */
export class ResumableBook {
  readonly #parts: BookParts;

  constructor(parts: BookParts) {
    this.#parts = parts;
  }

  /** @returns null for what never was, is over, or is somebody else's */
  own(caller: Caller, id: string): ResumableUpload | null {
    const upload = this.#parts.rows.byId(id);
    return upload?.userId === caller.user.id && !this.#isOver(upload) ? upload : null;
  }

  /** What moved last first. */
  unfinished(caller: Caller): readonly ResumableUpload[] {
    const uploads = this.#parts.rows.ofUser(caller.user.id);
    return uploads.filter((upload) => !this.#isOver(upload)).reverse();
  }

  /** @throws the database's error; nothing is left of it then */
  async add(upload: ResumableUpload): Promise<void> {
    try {
      this.#parts.rows.insert(upload);
    } catch (error) {
      await this.drop(upload);
      throw error;
    }
  }

  /** @throws the disk's error when its file cannot be deleted; it is there again after a start, for a day */
  async drop({ id }: ResumableUpload): Promise<void> {
    const { rows, spool } = this.#parts;
    rows.remove(id);
    await spool.discard(id);
  }

  /**
   * Whether a user may begin another. Who lost the ids of what broke off is not shut out until they
   * run out: the one longest idle makes place.
   */
  async hasPlace(userId: number): Promise<boolean> {
    const uploads = this.#parts.rows.ofUser(userId);
    const [idlest] = uploads;
    if (idlest === undefined || uploads.length < MOST_OF_USER) return true;
    if (this.#idleMs(idlest) < IDLE_MS) return false;
    await this.drop(idlest);
    return true;
  }

  /** Whether one of that user began or moved lately; what was abandoned never arrives by itself. */
  isMoving(userId: number): boolean {
    return this.#parts.rows.ofUser(userId).some((upload) => this.#idleMs(upload) < MOVING_MS);
  }

  /** None before the time is known; what was touched when the clock was ahead is as if of now. */
  overdue(): readonly ResumableUpload[] {
    const { rows, clock, isClockProved } = this.#parts;
    if (!isClockProved()) return [];
    const nowMs = clock.nowMs();
    rows.touchedNoLater(nowMs);
    return rows.untouchedSince(nowMs - KEPT_MS);
  }

  #isOver({ touchedAtMs }: ResumableUpload): boolean {
    const { clock, isClockProved } = this.#parts;
    return clock.nowMs() - touchedAtMs >= KEPT_MS && isClockProved();
  }

  #idleMs({ touchedAtMs }: ResumableUpload): number {
    return Math.abs(this.#parts.clock.nowMs() - touchedAtMs);
  }
}
