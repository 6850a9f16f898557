import { type FileItem, type Listed, listPage, Refused } from './api.ts';

/** A row of the page. */
export interface Entry {
  readonly name: string;
  readonly path: string;
  /** The Pi's number. */
  readonly id: number;
  readonly isFolder: boolean;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
  readonly mimeType: string;
  /** Its bytes are on the Pi. */
  readonly isKept: boolean;
  /** It waits for the NAS. */
  readonly isQueued: boolean;
  /** A share's permission; null without a share. */
  readonly canWrite: boolean | null;
  readonly canDelete: boolean | null;
}

export type SortBy = 'name' | 'modified' | 'size';

export interface Sorting {
  readonly by: SortBy;
  readonly isDescending: boolean;
}

type Compare = (one: Entry, other: Entry) => number;

/**
 * One folder, loaded page by page, in the reader's order. A reload keeps what is shown until all of it
 * has arrived.
 */
export class Folder {
  readonly path: string;
  /** `''` for all. */
  search = '';
  /** Why it could not be read; null for none. */
  problem: Refused | null = null;
  isWhole = false;
  /** Age of the NAS's listing; null if current. */
  ageSeconds: number | null = null;
  readonly #compareNames: Intl.Collator;
  readonly #changed: () => void;
  #sorting: Sorting;
  #entries: readonly Entry[] = [];
  #shown: readonly Entry[] | null = null;
  #loading: AbortController | null = null;

  /** @param language of the reader, for the order of names */
  constructor(path: string, sorting: Sorting, language: string, changed: () => void) {
    this.path = path;
    this.#sorting = sorting;
    this.#compareNames = new Intl.Collator(language, { numeric: true });
    this.#changed = changed;
  }

  get sorting(): Sorting {
    return this.#sorting;
  }

  /** All entries loaded so far. */
  get entries(): readonly Entry[] {
    return this.#entries;
  }

  /** The entries that match the search, in order. */
  get shown(): readonly Entry[] {
    this.#shown ??= this.#entries.filter(this.#matching());
    return this.#shown;
  }

  sortBy(by: SortBy): void {
    const isSame = this.#sorting.by === by;
    // Newest and largest first, names from A.
    const isDescending = isSame ? !this.#sorting.isDescending : by !== 'name';
    this.#sorting = { by, isDescending };
    this.#put([...this.#entries].sort(this.#order()));
  }

  searchFor(text: string): void {
    this.search = text;
    this.#shown = null;
    this.#changed();
  }

  /**
   * Loads it from the beginning. Never throws; see {@link problem}.
   *
   * @param isAsked whether a person waits for it
   */
  async load(isAsked: boolean): Promise<void> {
    this.stop();
    const loading = new AbortController();
    this.#loading = loading;
    try {
      await this.#loadPages({ path: this.path, isAsked, signal: loading.signal });
      this.problem = null;
      this.isWhole = true;
    } catch (problem) {
      if (loading.signal.aborted) return;
      if (!(problem instanceof Refused)) throw problem;
      this.problem = problem;
    }
    this.#changed();
  }

  stop(): void {
    this.#loading?.abort();
  }

  async #loadPages(listed: Listed): Promise<void> {
    const isFirst = !this.isWhole;
    let entries: readonly Entry[] = [];
    let cursor: string | null = null;
    do {
      const page = await listPage(listed, cursor);
      const next = page.items.map(entryOf).sort(this.#order());
      entries = merged(entries, next, this.#order());
      ({ cursor } = page);
      this.ageSeconds = page.ageSeconds;
      if (isFirst || cursor === null) this.#put(entries);
    } while (cursor !== null);
  }

  #put(entries: readonly Entry[]): void {
    this.#entries = entries;
    this.#shown = null;
    this.#changed();
  }

  #matching(): (entry: Entry) => boolean {
    const wanted = plain(this.search.trim());
    return wanted === '' ? () => true : ({ name }) => plain(name).includes(wanted);
  }

  /** Folders before files, in any order. */
  #order(): Compare {
    const { by, isDescending } = this.#sorting;
    const byName: Compare = (one, other) => this.#compareNames.compare(one.name, other.name);
    const wanted: Record<SortBy, Compare> = {
      name: byName,
      modified: (one, other) => one.modifiedMs - other.modifiedMs || byName(one, other),
      size: (one, other) => one.sizeBytes - other.sizeBytes || byName(one, other),
    };
    const compare = wanted[by];
    return (one, other) => {
      if (one.isFolder !== other.isFolder) return one.isFolder ? -1 : 1;
      return isDescending ? compare(other, one) : compare(one, other);
    };
  }
}

function merged(
  some: readonly Entry[],
  more: readonly Entry[],
  compare: Compare,
): readonly Entry[] {
  if (some.length === 0) return more;
  const all: Entry[] = [];
  let at = 0;
  for (const entry of more) {
    for (let next = some[at]; next !== undefined && compare(next, entry) <= 0; next = some[at]) {
      all.push(next);
      at += 1;
    }
    all.push(entry);
  }
  return all.concat(some.slice(at));
}

/** Without case and accents, so that `uber` finds `Über`. */
export function plain(text: string): string {
  return text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
}

/** Types by file extension, as on the Pi, while the NAS has not given one. */
const TYPES: Readonly<Record<string, string>> = {
  ...{ jpg: 'image/jpeg', jpeg: 'image/jpeg', png: 'image/png', gif: 'image/gif' },
  ...{ webp: 'image/webp', heic: 'image/heic', mp4: 'video/mp4', mov: 'video/quicktime' },
  ...{ webm: 'video/webm', mp3: 'audio/mpeg', m4a: 'audio/mp4', flac: 'audio/flac' },
  ...{ txt: 'text/plain', pdf: 'application/pdf', zip: 'application/zip' },
};

function entryOf(item: FileItem): Entry {
  return {
    name: item.name,
    path: item.path,
    id: item.id,
    isFolder: item.is_directory,
    sizeBytes: item.size_bytes,
    modifiedMs: Date.parse(item.modified_at),
    mimeType: item.mime_type ?? TYPES[item.name.split('.').at(-1)?.toLowerCase() ?? ''] ?? '',
    isKept: item.is_cached,
    isQueued: item.sync_state === 'queued',
    canWrite: item.can_write ?? null,
    canDelete: item.can_delete ?? null,
  };
}

export type Kind = 'folder' | 'image' | 'video' | 'audio' | 'text' | 'archive' | 'file';

const TEXT = /^text\/|\/(?:pdf|json|xml|rtf|msword)$|officedocument|opendocument/;
const ARCHIVE = /zip|tar|compressed|x-7z|x-rar/;

/** An entry's kind, for its icon. */
export function kindOf({ isFolder, mimeType }: Entry): Kind {
  if (isFolder) return 'folder';
  const [family = ''] = mimeType.split('/');
  if (family === 'image' || family === 'video' || family === 'audio') return family;
  if (TEXT.test(mimeType)) return 'text';
  return ARCHIVE.test(mimeType) ? 'archive' : 'file';
}

const SHOWN_IMAGES = /^image\/(?:png|jpeg|gif|webp|avif|bmp)$/;

/** How the viewer shows a file; null if it can only be downloaded. */
export function viewOf({ isFolder, mimeType }: Entry): 'image' | 'video' | 'audio' | null {
  if (isFolder) return null;
  if (SHOWN_IMAGES.test(mimeType)) return 'image';
  const [family] = mimeType.split('/');
  return family === 'video' || family === 'audio' ? family : null;
}
