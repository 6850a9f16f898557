import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  openSync,
  readFileSync,
  statfsSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { errorKind, type Log } from '../log/log.ts';
import type { Cancel, Clock } from '../time/clock.ts';
import { type DataFolder, lastRunIn, replaceFile } from './data-folder.ts';
import { type DiskFault, faultOf } from './database-file.ts';
import type { Store } from './store.ts';

/**
 * A file that opens is on a present disk. Never a database: closing the descriptor here releases
 * every lock this process has on that file (fcntl(2)), and the next program to open it could remove
 * its log.
 */
function openOnce(path: string): void {
  const file = lastRunIn(path);
  closeSync(openSync(existsSync(file) ? file : path, 'r'));
}

/** The disk that the data lie on, in bytes. */
interface DiskSpace {
  readonly totalBytes: number;
  /** Free to this process. */
  readonly freeBytes: number;
}

interface Deps {
  readonly clock: Clock;
  readonly log: Log;
  readonly data: DataFolder;
  /** Writes one synced row. */
  readonly verify: () => void;
}

const LOOK_EVERY_MS = 5_000;
/** While it refuses: recovery should be noticed soon. */
const LOOK_AGAIN_MS = 2_000;
/** Without a commit for so long, a row is written to see whether one is possible (contract 7). */
const VERIFY_EVERY_MS = 60_000;
/** A refused write is reported for this long, even if the next one succeeded. */
const TOLD_FOR_MS = 60_000;

/** Whether the disk of the data folder takes writes, and what is done when it does not. */
export class DiskWatch {
  readonly #deps: Deps;
  readonly #listeners = new Set<() => void>();
  #cancel: Cancel | null = null;
  #looked: DiskFault | null = null;
  #lastFault: DiskFault = 'failing';
  #failedAtMs = -Infinity;
  readonly #failures = new Map<Store, number>();
  #commits = 0;
  #verifiedAtMs = 0;
  #isTold = false;
  #isLookDue = false;

  constructor(deps: Deps) {
    this.#deps = deps;
    this.#verifiedAtMs = deps.clock.monotonicMs();
  }

  start(): void {
    const delayMs = this.refuses === null ? LOOK_EVERY_MS : LOOK_AGAIN_MS;
    this.#cancel = this.#deps.clock.after(delayMs, () => {
      try {
        this.look();
      } finally {
        this.start();
      }
    });
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = null;
  }

  /** Null while the disk takes writes. Asks nobody. */
  get fault(): DiskFault | null {
    this.#countFailures();
    const { queue, cache, energy } = this.#deps.data;
    const fault = queue.file.fault ?? cache.file.fault ?? energy.file.fault ?? this.#looked;
    if (fault !== null) return fault;
    const isRecent = this.#deps.clock.monotonicMs() - this.#failedAtMs < TOLD_FOR_MS;
    return isRecent ? this.#lastFault : null;
  }

  /** Whether writes are currently refused, as far as is known. */
  get refuses(): DiskFault | null {
    const { queue, cache } = this.#deps.data;
    return queue.file.fault ?? cache.file.fault ?? this.#looked;
  }

  /** Nothing is free on a disk that cannot be written. */
  space(): DiskSpace {
    if (this.refuses === 'failing') return { totalBytes: 0, freeBytes: 0 };
    try {
      return spaceOf(this.#deps.data.path);
    } catch (error) {
      // A folder that is missing is as gone as one that answers EIO, until a look finds it again.
      if (!this.failed(error)) this.look();
      return { totalBytes: 0, freeBytes: 0 };
    }
  }

  /**
   * Something other than a database was refused.
   * @returns whether the disk caused it
   */
  failed(error: unknown): boolean {
    const fault = faultOf(error);
    if (fault === null) return false;
    this.#lastFault = fault;
    this.#failedAtMs = this.#deps.clock.monotonicMs();
    this.#lookSoon();
    return true;
  }

  /** Reports each change between refusing and taking: open files may be on a lost disk. */
  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** Checks the disk, proves it once a minute, and returns to it when it is well again. */
  look(): void {
    const { data, clock } = this.#deps;
    this.#looked = this.#seen();
    if (this.#looked !== 'failing' && !data.isWell && data.heal()) this.#healed();
    const commits = data.queue.file.commits + data.energy.file.commits;
    if (commits !== this.#commits) this.#verified(commits);
    if (clock.monotonicMs() - this.#verifiedAtMs >= VERIFY_EVERY_MS) this.#verify();
    this.#tell();
  }

  /** Once, however many operations fail at the same time. */
  #lookSoon(): void {
    if (this.#isLookDue || this.#cancel === null) return;
    this.#isLookDue = true;
    this.#deps.clock.after(0, () => {
      this.#isLookDue = false;
      if (this.#cancel !== null) this.look();
    });
  }

  #verify(): void {
    const { data, verify } = this.#deps;
    try {
      verify();
    } catch (error) {
      if (!this.failed(error)) throw error;
    }
    this.#verified(data.queue.file.commits + data.energy.file.commits);
  }

  /** It proved itself by more than one good write, so earlier refusals no longer count. */
  #healed(): void {
    this.#countFailures();
    this.#failedAtMs = -Infinity;
  }

  #verified(commits: number): void {
    this.#commits = commits;
    this.#verifiedAtMs = this.#deps.clock.monotonicMs();
  }

  #seen(): DiskFault | null {
    const { path } = this.#deps.data;
    try {
      accessSync(path, constants.W_OK);
      statSync(join(path, 'queue.db'));
      openOnce(path);
      return spaceOf(path).freeBytes > 0 ? null : 'full';
    } catch (error) {
      // A path that is missing or not ours is as gone as one that answers EIO.
      return faultOf(error) ?? 'failing';
    }
  }

  #countFailures(): void {
    const { queue, cache, energy } = this.#deps.data;
    for (const store of [queue, cache, energy]) {
      const known = this.#failures.get(store) ?? 0;
      if (store.file.failures === known) continue;
      this.#failures.set(store, store.file.failures);
      this.#failedAtMs = this.#deps.clock.monotonicMs();
      this.#lastFault = store.file.lastFault;
    }
  }

  #tell(): void {
    const fault = this.refuses;
    if (this.#isTold === (fault !== null)) return;
    this.#isTold = fault !== null;
    const { log } = this.#deps;
    if (fault === 'full') log.error('The disk of the data folder is full: nothing is accepted.');
    else if (fault === 'failing') {
      log.error('The disk of the data folder refuses to write: nothing is accepted.');
    } else log.info('The disk of the data folder can be written again.');
    for (const listener of this.#listeners) listener();
  }
}

