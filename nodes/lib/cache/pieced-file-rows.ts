import type { SQLOutputValue, StatementSync } from 'node:sqlite';
import { belowBounds, type FileVersion } from '../files/files.ts';
import type { Store } from '../store/store.ts';

/** A file of which at least one piece is kept. All its pieces are of this one version. */
export interface PiecedFile {
  readonly id: number;
  readonly path: string;
  readonly version: FileVersion;
  /** Of the whole, where all of it was here and was hashed; else null. */
  readonly sha256: string | null;
  readonly mimeType: string | null;
  readonly ownerId: string | null;
  readonly heldBytes: number;
  readonly validatedAtMs: number;
}

export type NewPiecedFile = Omit<PiecedFile, 'id' | 'sha256' | 'heldBytes'>;

/** The table `pieced_files`, and its share of the file count in `cache_totals`. */
export class PiecedFileRows {
  readonly #find: StatementSync;
  readonly #unhashed: StatementSync;
  readonly #add: StatementSync;
  readonly #hold: StatementSync;
  readonly #hashed: StatementSync;
  readonly #validated: StatementSync;
  readonly #dropEmpty: StatementSync;
  readonly #move: StatementSync;
  readonly #count: StatementSync;

  constructor(store: Store) {
    this.#find = store.prepare('SELECT * FROM pieced_files WHERE path = ?');
    this.#unhashed = store.prepare(
      `SELECT * FROM pieced_files
       WHERE held_bytes = size_bytes AND sha256 IS NULL AND nas_checksum IS NOT NULL LIMIT 1`,
    );
    this.#add = store.prepare(
      `INSERT INTO pieced_files
         (path, size_bytes, modified_at, modified_at_ms, nas_checksum, nas_etag, mime_type,
          owner_id, held_bytes, validated_at_ms, created_at_ms)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?)`,
    );
    this.#hold = store.prepare('UPDATE pieced_files SET held_bytes = held_bytes + ? WHERE id = ?');
    this.#hashed = store.prepare('UPDATE pieced_files SET sha256 = ? WHERE id = ?');
    this.#validated = store.prepare(
      'UPDATE pieced_files SET validated_at_ms = max(validated_at_ms, ?) WHERE id = ?',
    );
    this.#dropEmpty = store.prepare(
      `DELETE FROM pieced_files
       WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM cached_pieces WHERE file_id = ?1)`,
    );
    this.#move = store.prepare(
      `UPDATE pieced_files SET path = :to || substr(path, length(:from) + 1)
       WHERE path = :from OR (path > :low AND path < :high)`,
    );
    this.#count = store.prepare('UPDATE cache_totals SET file_count = file_count + ?');
  }

  find(path: string): PiecedFile | null {
    const row = this.#find.get(path);
    return row === undefined ? null : fileOf(row);
  }

  /** A file that is whole and was never hashed as a whole, though the NAS knows its checksum. */
  unhashed(): PiecedFile | null {
    const row = this.#unhashed.get();
    return row === undefined ? null : fileOf(row);
  }

  /** @returns the id */
  add(file: NewPiecedFile, nowMs: number): number {
    const { version } = file;
    const { lastInsertRowid } = this.#add.run(
      file.path,
      version.sizeBytes,
      version.modifiedAtText,
      version.modifiedAtMs,
      version.checksum,
      version.etag,
      file.mimeType,
      file.ownerId,
      file.validatedAtMs,
      nowMs,
    );
    this.#count.run(1);
    return Number(lastInsertRowid);
  }

  /** So many bytes more, or fewer, of it are here. */
  hold(id: number, bytes: number): void {
    this.#hold.run(bytes, id);
  }

  /** Notes what the whole file hashes to. */
  hashed(id: number, sha256: string): void {
    this.#hashed.run(sha256, id);
  }

  validated(id: number, atMs: number): void {
    this.#validated.run(atMs, id);
  }

  /** All at or below a path is of another from now on, at which nothing may be kept. */
  move(from: string, to: string): void {
    this.#move.run({ from, to, ...belowBounds(from) });
  }

  /** Forgets a file of which no piece is left. */
  dropIfEmpty(id: number): void {
    if (this.#dropEmpty.run(id).changes > 0) this.#count.run(-1);
  }
}

function fileOf(row: Record<string, SQLOutputValue>): PiecedFile {
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
    sha256: textIn(row['sha256']),
    mimeType: textIn(row['mime_type']),
    ownerId: textIn(row['owner_id']),
    heldBytes: Number(row['held_bytes']),
    validatedAtMs: Number(row['validated_at_ms']),
  };
}

function textIn(value: SQLOutputValue | undefined): string | null {
  return typeof value === 'string' ? value : null;
}
