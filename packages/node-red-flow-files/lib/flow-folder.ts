import { open, readdir, readFile, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { FlowFileError } from './flow-file-error.ts';

/** The disk as the flow files need it. Names are plain file names of one folder. */
export interface FlowFolder {
  list(): Promise<readonly string[]>;
  /** UTF-8 text. */
  read(name: string): Promise<string>;
  /** Writes and fsyncs. */
  write(name: string, text: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  remove(name: string): Promise<void>;
  /** Makes renames and removals so far survive a power cut. */
  sync(): Promise<void>;
}

/** @throws FlowFileError with the name and the system's code, since its message holds the path */
export class DiskFlowFolder implements FlowFolder {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async list(): Promise<readonly string[]> {
    return told('(all)', 'be listed', readdir(this.#folder));
  }

  async read(name: string): Promise<string> {
    return told(name, 'be read', readFile(join(this.#folder, name), 'utf8'));
  }

  async write(name: string, text: string): Promise<void> {
    await told(name, 'be written', writeDurably(join(this.#folder, name), text));
  }

  async rename(from: string, to: string): Promise<void> {
    await told(to, 'be replaced', rename(join(this.#folder, from), join(this.#folder, to)));
  }

  async remove(name: string): Promise<void> {
    await told(name, 'be removed', unlink(join(this.#folder, name)));
  }

  async sync(): Promise<void> {
    await told('(all)', 'be synced', syncFolder(this.#folder));
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'w');
  try {
    await file.writeFile(text, 'utf8');
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function told<T>(name: string, act: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    const { code = 'unknown' } = cause as NodeJS.ErrnoException;
    throw new FlowFileError(name, `cannot ${act} (${code}).`, { cause });
  }
}
