import { createHash } from 'node:crypto';

const FORMAT = 'BALUPI-BACKUP 1';
const HASH_BYTES = 32;

/** Whether a file with this beginning may be an unsealed backup. */
export function isArchive(beginning: Buffer): boolean {
  return beginning.toString('latin1').startsWith(`${FORMAT} `);
}

/** The first line of a backup. */
export interface About {
  /** Of the BaluPi that made it. */
  readonly version: string;
  readonly madeAt: string;
  /** Keys, credentials and queued files are in it. */
  readonly isWhole: boolean;
  /** The only user whose queued files are in it; absent for everybody's. */
  readonly uploadsOf?: string;
}

interface EntryHead {
  /** Path below the data folder, with `/`. */
  readonly name: string;
  readonly sizeBytes: number;
}

export interface OutgoingEntry extends EntryHead {
  readonly content: AsyncIterable<Buffer>;
  /** Null if not known beforehand. */
  readonly sha256: string | null;
}

/** The last line of a backup; without it the backup is incomplete. */
export interface Summary {
  readonly entries: number;
  /** Names of files that could not be read as they once were. */
  readonly faults: readonly string[];
}

/**
 * A backup as one stream: a header line, then each file between a line with its name and size and one
 * with its SHA-256, then a line with the number of files.
 * @param faults names of faulty files, called once all entries are written
 */
export async function* archiveOf(
  about: About,
  entries: AsyncIterable<OutgoingEntry>,
  faults: () => readonly string[],
): AsyncGenerator<Buffer> {
  yield lineOf(FORMAT, about);
  let count = 0;
  const spoilt: string[] = [];
  for await (const { name, sizeBytes, content, sha256 } of entries) {
    count += 1;
    yield lineOf('file', { name, sizeBytes });
    const hash = createHash('sha256');
    let bytes = 0;
    for await (const chunk of content) {
      hash.update(chunk);
      bytes += chunk.length;
      yield chunk;
    }
    if (bytes !== sizeBytes) throw new BackupFault('cut');
    const digest = hash.digest();
    if (sha256 !== null && digest.toString('hex') !== sha256.toLowerCase()) spoilt.push(name);
    yield digest;
  }
  const summary: Summary = { entries: count, faults: [...spoilt, ...faults()] };
  yield lineOf('end', summary);
}

/** Consumes a backup's files; what it leaves unread is skipped. */
type Visit = (head: EntryHead, content: AsyncIterable<Buffer>, about: About) => Promise<void>;

/**
 * Reads a whole backup and checks every hash; what `visit` got is valid only once this has returned.
 * @throws BackupFault if it is not what {@link archiveOf} wrote
 */
export async function readArchive(
  bytes: AsyncIterable<Buffer>,
  visit: Visit,
): Promise<About & Summary> {
  const reader = new ByteReader(bytes);
  const about = valueOf<About>(await reader.line(), FORMAT, 'strange');
  for (let count = 0; ; count += 1) {
    const line = await reader.line();
    if (line.startsWith('end ')) {
      const summary = valueOf<Summary>(line, 'end', 'damaged');
      if (summary.entries !== count || !(await reader.isAtEnd())) throw new BackupFault('damaged');
      return { ...about, ...summary };
    }
    const head = valueOf<EntryHead>(line, 'file', 'damaged');
    if (!isInside(head.name) || !Number.isSafeInteger(head.sizeBytes) || head.sizeBytes < 0) {
      throw new BackupFault('damaged');
    }
    await oneEntry(reader, head, about, visit);
  }
}

async function oneEntry(
  reader: ByteReader,
  head: EntryHead,
  about: About,
  visit: Visit,
): Promise<void> {
  const hash = createHash('sha256');
  const taken = reader.take(head.sizeBytes);
  async function* content(): AsyncGenerator<Buffer> {
    // Not `for await`, which would close the source if a visitor stops early.
    for (let next = await taken.next(); next.done !== true; next = await taken.next()) {
      hash.update(next.value);
      yield next.value;
    }
  }
  await visit(head, content(), about);
  for await (const chunk of taken) hash.update(chunk);
  if (!hash.digest().equals(await reader.exactly(HASH_BYTES))) throw new BackupFault('damaged');
}

