import type { Clock } from '../time/clock.ts';
import type { Disk } from './disk.ts';
import type { ShareRows } from './share-rows.ts';
import type { MakeRoom } from './upload-ports.ts';

/** A body of unknown length asks for room in steps of this size, in bytes. */
const STEP_BYTES = 16 * 1024 * 1024;
/** Contract 1, Fair shares. */
const MOST_ROWS = 100_000;
const SHARING_MS = 30 * 86_400_000;
/** Who shares changes slowly. */
const COUNTED_FOR_MS = 60_000;

/** Why something does not fit. */
export interface NoRoom {
  readonly kind: 'refused';
  readonly code: 'no_room' | 'share_used';
  readonly detail?: string;
}

const NO_ROOM: NoRoom = { kind: 'refused', code: 'no_room' };

/** Room set aside for one body. */
export interface Reservation {
  /**
   * Makes sure that `bytes` more fit, asking for more room where what was set aside is used up.
   * @returns why there is no room for them; null when there is
   */
  take(bytes: number): Promise<NoRoom | null>;
  /** Gives back what was not used. Calling it twice is harmless. */
  release(): void;
}

export interface RoomKeeperDeps {
  readonly disk: Disk;
  /** The queue's own folder. */
  readonly folder: string;
  /** CACHE_MIN_FREE_GB in bytes. */
  readonly minFreeBytes: number;
  readonly makeRoom: MakeRoom;
  /** Kept copies, all of which an upload that needs their room may evict. */
  readonly evictableBytes: () => number;
  readonly rows: ShareRows;
  /** Ids of the users whom the NAS let in since then. */
  readonly signedInSince: (sinceMs: number) => readonly number[];
  readonly clock: Clock;
}

/**
 * Keeps uploads from filling the disk, and one user's from filling it for all: no body begins unless
 * it fits beside all that are already coming in and the room that stays free (contract 3, Room), and
 * into its user's even share. Cached copies are evicted first. Room is taken by bytes that come,
 * never by what somebody says will come.
 */
export class RoomKeeper {
  readonly #deps: RoomKeeperDeps;
  /** What of each user's share is used by bodies that are coming in. */
  readonly #charged = new Map<number, number>();
  #promisedBytes = 0;
  #sharers: ReadonlySet<number> = new Set();
  #countedAtMs = -Infinity;

  constructor(deps: RoomKeeperDeps) {
    this.#deps = deps;
  }

  /**
   * Whether that much of a user's would fit now, evicting copies where it takes that.
   * @returns why not; null when it would
   */
  async refusal(userId: number, bytes: number): Promise<NoRoom | null> {
    const overShare = await this.#overShare(userId, bytes, 1);
    if (overShare !== null) return overShare;
    return (await this.#fits(bytes)) ? null : NO_ROOM;
  }

  /** Whether that many more uploads, whose bytes are here, are within their user's share. */
  async rowsRefusal(userId: number, rows: number): Promise<NoRoom | null> {
    return this.#overShare(userId, 0, rows);
  }

  /**
   * @param bytes how long the body says it is; null where it does not say
   * @returns why there is no room for it
   */
  async reserve(userId: number, bytes: number | null): Promise<Reservation | NoRoom> {
    const wanted = bytes ?? STEP_BYTES;
    // Of a length that nobody told, one byte has to fit the share: the rest is asked for as it comes.
    const refusal = await this.refusal(userId, bytes ?? 1);
    if (refusal !== null) return refusal;
    if (!(await this.#fits(wanted))) return NO_ROOM;
    return this.#promise(userId, wanted, bytes ?? 0);
  }

  /** @param ofShare what its user's share is charged with beforehand */
  #promise(userId: number, bytes: number, ofShare: number): Reservation {
    const charged = { bytes: 0 };
    const charge = (more: number): void => {
      charged.bytes += more;
      this.#charged.set(userId, (this.#charged.get(userId) ?? 0) + more);
    };
    charge(ofShare);
    this.#promisedBytes += bytes;
    let [left, taken, released] = [bytes, 0, false];
    return {
      take: async (count) => {
        const more = taken + count - charged.bytes;
        const refusal = more > 0 ? await this.#overShare(userId, more, 0) : null;
        if (refusal !== null) return refusal;
        if (more > 0) charge(more);
        if (left < count) {
          const step = Math.max(STEP_BYTES, count);
          if (!(await this.#fits(step))) return NO_ROOM;
          this.#promisedBytes += step;
          left += step;
        }
        taken += count;
        left -= count;
        this.#promisedBytes -= count;
        return null;
      },
      release: () => {
        if (released) return;
        released = true;
        this.#promisedBytes -= left;
        const rest = (this.#charged.get(userId) ?? 0) - charged.bytes;
        if (rest > 0) this.#charged.set(userId, rest);
        else this.#charged.delete(userId);
      },
    };
  }

  async #overShare(userId: number, bytes: number, rows: number): Promise<NoRoom | null> {
    const usage = this.#deps.rows.usageOf(userId);
    const users = this.#usersBeside(userId) + 1;
    const rowShare = Math.floor(MOST_ROWS / users);
    const among = users === 1 ? 'you are alone here' : `shared among ${users} users`;
    if (usage.rows + rows > rowShare) {
      const detail = `${usage.rows} of your ${rowShare} uploads wait already (${among}).`;
      return {
        kind: 'refused',
        code: 'share_used',
        detail: `${detail} Send more when some have arrived.`,
      };
    }
    if (users === 1) return null;
    const share = (await this.#shareableBytes()) / users;
    const used = usage.bytes + (this.#charged.get(userId) ?? 0);
    if (used + bytes <= share) return null;
    const detail = `${inMb(used)} of your ${inMb(share)} of room are used (${among}).`;
    return {
      kind: 'refused',
      code: 'share_used',
      detail: `${detail} Send more when some have arrived.`,
    };
  }

  /** All that uploads may take: what they have, what is free, and what would be evicted for them. */
  async #shareableBytes(): Promise<number> {
    const { disk, folder, minFreeBytes, evictableBytes, rows } = this.#deps;
    const freeBytes = await disk.freeBytes(folder);
    return Math.max(0, freeBytes - minFreeBytes + evictableBytes()) + rows.allBytes();
  }

  #usersBeside(userId: number): number {
    const { clock, rows, signedInSince } = this.#deps;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#countedAtMs >= COUNTED_FOR_MS) {
      this.#countedAtMs = nowMs;
      const sinceMs = clock.nowMs() - SHARING_MS;
      this.#sharers = new Set([...rows.queuedSince(sinceMs), ...signedInSince(sinceMs)]);
    }
    return this.#sharers.size - (this.#sharers.has(userId) ? 1 : 0);
  }

  async #fits(bytes: number): Promise<boolean> {
    const missing = await this.#missing(bytes);
    if (missing <= 0) return true;
    await this.#deps.makeRoom(missing);
    return (await this.#missing(bytes)) <= 0;
  }

  async #missing(bytes: number): Promise<number> {
    const { disk, folder, minFreeBytes } = this.#deps;
    const freeBytes = await disk.freeBytes(folder);
    return bytes + minFreeBytes + this.#promisedBytes - freeBytes;
  }
}

function inMb(bytes: number): string {
  return `${Math.floor(bytes / 1e5) / 10} MB`;
}
