import type { StatementSync } from 'node:sqlite';
import type { KeptEntry } from '../cache/cache.ts';
import type { Store } from '../store/store.ts';

/** The table `thumbnails`: what was made of a copy, as long as that copy is kept. */
export class ThumbnailRows {
  readonly #find: StatementSync;
  readonly #keep: StatementSync;

  constructor(store: Store) {
    this.#find = store.prepare('SELECT image FROM thumbnails WHERE copy_id = ? AND width_px = ?');
    // Since the picture was begun, the copy may have gone, and its number may be another's.
    this.#keep = store.prepare(
      `INSERT INTO thumbnails (copy_id, width_px, image)
       SELECT id, ?2, ?3 FROM cached_files WHERE id = ?1 AND blob = ?4
       ON CONFLICT DO NOTHING`,
    );
  }

  /** @returns null where nothing was tried yet; an empty one where none can be made */
  find({ id }: KeptEntry, widthPx: number): Buffer | null {
    const image = this.#find.get(id, widthPx)?.['image'];
    return image instanceof Uint8Array ? Buffer.from(image) : null;
  }

  keep({ id, blob }: KeptEntry, widthPx: number, image: Buffer): void {
    this.#keep.run(id, widthPx, image, blob);
  }
}
