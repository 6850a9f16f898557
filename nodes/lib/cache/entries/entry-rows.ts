import { hash } from 'node:crypto';
import type { SQLOutputValue, StatementSync } from 'node:sqlite';
import { belowBounds, type FileVersion, sameVersion } from '../../files/files.ts';
import { Remembered, type Store } from '../../store/store.ts';
import { PolicyRows } from '../policy/policy-rows.ts';
import { keyOf, type Memory, usesOnReturn, weightOf, worthOf } from '../policy/worth.ts';

/** What the eviction needs of an entry. */
export interface Victim {
  readonly id: number;
  readonly blob: string;
  readonly sizeBytes: number;
  readonly pinned: 0 | 1;
  readonly priority: number;
}

const MOST_REMEMBERED = 500;

interface Left extends Memory {
  readonly path: string;
}

const VICTIM = 'id, blob, size_bytes, pinned, priority';

const MOVE = `UPDATE cached_files SET path = :to || substr(path, length(:from) + 1)
  WHERE id IN (SELECT id FROM cached_files
               WHERE path = :from OR (path > :low AND path < :high) LIMIT :limit)`;

/** The table `cached_files`, and the counts over it in `cache_totals`. */
export class EntryRows {
  readonly #store: Store;
  readonly #found: Remembered<string, CacheEntry | null>;
  readonly #find: StatementSync;
  readonly #isKept: StatementSync;
  readonly #insert: StatementSync;
  readonly #remove: StatementSync;
  readonly #lowest: StatementSync;
  readonly #below: StatementSync;
  readonly #move: StatementSync;
  readonly #touch: StatementSync;
  readonly #totals: StatementSync;
  readonly #count: StatementSync;
  readonly #left: StatementSync;
  readonly #policy: PolicyRows;

