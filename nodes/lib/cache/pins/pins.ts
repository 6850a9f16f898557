import { parentOf } from '../../files/files.ts';
import type { Store } from '../../store/store.ts';
import type { Clock } from '../../time/clock.ts';
import {
  type Held,
  HeldRows,
  MOST_PINNED_FILES,
  type PinCounts,
  type PinnedFile,
  PinnedFileRows,
  type PinRow,
  PinRows,
  type PinState,
  type SharedFile,
  type TimeCursor,
  type UnreadEntry,
} from './pin-rows.ts';

/** A pinned folder with what is known of its files. */
export interface Pin extends PinRow, PinCounts {}

interface PinsDeps {
  /** The cache database. */
  readonly store: Store;
  readonly clock: Pick<Clock, 'nowMs'>;
  /** What the cache may hold at this moment. */
  readonly capacityBytes: () => number;
  /** What it is kept below. */
  readonly limitBytes: () => number;
}

const PAGE = 500;

/**
 * Pinned folders, per user: which files belong to them, which should be kept, and which are. At
 * most half of the cache is for pins, in equal shares for the users who pin; a user's share goes to
 * their newest files first.
 */
export class Pins {
  /** Everybody's, for the refresh alone: a user's pins are private. */
  readonly rows: Pick<PinRows, 'all'>;
  /** The files below them. */
  readonly files: Pick<
    PinnedFileRows,
    'bytes' | 'dropFolder' | 'pendingPage' | 'pendingCount' | 'wantedBytes'
  >;
  readonly #deps: PinsDeps;
  readonly #pins: PinRows;
  readonly #files: PinnedFileRows;

  constructor(deps: PinsDeps) {
    this.#deps = deps;
    this.rows = this.#pins = new PinRows(deps.store);
    this.files = this.#files = new PinnedFileRows(deps.store);
  }

  ofUser(userId: number): Pin[] {
    return this.#pins.ofUser(userId).map((pin) => this.#withCounts(pin));
  }

  find(userId: number, path: string): Pin | null {
    const pin = this.#pins.find(userId, path);
    return pin === null ? null : this.#withCounts(pin);
  }

  isPinned(userId: number, path: string): boolean {
    return this.#pins.find(userId, path) !== null;
  }

  /** Whether a folder is pinned by its user or lies below one that is. */
  covers(userId: number, folder: string): boolean {
    let path = folder;
    for (;;) {
      if (this.isPinned(userId, path)) return true;
      const slash = path.lastIndexOf('/');
      if (slash < 0) return false;
      path = path.slice(0, slash);
    }
  }

  /** Pins a folder. Its files are wanted after {@link share}. */
  put(userId: number, path: string): void {
    this.#pins.put(userId, path, this.#deps.clock.nowMs());
  }

