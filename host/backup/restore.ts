import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  lchownSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { holdDataFolder } from '../../nodes/lib/store/data-folder.ts';
import { isDamage, setAside } from '../../nodes/lib/store/database-file.ts';
import {
  ENDS_WITH_A_RESTORE,
  ENERGY_MIGRATIONS,
  QUEUE_MIGRATIONS,
} from '../../nodes/lib/store/databases.ts';
import { faultOfCopy } from '../../nodes/lib/store/integrity.ts';
import { Store } from '../../nodes/lib/store/store.ts';
import { RESTORED_MARK } from '../../nodes/lib/upload/delivery/recovery.ts';
import { type About, BackupFault, readArchive, type Summary } from './archive.ts';
import { FLOWS, KEY, NODE_RED, NODE_RED_FILES, QUEUE, SETTINGS } from './last-backup.ts';

/** Where all of a backup lies until it was checked. */
const INCOMING = 'restore-running';
const ENDS = /^ends-(\d{4}-\d{2})(?:-\d+)?\.log$/;

/** A database, and the tables of which a row says that somebody lives here already. */
const DATABASES = {
  queue: {
    migrations: QUEUE_MIGRATIONS,
    lived: ['users', 'nas_credentials', 'upload_queue', 'resumable_uploads'],
  },
  energy: {
    migrations: ENERGY_MIGRATIONS,
    lived: ['tapo_devices', 'energy_samples', 'energy_hourly', 'energy_daily'],
  },
} as const;

type DatabaseName = keyof typeof DATABASES;

export interface RestoreWish {
  /** DATA_DIR; nothing need be there yet. */
  readonly folder: string;
  /** The databases of the backup count, though the ones here are in use; those are set aside. */
  readonly replaces: boolean;
  readonly nowMs: number;
}

/** What became of each part. */
export interface Restored extends About, Summary {
  readonly queue: 'restored' | 'kept' | 'absent';
  readonly energy: 'restored' | 'kept' | 'absent';
  /** The key of the backup, where the queue is now the backup's and so wants it. */
  readonly secretKey: string | null;
  /** Files of the queue that were not here. */
  readonly queued: number;
  /** Flows, settings and the like that were not here. */
  readonly others: number;
  /** Names of what was here and lies beside it now. */
  readonly setAside: readonly string[];
}

/**
 * Puts a backup into a data folder that no BaluPi runs on. All of it is read and checked before
 * anything is touched. Nothing here is removed or written over: a database that is in use stays, or
 * is set aside where that was wished; files are added where there are none of that name. A cut
 * leaves a folder onto which the same backup can be put again: the databases come last.
 */
export class Restore {
  readonly #wish: RestoreWish;
  readonly #incoming: string;
  readonly #setAside: string[] = [];
  readonly #owner: { readonly uid: number; readonly gid: number };

  private constructor(wish: RestoreWish) {
    this.#wish = wish;
    this.#incoming = join(wish.folder, INCOMING);
    mkdirSync(wish.folder, { recursive: true, mode: 0o700 });
    this.#owner = statSync(wish.folder);
  }

