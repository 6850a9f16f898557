import {
  abortChunks,
  beginChunks,
  type ChunkedList,
  completeChunks,
  joined,
  Refused,
  sendChunk,
  sendWhole,
  unfinished,
} from './api.ts';

/** Keys by upload id; values are the file's version. No name is stored in the browser. */
const PREFIX = 'balupi-upload-';

/** Uploads that earlier pages in this browser began. */
const remembered = {
  /** @param lastModified of the file, epoch ms: another version must not resume this one */
  keep(id: string, lastModified: number): void {
    try {
      localStorage.setItem(`${PREFIX}${id}`, String(lastModified));
    } catch (problem) {
      // Without storage, an upload only starts from the beginning after a reload.
      if (!(problem instanceof DOMException)) throw problem;
    }
  },
  versionOf(id: string): number | null {
    const kept = localStorage.getItem(`${PREFIX}${id}`);
    return kept === null ? null : Number(kept);
  },
  forget(id: string): void {
    localStorage.removeItem(`${PREFIX}${id}`);
  },
};

/** A chosen file and its target. */
export interface Chosen {
  readonly file: File;
  readonly folder: string;
  /** Its name there. */
  readonly name: string;
}

/**
 * waiting: for its turn. paused: until the connection or the Pi is back. done: durable on the Pi.
 * failed: the user has to decide.
 */
export type UploadState = 'waiting' | 'sending' | 'paused' | 'done' | 'failed';

export interface Upload extends Chosen {
  readonly key: string;
  readonly state: UploadState;
  readonly sentBytes: number;
  /** Why it is paused or failed. */
  readonly problem: Refused | null;
}

/** An interrupted upload of an earlier page, which needs its file again. */
export type BrokenOff = ChunkedList['uploads'][number];

/** Larger files are sent in resumable chunks. */
const MOST_WHOLE_BYTES = 4 * 1_024 * 1_024;
/** Hides the latency of answers; a Pi's disk does not benefit from more. */
const MOST_AT_ONCE = 3;
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 20_000;

/** The internal state of an upload. */
interface Work {
  upload: Upload;
  readonly abort: AbortController;
  /** Id of a chunked upload on the Pi; null before it has one. */
  id: string | null;
  tries: number;
}

/**
 * Sends chosen files, a few at a time, and continues after interruptions: small files again with the
 * same idempotency key, large ones from the last durable byte.
 */
export class Uploads {
  readonly #changed: () => void;
  readonly #onDone: (upload: Upload) => void;
  readonly #work = new Map<string, Work>();
  #running = 0;
  /** Ends the pauses at once. */
  #goOn: (() => void)[] = [];
  /** Null until the Pi has told of them. */
  #brokenOff: readonly BrokenOff[] | null = null;

  constructor(changed: () => void, onDone: (upload: Upload) => void) {
    this.#changed = changed;
    this.#onDone = onDone;
  }

