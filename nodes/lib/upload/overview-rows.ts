import type { StatementSync } from 'node:sqlite';
import type { Span } from '../files/files.ts';
import { Remembered } from '../store/remembered.ts';
import type { Store } from '../store/store.ts';
import { numberOf, toUploadRow, type UploadRow } from './upload-row.ts';
import {
  FOUND_WAITING,
  PENDING,
  UNDELIVERED,
  UNFINISHED,
  type UploadState,
} from './upload-states.ts';

/** A folder that undelivered uploads of a user lie right in. */
export interface PendingFolder {
  readonly path: string;
  /** When the newest of them was accepted. */
  readonly acceptedAtMs: number;
  /** Of the newest of them. */
  readonly seq: number;
}

/** More than anybody reads; the states and the newest come first. */
const LONGEST_LIST = 1_000;
const MOST_REMEMBERED = 500;

/** Counts over one user's rows, or everybody's. */
export interface QueueCounts {
  readonly sending: number;
  /** What is to reach the NAS, whoever must do something for it first. */
  readonly pending: number;
  /** Of these, what was found again and goes only when its owner says so. */
  readonly waitingForOwner: number;
  readonly failed: number;
  readonly openConflicts: number;
  readonly oldestPendingMs: number | null;
  readonly lastSyncedMs: number | null;
  /** Names of the users whose rows wait for a credential. */
  readonly waitingForCredential: readonly string[];
}

/** How one user's queue stands; everybody's where `user` is null. */
const COUNTS = `
  SELECT
    (SELECT count(*) FROM upload_queue WHERE state = 'sending'
      AND (:user IS NULL OR user_id = :user)) AS sending,
    (SELECT count(*) FROM upload_queue WHERE state IN ${PENDING}
      AND (:user IS NULL OR user_id = :user)) AS pending,
    (SELECT count(*) FROM upload_queue WHERE state = '${FOUND_WAITING}'
      AND (:user IS NULL OR user_id = :user)) AS owners,
    (SELECT count(*) FROM upload_queue WHERE state = 'failed'
      AND (:user IS NULL OR user_id = :user)) AS failed,
    (SELECT count(*) FROM conflicts WHERE resolution IS NULL
      AND (:user IS NULL OR user_id = :user)) AS conflicts,
    (SELECT min(created_at_ms) FROM upload_queue WHERE state IN ${PENDING}
      AND (:user IS NULL OR user_id = :user)) AS oldest,
    iif(:user IS NULL,
      (SELECT max(synced_at_ms) FROM upload_queue WHERE synced_at_ms IS NOT NULL),
      (SELECT max(synced_at_ms) FROM upload_queue
        WHERE user_id = :user AND synced_at_ms IS NOT NULL)) AS last`;

const PENDING_WITHIN = `
  SELECT * FROM upload_queue INDEXED BY upload_queue_by_path
  WHERE user_id = ? AND path = ? AND has_bytes = 1 AND seq > ? AND seq < ?
    AND state IN ${UNDELIVERED} ORDER BY seq DESC LIMIT 1`;

const UNDELIVERED_OF = `
  SELECT * FROM upload_queue INDEXED BY upload_queue_by_user
  WHERE user_id = ? AND state IN ${UNDELIVERED} ORDER BY seq`;

const HELD = `
  SELECT * FROM upload_queue INDEXED BY upload_queue_by_state
  WHERE state = 'held' ORDER BY seq DESC LIMIT ${LONGEST_LIST}`;

/** What people and other rooms ask of the queue. `user_id` null means everybody's. */
export class OverviewRows {
  readonly #newest: Remembered<string, UploadRow | null>;
  readonly #counts: StatementSync;
  readonly #waiting: StatementSync;
  readonly #list: StatementSync;
  readonly #listState: StatementSync;
  readonly #held: StatementSync;
  readonly #unfinished: StatementSync;
  readonly #pendingInFolder: StatementSync;
  readonly #pendingFolders: StatementSync;
  readonly #folders: Remembered<number, readonly PendingFolder[]>;
  readonly #pendingAt: StatementSync;
  readonly #pendingWithin: StatementSync;
  readonly #undelivered: StatementSync;
  readonly #queuedBytes: StatementSync;
  readonly #inbox: StatementSync;

