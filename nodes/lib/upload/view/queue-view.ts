import type { Caller, User } from '../../accounts/caller.ts';
import type { UploadState } from '../../api/api.ts';
import { nameOf, type Span } from '../../files/files.ts';
import { errorKind, type Log } from '../../log/log.ts';
import type { NasPresence } from '../../nas/presence.ts';
import type { Clock } from '../../time/clock.ts';
import { reason } from '../reasons.ts';
import { refused, type Refused, refusedAt } from '../receive/admission.ts';
import { folderOf, parsePath } from '../receive/target.ts';
import type { ChangeRows } from '../rows/change-rows.ts';
import type { DropRows } from '../rows/conflict-rows.ts';
import type { HeldRows, QueueViewRows, PendingFolder } from '../rows/queue-view-rows.ts';
import {
  isDelivered,
  isUploadState,
  type NewUpload,
  NO_BASE,
  type UploadRow,
  type UploadRows,
} from '../rows/upload-rows.ts';
import { type Disk, diskFaultOf } from '../spool/disk.ts';
import type { Intents } from '../spool/intents.ts';
import type { BornAt, MayWrite, UserNamed } from '../upload-deps.ts';
import {
  type DeviceQueueEntry,
  type SyncStatus,
  toChangeItem,
  toDeviceEntry,
  toSyncStatus,
  toUploadItem,
  type UploadItem,
} from './answers.ts';

/** A queued file as a listing shows it. */
export interface PendingUpload {
  readonly id: string;
  readonly seq: number;
  readonly name: string;
  readonly path: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly acceptedAtMs: number;
}

/** A queued file with the place of its bytes on the Pi. */
export interface QueuedFile extends PendingUpload {
  readonly file: string;
}

export type Done = { readonly kind: 'done'; readonly upload: UploadItem } | Refused;

interface QueueViewDeps {
  readonly rows: QueueViewRows;
  readonly changeRows: ChangeRows;
  readonly drops: DropRows;
  readonly intents: Intents;
  readonly clock: Clock;
  readonly uploads: UploadRows;
  readonly presence: NasPresence;
  readonly disk: Disk;
  readonly log: Log;
  readonly pendingDownloads: (userId: number | null) => number;
  readonly fileOf: (id: string) => string;
}

/** The queue as people and other modules see it, and the two things a person may do to a row. */
export class QueueView {
  readonly #deps: QueueViewDeps;

  constructor(deps: QueueViewDeps) {
    this.#deps = deps;
  }

  status(
    caller: Caller,
    all: boolean,
  ): { readonly kind: 'status'; readonly status: SyncStatus } | Refused {
    if (all && caller.user.role !== 'admin') return refused('admin_only');
    const userId = all ? null : caller.user.id;
    const { rows, changeRows, presence, pendingDownloads } = this.#deps;
    const counts = rows.counts(userId);
    const waiting = [...counts.waitingForCredential, ...changeRows.waitingForCredential(userId)];
    const both = { ...counts, waitingForCredential: [...new Set(waiting)].sort() };
    const changes = changeRows.counts(userId);
    const status = toSyncStatus(both, changes, presence.state.awake, pendingDownloads(userId));
    return { kind: 'status', status };
  }

  list(
    caller: Caller,
    state: string | null,
  ): { readonly kind: 'uploads'; readonly uploads: readonly UploadItem[] } | Refused {
    if (state !== null && !isUploadState(state)) {
      return refusedAt(['query', 'state'], 'There is no such state of an upload.');
    }
    const { rows, changeRows } = this.#deps;
    const own = state === 'held' ? [] : this.#ofUser(caller.user.id, state);
    const seesHeld = caller.user.role === 'admin' && (state === null || state === 'held');
    const held = [...rows.held().map(toUploadItem), ...changeRows.held().map(toChangeItem)];
    return { kind: 'uploads', uploads: [...(seesHeld ? held : []), ...own] };
  }

