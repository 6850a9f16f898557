import { join } from 'node:path';
import type { Log } from '../log/log.ts';
import type { Disk } from './disk.ts';
import { isUploadId } from './upload-id.ts';
import type { RecoveryRows } from './recovery-rows.ts';
import type { UploadRows } from './upload-rows.ts';

/** What a start found to set right. */
export interface Recovered {
  /** Files that no row owned, and halves that were coming in. */
  readonly orphans: number;
  /** Rows whose file is missing or has another size. Anything but 0 is a broken promise. */
  readonly lost: number;
}

/**
 * Brings folder and rows together after a start, before anything is accepted: a crash between the
 * steps of an acknowledgement leaves a file without a row, one after delivery leaves a file that is
 * done with; leases of the process before are void.
 */
export class Recovery {
  readonly #disk: Disk;
  readonly #rows: RecoveryRows;
  readonly #uploads: UploadRows;
  readonly #log: Log;
  readonly #folder: string;
  readonly #incomingFolder: string;

  constructor(
    parts: {
      readonly disk: Disk;
      readonly rows: RecoveryRows;
      readonly uploads: UploadRows;
      readonly log: Log;
    },
    folder: string,
    incomingFolder: string,
  ) {
    this.#disk = parts.disk;
    this.#rows = parts.rows;
    this.#uploads = parts.uploads;
    this.#log = parts.log;
    this.#folder = folder;
    this.#incomingFolder = incomingFolder;
  }

  async run(): Promise<Recovered> {
    this.#rows.releaseLeases();
    const orphans = (await this.#clearIncoming()) + (await this.#clearOrphans());
    const lost = await this.#findLost();
    if (orphans > 0) this.#log.info(`Removed ${orphans} unfinished uploads of the last run.`);
    if (lost > 0) this.#log.error(`${lost} accepted uploads have lost their file.`);
    return { orphans, lost };
  }

  async #clearIncoming(): Promise<number> {
    let removed = 0;
    for await (const name of this.#disk.names(this.#incomingFolder)) {
      await this.#disk.remove(join(this.#incomingFolder, name));
      removed += 1;
    }
    return removed;
  }

  /** Only files that look like ours are touched: what a person put there is theirs. */
  async #clearOrphans(): Promise<number> {
    let removed = 0;
    for await (const name of this.#disk.names(this.#folder)) {
      if (!isUploadId(name)) continue;
      const row = this.#uploads.byId(name);
      const done = row === null || !row.hasBytes;
      const delivered = row?.state === 'synced' || row?.state === 'conflict';
      if (!done && !delivered) continue;
      await this.#disk.remove(join(this.#folder, name));
      removed += 1;
    }
    return removed;
  }

  async #findLost(): Promise<number> {
    let lost = 0;
    let seq = 0;
    for (;;) {
      const rows = this.#rows.withBytesAfter(seq);
      for (const row of rows) {
        seq = row.seq;
        const size = await this.#disk.sizeOf(join(this.#folder, row.id));
        if (size === row.sizeBytes) continue;
        if (row.state === 'synced' || row.state === 'conflict') {
          this.#rows.bytesGone([row.id]);
          continue;
        }
        lost += 1;
        const found = size === null ? 'is missing' : 'has another size';
        this.#rows.markLost(row.id, `Its file on the Pi ${found}: it is lost.`);
      }
      if (rows.length === 0) return lost;
    }
  }
}
