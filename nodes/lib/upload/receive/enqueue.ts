import { createHash, hash } from 'node:crypto';
import type { Caller, User } from '../../accounts/caller.ts';
import { isWithin, nameOf, pathNow, type QueuedChange } from '../../files/files.ts';
import type { Clock } from '../../time/clock.ts';
import type { ChangeRow, ChangeRows } from '../rows/change-rows.ts';
import type { PlaceRows } from '../rows/queue-view-rows.ts';
import {
  liesBeside,
  type NewUpload,
  NO_BASE,
  type UploadBase,
  type UploadRow,
  type UploadRows,
} from '../rows/upload-rows.ts';
import type { StagedFile } from '../spool/part-file.ts';
import type { BornAt, ShownEntry, ShownListings, ShownPlaces } from '../upload-deps.ts';
import { folderOf, type Target } from './target.ts';

/** Contract 4: an Idempotency-Key counts 24 h per user. */
const KEY_KEPT_MS = 86_400_000;

/** A staged file and where it is to go. */
export interface AimedFile {
  readonly staged: StagedFile;
  readonly target: Target;
}

/** One request's files, all durable on the disk, none in the queue yet. */
export interface EnqueueRequest {
  readonly user: User;
  readonly sender: Sender;
  readonly files: readonly AimedFile[];
  readonly idempotencyKey: string | null;
  /** `X-Base-Checksum`, hex. */
  readonly baseChecksum: string | null;
  /**
   * Committed together with its rows. If that fails, its files go back to where they came from, for
   * another try.
   */
  readonly alongside?: () => void;
}

/** An upload as the caller learns of it. */
export interface AcceptedFile {
  readonly id: string;
  readonly filename: string;
  readonly path: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

export type Enqueued =
  /** `files` in the order sent; what is in `surplus` was in the queue already. */
  | {
      readonly kind: 'enqueued';
      readonly files: readonly AcceptedFile[];
      readonly surplus: readonly StagedFile[];
      /** What is new in the queue. */
      readonly inserted: readonly NewUpload[];
    }
  /** The key was used before, with another body. */
  | { readonly kind: 'key_reused' };

interface EnqueueDeps {
  readonly rows: UploadRows;
  readonly branches: Branches;
  readonly bornAt: BornAt;
  /** What is old may be deleted for its age. */
  readonly isClockProved: () => boolean;
  readonly changeRows: Pick<ChangeRows, 'openOf'>;
}

/**
 * Puts staged files into the queue. Runs inside the caller's transaction, so that its lookups still
 * hold at the commit.
 */
export class Enqueue {
  readonly #rows: UploadRows;
  readonly #branches: Branches;
  readonly #bornAt: BornAt;
  readonly #isClockProved: () => boolean;
  readonly #changes: Pick<ChangeRows, 'openOf'>;

  constructor(deps: EnqueueDeps) {
    this.#rows = deps.rows;
    this.#branches = deps.branches;
    this.#bornAt = deps.bornAt;
    this.#isClockProved = deps.isClockProved;
    this.#changes = deps.changeRows;
  }

  /** @param intentFile where its intents are; null in a rehearsal */
  enqueue(request: EnqueueRequest, nowMs: number, intentFile: string | null): Enqueued {
    const { user, idempotencyKey: key } = request;
    if (this.#isClockProved()) this.#rows.forgetRequests(nowMs - KEY_KEPT_MS);
    const bodyHash = key === null ? '' : bodyHashOf(request.files);
    const earlier = key === null ? null : this.#rows.request(user.id, key);
    if (earlier !== null) {
      if (earlier.bodyHash !== bodyHash) return { kind: 'key_reused' };
      const files = JSON.parse(earlier.filesJson) as readonly AcceptedFile[];
      const surplus = request.files.map(({ staged }) => staged);
      return { kind: 'enqueued', files, surplus, inserted: [] };
    }
    const files: AcceptedFile[] = [];
    const surplus: StagedFile[] = [];
    const inserted: NewUpload[] = [];
    for (const file of request.files) {
      const existing = this.#sameUpload(user.id, file);
      if (existing === null) {
        const upload = this.#newUpload(request, file, nowMs);
        this.#rows.insert(upload, intentFile);
        inserted.push(upload);
        files.push(accepted(upload));
      } else {
        surplus.push(file.staged);
        files.push(existing);
      }
    }
    request.alongside?.();
    if (key !== null) {
      this.#rows.insertRequest(user.id, key, bodyHash, JSON.stringify(files), nowMs);
    }
    return { kind: 'enqueued', files, surplus, inserted };
  }

  /** The same content for the same target, while that row is the newest and undelivered. */
  #sameUpload(userId: number, { staged, target }: AimedFile): AcceptedFile | null {
    const newest = this.#rows.newestFor(userId, target.path, target.secondPath);
    if (newest === null || newest.sha256 !== staged.sha256) return null;
    if (newest.sizeBytes !== staged.sizeBytes) return null;
    // Its user has moved or deleted it since, and now uploads it there again.
    const changes = this.#changes.openOf(userId);
    if (changes.some((change) => change.seq > newest.seq && !leaves(change, target.path))) {
      return null;
    }
    // Sending it again is how a person retries what failed.
    if (newest.state === 'failed' || newest.found) this.#rows.requeue(newest.id);
    return accepted(newest);
  }