  constructor(store: Store) {
    this.#store = store;
    this.#found = new Remembered(store, MOST_REMEMBERED);
    this.#policy = new PolicyRows(store);
    this.#find = store.prepare('SELECT * FROM cached_files WHERE path = ?');
    this.#isKept = store.prepare('SELECT 1 FROM cached_files WHERE path = ?');
    this.#insert = store.prepare(
      `INSERT INTO cached_files
         (path, size_bytes, modified_at, modified_at_ms, nas_checksum, nas_etag, sha256, mime_type,
          owner_id, blob, access_count, accessed_at_ms, uses, ranked_at, weight, priority,
          validated_at_ms, created_at_ms)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#remove = store.prepare('DELETE FROM cached_files WHERE id = ? AND blob = ?');
    this.#lowest = store.prepare(
      `SELECT ${VICTIM} FROM cached_files WHERE (pinned, priority, id) > (?, ?, ?)
       ORDER BY pinned, priority, id LIMIT 1`,
    );
    this.#below = store.prepare(
      `SELECT ${VICTIM} FROM cached_files WHERE (path = ? OR (path > ? AND path < ?)) AND pinned <= ? LIMIT ?`,
    );
    this.#move = store.prepare(MOVE);
    this.#touch = store.prepare(
      `UPDATE cached_files
       SET access_count = access_count + ?2, accessed_at_ms = ?3, uses = uses + ?2,
           ranked_at = now.inflation,
           priority = worth(now.inflation, now.use_exponent, uses + ?2, weight),
           validated_at_ms = max(validated_at_ms, ?4)
       FROM (SELECT inflation, use_exponent FROM cache_totals) AS now
       WHERE id = ?1`,
    );
    this.#totals = store.prepare('SELECT file_count, total_bytes FROM cache_totals');
    this.#count = store.prepare(
      `UPDATE cache_totals
       SET file_count = file_count + ?, total_bytes = total_bytes + ?, evictions = evictions + ?`,
    );
    this.#left = store.prepare(
      'SELECT path, uses, ranked_at, weight FROM cached_files WHERE id = ? AND blob = ?',
    );
  }

  find(path: string): CacheEntry | null {
    return this.#found.get(path, () => {
      const row = this.#find.get(path);
      return row === undefined ? null : entryOf(row);
    });
  }

  isKept(path: string): boolean {
    return this.#isKept.get(path) !== undefined;
  }

  totals(): { readonly fileCount: number; readonly totalBytes: number } {
    const row = this.#totals.get();
    return { fileCount: Number(row?.['file_count']), totalBytes: Number(row?.['total_bytes']) };
  }

  /**
   * Keeps an entry in place of the one its path had.
   * @returns the blob that is no longer needed, if there was one
   */
  replace(entry: NewEntry, nowMs: number): string | null {
    return this.#store.transaction(() => {
      const before = this.find(entry.path);
      const left = before === null ? null : this.#leaving(before);
      if (before !== null) {
        this.#remove.run(before.id, before.blob);
        this.#count.run(-1, -before.version.sizeBytes, 0);
      }
      this.#add(entry, left, nowMs);
      return before?.blob ?? null;
    });
  }

  /** Forgets an entry, unless it was replaced meanwhile. Says whether it did. */
  remove(entry: Pick<Victim, 'id' | 'blob' | 'sizeBytes'>): boolean {
    return this.#store.transaction(() => this.#drop(entry, 0));
  }

  /** As {@link remove}, to free space: the entry's worth becomes the floor for all later uses. */
  evict(victim: Victim): boolean {
    return this.#store.transaction(() => {
      const left = this.#leaving(victim);
      if (left === null || !this.#drop(victim, 1)) return false;
      this.#policy.remember(keyOf(left.path), left);
      this.#policy.raiseFloor(victim.priority);
      return true;
    });
  }

  /**
   * The entry with the lowest worth above `after`; one seek in the index. Pinned entries rank above
   * all others.
   */
  lowest(after: Pick<Victim, 'pinned' | 'priority' | 'id'> | null): Victim | null {
    const row = this.#lowest.get(after?.pinned ?? 0, after?.priority ?? -1, after?.id ?? 0);
    return row === undefined ? null : victimOf(row);
  }

  /** Some entries at or below a path; pinned ones too unless `pinned` is 0. */
  below(path: string, limit: number, pinned: 0 | 1 = 1): Victim[] {
    const { low, high } = belowBounds(path);
    const bounds = path === '' ? ['', '\u{10ffff}'] : [low, high];
    return this.#below.all(path, ...bounds, pinned, limit).map(victimOf);
  }

  /**
   * Moves some entries at or below a path to another, where none may be kept.
   * @returns how many were moved; fewer than `limit` when all are
   */
  move(from: string, to: string, limit: number): number {
    return Number(this.#move.run({ from, to, limit, ...belowBounds(from) }).changes);
  }

  touch(id: number, uses: number, atMs: number, validatedAtMs: number): void {
    this.#touch.run(id, uses, atMs, validatedAtMs);
  }

  /** @param before what is known of the entry it replaces */
  #add(entry: NewEntry, before: Memory | null, nowMs: number): void {
    const { version } = entry;
    const weight = weightOf(version.sizeBytes);
    const key = keyOf(entry.path);
    const { floor, variant } = this.#policy.state();
    const uses = usesOnReturn(variant, floor, before ?? this.#policy.recall(key));
    this.#policy.forget(key);
    this.#insert.run(
      entry.path,
      version.sizeBytes,
      version.modifiedAtText,
      version.modifiedAtMs,
      version.checksum,
      version.etag,
      entry.sha256,
      entry.mimeType,
      entry.ownerId,
      entry.blob,
      nowMs,
      uses,
      floor,
      weight,
      worthOf(variant, floor, uses, weight),
      entry.validatedAtMs,
      nowMs,
    );
    this.#count.run(1, version.sizeBytes, 0);
  }

  #leaving(entry: Pick<Victim, 'id' | 'blob'>): Left | null {
    const row = this.#left.get(entry.id, entry.blob);
    if (row === undefined) return null;
    return {
      path: String(row['path']),
      uses: Number(row['uses']),
      floor: Number(row['ranked_at']),
      weight: Number(row['weight']),
    };
  }

  #drop(entry: Pick<Victim, 'id' | 'blob' | 'sizeBytes'>, evictions: 0 | 1): boolean {
    if (this.#remove.run(entry.id, entry.blob).changes === 0) return false;
    this.#count.run(-1, -entry.sizeBytes, evictions);
    return true;
  }
}

function entryOf(row: Record<string, SQLOutputValue>): CacheEntry {
  return {
    id: Number(row['id']),
    path: String(row['path']),
    version: {
      sizeBytes: Number(row['size_bytes']),
      modifiedAtText: String(row['modified_at']),
      modifiedAtMs: Number(row['modified_at_ms']),
      checksum: textIn(row['nas_checksum']),
      etag: textIn(row['nas_etag']),
    },
    sha256: String(row['sha256']),
    mimeType: textIn(row['mime_type']),
    ownerId: textIn(row['owner_id']),
    blob: String(row['blob']),
    validatedAtMs: Number(row['validated_at_ms']),
  };
}

function victimOf(row: Record<string, SQLOutputValue>): Victim {
  return {
    id: Number(row['id']),
    blob: String(row['blob']),
    sizeBytes: Number(row['size_bytes']),
    pinned: row['pinned'] === 1 ? 1 : 0,
    priority: Number(row['priority']),
  };
}

function textIn(value: SQLOutputValue | undefined): string | null {
  return typeof value === 'string' ? value : null;
}

/** A kept entry: which version of which path, and the blob that holds it. */
export interface CacheEntry {
  readonly id: number;
  readonly path: string;
  readonly version: FileVersion;
  /** Of the bytes kept, which is not the NAS's checksum where that one is stale. */
  readonly sha256: string;
  readonly mimeType: string | null;
  readonly ownerId: string | null;
  /** Random hex, never a client's name. */
  readonly blob: string;
  readonly validatedAtMs: number;
}

/** Which version is kept, and what its bytes hash to where that is known. */
export interface HeldVersion {
  readonly version: FileVersion;
  readonly sha256: string | null;
}

/** A whole entry as a file on the Pi, for what is derived from it. */
export interface KeptEntry {
  readonly id: number;
  readonly blob: string;
  /** Where it lies. */
  readonly file: string;
  readonly sizeBytes: number;
}

/** An entry about to be kept. */
type NewEntry = Omit<CacheEntry, 'id'>;

/** A strong tag as RFC 9110 spells it; anything else is not passed on. */
const STRONG_TAG = /^"[\x21\x23-\x7e]{1,128}"$/;

/**
 * The tag a version is served under, the same on a miss and on every later hit: the NAS's own where
 * known, so that a download begun at either side can be resumed at the other.
 */
export function etagOf(version: FileVersion, nasEtag: string | null): string {
  if (nasEtag !== null && STRONG_TAG.test(nasEtag)) return nasEtag;
  const text = `${version.sizeBytes} ${version.modifiedAtText} ${version.checksum ?? ''}`;
  // In one go: an object per hash made garbage collection the largest cost of a small answer.
  return `"${hash('sha256', text, 'hex').slice(0, 32)}"`;
}

/**
 * Whether an entry holds this version. If the NAS has learnt or corrected its checksum since, that
 * tells what the bytes were all along.
 */
export function holds(entry: HeldVersion, version: FileVersion): boolean {
  if (sameVersion(entry.version, version)) return true;
  return (
    entry.sha256 !== null &&
    version.checksum === entry.sha256 &&
    sameVersion({ ...entry.version, checksum: entry.sha256 }, version)
  );
}
