import type { Caller } from '../accounts/caller.ts';
import { isWithin, pathNow, type QueuedChange } from '../files/files.ts';
import type { Clock } from '../time/clock.ts';
import type { ChangeRows } from './change-rows.ts';
import { folderOf, type Target } from './target.ts';
import { compareSenders, senderOf, type Sender, Sightings } from './sender.ts';
import type { PlaceRows } from './place-rows.ts';
import type { ShownEntry, ShownListings, ShownPlaces } from './upload-ports.ts';
import { liesBeside, NO_BASE, type UploadBase, type UploadRow } from './upload-row.ts';
import type { UploadRows } from './upload-rows.ts';

/** A save that looks for the version it goes on from. */
export interface Save {
  readonly userId: number;
  readonly target: Target;
  readonly sender: Sender;
  /** `X-Base-Checksum`, hex; null without one. */
  readonly baseChecksum: string | null;
}

export interface BranchesDeps {
  readonly rows: UploadRows;
  readonly places: PlaceRows;
  readonly changeRows: Pick<ChangeRows, 'openOf' | 'newestSeq'>;
  readonly shownPlaces: ShownPlaces;
  readonly listings: ShownListings;
  readonly clock: Clock;
}

/**
 * What a version was made from (contract 4, Delivery). The versions of a path that are on their way,
 * and conflict copies nobody settled, form branches: each version names the one it goes on from. A
 * save either carries a branch on, or begins one, which the delivery then puts beside the others.
 * What its sender says outranks what the queue would guess.
 */
export class Branches {
  readonly #deps: BranchesDeps;
  readonly #sightings = new Sightings();

  constructor(deps: BranchesDeps) {
    this.#deps = deps;
  }

  /** That device is shown a folder now, with all of its user's uploads in it. */
  shown(caller: Caller, folder: string): void {
    const { places, changeRows, clock } = this.#deps;
    const seq = Math.max(places.newestSeq(), changeRows.newestSeq());
    const sighting = { sender: senderOf(caller), seq, atMs: clock.nowMs() };
    this.#sightings.note(caller.user.id, folder, sighting);
  }

  baseOf(save: Save): UploadBase {
    const changes = this.#openChanges(save);
    const tips = this.#tips(save, changes);
    const before =
      save.baseChecksum === null
        ? this.#before(save, tips)
        : this.#named(save, save.baseChecksum, tips);
    const goesOn = before ?? (tips.length === 0 ? this.#moved(save) : null);
    if (goesOn !== null) return { ...NO_BASE, source: 'queue', uploadId: goesOn.id };
    if (save.baseChecksum !== null) {
      return { ...NO_BASE, source: 'caller', checksum: save.baseChecksum };
    }
    // An undecided upload shares its target with none but versions of itself.
    return save.target.secondPath === null ? this.#known(save, changes) : NO_BASE;
  }

  #openChanges({ userId }: Save): readonly QueuedChange[] {
    return this.#deps.changeRows
      .openOf(userId)
      .map((change) => ({ ...change, acceptedAtMs: change.createdAtMs }));
  }