  /**
   * @param bytes of a backup, opened where it was sealed
   * @param allows asked before anything is touched: whether that key will hold, or throws
   * @throws DataFolderInUseError, SchemaVersionError, BackupFault
   */
  static async run(
    wish: RestoreWish,
    bytes: AsyncIterable<Buffer>,
    allows: (secretKey: string) => void,
  ): Promise<Restored> {
    const restore = new Restore(wish);
    const letGo = holdDataFolder(wish.folder);
    try {
      return await restore.#run(bytes, allows);
    } finally {
      rmSync(restore.#incoming, { recursive: true, force: true });
      letGo();
      restore.#own(join(wish.folder, 'lock.db'));
    }
  }

  async #run(bytes: AsyncIterable<Buffer>, allows: (secretKey: string) => void): Promise<Restored> {
    rmSync(this.#incoming, { recursive: true, force: true });
    mkdirSync(this.#incoming, { mode: 0o700 });
    const told = await readArchive(bytes, ({ name }, content) => this.#receive(name, content));
    for (const name of ['queue', 'energy'] as const) await this.#check(name);
    const takesQueue = this.#takes('queue');
    const takesEnergy = this.#takes('energy');
    const secretKey = takesQueue === 'restored' ? this.#textIn(KEY)?.trim() : undefined;
    if (secretKey !== undefined) allows(secretKey);
    const queued = this.#placeQueue();
    const others = this.#placeFlows() + this.#placeSettings();
    if (secretKey !== undefined) this.#replace(KEY);
    if (takesEnergy === 'restored') this.#replace('energy.db');
    if (takesQueue === 'restored') this.#replace('queue.db');
    const parts = { queue: takesQueue, energy: takesEnergy, queued, others };
    return { ...told, ...parts, secretKey: secretKey ?? null, setAside: this.#setAside };
  }

  async #receive(name: string, content: AsyncIterable<Buffer>): Promise<void> {
    const file = join(this.#incoming, name);
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    const handle = await open(file, 'wx', 0o600);
    try {
      for await (const piece of content) await handle.writeFile(piece);
      await handle.sync();
    } finally {
      await handle.close();
    }
  }

  async #check(name: DatabaseName): Promise<void> {
    const file = join(this.#incoming, `${name}.db`);
    if (!existsSync(file)) return;
    if ((await faultOfCopy(file)) !== null) throw new BackupFault('damaged');
    // Of a newer BaluPi it throws here, before anything was touched.
    const store = this.#open(name, file);
    if (name === 'queue') for (const sql of ENDS_WITH_A_RESTORE) store.prepare(sql).run();
    store.close();
    await faultOfCopy(file);
  }

  #takes(name: DatabaseName): 'restored' | 'kept' | 'absent' {
    if (!existsSync(join(this.#incoming, `${name}.db`))) return 'absent';
    return this.#wish.replaces || !this.#isInUse(name) ? 'restored' : 'kept';
  }

  /** Whether the database that lies here can be read and tells of somebody. */
  #isInUse(name: DatabaseName): boolean {
    const file = join(this.#wish.folder, `${name}.db`);
    if (!existsSync(file)) return false;
    try {
      const store = this.#open(name, file);
      try {
        return store.fault() === null && store.holdsAnyOf(DATABASES[name].lived);
      } finally {
        store.close();
      }
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.#setAside.push(setAside(file, this.#wish.nowMs));
      return false;
    }
  }

  #open(name: DatabaseName, file: string): Store {
    const { migrations } = DATABASES[name];
    return Store.open({ file, name, synchronous: 'FULL', migrations, isAlone: true });
  }

  /** Its mark is laid first: from then on nothing that is found goes without its owner. */
  #placeQueue(): number {
    if (!existsSync(join(this.#incoming, QUEUE))) return 0;
    const folder = join(this.#wish.folder, QUEUE);
    this.#makeFolder(folder);
    writeFileSync(join(folder, RESTORED_MARK), '', { mode: 0o600 });
    this.#own(join(folder, RESTORED_MARK));
    syncPath(join(folder, RESTORED_MARK));
    syncPath(folder);
    const ended = endsIn(folder);
    let placed = 0;
    for (const name of filesBelow(join(this.#incoming, QUEUE))) {
      if (ENDS.test(name)) this.#addEnds(name);
      else if (!this.#isOver(name, ended)) placed += this.#add(`${QUEUE}/${name}`);
    }
    syncPath(folder);
    return placed;
  }

  /** An unfinished upload that became a whole one here, or ended. */
  #isOver(name: string, ended: string): boolean {
    const id = /^resumable\/(\w+)\.(?:part|intent)$/.exec(name)?.[1];
    if (id === undefined) return false;
    return existsSync(join(this.#wish.folder, QUEUE, id)) || ended.includes(`"id":"${id}"`);
  }

  /** Ends of the same month may be here: those of the backup lie beside them. */
  #addEnds(name: string): void {
    const [, month = ''] = ENDS.exec(name) ?? [];
    const text = readFileSync(join(this.#incoming, QUEUE, name), 'utf8');
    const folder = join(this.#wish.folder, QUEUE);
    for (let count = 1; ; count += 1) {
      const own = `ends-${month}${count === 1 ? '' : `-${count}`}.log`;
      if (existsSync(join(folder, own))) {
        if (readFileSync(join(folder, own), 'utf8').startsWith(text)) return;
        continue;
      }
      this.#move(join(this.#incoming, QUEUE, name), join(folder, own));
      return;
    }
  }

  #placeFlows(): number {
    let placed = 0;
    for (const name of filesBelow(join(this.#incoming, FLOWS))) {
      placed += this.#add(`${FLOWS}/${name}`);
    }
    const [, credentials] = NODE_RED_FILES.map((name) => `${NODE_RED}/${name}`);
    const isHere = existsSync(join(this.#wish.folder, credentials ?? ''));
    if (isHere || this.#textIn(credentials ?? '') === null) return placed;
    // A key was made by the first start; what it sealed would be beside it.
    for (const name of NODE_RED_FILES) this.#replace(`${NODE_RED}/${name}`);
    return placed + 1;
  }

  /** What is set here stays; what is not, is set as it was. */
  #placeSettings(): number {
    const text = this.#textIn(SETTINGS);
    if (text === null) return 0;
    const file = join(this.#wish.folder, SETTINGS);
    const here = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as object) : {};
    const all = { ...(JSON.parse(text) as object), ...here };
    const sorted = Object.fromEntries(Object.entries(all).sort());
    const staged = join(this.#incoming, `${SETTINGS}.all`);
    writeFileSync(staged, `${JSON.stringify(sorted, null, 2)}\n`, { mode: 0o600 });
    syncPath(staged);
    this.#move(staged, file);
    return Object.keys(all).length - Object.keys(here).length;
  }

  /** @returns 1 where there was nothing of that name */
  #add(name: string): 0 | 1 {
    const target = join(this.#wish.folder, name);
    if (existsSync(target)) return 0;
    this.#move(join(this.#incoming, name), target);
    return 1;
  }

  /** What lies here goes beside it, whole, with what SQLite keeps of it. */
  #replace(name: string): void {
    const source = join(this.#incoming, name);
    if (!existsSync(source)) return;
    const target = join(this.#wish.folder, name);
    const time = new Date(this.#wish.nowMs).toISOString().slice(0, 19).replaceAll(':', '-');
    const aside = `${target}.before-${time}-${randomBytes(2).toString('hex')}`;
    for (const suffix of ['-wal', '-shm', '']) {
      if (existsSync(target + suffix)) renameSync(target + suffix, aside + suffix);
    }
    if (existsSync(aside)) this.#setAside.push(relative(this.#wish.folder, aside));
    this.#move(source, target);
  }

  #move(source: string, target: string): void {
    this.#makeFolder(dirname(target));
    this.#own(source);
    renameSync(source, target);
    syncPath(dirname(target));
  }

  #makeFolder(folder: string): void {
    if (existsSync(folder)) return;
    this.#makeFolder(dirname(folder));
    mkdirSync(folder, { mode: 0o700 });
    chmodSync(folder, 0o700);
    this.#own(folder);
    syncPath(dirname(folder));
  }

  /** Root restores for the service, which must be able to read it. */
  #own(path: string): void {
    if (process.getuid?.() === 0) lchownSync(path, this.#owner.uid, this.#owner.gid);
  }

  #textIn(name: string): string | null {
    const file = join(this.#incoming, name);
    return existsSync(file) ? readFileSync(file, 'utf8') : null;
  }
}

function filesBelow(folder: string): readonly string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
}

function endsIn(folder: string): string {
  const names = readdirSync(folder).filter((name) => ENDS.test(name));
  return names.map((name) => readFileSync(join(folder, name), 'utf8')).join('');
}

function syncPath(path: string): void {
  const handle = openSync(path, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
