import {
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

const NAME = 'last-run';

/** @returns where that is told of a data folder */
export function lastRunIn(folder: string): string {
  return join(folder, NAME);
}

interface Told {
  readonly endedInOrder: boolean;
  /** Size and time of each database as the run left it, by its file's name. */
  readonly files: Readonly<Record<string, string>>;
}

/**
 * How the last run on a data folder ended, in a file of its own: a database that was not closed, or
 * that is not as it was left, is looked through before it is believed.
 */
export class LastRun {
  readonly #folder: string;
  readonly #told: Told | null;
  readonly #wasUsed: boolean;

  constructor(folder: string) {
    this.#folder = folder;
    const text = textIn(lastRunIn(folder));
    this.#wasUsed = text !== null;
    this.#told = text === null ? null : read(text);
  }

  /** Whether any run was here before. */
  get wasUsed(): boolean {
    return this.#wasUsed;
  }

  /** How the last run ended; null where there was none. */
  get lastEnd(): 'in_order' | 'cut' | null {
    if (!this.#wasUsed) return null;
    return this.#told?.endedInOrder === true ? 'in_order' : 'cut';
  }

  /** Whether a database is exactly as a run that ended in order left it. */
  leftInOrder(file: string): boolean {
    const { endedInOrder = false, files = {} } = this.#told ?? {};
    return endedInOrder && files[file] === stateOf(join(this.#folder, file));
  }

  /** Synced before anything is written: whatever ends this run, the next one knows. */
  begin(): void {
    this.#write({ endedInOrder: false, files: {} });
  }

  /** The databases are closed. */
  end(files: readonly string[]): void {
    const states = files.map((file) => [file, stateOf(join(this.#folder, file))] as const);
    this.#write({ endedInOrder: true, files: Object.fromEntries(states) });
  }

  #write(told: Told): void {
    replaceFile(lastRunIn(this.#folder), JSON.stringify(told));
  }
}

/** Puts a text in the place of a small file. Survives a power cut once it returns. */
export function replaceFile(file: string, text: string): void {
  writeSynced(`${file}.next`, text);
  renameSync(`${file}.next`, file);
  const folder = openSync(dirname(file), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

function writeSynced(file: string, text: string): void {
  const handle = openSync(file, 'w', 0o600);
  try {
    writeSync(handle, text);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

function textIn(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** Null for what a dying disk made of it: then nothing is known of the last run. */
function read(text: string): Told | null {
  try {
    const told = JSON.parse(text) as Partial<Told> | null;
    const { endedInOrder, files } = told ?? {};
    const isTold = typeof files === 'object';
    return isTold ? { endedInOrder: endedInOrder === true, files } : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

function stateOf(file: string): string {
  const found = statSync(file, { throwIfNoEntry: false });
  return found === undefined ? 'none' : `${found.size} ${Math.floor(found.mtimeMs)}`;
}