  #newUpload(request: EnqueueRequest, { staged, target }: AimedFile, nowMs: number): NewUpload {
    const { id, sizeBytes, sha256 } = staged;
    return {
      id,
      userId: request.user.id,
      username: request.user.username,
      ownerCreatedAt: this.#bornAt(request.user.id),
      folder: folderOf(target.path),
      filename: nameOf(target.path),
      path: target.path,
      secondPath: target.secondPath,
      sizeBytes,
      sha256,
      base: this.#branches.baseOf({
        userId: request.user.id,
        target,
        sender: request.sender,
        baseChecksum: request.baseChecksum,
      }),
      ...request.sender,
      sentName: target.sentName,
      createdAtMs: nowMs,
    };
  }
}

/** Whether a change leaves the item at a path where it is. */
function leaves({ kind, path }: ChangeRow, at: string): boolean {
  return kind === 'mkdir' || !isWithin(at, path);
}

function accepted(of: NewUpload | UploadRow): AcceptedFile {
  const { id, filename, path, sizeBytes, sha256 } = of;
  return { id, filename, path, sizeBytes, sha256 };
}

function bodyHashOf(files: readonly AimedFile[]): string {
  const hash = createHash('sha256');
  for (const { staged, target } of files) {
    const { path, secondPath } = target;
    hash.update(JSON.stringify([path, secondPath, staged.sizeBytes, staged.sha256]));
  }
  return hash.digest('hex');
}

/** Which device sent something (contract 4, Delivery). */
interface Sender {
  /** Its refresh token's lineage, API key or session on the Pi; null where none is known. */
  readonly device: string | null;
  /** Its program and address, for where no device is known; null where neither is. */
  readonly agent: string | null;
}

/** A stored value that says nothing about the device. */
export function senderOf({ device, agent }: Caller): Sender {
  return {
    device: device ?? null,
    agent: agent === undefined ? null : hash('sha256', agent, 'base64url'),
  };
}

/**
 * `doubt`: nothing distinguishes them, so they count as one where no version is lost by it. A
 * device that signed in bypassing the Pi and refreshes through it later is such a case.
 */
function compareSenders(a: Sender, b: Sender): 'same' | 'other' | 'doubt' {
  if (a.device !== null && b.device !== null) return a.device === b.device ? 'same' : 'other';
  const isKey = [a.device, b.device].some((device) => device?.startsWith('key:') === true);
  // A sign-in never comes with an API key.
  if (isKey && a.agent !== null && b.agent !== null) return 'other';
  return a.agent === null || b.agent === null || a.agent === b.agent ? 'doubt' : 'other';
}

/** A folder as it was shown to one device. */
interface Sighting {
  readonly sender: Sender;
  /** The newest upload or change at that time. */
  readonly seq: number;
  readonly atMs: number;
}

const MOST_FOLDERS = 2_000;
const MOST_DEVICES = 16;

/**
 * Which device was shown which folder when. In memory: after a restart, a device that saves without
 * looking again gets its version next to the other, which loses nothing.
 */
class Sightings {
  readonly #folders = new Map<string, readonly Sighting[]>();

