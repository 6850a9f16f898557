import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Log } from '../../log/log.ts';
import { RESTORED_MARK } from '../../store/data-folder.ts';
import { type ChangeRecovery, keepBody } from '../changes/withdrawals.ts';
import { reason } from '../reasons.ts';
import type { DropRows } from '../rows/conflict-rows.ts';
import type { RecoveryRows } from '../rows/delivery-rows.ts';
import {
  FOUND_WAITING,
  type InsertedAs,
  isDelivered,
  type NewUpload,
  NO_BASE,
  type UploadBase,
  type UploadRow,
  type UploadRows,
} from '../rows/upload-rows.ts';
import type { Disk } from '../spool/disk.ts';
import type { End, Intents } from '../spool/intents.ts';
import { type BornAt, isUploadId } from '../upload-deps.ts';

/** How many rows are rebuilt per commit. */
const AT_ONCE = 500;

/** What a start had to repair. */
export interface Recovered {
  /** How many finished files and incomplete incoming ones it removed. */
  readonly orphans: number;
  /** Rows whose file is missing or has another size. Anything but 0 is a broken promise. */
  readonly lost: number;
  /** Accepted uploads that no row knew. */
  readonly found: number;
  /** Complete files known to neither a row nor an intent; left where they are. */
  readonly strangers: number;
}

export interface RecoveryDeps {
  readonly disk: Disk;
  readonly rows: RecoveryRows;
  readonly uploads: UploadRows;
  readonly drops: DropRows;
  readonly intents: Intents;
  readonly changes: ChangeRecovery;
  readonly bornAt: BornAt;
  readonly log: Log;
  /** The queue's own folder. */
  readonly folder: string;
  readonly incomingFolder: string;
}

/**
 * Reconciles folder, intents and rows after a start, before anything is accepted: a crash during an
 * acknowledgement leaves a file without a row, one after delivery a finished file; leases of the
 * previous process are void. Where the database was lost or is older, what it does not know is
 * rebuilt, and what ended stays ended.
 */
export class Recovery {
  readonly #deps: RecoveryDeps;

  constructor(deps: RecoveryDeps) {
    this.#deps = deps;
  }

  async run(): Promise<Recovered> {
    const { rows, log, disk, folder } = this.#deps;
    rows.releaseLeases();
    const halves = await this.#clearIncoming();
    const bodies = await this.#bodies();
    const files = await this.#deps.intents.files();
    const ends = await this.#deps.intents.endsOf(await this.#unsettled(bodies, files));
    this.#endRows(ends);
    this.#deps.changes.settle(ends);
    const found =
      (await this.#takeBackLost(bodies, ends)) + (await this.#rebuild(bodies, files, ends));
    const withdrawn = await this.#deps.changes.withdraw();
    const left = new Set([...bodies].filter((id) => !withdrawn.has(id)));
    const { orphans, strangers } = await this.#clearOrphans(left, ends);
    const lost = await this.#findLost();
    await this.#writeMissingIntents();
    for (const file of files) {
      if (!this.#isIntentNeeded(file)) await this.#deps.intents.discard(file);
    }
    await disk.remove(join(folder, RESTORED_MARK));
    const removed = halves + orphans;
    if (removed > 0) log.info(`Removed ${removed} unfinished uploads of the last run.`);
    if (lost > 0) log.error(`${lost} accepted uploads have lost their file.`);
    if (found > 0) log.warn(`Found ${found} accepted uploads that the database did not know.`);
    if (strangers > 0) {
      log.error(
        `${strangers} whole files in the queue's folder belong to no user that BaluPi knows.`,
      );
    }
    return { orphans: removed, lost, found, strangers };
  }

  #isIntentNeeded(file: string): boolean {
    const { uploads, changes } = this.#deps;
    return uploads.isIntentNeeded(file) || changes.isIntentNeeded(file);
  }

  async #clearIncoming(): Promise<number> {
    const { disk, incomingFolder } = this.#deps;
    let removed = 0;
    for await (const name of disk.names(incomingFolder)) {
      await disk.remove(join(incomingFolder, name));
      removed += 1;
    }
    return removed;
  }