  /** Uploads and changes in one order, the newest first. */
  #ofUser(userId: number, state: UploadState | null): readonly UploadItem[] {
    const { rows, changeRows } = this.#deps;
    const uploads = rows.list(userId, state);
    const changes = changeRows.list(userId, state);
    if (changes.length === 0) return uploads.map(toUploadItem);
    const both = [
      ...uploads.map((row) => ({ seq: row.seq, item: toUploadItem(row) })),
      ...changes.map((row) => ({ seq: row.seq, item: toChangeItem(row) })),
    ];
    return both.sort((a, b) => b.seq - a.seq).map(({ item }) => item);
  }

  /** Everything not yet on the NAS, oldest first, as the app shows a queue. */
  deviceQueue(caller: Caller, deviceId: string): readonly DeviceQueueEntry[] {
    const { rows } = this.#deps;
    return rows.unfinished(caller.user.id).map((row) => toDeviceEntry(row, deviceId));
  }

  /** Makes a failed or waiting upload due at once. */
  retry(caller: Caller, id: string): Done {
    const row = this.#own(caller, id);
    if (row === null) return refused('not_found');
    if (isDelivered(row)) {
      return refused('conflict', reason('uploadDelivered'));
    }
    if (row.state === 'held') {
      return refused('conflict', reason('uploadUserGone'));
    }
    if (!row.hasBytes) return refused('conflict', reason('uploadFileLost'));
    this.#deps.uploads.requeue(id);
    return this.#done(this.#deps.uploads.byId(id) ?? row);
  }

  /** Takes an upload out of the queue and its bytes off the disk. */
  async drop(caller: Caller, id: string): Promise<Done> {
    const row = this.#own(caller, id);
    if (row === null) return refused('not_found');
    if (row.state === 'conflict') {
      return refused('conflict', reason('uploadSettleFirst'));
    }
    const { drops, disk, fileOf, uploads, intents } = this.#deps;
    const beingSent = refused('conflict', reason('uploadBeingSent'));
    if (!drops.freeze(id)) return beingSent;
    const fault = await this.#writeEnd(row);
    if (fault !== null) return fault;
    if (!drops.drop(row)) return beingSent;
    try {
      await disk.remove(fileOf(id));
      const { intentFile } = row;
      if (intentFile !== null && !uploads.isIntentNeeded(intentFile)) {
        await intents.discard(intentFile);
      }
    } catch (error) {
      // The row is deleted; the file goes at the next start.
      const kind = errorKind(error);
      this.#deps.log.warn(`The file of a dropped upload could not be removed: ${kind}.`);
    }
    return this.#done(row);
  }

  /** A user's undelivered uploads in a folder, the newest version of each name. */
  pendingInFolder(userId: number, folder: string, within?: Span): readonly PendingUpload[] {
    const newest = new Map<string, PendingUpload>();
    for (const row of this.#deps.rows.pendingInFolder(userId, folder)) {
      const counts = within === undefined || (row.seq > within.after && row.seq < within.before);
      if (counts) newest.set(row.filename, toPending(row));
    }
    return [...newest.values()];
  }

  /** The folders that directly contain such uploads, each once. */
  pendingFolders(userId: number): readonly PendingFolder[] {
    return this.#deps.rows.pendingFolders(userId);
  }

  /** The newest undelivered version of a path, for its user to read back. */
  queuedFile(userId: number, path: string, within?: Span): QueuedFile | null {
    const { rows } = this.#deps;
    const isWhole = within === undefined || isEver(within);
    const row = isWhole ? rows.pendingAt(userId, path) : rows.pendingWithin(userId, path, within);
    return row === null ? null : { ...toPending(row), file: this.#deps.fileOf(row.id) };
  }

  /** Written before the row is deleted, so that an older database cannot bring it back. */
  async #writeEnd(row: UploadRow): Promise<Refused | null> {
    const { id, path, sizeBytes, sha256, base, state } = row;
    if (state === 'synced') return null;
    const atMs = this.#deps.clock.nowMs();
    try {
      await this.#deps.intents.end([{ id, end: 'dropped', atMs, path, sizeBytes, sha256, base }]);
      return null;
    } catch (error) {
      this.#deps.drops.thaw(id);
      const fault = diskFaultOf(error);
      if (fault === null) throw error;
      return refused(fault);
    }
  }

  #own(caller: Caller, id: string): UploadRow | null {
    const row = this.#deps.uploads.byId(id);
    const heldForAdmins = row?.state === 'held' && caller.user.role === 'admin';
    return heldForAdmins || row?.userId === caller.user.id ? row : null;
  }

  #done(row: UploadRow): Done {
    return { kind: 'done', upload: toUploadItem(row) };
  }
}

function isEver({ after, before }: Span): boolean {
  return after < 0 && before === Number.MAX_SAFE_INTEGER;
}

function toPending(row: UploadRow): PendingUpload {
  return {
    id: row.id,
    seq: row.seq,
    name: row.filename,
    path: row.path,
    sizeBytes: row.sizeBytes,
    sha256: row.sha256,
    acceptedAtMs: row.createdAtMs,
  };
}

