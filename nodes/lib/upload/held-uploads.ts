import type { Caller, User } from '../accounts/caller.ts';
import { nameOf } from '../files/files.ts';
import type { Log } from '../log/log.ts';
import type { Clock } from '../time/clock.ts';
import { refused, refusedAt, type Refused } from './admission.ts';
import type { ChangeRows } from './change-rows.ts';
import { diskFaultOf, type Disk } from './disk.ts';
import type { DropRows } from './drop-rows.ts';
import type { HeldRows } from './held-rows.ts';
import type { Intents } from './intents.ts';
import { folderOf, parsePath } from './target.ts';
import type { BornAt, MayWrite, UserNamed } from './upload-ports.ts';
import { NO_BASE, type NewUpload, type UploadRow } from './upload-row.ts';
import type { UploadRows } from './upload-rows.ts';

/** Whose an upload of somebody who is gone shall be, and where. */
export interface TakeUpWish {
  readonly username: string;
  /** Of the file itself. */
  readonly path: string;
}

export type TakenUp = { readonly kind: 'done'; readonly upload: UploadRow } | Refused;

export interface HeldUploadsParts {
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

/** Uploads of people who are gone: kept from who has their id now, until an admin gives them away. */
export class HeldUploads {
  readonly #parts: HeldUploadsParts;

  constructor(parts: HeldUploadsParts) {
    this.#parts = parts;
  }

  /**
   * That person is gone, whoever has the id now.
   * @returns how many uploads are held for it
   */
  hold(userId: number): number {
    const { rows, changeRows, log } = this.#parts;
    const held = rows.hold(userId);
    const changes = changeRows.hold(userId);
    if (held > 0) log.warn(`${held} uploads are held, as their user is gone.`);
    if (changes > 0) log.warn(`${changes} changes are held, as their user is gone.`);
    return held + changes;
  }

  /** The NAS said who has that id: what was rebuilt for who had it before is not theirs. */
  confirmed(userId: number): void {
    const bornAt = this.#parts.bornAt(userId);
    const held = bornAt === null ? 0 : this.#parts.rows.holdOthers(userId, bornAt);
    if (bornAt !== null) this.#parts.changeRows.holdOthers(userId, bornAt);
    if (held > 0) this.#parts.log.warn(`${held} found uploads are held: their user is gone.`);
  }

  /** Makes a held upload a new one of a user, at a path that user may write. */
  async takeUp(caller: Caller, id: string, wish: TakeUpWish): Promise<TakenUp> {
    if (caller.user.role !== 'admin') return refused('admin_only');
    const row = this.#held(id);
    if (row === null) return refused('not_found');
    if (!row.hasBytes) return refused('conflict', 'The file of this upload is lost.');
    const user = this.#parts.userNamed(wish.username);
    if (user === null) return refusedAt(['body', 'username'], 'There is no such user here.');
    const parsed = parsePath(wish.path);
    if (parsed.kind === 'bad_path') return refused('bad_path', parsed.reason);
    const whose: Caller = { user, kind: 'pi', nasToken: null, scope: 'all' };
    if (!(await this.#parts.mayWrite(whose, parsed.path))) {
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

  /** Its bytes stay where they are, so it keeps its id; the later of two intents is the one. */
  async #give(row: UploadRow, user: User, path: string): Promise<TakenUp> {
    const { uploads, drops, intents, disk, folder, bornAt, clock } = this.#parts;
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
    const row = this.#parts.uploads.byId(id);
    return row?.state === 'held' ? row : null;
  }
}