  /** Only files named like ours count: whatever else is there, a person put there. */
  async #bodies(): Promise<ReadonlySet<string>> {
    const bodies = new Set<string>();
    for await (const name of this.#deps.disk.names(this.#deps.folder)) {
      if (isUploadId(name)) bodies.add(name);
    }
    return bodies;
  }

  /** The ids of everything whose end may have news. */
  async #unsettled(
    bodies: ReadonlySet<string>,
    files: readonly string[],
  ): Promise<ReadonlySet<string>> {
    const { intents, uploads } = this.#deps;
    const ids = new Set([...bodies, ...(await this.#deps.changes.unsettled(files))]);
    for (const row of this.#unfinishedRows()) ids.add(row.id);
    for (const file of files) {
      for await (const { id, base } of intents.read(file)) {
        if (uploads.byId(id) !== null) continue;
        ids.add(id);
        if (base.uploadId !== null) ids.add(base.uploadId);
      }
    }
    return ids;
  }

  *#unfinishedRows(): Iterable<UploadRow> {
    let seq = 0;
    for (;;) {
      const rows = this.#deps.rows.withBytesAfter(seq);
      for (const row of rows) {
        seq = row.seq;
        if (!isDelivered(row)) yield row;
      }
      if (rows.length === 0) return;
    }
  }

  /** The database is older than these ends, or the process died right after writing them. */
  #endRows(ends: ReadonlyMap<string, End>): void {
    const { rows, drops } = this.#deps;
    for (const row of [...this.#unfinishedRows()]) {
      const end = ends.get(row.id);
      if (end?.end === 'delivered') rows.setDelivered(row, end.path, end.atMs);
      else if (end !== undefined) drops.drop(row);
    }
  }

  /** A restore or a repaired disk may bring back the bytes of rows that had lost them. */
  async #takeBackLost(
    bodies: ReadonlySet<string>,
    ends: ReadonlyMap<string, End>,
  ): Promise<number> {
    const { disk, rows, folder } = this.#deps;
    const isRestored = (await disk.sizeOf(join(folder, RESTORED_MARK))) !== null;
    let found = 0;
    for (const row of rows.lost()) {
      if (!bodies.has(row.id) || ends.has(row.id) || !(await this.#isWhole(row))) continue;
      const { state, detail } = this.#insertedAs(row, isRestored);
      rows.takeBack(row.id, state, detail);
      found += 1;
    }
    return found;
  }

  async #isWhole({ id, sizeBytes, sha256 }: UploadRow): Promise<boolean> {
    const { disk, folder } = this.#deps;
    const file = join(folder, id);
    if ((await disk.sizeOf(file)) !== sizeBytes) return false;
    const hash = createHash('sha256');
    if (sizeBytes > 0) {
      for await (const block of disk.read(file, 0, sizeBytes)) hash.update(block as Buffer);
    }
    return hash.digest('hex') === sha256;
  }

  async #rebuild(
    bodies: ReadonlySet<string>,
    files: readonly string[],
    ends: ReadonlyMap<string, End>,
  ): Promise<number> {
    const { disk, intents, uploads, rows, changes, folder } = this.#deps;
    const isRestored = (await disk.sizeOf(join(folder, RESTORED_MARK))) !== null;
    const rebuilt = new Set<string>();
    let foundChanges = 0;
    for (const file of files) {
      let batch: NewUpload[] = [];
      const insert = (): void => {
        rows.transaction(() => {
          for (const upload of batch) this.#insert(upload, file, { isRestored, ends });
        });
        batch = [];
      };
      for await (const upload of intents.read(file)) {
        const { id, sizeBytes } = upload;
        const known = uploads.byId(id) !== null && !rebuilt.has(id);
        if (known || ends.has(id) || !bodies.has(id)) continue;
        if ((await disk.sizeOf(join(folder, id))) !== sizeBytes) continue;
        rebuilt.add(id);
        batch.push(upload);
        if (batch.length === AT_ONCE) insert();
      }
      insert();
      foundChanges += await changes.rebuild(file, { ends, isRestored });
    }
    return rebuilt.size + foundChanges;
  }

  #insert(
    upload: NewUpload,
    file: string,
    of: { readonly isRestored: boolean; readonly ends: ReadonlyMap<string, End> },
  ): void {
    const { uploads, drops } = this.#deps;
    // An admin assigned it to somebody else, so the later intent counts.
    const earlier = uploads.byId(upload.id);
    if (earlier !== null) drops.take(earlier);
    const base = resolved(upload.base, of.ends);
    uploads.insert({ ...upload, base }, file, this.#insertedAs(upload, of.isRestored));
  }

  #insertedAs(
    { userId, username, ownerCreatedAt }: Pick<NewUpload, 'userId' | 'username' | 'ownerCreatedAt'>,
    isRestored: boolean,
  ): InsertedAs {
    const bornAt = this.#deps.bornAt(userId);
    const isAnother = bornAt !== null && ownerCreatedAt !== null && bornAt !== ownerCreatedAt;
    if (isAnother || userId < 0) {
      return { state: 'held', found: true, detail: reason('userGone', { username }) };
    }
    if (!isRestored) return { state: 'found', found: true, detail: null };
    const detail = reason('restoredUpload');
    return { state: FOUND_WAITING, found: true, detail };
  }

  /**
   * A complete file is never removed for lack of a row, only when its upload is known to have
   * ended.
   */
  async #clearOrphans(
    bodies: ReadonlySet<string>,
    ends: ReadonlyMap<string, End>,
  ): Promise<{ readonly orphans: number; readonly strangers: number }> {
    const { disk, uploads, folder } = this.#deps;
    let [orphans, strangers] = [0, 0];
    for (const id of bodies) {
      const row = uploads.byId(id);
      const isOver = row === null ? ends.has(id) : isDone(row);
      if (isOver) {
        if (ends.get(id)?.keep === true) await keepBody(disk, folder, id);
        else await disk.remove(join(folder, id));
        orphans += 1;
      } else if (row === null) strangers += 1;
    }
    return { orphans, strangers };
  }

  async #findLost(): Promise<number> {
    const { disk, rows, folder } = this.#deps;
    let lost = 0;
    let seq = 0;
    for (;;) {
      const some = rows.withBytesAfter(seq);
      for (const row of some) {
        seq = row.seq;
        const size = await disk.sizeOf(join(folder, row.id));
        if (size === row.sizeBytes) continue;
        if (isDelivered(row)) {
          rows.bytesGone([row.id]);
          continue;
        }
        lost += 1;
        rows.markLost(row.id, reason(size === null ? 'fileIsMissing' : 'fileOtherSize'));
      }
      if (some.length === 0) return lost;
    }
  }

  /** Rows of an older BaluPi have no intent. */
  async #writeMissingIntents(): Promise<void> {
    const { rows, intents, disk, folder } = this.#deps;
    for (let some = rows.withoutIntent(); some.length > 0; some = rows.withoutIntent()) {
      const file = await intents.write(some.map(intentOf));
      await disk.syncFolder(folder);
      rows.setIntent(
        some.map(({ id }) => id),
        file,
      );
    }
  }
}

function isDone(row: UploadRow): boolean {
  return !row.hasBytes || isDelivered(row);
}

/** The base of an upload whose previous version ended and no longer has a row. */
function resolved(base: UploadBase, ends: ReadonlyMap<string, End>): UploadBase {
  let known = base;
  for (let end = endOf(known, ends); end !== undefined; end = endOf(known, ends)) {
    if (end.end === 'delivered') {
      const { sizeBytes, sha256 } = end;
      return { ...NO_BASE, source: 'own', sizeBytes, checksum: sha256 };
    }
    known = end.base ?? NO_BASE;
  }
  return known;
}

function endOf(base: UploadBase, ends: ReadonlyMap<string, End>): End | undefined {
  return base.uploadId === null ? undefined : ends.get(base.uploadId);
}

/** What an intent records of a row. */
export function intentOf(row: UploadRow): NewUpload {
  const { id, userId, username, ownerCreatedAt, folder, filename, path, secondPath } = row;
  const { sizeBytes, sha256, base, createdAtMs, device, agent, sentName } = row;
  const whose = { id, userId, username, ownerCreatedAt, device, agent };
  const where = { folder, filename, path, secondPath, sentName };
  return { ...whose, ...where, sizeBytes, sha256, base, createdAtMs };
}
