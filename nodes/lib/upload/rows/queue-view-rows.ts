import type { StatementSync } from 'node:sqlite';
import type { UploadState } from '../../api/api.ts';
import { belowBounds, type Span } from '../../files/files.ts';
import { Remembered, type Store } from '../../store/store.ts';
import { USER_GONE_SQL } from '../reasons.ts';
import {
  CLAIMABLE,
  FOUND_WAITING,
  numberOf,
  PENDING,
  storedAs,
  toUploadRow,
  UNDELIVERED,
  UNFINISHED,
  type UploadRow,
} from './upload-rows.ts';

/** A folder that directly contains undelivered uploads of a user. */
export interface PendingFolder {
  readonly path: string;
  /** When the newest of them was accepted. */
  readonly acceptedAtMs: number;
  /** Of the newest of them. */
  readonly seq: number;
}

/** More than anybody reads; sorted by state, newest first. */
const LONGEST_LIST = 1_000;
const MOST_REMEMBERED = 500;

/** Counts over one user's rows, or everybody's. */
export interface QueueCounts {
  readonly sending: number;
  /** To be delivered, even if somebody must do something first. */
  readonly pending: number;
  /** Those recovered, which go only when their owner says so. */
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

/** What people and other modules ask of the queue. `user_id` null means everybody's. */
export class QueueViewRows {
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
    // By state, so that delivered rows of those folders are not scanned.
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
    return this.#listState.all(userId, ...storedAs(state)).map(toUploadRow);
  }

  /** Uploads that belong to nobody any more, newest first. */
  held(): readonly UploadRow[] {
    return this.#held.all().map(toUploadRow);
  }

  /** Everything not yet on the NAS, oldest first. */
  unfinished(userId: number): readonly UploadRow[] {
    return this.#unfinished.all(userId).map(toUploadRow);
  }

  /** Oldest first; several versions of one path are all included. */
  pendingInFolder(userId: number, folder: string): readonly UploadRow[] {
    return this.#pendingInFolder.all(userId, folder).map(toUploadRow);
  }

  /** Each folder that directly contains undelivered uploads of this user, once. */
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

  /** As {@link pendingAt}, limited to a stretch of the queue's order. */
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

/** Every table of this module with an owner per row. */
const OWNED = ['upload_queue', 'conflicts', 'kept_bytes', 'resumable_uploads'] as const;

/** Everything kept of a person who is gone. */
export class HeldRows {
  readonly #store: Store;
  readonly #holdUploads: StatementSync;
  readonly #holdOthers: StatementSync;
  readonly #handOffOthers: StatementSync;
  readonly #handOff: readonly StatementSync[];
  readonly #forgetRequests: StatementSync;