  note(userId: number, folder: string, sighting: Sighting): void {
    const key = `${userId}\n${folder}`;
    const others = (this.#folders.get(key) ?? []).filter(
      ({ sender }) =>
        sender.device !== sighting.sender.device || sender.agent !== sighting.sender.agent,
    );
    this.#folders.delete(key);
    this.#folders.set(key, [sighting, ...others].slice(0, MOST_DEVICES));
    for (const oldest of this.#folders.keys()) {
      if (this.#folders.size <= MOST_FOLDERS) break;
      this.#folders.delete(oldest);
    }
  }

  /** When exactly that device was last shown that folder. */
  last(userId: number, folder: string, by: Sender): Sighting | null {
    const sightings = this.#folders.get(`${userId}\n${folder}`) ?? [];
    return sightings.find(({ sender }) => compareSenders(sender, by) !== 'other') ?? null;
  }
}

/** A save, looking for the version it is based on. */
interface Save {
  readonly userId: number;
  readonly target: Target;
  readonly sender: Sender;
  /** `X-Base-Checksum`, hex; null without one. */
  readonly baseChecksum: string | null;
}

interface BranchesDeps {
  readonly rows: UploadRows;
  readonly places: PlaceRows;
  readonly changeRows: Pick<ChangeRows, 'openOf' | 'newestSeq'>;
  readonly shownPlaces: ShownPlaces;
  readonly listings: ShownListings;
  readonly clock: Clock;
}

/**
 * What a version was made from (contract 4, Delivery). Pending versions of a path and unresolved
 * conflict copies form branches: each version names its predecessor. A save either continues a
 * branch or starts one, which the delivery then puts next to the others. The sender's word outranks
 * the queue's guess.
 */
export class Branches {
  readonly #deps: BranchesDeps;
  readonly #sightings = new Sightings();

  constructor(deps: BranchesDeps) {
    this.#deps = deps;
  }

  /** That device is being shown a folder, including all of its user's uploads in it. */
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
    // An undecided upload shares its target only with versions of itself.
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
   * Whether a device saw the last change at a path: its saves there are then based on what it saw,
   * although the queue delivers another version first. A device that did not look again may mean
   * either; at worst its save goes next to the other.
   */
  #sawChange(save: Save, path: string, changes: readonly QueuedChange[]): boolean {
    const last = changes.findLast(({ path: from, toPath }) =>
      [from, toPath].some((place) => place !== null && isWithin(path, place)),
    );
    const shown = this.#lastShown(save);
    if (last === undefined || shown === null || shown.seq < last.seq) return false;
    return compareSenders(shown.sender, save.sender) === 'same';
  }

  /** A version queued for another path that its user has since moved here. */
  #moved({ userId, target, sender, baseChecksum }: Save): UploadRow | null {
    const id = this.#deps.shownPlaces.uploadShown(userId, target.path);
    const row = id === null ? null : this.#deps.rows.byId(id);
    if (row === null || compareSenders(row, sender) === 'other') return null;
    return baseChecksum === null || baseChecksum === row.sha256 ? row : null;
  }

  /** Without the sender's word: its own last version, or the newest one it was shown. */
  #before(save: Save, tips: readonly UploadRow[]): UploadRow | null {
    const shown = this.#lastShown(save);
    return (
      tips.find((tip) => {
        // A device that saw both and saves again means the file, not the copy next to it.
        if (tip.state === 'conflict' && shown !== null && shown.atMs > (tip.syncedAtMs ?? 0)) {
          return false;
        }
        return compareSenders(tip, save.sender) !== 'other' || (shown?.seq ?? 0) >= tip.seq;
      }) ?? null
    );
  }

  /** The branch whose tip has that content, or that is known to continue it. */
  #named(save: Save, checksum: string, tips: readonly UploadRow[]): UploadRow | null {
    return (
      tips.find(({ sha256 }) => sha256 === checksum) ??
      tips.find((tip) => this.#goesOn(tip, save.sender, checksum)) ??
      null
    );
  }

  /**
   * Whether a device that still names an older version means this branch: an older version of the
   * branch itself, or its starting point. The latter says little about a first version in the
   * file's own place, as any device may have started from there.
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

  /** Whether another branch of that path was started earlier. */
  #hasElder({ userId, path, secondPath, seq }: UploadRow): boolean {
    return this.#deps.places.branchesOf(userId, path, secondPath).some((row) => row.seq < seq);
  }

  /**
   * The later of what the queue delivered there and what the user saw listed. A version this device
   * neither delivered nor was shown does not count, even if the user's listing has it by now. A
   * version about to be moved away stays there if the NAS refuses that, and then a save not based
   * on it must not replace it.
   */
  #known(save: Save, changes: readonly QueuedChange[]): UploadBase {
    const { rows, listings } = this.#deps;
    const { userId, target } = save;
    const own = rows.lastSynced(userId, target.path);
    // Another name for the same path: two files that were never meant to be one.
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

/** Whether the path was not listed since it was delivered. */
function isNewest(own: UploadRow, shown: ShownEntry): boolean {
  return (own.syncedAtMs ?? 0) >= (shown.kind === 'file' ? shown.listedAtMs : 0);
}

function asListed(shown: Extract<ShownEntry, { kind: 'file' }>): UploadBase {
  const { sizeBytes, modifiedAt, checksum } = shown;
  return { source: 'listing', uploadId: null, sizeBytes, modifiedAt, checksum };
}
