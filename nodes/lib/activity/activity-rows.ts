import type { SQLOutputValue, StatementSync } from 'node:sqlite';
import type { WakeCause } from '../nas/nas.ts';
import type { Store } from '../store/store.ts';
import type { UploadNews } from '../upload/upload.ts';

/** Every kind of event in the log. */
const ENTRY_KINDS = [
  'nas_awake',
  'nas_asleep',
  'wake_failed',
  'upload_delivered',
  'upload_failed',
  'conflict',
  'plug_lost',
  'sign_in',
  'device_paired',
] as const;
export type EntryKind = (typeof ENTRY_KINDS)[number];

/** Everybody may know that these happened; who caused them is visible to that user alone. */
export const SHARED_KINDS: readonly EntryKind[] = ['nas_awake', 'wake_failed'];

/** Who woke the NAS. `elsewhere`: itself, or somebody past the Pi. Null: the Pi was not there. */
export type EntryCause = 'user' | 'flow' | 'read' | 'queue' | 'door' | 'elsewhere' | null;

/** The details of an entry, as far as its kind has them. */
interface Facts {
  readonly cause?: EntryCause;
  /** The NAS's own word for how it went to sleep, or `unreachable`. */
  readonly sleepState?: string | null;
  /** What the NAS's plug measured during that time. */
  readonly energyMwh?: number | null;
  readonly costUc?: number | null;
  /** The path of one file; for several, their common folder. */
  readonly path?: string | null;
  readonly conflictPath?: string | null;
  /** `upload`, or the requested change. */
  readonly what?: UploadNews['what'] | null;
  readonly files?: number | null;
  readonly sizeBytes?: number | null;
  readonly detail?: string | null;
  /** Of a plug. */
  readonly deviceId?: string | null;
  /** For a plug, or for a device that was paired. */
  readonly deviceName?: string | null;
  /** Where somebody signed in from. */
  readonly address?: string | null;
}

/** One line of the log. Something that lasts gets an end once it is over. */
export interface Entry {
  /** Null until it is written. */
  id: number | null;
  readonly kind: EntryKind;
  /** Epoch ms of the trusted time. */
  readonly atMs: number;
  endedAtMs: number | null;
  /** Its owner or cause; null for events of the installation. */
  userId: number | null;
  username: string | null;
  facts: Facts;
}

/** @returns one that lasts, or is over as it happens: its kind tells */
export function entryOf(
  kind: EntryKind,
  atMs: number,
  facts: Facts,
  by: WakeCause['by'] = null,
): Entry {
  const whose = { userId: by?.id ?? null, username: by?.username ?? null };
  return { id: null, kind, atMs, endedAtMs: null, ...whose, facts };
}

/** Caps per person and for the installation: a flood of one kind leaves the rest in place. */
const MOST_OF_A_USER = 2_000;
const MOST_OF_BALUPI = 8_000;

const SHARED = SHARED_KINDS.map((kind) => `'${kind}'`).join(', ');

/** Which part of the log somebody wants to read. */
interface ListQuery {
  /** Null reads everybody's. */
  readonly userId: number | null;
  /** Null for every kind. */
  readonly kind: string | null;
  /** Epoch ms. */
  readonly sinceMs: number;
  /** Older than this entry. */
  readonly beforeId: number;
  readonly limit: number;
}

/** All SQL of `activity`. */
export class ActivityRows {
  readonly #add: StatementSync;
  readonly #change: StatementSync;
  readonly #drop: StatementSync;
  readonly #open: StatementSync;
  readonly #list: StatementSync;
  readonly #old: StatementSync;
  readonly #capUser: StatementSync;
  readonly #capTotal: StatementSync;
  readonly #users: StatementSync;
  readonly #dropOfUser: StatementSync;
  readonly #forgetUser: StatementSync;