  get all(): readonly Upload[] {
    return [...this.#work.values()].map(({ upload }) => upload);
  }

  /** Whether closing the page would interrupt an upload. */
  get isBusy(): boolean {
    return this.all.some(({ state }) => state !== 'done' && state !== 'failed');
  }

  get brokenOff(): readonly BrokenOff[] {
    return this.#brokenOff ?? [];
  }

  /** Looks, until it got an answer once, for uploads that earlier pages left unfinished. */
  async findBrokenOff(): Promise<void> {
    if (this.#brokenOff !== null) return;
    const found = await unfinished();
    this.#brokenOff = found.filter((one) => !this.#isOwn(one));
    this.#changed();
  }

  add(chosen: readonly Chosen[]): void {
    for (const one of chosen) {
      const key = randomKey();
      const upload: Upload = { ...one, key, state: 'waiting', sentBytes: 0, problem: null };
      const id = this.#takeBrokenOff(one);
      this.#work.set(key, { upload, abort: new AbortController(), id, tries: 0 });
    }
    this.#changed();
    this.#next();
  }

  /** The interrupted upload of this file, in the same version. */
  brokenOffLike(file: File): BrokenOff | undefined {
    return this.brokenOff.find(
      ({ upload_id, filename, total_size }) =>
        filename === file.name &&
        total_size === file.size &&
        remembered.versionOf(upload_id) === file.lastModified,
    );
  }

  retry(key: string): void {
    const work = this.#work.get(key);
    if (work?.upload.state !== 'failed') return;
    work.tries = 0;
    this.#show(work, { state: 'waiting', problem: null });
    this.#next();
  }

  /** Removes an upload from the list, and its partial data from the Pi. */
  async drop(key: string): Promise<void> {
    const work = this.#work.get(key);
    if (work === undefined) return;
    this.#work.delete(key);
    work.abort.abort();
    this.#changed();
    if (work.id !== null && work.upload.state !== 'done') await this.#giveUp(work.id);
  }

  async dropBrokenOff(id: string): Promise<void> {
    this.#brokenOff = this.brokenOff.filter(({ upload_id }) => upload_id !== id);
    this.#changed();
    await this.#giveUp(id);
  }

  /** Removes finished uploads from the list. */
  clear(): void {
    for (const [key, { upload }] of this.#work) {
      if (upload.state === 'done' || upload.state === 'failed') this.#work.delete(key);
    }
    this.#changed();
  }

  /** Ends all pauses: the connection is back, or the page is visible again. */
  goOn(): void {
    for (const end of this.#goOn.splice(0)) end();
  }

  /** Whether this page sends it; it does not know the id until the Pi has answered. */
  #isOwn({ upload_id, filename, target_path, total_size }: BrokenOff): boolean {
    return [...this.#work.values()].some(({ id, upload: { name, folder, file } }) =>
      id === null
        ? name === filename && folder === target_path && file.size === total_size
        : id === upload_id,
    );
  }

  #takeBrokenOff({ file, folder }: Chosen): string | null {
    const found = this.brokenOffLike(file);
    if (found === undefined || found.target_path !== folder) return null;
    this.#brokenOff = this.brokenOff.filter((one) => one !== found);
    return found.upload_id;
  }

  async #giveUp(id: string): Promise<void> {
    remembered.forget(id);
    try {
      await abortChunks(id);
    } catch (problem) {
      // It expires by itself within a day.
      if (!(problem instanceof Refused)) throw problem;
    }
  }

  #next(): void {
    for (const work of this.#work.values()) {
      if (this.#running >= MOST_AT_ONCE) return;
      if (work.upload.state !== 'waiting') continue;
      this.#running += 1;
      this.#show(work, { state: 'sending' });
      void this.#run(work).finally(() => {
        this.#running -= 1;
        this.#next();
      });
    }
  }

  /** Runs until it is done, dropped, or the user has to decide. */
  async #run(work: Work): Promise<void> {
    const { signal } = work.abort;
    while (!signal.aborted) {
      try {
        await this.#send(work);
        this.#show(work, { state: 'done', sentBytes: work.upload.file.size, problem: null });
        this.#onDone(work.upload);
        return;
      } catch (problem) {
        if (signal.aborted) return;
        const refused = asRefused(problem);
        if (!isPassing(refused)) {
          this.#show(work, { state: 'failed', problem: refused });
          return;
        }
        this.#show(work, { state: 'paused', problem: refused });
        await this.#pause(work, refused);
        this.#show(work, { state: 'sending' });
      }
    }
  }

  async #send(work: Work): Promise<void> {
    const { file, name, folder, key } = work.upload;
    if (file.size > MOST_WHOLE_BYTES) {
      await this.#sendChunks(work);
      return;
    }
    const { signal } = work.abort;
    const onSent = (bytes: number): void => this.#sent(work, Math.min(bytes, file.size));
    await sendWhole({ blob: file, name, folder }, key, { signal, onSent });
  }

  async #sendChunks(work: Work): Promise<void> {
    const { file } = work.upload;
    const { signal } = work.abort;
    const { id, chunkBytes, ...from } = await this.#begin(work);
    let { receivedBytes, index } = from;
    while (receivedBytes < file.size) {
      const start = receivedBytes;
      this.#sent(work, start);
      const chunk = file.slice(start, start + chunkBytes);
      const onSent = (bytes: number): void => this.#sent(work, start + bytes);
      receivedBytes = await sendChunk(id, index, chunk, { signal, onSent });
      index += 1;
      work.tries = 0;
    }
    await completeChunks(id, signal);
    remembered.forget(id);
  }

  /** Where to resume; the beginning if the Pi has nothing of it. */
  async #begin(work: Work): Promise<Progress> {
    const { file, folder, name } = work.upload;
    if (work.id !== null) {
      const known = (await unfinished()).find(({ upload_id }) => upload_id === work.id);
      if (known !== undefined) {
        return {
          id: known.upload_id,
          chunkBytes: known.chunk_size,
          receivedBytes: known.received_bytes,
          index: known.next_chunk_index,
        };
      }
    }
    const begun = await beginChunks(folder, name, file.size, work.abort.signal);
    work.id = begun.upload_id;
    remembered.keep(begun.upload_id, file.lastModified);
    return { id: begun.upload_id, chunkBytes: begun.chunk_size, receivedBytes: 0, index: 0 };
  }

  /** Backs off; the Pi's `Retry-After` takes precedence. */
  async #pause(work: Work, { retryAfterMs }: Refused): Promise<void> {
    const ownMs = Math.min(FIRST_RETRY_MS * 2 ** work.tries, LAST_RETRY_MS);
    work.tries += 1;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, Math.max(ownMs, retryAfterMs ?? 0));
      const end = (): void => {
        clearTimeout(timer);
        resolve();
      };
      this.#goOn.push(end);
      work.abort.signal.addEventListener('abort', end);
    });
  }

  #sent(work: Work, sentBytes: number): void {
    this.#show(work, { sentBytes, state: 'sending', problem: null });
  }

  #show(work: Work, now: Partial<Upload>): void {
    work.upload = { ...work.upload, ...now };
    this.#changed();
  }
}