  constructor(store: Store) {
    this.#store = store;
    this.#holdUploads = store.prepare(`
      UPDATE upload_queue SET state = 'held', detail = ${USER_GONE_SQL},
        next_attempt_ms = NULL, lease_owner = NULL, lease_until_tick_ms = NULL,
        intent_file = NULL
      WHERE user_id = ? AND state IN ${UNFINISHED}`);
    this.#holdOthers = store.prepare(`
      UPDATE upload_queue SET state = 'held', detail = ${USER_GONE_SQL},
        next_attempt_ms = NULL, user_id = -user_id, intent_file = NULL
      WHERE user_id = ? AND owner_created_at <> ? AND found = 1 AND state <> 'sending'
        AND state IN ${UNFINISHED}`);
    this.#handOffOthers = store.prepare(`
      UPDATE resumable_uploads SET user_id = -user_id
      WHERE user_id = ? AND owner_created_at <> ?`);
    this.#handOff = OWNED.map((table) =>
      store.prepare(`UPDATE ${table} SET user_id = -user_id WHERE user_id = ?`),
    );
    this.#forgetRequests = store.prepare('DELETE FROM upload_requests WHERE user_id = ?');
  }

  /**
   * Holds rows rebuilt for an id that belong to its previous owner.
   * @returns how many uploads are held
   */
  holdOthers(userId: number, bornAt: string): number {
    this.#handOffOthers.run(userId, bornAt);
    return Number(this.#holdOthers.run(userId, bornAt).changes);
  }

  /**
   * Moves everything of a person who is gone to an id below 0, which the NAS never assigns, away
   * from the id's next owner.
   * @returns how many uploads are held
   */
  hold(userId: number): number {
    return this.#store.transaction(() => {
      const held = this.#holdUploads.run(userId).changes;
      for (const handOff of this.#handOff) handOff.run(userId);
      this.#forgetRequests.run(userId);
      return Number(held);
    });
  }
}

/** More versions of one path at once than anybody saves. */
const MOST_VERSIONS = 200;

/** `upload_queue` by places: which versions meet there, and what its folder refused. */
export class PlaceRows {
  readonly #branches: StatementSync;
  readonly #fileQueued: StatementSync;
  readonly #newestSeq: StatementSync;
  readonly #foldersNeeded: StatementSync;
  readonly #requeueInto: StatementSync;

  constructor(store: Store) {
    this.#branches = store.prepare(`
      SELECT * FROM upload_queue INDEXED BY upload_queue_by_path
      WHERE user_id = :user AND path = :path AND second_path IS :second
        AND (state IN ${UNDELIVERED} OR (state = 'conflict' AND id IN (
          SELECT upload_id FROM conflicts
          WHERE user_id = :user AND path = :path AND resolution IS NULL)))
      ORDER BY seq DESC LIMIT ${MOST_VERSIONS}`);
    this.#fileQueued = store.prepare(`
      SELECT 1 FROM upload_queue INDEXED BY upload_queue_by_path
      WHERE user_id = ? AND path = ? AND second_path IS NULL AND state IN ${UNDELIVERED} LIMIT 1`);
    this.#newestSeq = store.prepare('SELECT max(seq) AS seq FROM upload_queue');
    this.#foldersNeeded = store.prepare(`
      SELECT DISTINCT folder FROM upload_queue INDEXED BY upload_queue_needing_folder
      WHERE user_id = ? AND needs_folder = 1`);
    this.#requeueInto = store.prepare(`
      UPDATE upload_queue SET state = 'queued', detail = NULL, due_tick_ms = 0, needs_folder = 0
      WHERE user_id = ? AND folder = ? AND needs_folder = 1 AND state = 'failed'
        AND has_bytes = 1`);
  }

  /**
   * Pending versions of exactly this target, and unresolved ones at conflict names; newest first.
   */
  branchesOf(userId: number, path: string, secondPath: string | null): readonly UploadRow[] {
    return this.#branches.all({ user: userId, path, second: secondPath }).map(toUploadRow);
  }

  /** Whether a file of that user is on its way to exactly that place. */
  isFileQueued(userId: number, path: string): boolean {
    return this.#fileQueued.get(userId, path) !== undefined;
  }

  /** The newest of all rows; 0 where there is none. */
  newestSeq(): number {
    return Number(this.#newestSeq.get()?.['seq'] ?? 0);
  }

  /** Each folder that refused uploads of that user, once. */
  foldersNeeded(userId: number): readonly string[] {
    return this.#foldersNeeded.all(userId).map((raw) => String(raw['folder']));
  }

  /**
   * Queues again what a folder refused.
   * @returns whether there was anything
   */
  requeueInto(userId: number, folder: string): boolean {
    return this.#requeueInto.run(userId, folder).changes > 0;
  }
}

/** What one user has in the queue now. */
export interface Usage {
  readonly bytes: number;
  readonly rows: number;
}

const MOST_SHARES = 200;

/** The tables of this module, as far as users share its quota. */
export class ShareRows {
  readonly #usage: Remembered<number, Usage>;
  readonly #ofUser: StatementSync;
  readonly #allBytes: StatementSync;
  readonly #queuedSince: StatementSync;

  constructor(store: Store) {
    this.#usage = new Remembered(store, MOST_SHARES);
    this.#ofUser = store.prepare(`
      SELECT
        (SELECT coalesce(sum(size_bytes), 0) FROM upload_queue INDEXED BY upload_queue_bytes_of
          WHERE user_id = :user AND has_bytes = 1)
        + (SELECT coalesce(sum(received_bytes), 0) FROM resumable_uploads WHERE user_id = :user)
          AS bytes,
        (SELECT count(*) FROM upload_queue INDEXED BY upload_queue_by_user
          WHERE user_id = :user AND state IN ${UNFINISHED})
        + (SELECT count(*) FROM queued_changes INDEXED BY queued_changes_by_user
          WHERE user_id = :user AND state IN ${UNFINISHED}) AS waiting`);
    this.#allBytes = store.prepare(`
      SELECT (SELECT coalesce(sum(size_bytes), 0) FROM upload_queue WHERE has_bytes = 1)
        + (SELECT coalesce(sum(received_bytes), 0) FROM resumable_uploads) AS bytes`);
    // The people who are gone have ids below 0.
    this.#queuedSince = store.prepare(`
      SELECT DISTINCT user_id FROM upload_queue INDEXED BY upload_queue_by_age
        WHERE created_at_ms >= :since AND user_id >= 0
      UNION SELECT user_id FROM resumable_uploads WHERE user_id >= 0`);
  }

  usageOf(userId: number): Usage {
    return this.#usage.get(userId, () => {
      const raw = this.#ofUser.get({ user: userId }) ?? {};
      return { bytes: Number(raw['bytes']), rows: Number(raw['waiting']) };
    });
  }

  /** Everybody's, those of people who are gone included. */
  allBytes(): number {
    return Number(this.#allBytes.get()?.['bytes']);
  }

  /** Ids of the users who queued anything since then. */
  queuedSince(sinceMs: number): readonly number[] {
    return this.#queuedSince.all({ since: sinceMs }).map((raw) => Number(raw['user_id']));
  }
}

/** How many rows are handled at once: each needs an intent of its own. */
const AT_ONCE = 500;

const WITHIN = (column: string): string =>
  `(${column} = :from OR (${column} > :low AND ${column} < :high))`;
const MOVED = (column: string): string => `:to || substr(${column}, length(:from) + 1)`;

/** `upload_queue`, `conflicts` and `resumable_uploads` by places of the NAS that changed. */
export class ChangedRows {
  readonly #store: Store;
  readonly #within: StatementSync;
  readonly #ofUser: StatementSync;
  readonly #place: StatementSync;
  readonly #moves: readonly StatementSync[];
  readonly #others: readonly StatementSync[];
  readonly #settled: StatementSync;
  readonly #closed: StatementSync;

  constructor(store: Store) {
    this.#store = store;
    this.#within = store.prepare(`
      SELECT * FROM upload_queue WHERE seq > :after AND seq <= :mark AND ${WITHIN('path')}
        AND (state IN ${UNFINISHED} OR state = 'held') ORDER BY seq LIMIT ${AT_ONCE}`);
    this.#ofUser = store.prepare(`
      SELECT * FROM upload_queue WHERE user_id = :user AND seq > :after AND seq <= :mark
        AND ${WITHIN('path')} AND state IN ${UNFINISHED} ORDER BY seq LIMIT ${AT_ONCE}`);
    this.#place = store.prepare(`
      UPDATE upload_queue SET path = ?, second_path = ?, folder = ?, filename = ?, intent_file = ?
      WHERE id = ?`);
    this.#moves = [
      `UPDATE upload_queue SET conflict_path = ${MOVED('conflict_path')}
       WHERE seq <= :mark AND conflict_path IS NOT NULL AND ${WITHIN('conflict_path')}
         AND (state IN ${UNFINISHED} OR state = 'conflict')`,
      `UPDATE upload_queue SET delivered_path = ${MOVED('delivered_path')}
       WHERE seq <= :mark AND state = 'conflict' AND ${WITHIN('delivered_path')}`,
      `UPDATE upload_queue SET path = ${MOVED('path')}, folder = ${MOVED('folder')}
       WHERE seq <= :mark AND state = 'conflict' AND ${WITHIN('folder')}`,
    ].map((sql) => store.prepare(sql));
    this.#others = [
      `UPDATE conflicts SET path = ${MOVED('path')}
       WHERE resolution IS NULL AND ${WITHIN('path')}`,
      `UPDATE conflicts SET conflict_path = ${MOVED('conflict_path')}
       WHERE resolution IS NULL AND ${WITHIN('conflict_path')}`,
      `UPDATE conflicts SET swap_path = ${MOVED('swap_path')}
       WHERE resolution IS NULL AND ${WITHIN('swap_path')}`,
      `UPDATE resumable_uploads SET folder = ${MOVED('folder')}
       WHERE ${WITHIN('folder')}`,
    ].map((sql) => store.prepare(sql));
    this.#settled = store.prepare(`
      UPDATE upload_queue SET state = 'synced' WHERE state = 'conflict' AND id IN (
        SELECT upload_id FROM conflicts WHERE resolution IS NULL AND ${WITHIN('conflict_path')})`);
    this.#closed = store.prepare(`
      UPDATE conflicts SET resolution = 'renamed', resolved_at_ms = :at, swap_path = NULL
      WHERE resolution IS NULL AND ${WITHIN('conflict_path')}`);
  }

  /** Up to 500 rows of anybody at or below a path that are not on the NAS, oldest first. */
  within(from: string, after: number, mark: number): readonly UploadRow[] {
    return this.#within.all({ from, after, mark, ...belowBounds(from) }).map(toUploadRow);
  }

  /** As {@link within}, of one user. */
  ofUser(userId: number, from: string, after: number, mark: number): readonly UploadRow[] {
    const bounds = { from, after, mark, ...belowBounds(from) };
    return this.#ofUser.all({ user: userId, ...bounds }).map(toUploadRow);
  }

  /**
   * Moves these rows to new paths, as their new intents say.
   * @param intentFile null for rows that have none
   */
  place(rows: readonly UploadRow[], intentFile: string | null): void {
    this.#store.transaction(() => {
      for (const { id, path, secondPath, folder, filename } of rows) {
        this.#place.run(path, secondPath, folder, filename, intentFile, id);
      }
    });
  }

  /** Everything else in the queue at or below a path: conflicts, unfinished uploads. */
  moved(from: string, to: string, mark: number): void {
    const places = { from, to, ...belowBounds(from) };
    this.#store.transaction(() => {
      for (const move of this.#moves) move.run({ ...places, mark });
      for (const move of this.#others) move.run(places);
    });
  }

  /** Conflict copies at or below a path are gone from the NAS, so nothing is left to resolve. */
  gone(from: string, nowMs: number): void {
    this.#store.transaction(() => {
      this.#settled.run({ from, ...belowBounds(from) });
      this.#closed.run({ from, at: nowMs, ...belowBounds(from) });
    });
  }
}

/** `flush_wake`: one row. Also tells what in the queue may justify a wake. */
export class FlushWakeRows {
  readonly #read: StatementSync;
  readonly #write: StatementSync;
  readonly #oldest: StatementSync;

  constructor(store: Store) {
    this.#read = store.prepare('SELECT met_ms FROM flush_wake WHERE id = 1');
    this.#write = store.prepare(
      'INSERT INTO flush_wake (id, met_ms) VALUES (1, ?) ON CONFLICT DO UPDATE SET met_ms = excluded.met_ms',
    );
    this.#oldest = store.prepare(`
      SELECT min(created_at_ms) AS oldest FROM (
        SELECT created_at_ms FROM upload_queue WHERE state IN ${CLAIMABLE}
        UNION ALL SELECT created_at_ms FROM queued_changes WHERE state IN ${CLAIMABLE})`);
  }

  /** Epoch ms; 0 for never. */
  metMs(): number {
    return Number(this.#read.get()?.['met_ms'] ?? 0);
  }

  setMet(atMs: number): void {
    this.#write.run(atMs);
  }

  /** When the oldest item that an awake NAS could take was accepted, epoch ms. */
  oldestMs(): number | null {
    const oldest = this.#oldest.get()?.['oldest'];
    return oldest === null || oldest === undefined ? null : Number(oldest);
  }
}