  constructor(store: Store) {
    this.#add = store.prepare(`
      INSERT INTO activity (kind, at_ms, ended_at_ms, user_id, username, facts)
      VALUES (?, ?, ?, ?, ?, ?)`);
    this.#change = store.prepare(`
      UPDATE activity SET ended_at_ms = ?, user_id = ?, username = ?, facts = ? WHERE id = ?`);
    this.#drop = store.prepare('DELETE FROM activity WHERE id = ?');
    this.#open = store.prepare(`
      SELECT * FROM activity WHERE ended_at_ms IS NULL
        AND kind IN ('nas_awake', 'nas_asleep', 'plug_lost') ORDER BY id`);
    this.#list = store.prepare(`
      SELECT * FROM activity
      WHERE id < :before AND (at_ms >= :since OR ended_at_ms >= :since)
        AND (:kind IS NULL OR kind = :kind)
        AND (:user IS NULL OR user_id IS NULL OR user_id = :user OR kind IN (${SHARED}))
      ORDER BY id DESC LIMIT :limit`);
    this.#old = store.prepare('DELETE FROM activity WHERE coalesce(ended_at_ms, at_ms) < ?');
    this.#users = store.prepare(
      'SELECT DISTINCT user_id AS id FROM activity WHERE user_id IS NOT NULL',
    );
    this.#capUser = store.prepare(`
      DELETE FROM activity WHERE user_id = ?1 AND kind NOT IN (${SHARED}) AND id <= (
        SELECT id FROM activity WHERE user_id = ?1 AND kind NOT IN (${SHARED})
        ORDER BY id DESC LIMIT 1 OFFSET ${MOST_OF_A_USER})`);
    this.#capTotal = store.prepare(`
      DELETE FROM activity WHERE (user_id IS NULL OR kind IN (${SHARED})) AND id <= (
        SELECT id FROM activity WHERE user_id IS NULL OR kind IN (${SHARED})
        ORDER BY id DESC LIMIT 1 OFFSET ${MOST_OF_BALUPI})`);
    this.#dropOfUser = store.prepare(
      `DELETE FROM activity WHERE user_id = ? AND kind NOT IN (${SHARED})`,
    );
    this.#forgetUser = store.prepare(
      'UPDATE activity SET user_id = NULL, username = NULL WHERE user_id = ?',
    );
  }

  /** @returns its id from now on */
  add({ kind, atMs, endedAtMs, userId, username, facts }: Entry): number {
    const row = [kind, atMs, endedAtMs, userId, username, JSON.stringify(facts)] as const;
    return Number(this.#add.run(...row).lastInsertRowid);
  }

  change({ id, endedAtMs, userId, username, facts }: Entry): void {
    this.#change.run(endedAtMs, userId, username, JSON.stringify(facts), id);
  }

  drop(id: number): void {
    this.#drop.run(id);
  }

  /** What was still going on when the previous run ended, oldest first. */
  open(): Entry[] {
    return this.#open.all().map(entryIn);
  }

  /** Newest first. */
  list({ userId, kind, sinceMs, beforeId, limit }: ListQuery): Entry[] {
    const query = { user: userId, kind, since: sinceMs, before: beforeId, limit };
    return this.#list.all(query).map(entryIn);
  }

  /** @param beforeMs null deletes nothing because of its age */
  prune(beforeMs: number | null): void {
    if (beforeMs !== null) this.#old.run(beforeMs);
    for (const { id } of this.#users.all()) this.#capUser.run(Number(id));
    this.#capTotal.run();
  }

  /** That user's own entries go; in those everybody saw, the name is removed. */
  dropUser(userId: number): void {
    this.#dropOfUser.run(userId);
    this.#forgetUser.run(userId);
  }
}

function entryIn(row: Record<string, SQLOutputValue>): Entry {
  const kind = ENTRY_KINDS.find((known) => known === row['kind']);
  if (kind === undefined) throw new Error('An entry of the activity has an unknown kind.');
  return {
    id: Number(row['id']),
    kind,
    atMs: Number(row['at_ms']),
    endedAtMs: row['ended_at_ms'] === null ? null : Number(row['ended_at_ms']),
    userId: row['user_id'] === null ? null : Number(row['user_id']),
    username: typeof row['username'] === 'string' ? row['username'] : null,
    facts: JSON.parse(String(row['facts'])) as Facts,
  };
}
