import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { type FileHandle, lstat, mkdir, open, readdir, readlink } from 'node:fs/promises';
import { rename, rm, symlink, utimes } from 'node:fs/promises';
import type { BigIntStats, Dirent } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { letDataFolderHold } from '../host/environment.ts';
import { holdDataFolder, INCOMPLETE, MOVED } from '../nodes/lib/store/data-folder.ts';
import { UsageFault } from './usage-fault.ts';

/** Mark in the old folder during a move: its target. */
const MOVING = 'moving-to';
/** Mark in the new folder: its origin. */
const CAME_FROM = 'moved-from';
/** Recreated at every start, or temporary files of another process. */
const NOT_MOVED = new Set([
  ...['lock.db', 'lock.db-journal', 'control.sock', 'backup-running', 'restore-running'],
  ...[MOVING, MOVED, CAME_FROM, INCOMPLETE],
]);
/** At the root of a dedicated disk. */
const OF_THE_DISK = 'lost+found';
/** Hidden from the service by its unit (ProtectHome=). */
const HIDDEN = /^\/(?:home|root|run\/user)\//;
/** Copied only once nobody writes: a copy of a database in use is not valid. */
const DATABASE = /\.db(?:-wal|-shm)?$/;
/** Younger files may still change within the same clock tick as the copy. */
const YOUNG_MS = 5_000;
/** A pass that copied less leaves little to do while BaluPi is stopped. */
const LITTLE_BYTES = 64_000_000;
const MOST_PASSES = 5;
const CHUNK_BYTES = 1024 * 1024;
/** Granularity of the search for holes; file systems have blocks of 4 KB or more. */
const HOLE_BYTES = 64 * 1024;
const NOTHING = Buffer.alloc(HOLE_BYTES);
const STAGED = '.moving';
const SIGNALS = ['SIGHUP', 'SIGINT', 'SIGTERM'] as const;

function goOn(): void {
  // Ignored: the move is nearly done.
}

/** What a move needs of the service. */
export interface Service {
  isActive(): boolean;
  /** Starts at boot; if it does not run, an interrupted move stopped it. */
  isEnabled(): boolean;
  stop(): Promise<void>;
  /** Starts it and waits. @returns whether it became ready */
  start(): Promise<boolean>;
  /** Reloads its unit. */
  reload(): void;
}

export interface MoveInput {
  /** The present DATA_DIR. */
  readonly from: string;
  readonly to: string;
  /** Where DATA_DIR is set. */
  readonly settingsFile: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The unit's drop-in that names the folder; may not exist. */
  readonly dropIn: string;
  readonly service: Service;
}

/** The service that install.sh installs. */
export const SERVICE: Pick<MoveInput, 'service' | 'dropIn'> = {
  dropIn: '/etc/systemd/system/balupi.service.d/10-machine.conf',
  service: {
    isActive: () => isInstalled() && systemctl('is-active', '--quiet', 'balupi'),
    isEnabled: () => isInstalled() && systemctl('is-enabled', '--quiet', 'balupi'),
    stop: () => Promise.resolve(void systemctl('stop', 'balupi')),
    start: () => Promise.resolve(!isInstalled() || systemctl('start', 'balupi')),
    reload: () => void systemctl('daemon-reload'),
  },
};

function isInstalled(): boolean {
  return existsSync('/etc/systemd/system/balupi.service');
}

function systemctl(...args: readonly string[]): boolean {
  return spawnSync('systemctl', args, { stdio: 'inherit' }).status === 0;
}

interface Pass {
  readonly isLast: boolean;
  copiedBytes: number;
}

/**
 * Moves the data to another folder, such as one on a larger disk. Copies nearly all of it while BaluPi
 * runs, then stops it, copies what has changed since, and changes one line of the settings.
 *
 * Whenever this is interrupted, the folder named in the settings is complete: until that line changes
 * the old one, in which only a mark was added; from then on the new one. An incomplete folder has a
 * mark that keeps BaluPi from starting on it, and the same command continues where the last one ended.
 * The old data stay, marked so that nothing starts on them by mistake.
 *
 * Yields its progress.
 */
export class Move {
  readonly #input: MoveInput;
  readonly #from: string;
  readonly #to: string;

  constructor(input: MoveInput) {
    this.#input = input;
    this.#from = resolve(input.from);
    this.#to = resolve(input.to);
  }

  /** @throws UsageFault, DataFolderInUseError and disk errors; BaluPi runs again then */
  async *run(): AsyncGenerator<string> {
    if (this.#from === this.#to) {
      yield* this.#settled();
      return;
    }
    this.#checkPlaces();
    this.#begin();
    yield `Copying ${this.#from} to ${this.#to}, while BaluPi goes on …`;
    yield* this.#copyAhead();
    yield* this.#switchOver();
  }