  /** Unpins a folder; files below another pin of the user stay pinned. @returns whether it was */
  drop(userId: number, path: string): boolean {
    if (!this.#pins.drop(userId, path)) return false;
    for (const folder of this.#files.folders(userId, path)) {
      if (!this.covers(userId, folder)) this.#files.dropFolder(userId, folder);
    }
    this.shareAll();
    return true;
  }

  /** Unpins all that a user had. */
  dropUser(userId: number): void {
    for (const pin of this.#pins.ofUser(userId)) this.drop(userId, pin.path);
  }

  /** A file or folder was deleted on the NAS, whoever pinned it. */
  gone(path: string): void {
    for (const pin of this.#pins.below(path)) this.checked(pin, 'missing');
    const users = this.#files.dropAll(path);
    const others = this.#files.takeOut(path).map(({ userId }) => userId);
    for (const userId of new Set([...users, ...others])) this.share(userId);
  }

  /**
   * A file or folder moved on the NAS: folder pins move with it, and the files below a pin as far
   * as they lie below one now.
   */
  moved(from: string, to: string): void {
    const users = new Set(this.#files.dropAll(to));
    for (const { userId } of this.#files.takeOut(to)) users.add(userId);
    this.#pins.move(from, to);
    const target = parentOf(to) ?? '';
    for (const file of this.#files.takeOut(from)) {
      users.add(file.userId);
      if (this.covers(file.userId, target)) {
        this.#files.put(file.userId, target, { ...file, path: to });
      }
    }
    this.#files.move(from, to);
    for (const { userId, folder } of this.#files.places(to)) {
      users.add(userId);
      if (!this.covers(userId, folder)) this.#files.dropFolder(userId, folder);
    }
    for (const userId of users) this.share(userId);
  }

  checked(pin: Pick<PinRow, 'userId' | 'path'>, state: PinState): void {
    this.#pins.checked(pin, state, this.#deps.clock.nowMs());
  }

  /**
   * Records the files directly in a folder of a user.
   * @returns whether all of them are followed; a user has a limited number of rows
   */
  learn(userId: number, folder: string, files: readonly PinnedFile[]): boolean {
    const others = this.#files.count(userId) - this.#files.inFolder(userId, folder).length;
    const followed = files.slice(0, Math.max(0, MOST_PINNED_FILES - others));
    this.#files.setFolder(userId, folder, followed);
    return followed.length === files.length;
  }

  /** The folders below a pin that hold known files, the pin included. */
  foldersOf(pin: Pick<PinRow, 'userId' | 'path'>): string[] {
    return this.#files.folders(pin.userId, pin.path);
  }

  /** A folder is not there any more, nor what was below it. */
  forget(userId: number, folder: string): void {
    this.#files.dropFolder(userId, folder, true);
  }

  /** What every user who pins may keep, `userId` counted among them, in bytes. */
  shareBytes(userId: number): number {
    const { capacityBytes, limitBytes } = this.#deps;
    const users = new Set([...this.#pins.users(), userId]);
    return Math.floor(Math.min(capacityBytes() / 2, limitBytes()) / users.size);
  }

  /** Recomputes a user's share: newest files first, each that still fits. */
  share(userId: number): void {
    const shareBytes = this.shareBytes(userId);
    let left = shareBytes;
    let after: TimeCursor | null = null;
    for (;;) {
      const page: SharedFile[] = this.#files.page(userId, after, PAGE);
      const chosen = page.filter(({ sizeBytes }) => {
        if (sizeBytes > left) return false;
        left -= sizeBytes;
        return true;
      });
      const isChosen = new Set(chosen);
      const isNew = ({ wanted }: SharedFile): boolean => !wanted;
      const isOut = (file: SharedFile): boolean => file.wanted && !isChosen.has(file);
      this.#files.want(userId, chosen.filter(isNew), true);
      this.#files.want(userId, page.filter(isOut), false);
      after = page.at(-1) ?? null;
      if (page.length < PAGE) return;
    }
  }

  /** Recomputes everybody's share, as after somebody started or stopped pinning. */
  shareAll(): void {
    for (const userId of this.#pins.users()) this.share(userId);
  }

  #withCounts(pin: PinRow): Pin {
    return { ...pin, ...this.#files.counts(pin.userId, pin.path) };
  }
}

/** Successive pages are answered from the same count. */
const HOLDS_MS = 60_000;

interface Deps {
  /** The cache database. */
  readonly store: Store;
  readonly clock: Pick<Clock, 'monotonicMs' | 'sleep'>;
}

/** Who has how much in the cache, and which prefetched files were never read. */
export class Holdings {
  readonly #clock: Deps['clock'];
  readonly #rows: HeldRows;
  #summed: { readonly atMs: number; readonly byTop: Promise<ReadonlyMap<string, Held>> } | null =
    null;

  constructor({ store, clock }: Deps) {
    this.#clock = clock;
    this.#rows = new HeldRows(store);
  }

  /** By the first folder of the paths, at most a minute old; callers are served in between. */
  async byTop(): Promise<ReadonlyMap<string, Held>> {
    const nowMs = this.#clock.monotonicMs();
    if (this.#summed === null || nowMs - this.#summed.atMs >= HOLDS_MS) {
      this.#summed = { atMs: nowMs, byTop: this.#sum() };
    }
    return await this.#summed.byTop;
  }

  /** Fetched ahead and not read yet, the newest first. @param userId null for everybody's */
  unread(userId: number | null, limit: number): readonly UnreadEntry[] {
    return this.#rows.unread(userId, limit);
  }

  unreadSum(userId: number | null): Held {
    return this.#rows.unreadSum(userId);
  }

  async #sum(): Promise<ReadonlyMap<string, Held>> {
    const sums = new Map<string, Held>();
    for (const slice of this.#rows.byTop()) {
      for (const [top, { files, bytes }] of slice) {
        const before = sums.get(top) ?? { files: 0, bytes: 0 };
        sums.set(top, { files: before.files + files, bytes: before.bytes + bytes });
      }
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
    return sums;
  }
}