/** Whether a name stays inside the target folder. */
function isInside(name: unknown): name is string {
  if (typeof name !== 'string' || name.includes('\0')) return false;
  return name.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}

function lineOf(word: string, value: object): Buffer {
  return Buffer.from(`${word} ${JSON.stringify(value)}\n`);
}

function valueOf<T>(line: string, word: string, otherwise: 'strange' | 'damaged'): T {
  if (!line.startsWith(`${word} `)) throw new BackupFault(otherwise);
  try {
    return JSON.parse(line.slice(word.length + 1)) as T;
  } catch (error) {
    throw new BackupFault('damaged', error);
  }
}

/** Far above any line written here. */
const LONGEST_LINE_BYTES = 64 * 1024;
const LINE_FEED = 0x0a;

/** Reads lines and counted bytes from a stream of arbitrary chunks. */
export class ByteReader {
  readonly #chunks: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(bytes: AsyncIterable<Buffer>) {
    this.#chunks = bytes[Symbol.asyncIterator]();
  }

  /** @returns the next line, without its line feed */
  async line(): Promise<string> {
    for (;;) {
      const at = this.#rest.indexOf(LINE_FEED);
      if (at >= 0) return this.#cut(at + 1).toString('utf8', 0, at);
      if (this.#rest.length > LONGEST_LINE_BYTES) throw new BackupFault('damaged');
      await this.#need();
    }
  }

  async exactly(count: number): Promise<Buffer> {
    while (this.#rest.length < count) await this.#need();
    return this.#cut(count);
  }

  /** The next `count` bytes, in chunks. */
  async *take(count: number): AsyncGenerator<Buffer> {
    for (let left = count; left > 0;) {
      if (this.#rest.length === 0) await this.#need();
      const chunk = this.#cut(Math.min(left, this.#rest.length));
      left -= chunk.length;
      yield chunk;
    }
  }

  /** All remaining bytes, in chunks. */
  async *rest(): AsyncGenerator<Buffer> {
    while (!(await this.isAtEnd())) yield this.#cut(this.#rest.length);
  }

  async isAtEnd(): Promise<boolean> {
    return this.#rest.length === 0 && !(await this.#more());
  }

  #cut(count: number): Buffer {
    const cut = this.#rest.subarray(0, count);
    this.#rest = this.#rest.subarray(count);
    return cut;
  }

  async #need(): Promise<void> {
    if (!(await this.#more())) throw new BackupFault('cut');
  }

  async #more(): Promise<boolean> {
    for (;;) {
      const next = await this.#chunks.next();
      if (next.done === true) return false;
      if (next.value.length === 0) continue;
      this.#rest = this.#rest.length === 0 ? next.value : Buffer.concat([this.#rest, next.value]);
      return true;
    }
  }
}

const WORDS = {
  strange: 'This is no backup of BaluPi, or one of a newer BaluPi.',
  cut: 'The backup ends too early: it is not whole.',
  damaged: 'The backup is damaged: what it holds is not what was written.',
  sealed: 'The backup is sealed: name its passphrase in BALUPI_BACKUP_PASSPHRASE_FILE.',
  passphrase: 'The passphrase is another one, or the backup is damaged.',
} as const;

/** A backup cannot be made now; the message may be shown. */
export class CannotBackUp extends Error {
  override readonly name = 'CannotBackUp';
}

/** A faulty backup, with a message for whoever makes or restores it. */
export class BackupFault extends Error {
  override readonly name = 'BackupFault';

  constructor(kind: keyof typeof WORDS, cause?: unknown) {
    super(WORDS[kind], { cause });
  }
}