  /** The newest version of each branch, newest first. */
  #tips(save: Save, changes: readonly QueuedChange[]): readonly UploadRow[] {
    const { userId, target } = save;
    const rows = this.#deps.places
      .branchesOf(userId, target.path, target.secondPath)
      .filter(({ sentName }) => sentName === target.sentName);
    const followed = new Set(rows.map(({ base }) => base.uploadId));
    return rows.filter((row) => {
      if (followed.has(row.id)) return false;
      const isAway = row.state !== 'conflict' && pathNow(changes, row.path, row.seq) !== row.path;
      return !isAway || !this.#sawChange(save, row.path, changes);
    });
  }

  /**
   * Whether a device saw the last change at a path: what it saves there now is made from what it saw
   * there, although the queue brings another version there first. One that did not look again may
   * mean either, which at worst puts its save beside.
   */
  #sawChange(save: Save, path: string, changes: readonly QueuedChange[]): boolean {
    const last = changes.findLast(({ path: from, toPath }) =>
      [from, toPath].some((place) => place !== null && isWithin(path, place)),
    );
    const shown = this.#lastShown(save);
    if (last === undefined || shown === null || shown.seq < last.seq) return false;
    return compareSenders(shown.sender, save.sender) === 'same';
  }

  /** A version that was queued for another place, which its user moved here since. */
  #moved({ userId, target, sender, baseChecksum }: Save): UploadRow | null {
    const id = this.#deps.shownPlaces.uploadShown(userId, target.path);
    const row = id === null ? null : this.#deps.rows.byId(id);
    if (row === null || compareSenders(row, sender) === 'other') return null;
    return baseChecksum === null || baseChecksum === row.sha256 ? row : null;
  }

  /** Without a word of the sender: its own last version, or the newest one it was shown. */
  #before(save: Save, tips: readonly UploadRow[]): UploadRow | null {
    const shown = this.#lastShown(save);
    return (
      tips.find((tip) => {
        // Shown both, a device that saves again means the file and not the copy beside it.
        if (tip.state === 'conflict' && shown !== null && shown.atMs > (tip.syncedAtMs ?? 0)) {
          return false;
        }
        return compareSenders(tip, save.sender) !== 'other' || (shown?.seq ?? 0) >= tip.seq;
      }) ?? null
    );
  }

  /** The branch whose tip has that content, or that is known to go on from it. */
  #named(save: Save, checksum: string, tips: readonly UploadRow[]): UploadRow | null {
    return (
      tips.find(({ sha256 }) => sha256 === checksum) ??
      tips.find((tip) => this.#goesOn(tip, save.sender, checksum)) ??
      null
    );
  }

  /**
   * Whether a device that still names an older version means this branch: an older version of the
   * branch itself, or what it was begun from. The latter tells little of a first version that lies
   * in the file's own place, as any device may have begun from there.
   */
  #goesOn(tip: UploadRow, sender: Sender, checksum: string): boolean {
    const kinship = compareSenders(tip, sender);
    if (kinship === 'other') return false;
    let root = tip;
    let isBeside = liesBeside(tip);
    while (root.base.source === 'queue' && root.base.uploadId !== null) {
      const before = this.#deps.rows.byId(root.base.uploadId);
      if (before === null) return false;
      if (before.sha256 === checksum) return true;
      isBeside ||= liesBeside(before);
      root = before;
    }
    if (root.base.checksum !== checksum) return false;
    return kinship === 'same' || isBeside || this.#hasElder(root);
  }

  /** Whether another branch of that path was begun before. */
  #hasElder({ userId, path, secondPath, seq }: UploadRow): boolean {
    return this.#deps.places.branchesOf(userId, path, secondPath).some((row) => row.seq < seq);
  }

  /**
   * The later of what the queue delivered there and what the user saw listed. A version that this
   * device neither delivered nor was shown is none, although the user's listing has it by now. One
   * that is to be moved away stays there where the NAS refuses that, and then a save that was not
   * made from it must not replace it.
   */
  #known(save: Save, changes: readonly QueuedChange[]): UploadBase {
    const { rows, listings } = this.#deps;
    const { userId, target } = save;
    const own = rows.lastSynced(userId, target.path);
    // Another name for the same place: two files that were never meant to be one.
    if (target.sentName !== null && own !== null && own.sentName !== target.sentName) {
      return NO_BASE;
    }
    const shown = listings.shows(userId, target.path);
    const now = pathNow(changes, target.path, own?.seq ?? -1);
    if (now !== target.path && (now !== null || shown.kind === 'file')) {
      return shown.kind === 'file' && this.#sawChange(save, target.path, changes)
        ? asListed(shown)
        : NO_BASE;
    }
    return this.#newest(save, own, shown);
  }

  #newest(save: Save, own: UploadRow | null, shown: ShownEntry): UploadBase {
    if (own !== null && isNewest(own, shown)) {
      if (!this.#isKnown(own, save)) return NO_BASE;
      return { ...NO_BASE, source: 'own', sizeBytes: own.sizeBytes, checksum: own.sha256 };
    }
    if (shown.kind !== 'file') return NO_BASE;
    const isOwn = own !== null && shown.checksum === own.sha256;
    return isOwn && !this.#isKnown(own, save) ? NO_BASE : asListed(shown);
  }

  #isKnown(own: UploadRow, save: Save): boolean {
    if (compareSenders(own, save.sender) !== 'other') return true;
    return (this.#lastShown(save)?.seq ?? 0) >= own.seq;
  }

  #lastShown({ userId, target, sender }: Save): ReturnType<Sightings['last']> {
    return this.#sightings.last(userId, folderOf(target.path), sender);
  }
}

/** Whether nothing was listed since it was delivered. */
function isNewest(own: UploadRow, shown: ShownEntry): boolean {
  return (own.syncedAtMs ?? 0) >= (shown.kind === 'file' ? shown.listedAtMs : 0);
}

function asListed(shown: Extract<ShownEntry, { kind: 'file' }>): UploadBase {
  const { sizeBytes, modifiedAt, checksum } = shown;
  return { source: 'listing', uploadId: null, sizeBytes, modifiedAt, checksum };
}
