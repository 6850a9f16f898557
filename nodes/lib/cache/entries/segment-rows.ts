import type { SQLOutputValue, StatementSync } from 'node:sqlite';
import { belowBounds, type FileVersion, sameVersion } from '../../files/files.ts';
import type { ByteRange } from '../../http/http.ts';
import type { Store } from '../../store/store.ts';
import { PolicyRows } from '../policy/policy-rows.ts';
import { weightOf, worthOf } from '../policy/worth.ts';

const BELOW = `
  SELECT segment.id, file_id, number, segment.size_bytes, blob, crc32, priority, pinned
  FROM pieced_files AS file JOIN cached_pieces AS segment ON segment.file_id = file.id
  WHERE (path = ? OR (path > ? AND path < ?)) AND pinned <= ? AND segment.id > ?
  ORDER BY segment.id LIMIT ?`;

export interface KeptSegment {
  readonly id: number;
  readonly fileId: number;
  /** From 0. */
  readonly number: number;
  readonly sizeBytes: number;
  readonly blob: string;
  readonly crc32: number;
  readonly priority: number;
  /** Of a file somebody pinned: evicted last. */
  readonly pinned: 0 | 1;
}

/** A segment about to be kept. */
export interface NewSegment {
  readonly file: NewSegmentedFile;
  readonly number: number;
  readonly blob: string;
  readonly crc32: number;
}

/** The tables `pieced_files` and `cached_pieces`, counted in `cache_totals` as all entries are. */
export class SegmentRows {
  readonly #store: Store;
  readonly #sql: ReturnType<typeof statements>;
  readonly files: SegmentedFileRows;
  readonly #policy: PolicyRows;

  constructor(store: Store) {
    this.#store = store;
    this.#sql = statements(store);
    this.files = new SegmentedFileRows(store);
    this.#policy = new PolicyRows(store);
  }

  find(path: string): SegmentedFile | null {
    return this.files.find(path);
  }

  /** Whether every byte of a file is here. */
  isWhole(path: string): boolean {
    const file = this.find(path);
    return file !== null && file.heldBytes === file.version.sizeBytes;
  }

  segment(fileId: number, number: number): KeptSegment | null {
    const row = this.#sql.segment.get(fileId, number);
    return row === undefined ? null : segmentOf(row);
  }

  /** Whether all segments from `first` to `last` are here. */
  covers(fileId: number, first: number, last: number): boolean {
    const row = this.#sql.countBetween.get(fileId, first, last);
    return Number(row?.['count']) === last - first + 1;
  }

