import type { Clock } from '../../../nodes/lib/time/clock.ts';

/** The NAS's database row of a path. It may be missing, stale, or left without a file. */
export interface MetadataRow {
  readonly fileId: number;
  readonly isDirectory: boolean;
  readonly createdAtMs: number;
  path: string;
  ownerId: number;
  sizeBytes: number;
  checksum: string | null;
  updatedAtMs: number | null;
}

export function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash === -1 ? '' : path.slice(0, slash);
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** Bytes stored at a path through the NAS, by any of its endpoints. */
export interface StoredContent {
  readonly path: string;
  readonly checksum: string;
}

/** The NAS's file_metadata table, which is not kept in step with the disk. */
export class MetadataRows {
  readonly #clock: Clock;
  readonly #byPath = new Map<string, MetadataRow>();
  readonly #byId = new Map<number, MetadataRow>();
  readonly #contents: StoredContent[] = [];
  #lastId = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Everything ever stored, oldest first; repeated uploads are repeated. */
  get contents(): readonly StoredContent[] {
    return this.#contents;
  }

  get(path: string): MetadataRow | undefined {
    return this.#byPath.get(path);
  }

  byId(fileId: number): MetadataRow | undefined {
    return this.#byId.get(fileId);
  }

  /** By id. */
  ownedBy(userId: number): readonly MetadataRow[] {
    return [...this.#byId.values()].filter((row) => row.ownerId === userId);
  }

  create(path: string, ownerId: number, isDirectory: boolean): MetadataRow {
    this.#lastId += 1;
    const row: MetadataRow = {
      fileId: this.#lastId,
      isDirectory,
      createdAtMs: this.#clock.nowMs(),
      path,
      ownerId,
      sizeBytes: 0,
      checksum: null,
      updatedAtMs: null,
    };
    this.#byPath.set(path, row);
    this.#byId.set(row.fileId, row);
    return row;
  }

  /** After an upload: an existing row keeps its owner and its file_id. */
  stored(path: string, ownerId: number, sizeBytes: number, checksum: string): MetadataRow {
    this.#contents.push({ path, checksum });
    const known = this.get(path);
    const row = known ?? this.create(path, ownerId, false);
    row.sizeBytes = sizeBytes;
    row.checksum = checksum;
    if (known !== undefined) row.updatedAtMs = this.#clock.nowMs();
    return row;
  }

  remove(path: string): void {
    const row = this.#byPath.get(path);
    if (row === undefined) return;
    this.#byPath.delete(path);
    this.#byId.delete(row.fileId);
  }

  /**
   * Moves one row, without those below it. If the new path has a row, the database refuses
   * (`taken`): both rows stay, one of them without a file (recorded on 1.38).
   */
  rename(oldPath: string, newPath: string): 'renamed' | 'missing' | 'taken' {
    const row = this.#byPath.get(oldPath);
    if (row === undefined) return 'missing';
    if (this.#byPath.has(newPath)) return 'taken';
    this.#byPath.delete(oldPath);
    row.path = newPath;
    row.updatedAtMs = this.#clock.nowMs();
    this.#byPath.set(newPath, row);
    return 'renamed';
  }
}