function spaceOf(path: string): DiskSpace {
  const { blocks, bavail, bsize } = statfsSync(path);
  return { totalBytes: blocks * bsize, freeBytes: bavail * bsize };
}

const FILE = 'last-checks';
const DATABASES = ['queue', 'cache', 'energy'] as const;
type DatabaseName = (typeof DATABASES)[number];

/** Not while everybody comes back at once after a start. */
const FIRST_LOOK_MS = 900_000;
const INTEGRITY_EVERY_MS = 3_600_000;
const WEEK_MS = 7 * 86_400_000;

interface IntegrityDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly data: DataFolder;
}

/**
 * Checks each database weekly while it is in use: disks spoil data nobody reads, and damage found
 * in time is still intact in the newest backup. A start after an unclean end checks before it
 * trusts anything ({@link DataFolder}); so does the start after damage was found here, and that one
 * repairs it.
 */
export class IntegrityWatch {
  readonly #deps: IntegrityDeps;
  readonly #aborter = new AbortController();
  #cancel: Cancel | null = null;
  #running: Promise<void> = Promise.resolve();

  constructor(deps: IntegrityDeps) {
    this.#deps = deps;
  }

  start(): void {
    this.#lookIn(FIRST_LOOK_MS);
  }

  /** Aborts a running check; it is made up for later. */
  async stop(): Promise<void> {
    this.#cancel?.();
    this.#aborter.abort();
    await this.#running;
  }

  #lookIn(delayMs: number): void {
    this.#cancel = this.#deps.clock.after(delayMs, () => {
      this.#running = this.#lookAtAll().finally(() => {
        if (!this.#aborter.signal.aborted) this.#lookIn(INTEGRITY_EVERY_MS);
      });
    });
  }

  /** One after the other: a Pi has one disk. */
  async #lookAtAll(): Promise<void> {
    for (const name of DATABASES) {
      if (!this.#isDue(name)) continue;
      try {
        await this.#lookAt(name);
      } catch (error) {
        if (this.#aborter.signal.aborted) return;
        this.#deps.log.warn(`The ${name} database could not be checked: ${errorKind(error)}`);
      }
    }
  }

  async #lookAt(name: DatabaseName): Promise<void> {
    const { data, log } = this.#deps;
    const looked = await data[name].lookThrough(this.#aborter.signal);
    if (looked.kind === 'not_now') return;
    this.#note(name);
    if (looked.kind === 'sound') {
      log.debug(`The ${name} database was checked and is sound.`);
      return;
    }
    const found = looked.found.replace(/\s*\n\s*/g, ' ');
    log.error(
      `The ${name} database is damaged (${found}). Start BaluPi again: it puts it aside and goes on.`,
    );
  }

  /** A clock that was put back causes one extra check, which is harmless. */
  #isDue(name: DatabaseName): boolean {
    const { clock, data } = this.#deps;
    const lastMs = this.#read()[name] ?? -Infinity;
    const sinceMs = clock.nowMs() - lastMs;
    return !data[name].file.isDamaged && (sinceMs >= WEEK_MS || sinceMs < 0);
  }

  #note(name: DatabaseName): void {
    const { clock, data } = this.#deps;
    try {
      const all = { ...this.#read(), [name]: clock.nowMs() };
      replaceFile(join(data.path, FILE), JSON.stringify(all));
    } catch (error) {
      // It is checked again then.
      if (faultOf(error) === null) throw error;
    }
  }

  #read(): Readonly<Partial<Record<DatabaseName, number>>> {
    try {
      const told = JSON.parse(readFileSync(join(this.#deps.data.path, FILE), 'utf8')) as unknown;
      return typeof told === 'object' && told !== null ? told : {};
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (error instanceof SyntaxError || code === 'ENOENT' || faultOf(error) !== null) return {};
      throw error;
    }
  }
}