  /** The numbers of a file's segments in order. */
  *numbers(fileId: number): Generator<number> {
    for (const row of this.#sql.numbers.iterate(fileId)) yield Number(row['number']);
  }

  /**
   * Keeps a segment. Segments of another version of the path go.
   * @returns the blobs that are no longer needed
   */
  keep(segment: NewSegment, nowMs: number): string[] {
    return this.#store.transaction(() => {
      const before = this.find(segment.file.path);
      const isSame = before !== null && sameVersion(before.version, segment.file.version);
      const gone = before === null || isSame ? [] : this.#dropFile(before.id);
      const fileId = isSame ? before.id : this.files.add(segment.file, nowMs);
      const replaced = this.segment(fileId, segment.number);
      if (replaced !== null) this.#dropSegment(replaced, 0);
      this.#addSegment(fileId, segment, nowMs);
      return replaced === null ? gone : [...gone, replaced.blob];
    });
  }

  /** Forgets a segment, and its file with the last one. Says whether it was still there. */
  remove(segment: Pick<KeptSegment, 'id' | 'blob'>): boolean {
    return this.#store.transaction(() => this.#removeNow(segment, 0));
  }

  /** As {@link remove}, to free space: its worth becomes the floor for all later uses. */
  evict(segment: Pick<KeptSegment, 'id' | 'blob' | 'priority'>): boolean {
    return this.#store.transaction(() => {
      const gone = this.#removeNow(segment, 1);
      if (gone) this.#policy.raiseFloor(segment.priority);
      return gone;
    });
  }

  /** The segment worth least after `after`, pinned ones last; one seek in the index. */
  lowest(after: Pick<KeptSegment, 'pinned' | 'priority' | 'id'> | null): KeptSegment | null {
    const row = this.#sql.lowest.get(after?.pinned ?? 0, after?.priority ?? -1, after?.id ?? 0);
    return row === undefined ? null : segmentOf(row);
  }

  /**
   * Some segments of files at or below a path with an id above `afterId`, in order of their ids;
   * pinned ones too unless `pinned` is 0.
   */
  below(path: string, limit: number, pinned: 0 | 1 = 1, afterId = 0): KeptSegment[] {
    const { low, high } = belowBounds(path);
    const bounds = path === '' ? ['', '\u{10ffff}'] : [low, high];
    return this.#sql.below.all(path, ...bounds, pinned, afterId, limit).map(segmentOf);
  }

  touch(segmentId: number, uses: number, atMs: number): void {
    this.#sql.touch.run(segmentId, uses, atMs);
  }

  #addSegment(fileId: number, { file, number, blob, crc32 }: NewSegment, nowMs: number): void {
    const sizeBytes = new Layout(file.version.sizeBytes).bytesOf(number);
    const weight = weightOf(sizeBytes);
    const { floor, variant } = this.#policy.state();
    const priority = worthOf(variant, floor, 1, weight);
    this.#sql.addSegment.run(fileId, number, sizeBytes, blob, crc32, nowMs, weight, priority);
    this.files.hold(fileId, sizeBytes);
    this.#sql.count.run(sizeBytes, 0);
  }

  #removeNow(segment: Pick<KeptSegment, 'id' | 'blob'>, evictions: 0 | 1): boolean {
    const row = this.#sql.byId.get(segment.id, segment.blob);
    if (row === undefined) return false;
    const stored = segmentOf(row);
    this.#dropSegment(stored, evictions);
    this.files.dropIfEmpty(stored.fileId);
    return true;
  }

  #dropSegment(segment: KeptSegment, evictions: 0 | 1): void {
    this.#sql.dropSegment.run(segment.id);
    this.files.hold(segment.fileId, -segment.sizeBytes);
    this.#sql.count.run(-segment.sizeBytes, evictions);
  }

  #dropFile(fileId: number): string[] {
    const segments = this.#sql.all.all(fileId).map(segmentOf);
    for (const segment of segments) this.#dropSegment(segment, 0);
    this.files.dropIfEmpty(fileId);
    return segments.map(({ blob }) => blob);
  }
}

const SEGMENT = 'id, file_id, number, size_bytes, blob, crc32, priority, pinned';

function statements(store: Store) {
  const sql = (text: string): StatementSync => store.prepare(text);
  return {
    segment: sql(`SELECT ${SEGMENT} FROM cached_pieces WHERE file_id = ? AND number = ?`),
    byId: sql(`SELECT ${SEGMENT} FROM cached_pieces WHERE id = ? AND blob = ?`),
    all: sql(`SELECT ${SEGMENT} FROM cached_pieces WHERE file_id = ?`),
    numbers: sql('SELECT number FROM cached_pieces WHERE file_id = ? ORDER BY number'),
    countBetween: sql(
      `SELECT count(*) AS count FROM cached_pieces WHERE file_id = ? AND number BETWEEN ? AND ?`,
    ),
    lowest: sql(
      `SELECT ${SEGMENT} FROM cached_pieces WHERE (pinned, priority, id) > (?, ?, ?)
       ORDER BY pinned, priority, id LIMIT 1`,
    ),
    below: sql(BELOW),
    addSegment: sql(
      `INSERT INTO cached_pieces
         (file_id, number, size_bytes, blob, crc32, access_count, accessed_at_ms, weight, priority)
       VALUES (?, ?, ?, ?, ?, 1, ?, ?, ?)`,
    ),
    dropSegment: sql('DELETE FROM cached_pieces WHERE id = ?'),
    touch: sql(
      `UPDATE cached_pieces
       SET access_count = access_count + ?2, accessed_at_ms = ?3,
           priority = worth(now.inflation, now.use_exponent, access_count + ?2, weight)
       FROM (SELECT inflation, use_exponent FROM cache_totals) AS now
       WHERE id = ?1`,
    ),
    count: sql(
      `UPDATE cache_totals
       SET total_bytes = total_bytes + ?, evictions = evictions + ?`,
    ),
  };
}

