import { existsSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import type { Store } from './store.ts';

interface Deps {
  readonly store: Pick<Store, 'version' | 'copyTo'>;
  /** The database's own file. */
  readonly source: string;
  /** Where the copy lies. */
  readonly file: string;
}

/** Where a database's header says how it is written: 1 is a rollback journal, 2 a log (WAL). */
const FORMAT_VERSIONS_AT = 18;

/**
 * A copy of a database for those who bring a SQLite of their own into this process, such as
 * `node-red-node-sqlite`. Two of them must never hold one file: POSIX drops all locks a process has
 * on a file once any of its handles of it is closed (fcntl(2); sqlite.org/howtocorrupt.html, 2.2), so
 * a reader that goes leaves the owner without its own, and the next program that opens and closes
 * the file takes the log away under it.
 *
 * The copy is never written to once it is there: a newer one takes its name. Whoever has the older
 * one open goes on reading that, until it opens the file again.
 */
export class SideCopy {
  readonly source: string;
  readonly file: string;
  readonly #store: Deps['store'];
  #version: number | null = null;
  #running: Promise<boolean> | null = null;

  constructor({ store, source, file }: Deps) {
    this.#store = store;
    this.source = source;
    this.file = file;
  }

  /** Makes one where there is none yet, as a reader does not wait for its file. */
  async begin(): Promise<void> {
    if (!existsSync(this.file)) await this.refresh();
  }

  /**
   * Makes the copy hold what is written by now.
   * @returns whether another file lies there
   * @throws DiskRefusedError while the disk refuses
   */
  async refresh(): Promise<boolean> {
    this.#running ??= this.#refresh().finally(() => {
      this.#running = null;
    });
    return await this.#running;
  }

  async #refresh(): Promise<boolean> {
    const { version } = this.#store;
    if (version === this.#version && existsSync(this.file)) return false;
    const next = `${this.file}.next`;
    await rm(next, { force: true });
    await this.#store.copyTo(next);
    await closeOff(next);
    await rename(next, this.file);
    this.#version = version;
    return true;
  }
}

/** It has no log and needs none: a log that lies beside it would be another copy's. */
async function closeOff(file: string): Promise<void> {
  const handle = await open(file, 'r+');
  try {
    await handle.write(Uint8Array.of(1, 1), 0, 2, FORMAT_VERSIONS_AT);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
