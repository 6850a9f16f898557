import { setImmediate } from 'node:timers/promises';
import type { StoredItem } from './stored-item.ts';

/** The largest files below a folder, as far as it is known. */
export interface Largest {
  /** The largest first. */
  readonly files: readonly StoredItem[];
  /** Folders that their user never listed through the Pi, so that nobody knows what is in them. */
  readonly unlistedFolders: number;
}

/** So many entries are looked at before others have their turn. */
const BATCH = 500;

/**
 * @param shownIn the entries of a folder that its user may read; null where they never listed it
 * @param begin where to look, everything below too
 * @returns null where none of these was ever listed
 */
export async function largestBelow(
  shownIn: (folder: string) => Iterable<StoredItem> | null,
  begin: readonly string[],
  count: number,
): Promise<Largest | null> {
  const [folders, largest] = [new Set(begin), new Highest(count)];
  let [unlistedFolders, looked] = [0, 0];
  if (begin.every((folder) => shownIn(folder) === null)) return null;
  // A set hands out what is put into it while it is walked.
  for (const path of folders) {
    const items = shownIn(path);
    if (items === null) {
      unlistedFolders += 1;
      continue;
    }
    for (const item of items) {
      if (item.isDirectory) folders.add(item.path);
      else largest.offer(item);
      looked += 1;
      if (looked % BATCH === 0) await setImmediate();
    }
  }
  return { files: largest.files, unlistedFolders };
}

class Highest {
  readonly files: StoredItem[] = [];
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  offer(item: StoredItem): void {
    const at = this.files.findIndex(({ sizeBytes }) => sizeBytes < item.sizeBytes);
    if (at === -1) {
      if (this.files.length < this.#most) this.files.push(item);
      return;
    }
    this.files.splice(at, 0, item);
    this.files.length = Math.min(this.files.length, this.#most);
  }
}