  constructor(store: Store) {
    this.#newest = new Remembered(store, MOST_REMEMBERED);
    this.#folders = new Remembered(store, MOST_REMEMBERED);
    this.#counts = store.prepare(COUNTS);
    this.#waiting = store.prepare(`
      SELECT DISTINCT username FROM upload_queue WHERE state = 'waiting_for_credential'
        AND (:user IS NULL OR user_id = :user) ORDER BY username`);
    this.#list = store.prepare(`
      SELECT * FROM upload_queue INDEXED BY upload_queue_newest
      WHERE user_id = ? ORDER BY seq DESC LIMIT ${LONGEST_LIST}`);
    this.#listState = store.prepare(`
      SELECT * FROM upload_queue INDEXED BY upload_queue_by_user
      WHERE user_id = ? AND state IN (?, ?) ORDER BY seq DESC LIMIT ${LONGEST_LIST}`);
    this.#held = store.prepare(HELD);
    this.#unfinished = store.prepare(`
      SELECT * FROM upload_queue INDEXED BY upload_queue_by_user
      WHERE user_id = ? AND state IN ${UNFINISHED} ORDER BY seq LIMIT ${LONGEST_LIST}`);
    this.#pendingInFolder = store.prepare(`
      SELECT * FROM upload_queue INDEXED BY upload_queue_in_folder
      WHERE user_id = ? AND folder = ? AND has_bytes = 1
        AND state IN ${UNDELIVERED} ORDER BY seq`);
    // By state: of all that was ever delivered into those folders nothing is looked at.
    this.#pendingFolders = store.prepare(`
      SELECT folder, max(created_at_ms) AS newest, max(seq) AS seq FROM upload_queue
        INDEXED BY upload_queue_by_user
      WHERE user_id = ? AND has_bytes = 1 AND state IN ${UNDELIVERED} GROUP BY folder`);
    this.#pendingAt = store.prepare(`
      SELECT * FROM upload_queue INDEXED BY upload_queue_by_path
      WHERE user_id = ? AND path = ? AND has_bytes = 1
        AND state IN ${UNDELIVERED} ORDER BY seq DESC LIMIT 1`);
    this.#pendingWithin = store.prepare(PENDING_WITHIN);
    this.#undelivered = store.prepare(UNDELIVERED_OF);
    this.#queuedBytes = store.prepare(`
      SELECT coalesce((SELECT sum(size_bytes) FROM upload_queue WHERE has_bytes = 1), 0)
        + coalesce((SELECT sum(size_bytes) FROM kept_bytes), 0) AS bytes`);
    this.#inbox = store.prepare(`
      SELECT count(*) AS files, coalesce(sum(size_bytes), 0) AS bytes FROM upload_queue
      WHERE state IN ${PENDING}`);
  }

  counts(userId: number | null): QueueCounts {
    const raw = this.#counts.get({ user: userId }) ?? {};
    return {
      sending: Number(raw['sending']),
      pending: Number(raw['pending']),
      waitingForOwner: Number(raw['owners']),
      failed: Number(raw['failed']),
      openConflicts: Number(raw['conflicts']),
      oldestPendingMs: numberOf(raw['oldest']),
      lastSyncedMs: numberOf(raw['last']),
      waitingForCredential: this.#waiting
        .all({ user: userId })
        .map((waiting) => String(waiting['username'])),
    };
  }

  list(userId: number, state: UploadState | null): readonly UploadRow[] {
    if (state === null) return this.#list.all(userId).map(toUploadRow);
    const alike = state === 'found' ? FOUND_WAITING : state;
    return this.#listState.all(userId, state, alike).map(toUploadRow);
  }

  /** What belongs to nobody any more, newest first. */
  held(): readonly UploadRow[] {
    return this.#held.all().map(toUploadRow);
  }

  /** What is not on the NAS, oldest first. */
  unfinished(userId: number): readonly UploadRow[] {
    return this.#unfinished.all(userId).map(toUploadRow);
  }

  /** Oldest first; several versions of one path are all in it. */
  pendingInFolder(userId: number, folder: string): readonly UploadRow[] {
    return this.#pendingInFolder.all(userId, folder).map(toUploadRow);
  }

  /** Each folder once that has undelivered uploads of this user right in it. */
  pendingFolders(userId: number): readonly PendingFolder[] {
    return this.#folders.get(userId, () =>
      this.#pendingFolders.all(userId).map((raw) => ({
        path: String(raw['folder']),
        acceptedAtMs: Number(raw['newest']),
        seq: Number(raw['seq']),
      })),
    );
  }

  /** Everything of a user's that is on its way, oldest first. */
  undelivered(userId: number): readonly UploadRow[] {
    return this.#undelivered.all(userId).map(toUploadRow);
  }

  /** As {@link pendingAt}, of those that came in a stretch of the queue's order. */
  pendingWithin(userId: number, path: string, { after, before }: Span): UploadRow | null {
    const raw = this.#pendingWithin.get(userId, path, after, before);
    return raw === undefined ? null : toUploadRow(raw);
  }

  /** The newest undelivered version of a path. */
  pendingAt(userId: number, path: string): UploadRow | null {
    return this.#newest.get(`${userId} ${path}`, () => {
      const raw = this.#pendingAt.get(userId, path);
      return raw === undefined ? null : toUploadRow(raw);
    });
  }

  queuedBytes(): number {
    return Number(this.#queuedBytes.get()?.['bytes']);
  }

  /** Everybody's uploads that the NAS does not have yet. */
  inbox(): { readonly files: number; readonly bytes: number } {
    const raw = this.#inbox.get() ?? {};
    return { files: Number(raw['files']), bytes: Number(raw['bytes']) };
  }
}