function segmentOf(row: Record<string, SQLOutputValue>): KeptSegment {
  return {
    id: Number(row['id']),
    fileId: Number(row['file_id']),
    number: Number(row['number']),
    sizeBytes: Number(row['size_bytes']),
    blob: String(row['blob']),
    crc32: Number(row['crc32']),
    priority: Number(row['priority']),
    pinned: row['pinned'] === 1 ? 1 : 0,
  };
}

/** A file of which at least one segment is kept. All its segments are of this one version. */
export interface SegmentedFile {
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

type NewSegmentedFile = Omit<SegmentedFile, 'id' | 'sha256' | 'heldBytes'>;

/** The table `pieced_files`, and its share of the file count in `cache_totals`. */
class SegmentedFileRows {
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

  find(path: string): SegmentedFile | null {
    const row = this.#find.get(path);
    return row === undefined ? null : fileOf(row);
  }

  /** A complete file never hashed as a whole, though the NAS knows its checksum. */
  unhashed(): SegmentedFile | null {
    const row = this.#unhashed.get();
    return row === undefined ? null : fileOf(row);
  }

  /** @returns the id */
  add(file: NewSegmentedFile, nowMs: number): number {
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

  /** @param bytes of it that came, or with a minus that went */
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

  /** Moves all at or below a path to another, at which nothing may be kept. */
  move(from: string, to: string): void {
    this.#move.run({ from, to, ...belowBounds(from) });
  }

  /** Forgets a file of which no segment is left. */
  dropIfEmpty(id: number): void {
    if (this.#dropEmpty.run(id).changes > 0) this.#count.run(-1);
  }
}

function fileOf(row: Record<string, SQLOutputValue>): SegmentedFile {
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

/** Files above this size are held in segments, so that one video never flushes the cache. */
const SEGMENTED_ABOVE_BYTES = 64 * 1024 * 1024;
/** A segment: small enough to be fetched for a seek, large enough to keep the rows few. */
export const SEGMENT_BYTES = 4 * 1024 * 1024;

export function isSegmented(sizeBytes: number): boolean {
  return sizeBytes > SEGMENTED_ABOVE_BYTES;
}

/**
 * How a file is cut: up to 64 MB it is one segment, above that segments of 4 MB. Segments are
 * numbered from 0, and an empty file has one too, of no bytes.
 */
export class Layout {
  readonly sizeBytes: number;
  readonly #segmentBytes: number;

  constructor(sizeBytes: number) {
    this.sizeBytes = sizeBytes;
    this.#segmentBytes = isSegmented(sizeBytes) ? SEGMENT_BYTES : Math.max(1, sizeBytes);
  }

  get isOneSegment(): boolean {
    return !isSegmented(this.sizeBytes);
  }

  get count(): number {
    return Math.max(1, Math.ceil(this.sizeBytes / this.#segmentBytes));
  }

  /** The number of the segment a position lies in. */
  at(position: number): number {
    return Math.max(0, Math.floor(position / this.#segmentBytes));
  }

  /** Where a segment begins in its file, in bytes. */
  start(number: number): number {
    return number * this.#segmentBytes;
  }

  /** The position after a segment's last byte. */
  end(number: number): number {
    return Math.min(this.start(number) + this.#segmentBytes, this.sizeBytes);
  }

  bytesOf(number: number): number {
    return this.end(number) - this.start(number);
  }

  /** First and last segment of a stretch. */
  of(range: ByteRange): { readonly first: number; readonly last: number } {
    return { first: this.at(range.first), last: this.at(range.last) };
  }
}