/** Who gets an upload whose user is gone, and where it goes. */
export interface TakeUpInput {
  readonly username: string;
  /** Of the file itself. */
  readonly path: string;
}

type TakenUp = { readonly kind: 'done'; readonly upload: UploadRow } | Refused;

interface HeldUploadsDeps {
  readonly rows: HeldRows;
  readonly changeRows: ChangeRows;
  readonly uploads: UploadRows;
  readonly drops: DropRows;
  readonly intents: Intents;
  readonly disk: Disk;
  readonly mayWrite: MayWrite;
  readonly userNamed: UserNamed;
  readonly bornAt: BornAt;
  readonly clock: Clock;
  readonly log: Log;
  /** The queue's own folder. */
  readonly folder: string;
}

/** Uploads of people who are gone: kept from the id's next owner until an admin assigns them. */
export class HeldUploads {
  readonly #deps: HeldUploadsDeps;

  constructor(deps: HeldUploadsDeps) {
    this.#deps = deps;
  }

  /**
   * Holds the items of a person who is gone, whoever has the id now.
   * @returns how many uploads are held for it
   */
  hold(userId: number): number {
    const { rows, changeRows, log } = this.#deps;
    const held = rows.hold(userId);
    const changes = changeRows.hold(userId);
    if (held > 0) log.warn(`${held} uploads are held, as their user is gone.`);
    if (changes > 0) log.warn(`${changes} changes are held, as their user is gone.`);
    return held + changes;
  }

  /** The NAS told who has that id: rows rebuilt for its previous owner are not theirs. */
  confirmed(userId: number): void {
    const bornAt = this.#deps.bornAt(userId);
    const held = bornAt === null ? 0 : this.#deps.rows.holdOthers(userId, bornAt);
    if (bornAt !== null) this.#deps.changeRows.holdOthers(userId, bornAt);
    if (held > 0) this.#deps.log.warn(`${held} found uploads are held: their user is gone.`);
  }

  /** Assigns a held upload to a user as a new one, at a path that user may write. */
  async takeUp(caller: Caller, id: string, input: TakeUpInput): Promise<TakenUp> {
    if (caller.user.role !== 'admin') return refused('admin_only');
    const row = this.#held(id);
    if (row === null) return refused('not_found');
    if (!row.hasBytes) return refused('conflict', reason('uploadFileGone'));
    const user = this.#deps.userNamed(input.username);
    if (user === null) return refusedAt(['body', 'username'], 'There is no such user here.');
    const parsed = parsePath(input.path);
    if (parsed.kind === 'bad_path') return refused('bad_path', parsed.reason);
    const whose: Caller = { user, kind: 'pi', nasToken: null, scope: 'all' };
    if (!(await this.#deps.mayWrite(whose, parsed.path))) {
      return refused('not_yours', `${user.username} cannot write to this place.`);
    }
    try {
      return await this.#give(row, user, parsed.path);
    } catch (error) {
      const fault = diskFaultOf(error);
      if (fault === null) throw error;
      return refused(fault);
    }
  }

  /** Its bytes stay where they are, so it keeps its id; the later of the two intents counts. */
  async #give(row: UploadRow, user: User, path: string): Promise<TakenUp> {
    const { uploads, drops, intents, disk, folder, bornAt, clock } = this.#deps;
    const { id, sizeBytes, sha256, intentFile } = row;
    const upload: NewUpload = {
      id,
      userId: user.id,
      username: user.username,
      ownerCreatedAt: bornAt(user.id),
      folder: folderOf(path),
      filename: nameOf(path),
      path,
      secondPath: null,
      sizeBytes,
      sha256,
      base: NO_BASE,
      createdAtMs: clock.nowMs(),
      device: null,
      agent: null,
      sentName: null,
    };
    const file = await intents.write([upload]);
    await disk.syncFolder(folder);
    const isGiven = uploads.transaction(() => {
      if (this.#held(id) === null || !drops.take(row)) return false;
      uploads.insert(upload, file);
      return true;
    });
    if (!isGiven) {
      await intents.discard(file);
      return refused('not_found');
    }
    if (intentFile !== null && !uploads.isIntentNeeded(intentFile)) {
      await intents.discard(intentFile);
    }
    return { kind: 'done', upload: uploads.byId(id) ?? row };
  }

  #held(id: string): UploadRow | null {
    const row = this.#deps.uploads.byId(id);
    return row?.state === 'held' ? row : null;
  }
}
