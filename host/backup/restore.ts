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
import { holdDataFolder, RESTORED_MARK } from '../../nodes/lib/store/data-folder.ts';
import { faultOfCopy, isDamage, setAside, Store } from '../../nodes/lib/store/store.ts';
import {
  endWithRestore,
  ENERGY_MIGRATIONS,
  QUEUE_MIGRATIONS,
} from '../../nodes/lib/store/databases.ts';
import { type About, BackupFault, readArchive, type Summary } from './archive.ts';
import { FLOWS, KEY, NODE_RED, NODE_RED_FILES, QUEUE, SETTINGS } from './last-backup.ts';

/** Holds the whole backup until it is checked. */
const INCOMING = 'restore-running';
const ENDS = /^ends-(\d{4}-\d{2})(?:-\d+)?\.log$/;

/** The databases, with the tables whose rows mean that one is in use. */
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

export interface RestoreInput {
  /** DATA_DIR; may not exist yet. */
  readonly folder: string;
  /** Replaces databases that are in use; those are set aside. */
  readonly replaces: boolean;
  readonly nowMs: number;
}

/** The outcome of each part. */
export interface Restored extends About, Summary {
  readonly queue: 'restored' | 'kept' | 'absent';
  readonly energy: 'restored' | 'kept' | 'absent';
  /** The backup's key, if the queue is now the backup's and needs it. */
  readonly secretKey: string | null;
  /** Number of queued files added. */
  readonly queued: number;
  /** Number of flows, settings and the like added. */
  readonly others: number;
  /** Names of what was here before and is set aside now. */
  readonly setAside: readonly string[];
}

/**
 * Restores a backup into a data folder that no BaluPi runs on. All of it is read and checked before
 * anything is touched. Nothing is deleted or overwritten: a database in use stays, or is set aside on
 * request; files are added if there is none of that name. After a crash the same backup can be restored
 * again: the databases come last.
 */
export class Restore {
  readonly #input: RestoreInput;
  readonly #incoming: string;
  readonly #setAside: string[] = [];
  readonly #owner: { readonly uid: number; readonly gid: number };

  private constructor(input: RestoreInput) {
    this.#input = input;
    this.#incoming = join(input.folder, INCOMING);
    mkdirSync(input.folder, { recursive: true, mode: 0o700 });
    this.#owner = statSync(input.folder);
  }

  /**
   * @param bytes of a backup, already unsealed
   * @param allows called before anything is touched; throws if the backup's key cannot take effect
   * @throws DataFolderInUseError, SchemaVersionError, BackupFault
   */
  static async run(
    input: RestoreInput,
    bytes: AsyncIterable<Buffer>,
    allows: (secretKey: string) => void,
  ): Promise<Restored> {
    const restore = new Restore(input);
    const letGo = holdDataFolder(input.folder);
    try {
      return await restore.#run(bytes, allows);
    } finally {
      rmSync(restore.#incoming, { recursive: true, force: true });
      letGo();
      restore.#own(join(input.folder, 'lock.db'));
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
      for await (const chunk of content) await handle.writeFile(chunk);
      await handle.sync();
    } finally {
      await handle.close();
    }
  }

  async #check(name: DatabaseName): Promise<void> {
    const file = join(this.#incoming, `${name}.db`);
    if (!existsSync(file)) return;
    if ((await faultOfCopy(file)) !== null) throw new BackupFault('damaged');
    // Throws here for a newer BaluPi's database, before anything is touched.
    const store = this.#open(name, file);
    if (name === 'queue') endWithRestore(store);
    store.close();
    await faultOfCopy(file);
  }

  #takes(name: DatabaseName): 'restored' | 'kept' | 'absent' {
    if (!existsSync(join(this.#incoming, `${name}.db`))) return 'absent';
    return this.#input.replaces || !this.#isInUse(name) ? 'restored' : 'kept';
  }

  /** Whether the present database can be read and has rows of users. */
  #isInUse(name: DatabaseName): boolean {
    const file = join(this.#input.folder, `${name}.db`);
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
      this.#setAside.push(setAside(file, this.#input.nowMs));
      return false;
    }
  }

  #open(name: DatabaseName, file: string): Store {
    const { migrations } = DATABASES[name];
    return Store.open({ file, name, synchronous: 'FULL', migrations, isAlone: true });
  }

  /** Writes its mark first: from then on, files found without a row wait for their owner. */
  #placeQueue(): number {
    if (!existsSync(join(this.#incoming, QUEUE))) return 0;
    const folder = join(this.#input.folder, QUEUE);
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

  /** Whether an unfinished upload was completed or ended here. */
  #isOver(name: string, ended: string): boolean {
    const id = /^resumable\/(\w+)\.(?:part|intent)$/.exec(name)?.[1];
    if (id === undefined) return false;
    return existsSync(join(this.#input.folder, QUEUE, id)) || ended.includes(`"id":"${id}"`);
  }

  /** Ends of the same month may exist: those of the backup get another name. */
  #addEnds(name: string): void {
    const [, month = ''] = ENDS.exec(name) ?? [];
    const text = readFileSync(join(this.#incoming, QUEUE, name), 'utf8');
    const folder = join(this.#input.folder, QUEUE);
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
    const isHere = existsSync(join(this.#input.folder, credentials ?? ''));
    if (isHere || this.#textIn(credentials ?? '') === null) return placed;
    // The first start made a key; it is replaced together with what it encrypts.
    for (const name of NODE_RED_FILES) this.#replace(`${NODE_RED}/${name}`);
    return placed + 1;
  }

  /** Adds the backup's settings that are not set here. */
  #placeSettings(): number {
    const text = this.#textIn(SETTINGS);
    if (text === null) return 0;
    const file = join(this.#input.folder, SETTINGS);
    const here = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as object) : {};
    const all = { ...(JSON.parse(text) as object), ...here };
    const sorted = Object.fromEntries(Object.entries(all).sort());
    const staged = join(this.#incoming, `${SETTINGS}.all`);
    writeFileSync(staged, `${JSON.stringify(sorted, null, 2)}\n`, { mode: 0o600 });
    syncPath(staged);
    this.#move(staged, file);
    return Object.keys(all).length - Object.keys(here).length;
  }

  /** @returns 1 if nothing had that name yet, else 0 */
  #add(name: string): 0 | 1 {
    const target = join(this.#input.folder, name);
    if (existsSync(target)) return 0;
    this.#move(join(this.#incoming, name), target);
    return 1;
  }

  /** Sets the present file aside, with SQLite's log files. */
  #replace(name: string): void {
    const source = join(this.#incoming, name);
    if (!existsSync(source)) return;
    const target = join(this.#input.folder, name);
    const time = new Date(this.#input.nowMs).toISOString().slice(0, 19).replaceAll(':', '-');
    const aside = `${target}.before-${time}-${randomBytes(2).toString('hex')}`;
    for (const suffix of ['-wal', '-shm', '']) {
      if (existsSync(target + suffix)) renameSync(target + suffix, aside + suffix);
    }
    if (existsSync(aside)) this.#setAside.push(relative(this.#input.folder, aside));
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

  /** Restored by root, it must be readable by the service. */
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
