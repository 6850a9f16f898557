import type { StatementSync } from 'node:sqlite';
import type { Store } from '../../store/store.ts';

/** An upload that comes in chunks and is not complete yet. */
export interface ResumableUpload {
  readonly id: string;
  readonly userId: number;
  /** When the NAS says that its user was made; null where it never told. */
  readonly ownerCreatedAt: string | null;
  /** Where it goes, never the file's own path. */
  readonly folder: string;
  readonly filename: string;
  readonly totalBytes: number;
  /** Durable. */
  readonly receivedBytes: number;
  /** The only chunk accepted next. */
  readonly nextIndex: number;
  /** When it began or its last chunk was acknowledged, epoch ms. */
  readonly touchedAtMs: number;
}

/** `resumable_uploads`. */
export class ResumableRows {
  readonly #insert: StatementSync;
  readonly #byId: StatementSync;
  readonly #all: StatementSync;
  readonly #untouchedSince: StatementSync;
  readonly #touchedNoLater: StatementSync;
  readonly #advance: StatementSync;
  readonly #remove: StatementSync;
  readonly #ofUser: StatementSync;
  readonly #received: StatementSync;

  constructor(store: Store) {
    this.#insert = store.prepare(`
      INSERT INTO resumable_uploads (id, user_id, owner_created_at, folder, filename,
        total_bytes, received_bytes, next_index, touched_at_ms)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`);
    this.#byId = store.prepare('SELECT * FROM resumable_uploads WHERE id = ?');
    this.#all = store.prepare('SELECT * FROM resumable_uploads');
    this.#touchedNoLater = store.prepare(
      'UPDATE resumable_uploads SET touched_at_ms = ? WHERE touched_at_ms > ?',
    );
    this.#untouchedSince = store.prepare(
      'SELECT * FROM resumable_uploads WHERE touched_at_ms <= ? ORDER BY touched_at_ms',
    );
    this.#advance = store.prepare(`
      UPDATE resumable_uploads SET received_bytes = ?, next_index = ?, touched_at_ms = ?
      WHERE id = ?`);
    this.#remove = store.prepare('DELETE FROM resumable_uploads WHERE id = ?');
    this.#ofUser = store.prepare(
      'SELECT * FROM resumable_uploads WHERE user_id = ? ORDER BY touched_at_ms',
    );
    this.#received = store.prepare(
      'SELECT coalesce(sum(received_bytes), 0) AS bytes FROM resumable_uploads',
    );
  }

  insert(upload: ResumableUpload): void {
    const { id, userId, ownerCreatedAt, folder, filename, totalBytes } = upload;
    const { receivedBytes, nextIndex, touchedAtMs } = upload;
    const progress = [totalBytes, receivedBytes, nextIndex, touchedAtMs];
    this.#insert.run(id, userId, ownerCreatedAt, folder, filename, ...progress);
  }

  byId(id: string): ResumableUpload | null {
    const raw = this.#byId.get(id);
    return raw === undefined ? null : toUpload(raw);
  }

  all(): readonly ResumableUpload[] {
    return this.#all.all().map(toUpload);
  }

  /** What was touched in the future, while the clock was ahead, counts as touched now. */
  touchedNoLater(nowMs: number): void {
    this.#touchedNoLater.run(nowMs, nowMs);
  }

  /** Those nobody has touched since then, oldest first. */
  untouchedSince(sinceMs: number): readonly ResumableUpload[] {
    return this.#untouchedSince.all(sinceMs).map(toUpload);
  }

  /** One user's, longest untouched first. */
  ofUser(userId: number): readonly ResumableUpload[] {
    return this.#ofUser.all(userId).map(toUpload);
  }

  /** That much of it is durable. */
  advance(
    id: string,
    to: { readonly receivedBytes: number; readonly nextIndex: number },
    nowMs: number,
  ): void {
    this.#advance.run(to.receivedBytes, to.nextIndex, nowMs, id);
  }

  remove(id: string): void {
    this.#remove.run(id);
  }

  /** Bytes of all of them on the disk. */
  receivedBytes(): number {
    return Number(this.#received.get()?.['bytes']);
  }
}

function toUpload(raw: Readonly<Record<string, unknown>>): ResumableUpload {
  return {
    id: String(raw['id']),
    userId: Number(raw['user_id']),
    ownerCreatedAt: raw['owner_created_at'] as string | null,
    folder: String(raw['folder']),
    filename: String(raw['filename']),
    totalBytes: Number(raw['total_bytes']),
    receivedBytes: Number(raw['received_bytes']),
    nextIndex: Number(raw['next_index']),
    touchedAtMs: Number(raw['touched_at_ms']),
  };
}