  #checkPlaces(): void {
    const [from, to] = [this.#from, this.#to];
    if (!/^[\w./-]+$/.test(to)) {
      throw new UsageFault(`Got ${to}, wanted a folder of letters, digits, dots and dashes.`);
    }
    if (`${to}/`.startsWith(`${from}/`) || `${from}/`.startsWith(`${to}/`)) {
      throw new UsageFault(`${to} and ${from} lie within each other.`);
    }
    if (!existsSync(join(from, 'queue.db'))) throw new UsageFault(`There are no data in ${from}.`);
    if (!existsSync(dirname(to))) throw new UsageFault(`There is no folder ${dirname(to)}.`);
    this.#checkService();
    if (!this.#isEmpty() && !this.#isOurs()) {
      throw new UsageFault(`${to} is not empty. Name an empty folder, or one that is not there.`);
    }
    this.#checkSpace();
  }

  #checkService(): void {
    const { service } = this.#input;
    if (HIDDEN.test(this.#to) && (service.isActive() || service.isEnabled())) {
      throw new UsageFault(`The service sees nothing of ${this.#to}: name another place.`);
    }
    this.#checkWay();
    // Throws if a process other than the service runs there, as that could not be stopped later.
    if (!service.isActive()) holdDataFolder(this.#from)();
  }

  #checkSpace(): void {
    const { bavail, bsize } = statfsSync(existsSync(this.#to) ? this.#to : dirname(this.#to));
    const neededBytes = bytesBelow(this.#from) - bytesBelow(this.#to);
    if (bavail * bsize >= neededBytes * 1.05) return;
    throw new UsageFault(
      `The data take ${inGb(neededBytes)} GB more than are there, and ${inGb(bavail * bsize)} GB are free.`,
    );
  }

  /** The service's user needs access to every parent folder. */
  #checkWay(): void {
    const { uid } = statSync(this.#from);
    for (let above = dirname(this.#to); ; above = dirname(above)) {
      const { mode, uid: owner } = statSync(above);
      const isOpen = uid === 0 || (owner === uid ? mode & 0o100 : mode & 0o001) !== 0;
      if (!isOpen) {
        throw new UsageFault(`BaluPi's user cannot get through ${above}: chmod o+x ${above}`);
      }
      if (above === dirname(above)) return;
    }
  }

  #isEmpty(): boolean {
    return !existsSync(this.#to) || readdirSync(this.#to).every((name) => name === OF_THE_DISK);
  }

  /** An earlier run began this very move. */
  #isOurs(): boolean {
    const begun = textIn(join(this.#from, MOVING)) === this.#to;
    const came = textIn(join(this.#to, INCOMPLETE)) ?? textIn(join(this.#to, CAME_FROM));
    return begun && came === this.#from;
  }

  #begin(): void {
    const { uid, gid } = statSync(this.#from);
    mkdirSync(this.#to, { recursive: true, mode: 0o700 });
    chownSync(this.#to, uid, gid);
    chmodSync(this.#to, 0o700);
    // Before anything else is written, so that the next run recognises the folder as its own.
    mark(join(this.#from, MOVING), this.#to);
    if (existsSync(join(this.#to, CAME_FROM))) {
      renameSync(join(this.#to, CAME_FROM), join(this.#to, INCOMPLETE));
    } else mark(join(this.#to, INCOMPLETE), this.#from);
    settle(this.#from);
    settle(this.#to);
  }

  async *#copyAhead(): AsyncGenerator<string> {
    for (let passes = 1; passes <= MOST_PASSES; passes += 1) {
      const pass: Pass = { isLast: false, copiedBytes: 0 };
      await this.#copyFolder('', pass);
      settle(this.#to);
      yield `${inGb(pass.copiedBytes)} GB copied.`;
      if (pass.copiedBytes < LITTLE_BYTES) return;
    }
  }

  async *#switchOver(): AsyncGenerator<string> {
    // From here on this process must start BaluPi again.
    for (const signal of SIGNALS) process.on(signal, goOn);
    try {
      yield* this.#switchUndisturbed();
    } finally {
      for (const signal of SIGNALS) process.off(signal, goOn);
    }
  }

  async *#switchUndisturbed(): AsyncGenerator<string> {
    const { service } = this.#input;
    const wasActive = service.isActive();
    const isWanted = wasActive || service.isEnabled();
    const stoppedMs = performance.now();
    let isSwitched = false;
    try {
      if (wasActive) await service.stop();
      yield 'BaluPi is stopped for a moment.';
      const letGo = holdDataFolder(this.#from);
      try {
        await this.#copyRest();
        yield 'All is copied.';
        this.#letUnitWrite([this.#from, this.#to]);
        renameSync(join(this.#to, INCOMPLETE), join(this.#to, CAME_FROM));
        settle(this.#to);
        yield 'The new folder is whole.';
        this.#name(this.#to);
        isSwitched = true;
      } finally {
        letGo();
      }
    } finally {
      if (isWanted && !isSwitched) await service.start();
    }
    yield `The settings name ${this.#to} now.`;
    renameSync(join(this.#from, MOVING), join(this.#from, MOVED));
    settle(this.#from);
    yield 'The old folder is marked as left.';
    this.#letUnitWrite([this.#to]);
    if (isWanted) await this.#startThere();
    const tookS = ((performance.now() - stoppedMs) / 1_000).toFixed(1);
    yield isWanted ? `BaluPi runs again, after ${tookS} s.` : 'Start BaluPi when you like.';
    yield `The old data are still in ${this.#from}. Once all is well: rm -r ${this.#from}`;
  }

  /** The settings already name that folder: an earlier run may have ended right after the switch. */
  async *#settled(): AsyncGenerator<string> {
    const { service } = this.#input;
    const old = textIn(join(this.#to, CAME_FROM));
    if (old !== null && textIn(join(old, MOVING)) === this.#to) {
      renameSync(join(old, MOVING), join(old, MOVED));
      settle(old);
    }
    this.#letUnitWrite([this.#to]);
    yield `The data lie in ${this.#to} already.`;
    if (!service.isActive() && !(await service.start())) {
      throw new UsageFault('BaluPi did not start. See `balupi logs`.');
    }
  }

  /**
   * If BaluPi cannot start in the new folder, the old one is still valid as long as nothing was
   * written to the new one.
   */
  async #startThere(): Promise<void> {
    const { service } = this.#input;
    const lastRun = join(this.#to, 'last-run');
    const before = textIn(lastRun);
    if (await service.start()) return;
    if (textIn(lastRun) !== before) {
      throw new UsageFault(
        `BaluPi began in ${this.#to} and did not become ready. Its data are there; see \`balupi logs\`.`,
      );
    }
    await service.stop();
    renameSync(join(this.#from, MOVED), join(this.#from, MOVING));
    this.#name(this.#from);
    this.#letUnitWrite([this.#from]);
    await service.start();
    throw new UsageFault(
      `BaluPi did not start in ${this.#to} and runs in ${this.#from} as before. See \`balupi logs\`.`,
    );
  }

  #name(folder: string): void {
    const { settingsFile, environment } = this.#input;
    const did = letDataFolderHold(settingsFile, environment, folder);
    if (did !== 'elsewhere') return;
    throw new UsageFault(
      'BALUPI_DATA_DIR is set in the environment of this shell. Take it out there: it stands above the settings.',
    );
  }

  #letUnitWrite(folders: readonly string[]): void {
    const { dropIn, service } = this.#input;
    const text = textIn(dropIn);
    if (text === null) return;
    const next = text
      .replace(/^RequiresMountsFor=.*$/m, `RequiresMountsFor=${folders.join(' ')}`)
      .replace(/^ReadWritePaths=.*$/m, `ReadWritePaths=${folders.join(' ')}`);
    writeFileSync(`${dropIn}.next`, next, { mode: 0o644, flush: true });
    chmodSync(`${dropIn}.next`, 0o644);
    renameSync(`${dropIn}.next`, dropIn);
    service.reload();
  }

  /** With BaluPi stopped: copies what differs and deletes what is gone. */
  async #copyRest(): Promise<void> {
    await this.#copyFolder('', { isLast: true, copiedBytes: 0 });
    settle(this.#to);
  }

  async #copyFolder(inside: string, pass: Pass): Promise<void> {
    const folder = join(this.#from, inside);
    const told = await readdir(folder, { withFileTypes: true }).catch(unlessGone(pass));
    const entries = (told ?? []).filter(({ name }) => inside !== '' || !isLeft(name));
    for (const entry of entries) {
      const isLater = inside === '' && DATABASE.test(entry.name) && !pass.isLast;
      if (!isLater) await this.#copyOne(join(inside, entry.name), entry, pass);
    }
    if (pass.isLast) await this.#removeOthers(inside, new Set(entries.map(({ name }) => name)));
  }

  async #copyOne(inside: string, entry: Dirent, pass: Pass): Promise<void> {
    if (entry.isDirectory()) {
      await this.#makeFolder(inside, pass);
      await this.#copyFolder(inside, pass);
    } else if (entry.isSymbolicLink()) await this.#copyLink(inside, pass);
    else if (entry.isFile()) await this.#copyFile(inside, pass);
  }

  /** Deletes what an earlier pass copied and is gone since. */
  async #removeOthers(inside: string, names: ReadonlySet<string>): Promise<void> {
    const folder = join(this.#to, inside);
    for (const name of await readdir(folder)) {
      const stays = names.has(name) || (inside === '' && isLeft(name));
      if (!stays) await rm(join(folder, name), { recursive: true });
    }
  }

  async #makeFolder(inside: string, pass: Pass): Promise<void> {
    const told = await lstat(join(this.#from, inside)).catch(unlessGone(pass));
    if (told === null) return;
    const to = join(this.#to, inside);
    await mkdir(to, { recursive: true });
    chmodSync(to, told.mode & 0o7777);
    chownSync(to, told.uid, told.gid);
  }

  async #copyLink(inside: string, pass: Pass): Promise<void> {
    const [from, to] = [join(this.#from, inside), join(this.#to, inside)];
    const told = await lstat(from).catch(unlessGone(pass));
    const target = await readlink(from).catch(unlessGone(pass));
    if (told === null || target === null) return;
    await rm(to, { force: true });
    await symlink(target, to);
    lchownSync(to, told.uid, told.gid);
  }

  async #copyFile(inside: string, pass: Pass): Promise<void> {
    const [from, to] = [join(this.#from, inside), join(this.#to, inside)];
    const source = await lstat(from, { bigint: true }).catch(unlessGone(pass));
    if (source === null) return;
    const ageMs = Date.now() - Number(source.mtimeMs);
    if (ageMs >= 0 && ageMs < YOUNG_MS && !pass.isLast) return;
    const there = await lstat(to, { bigint: true }).catch(unlessGone({ isLast: false }));
    if (there !== null && isSame(source, there)) return;
    const handle = await open(from).catch(unlessGone(pass));
    if (handle === null) return;
    try {
      await copyInto(`${to}${STAGED}`, handle, source);
    } finally {
      await handle.close();
    }
    await rename(`${to}${STAGED}`, to);
    pass.copiedBytes += Number(source.size);
  }
}

/** Whether a top-level name in a data folder is not data. */
function isLeft(name: string): boolean {
  return NOT_MOVED.has(name) || name === OF_THE_DISK;
}

/** Copies the file as of `told`: a later write changes its times, so the next pass copies it again. */
async function copyInto(staged: string, source: FileHandle, told: BigIntStats): Promise<void> {
  const target = await open(staged, 'w', 0o600);
  try {
    const sizeBytes = Number(told.size);
    // Files in segments have holes, which a copy must not fill.
    await target.truncate(sizeBytes);
    const chunk = Buffer.alloc(CHUNK_BYTES);
    for (let at = 0; at < sizeBytes;) {
      const { bytesRead } = await source.read(chunk, 0, CHUNK_BYTES, at);
      if (bytesRead === 0) break;
      for (let begin = 0; begin < bytesRead; begin += HOLE_BYTES) {
        const part = chunk.subarray(begin, Math.min(begin + HOLE_BYTES, bytesRead));
        if (!part.equals(NOTHING.subarray(0, part.length))) {
          await writeWhole(target, part, at + begin);
        }
      }
      at += bytesRead;
    }
    await target.chmod(Number(told.mode) & 0o7777);
    await target.chown(Number(told.uid), Number(told.gid));
  } finally {
    await target.close();
  }
  const microseconds = Number(told.mtimeNs / 1_000n);
  // Mid-microsecond, as a double of seconds is not exact to the microsecond.
  const atS = (microseconds + 0.5) / 1e6;
  await utimes(staged, atS, atS);
}

async function writeWhole(target: FileHandle, bytes: Buffer, at: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await target.write(bytes, done, bytes.length - done, at + done);
    done += bytesWritten;
  }
}

function isSame(one: BigIntStats, other: BigIntStats): boolean {
  return one.size === other.size && one.mtimeNs / 1_000n === other.mtimeNs / 1_000n;
}

/** While BaluPi runs, files may vanish. */
function unlessGone({ isLast }: Pick<Pass, 'isLast'>): (error: unknown) => null {
  return (error) => {
    if (!isLast && (error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  };
}

/** Disk usage of a folder, without holes. */
function bytesBelow(folder: string): number {
  if (!existsSync(folder)) return 0;
  let bytes = 0;
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const found = statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false });
    bytes += (found?.blocks ?? 0) * 512;
  }
  return bytes;
}

function mark(file: string, text: string): void {
  writeFileSync(file, text, { mode: 0o600, flush: true });
  const { uid, gid } = statSync(dirname(file));
  lchownSync(file, uid, gid);
}

/** Syncs the disk of a folder, names included. */
function settle(folder: string): void {
  const done = spawnSync('sync', ['--file-system', folder], { encoding: 'utf8' });
  if (done.error !== undefined) throw done.error;
  if (done.status !== 0) throw new UsageFault(`The disk of ${folder} refuses: ${done.stderr}`);
}

function textIn(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw error;
  }
}

function inGb(bytes: number): string {
  return (Math.max(0, bytes) / 1e9).toFixed(1);
}