interface Progress {
  readonly id: string;
  readonly chunkBytes: number;
  readonly receivedBytes: number;
  readonly index: number;
}

function asRefused(problem: unknown): Refused {
  if (problem instanceof Refused) return problem;
  // The file was moved or changed on this device meanwhile.
  if (problem instanceof DOMException) return new Refused('file_gone', 0, problem.message, null);
  throw problem;
}

/** Transient statuses; 401 by a sign-in in another tab. */
const PASSING = new Set([0, 401, 408, 425, 429, 500, 502, 503, 504]);

/** Whether to retry automatically. */
function isPassing({ status, code }: Refused): boolean {
  if (code === 'file_gone' || code === 'disk_failing') return false;
  return PASSING.has(status);
}

/** Not `randomUUID`, which browsers offer over https only. */
function randomKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Deeper than any user's folders; stops at a link that leads into itself. */
const MOST_DEPTH = 32;

/**
 * The files dropped on the page, with their folders.
 *
 * @param into the folder it was dropped on
 */
export async function droppedFiles(transfer: DataTransfer, into: string): Promise<Chosen[]> {
  // Both are emptied after the event, so read them before any await.
  const files = [...transfer.files];
  const entries = [...transfer.items]
    .map((item) => item.webkitGetAsEntry())
    .filter((entry) => entry !== null);
  if (entries.length === 0) return files.map((file) => ({ file, folder: into, name: file.name }));
  const found = await Promise.all(entries.map((entry) => filesOf(entry, into, 0)));
  return found.flat();
}

/** The files of a picker, also of one for folders. */
export function pickedFiles(files: Iterable<File>, into: string): Chosen[] {
  return [...files].map((file) => {
    const [, ...above] = file.webkitRelativePath.split('/').reverse();
    return { file, folder: above.reverse().reduce(joined, into), name: file.name };
  });
}

async function filesOf(entry: FileSystemEntry, into: string, depth: number): Promise<Chosen[]> {
  if (isFile(entry)) {
    const file = await new Promise<File>((resolve, reject) => entry.file(resolve, reject));
    return [{ file, folder: into, name: file.name }];
  }
  if (!isFolder(entry) || depth === MOST_DEPTH) return [];
  const folder = joined(into, entry.name);
  const found: Chosen[] = [];
  for (const child of await childrenOf(entry))
    found.push(...(await filesOf(child, folder, depth + 1)));
  return found;
}

/** Browsers return a hundred at a time, and none at the end. */
async function childrenOf(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader();
  const all: FileSystemEntry[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (some.length === 0) return all;
    all.push(...some);
  }
}

function isFile(entry: FileSystemEntry): entry is FileSystemFileEntry {
  return entry.isFile;
}

function isFolder(entry: FileSystemEntry): entry is FileSystemDirectoryEntry {
  return entry.isDirectory;
}
