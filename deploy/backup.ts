import { once } from 'node:events';
import { constants, createReadStream, existsSync, rmSync } from 'node:fs';
import { open, rename, stat } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { isArchive, readArchive, type About, type Summary } from '../host/backup/archive.ts';
import { BackupFault } from '../host/backup/backup-fault.ts';
import { ByteReader } from '../host/backup/byte-reader.ts';
import { ANSWERS, type BackupRequest, controlSocketIn } from '../host/backup/control-socket.ts';
import { Restore, type Restored } from '../host/backup/restore.ts';
import { isSealed, opened, sealed, SEALED_MARK_BYTES } from '../host/backup/seal.ts';
import { UsageFault } from './usage-fault.ts';

/** The last line of a backup is shorter by far, unless very much is wrong. */
const TAIL_BYTES = 64 * 1024;

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** No BaluPi runs on that data folder, so nobody can read its databases. */
export class NotRunning extends Error {
  override readonly name = 'NotRunning';
}

export interface BackupWish {
  readonly dataFolder: string;
  /** A folder, or `-` for standard output. */
  readonly target: string;
  /** Null leaves everything out that is secret. */
  readonly passphrase: string | null;
  readonly nowMs: number;
  /** What the file is called; by its time, when left out. */
  readonly name?: string;
  /** What is asked for where there is a passphrase; everything, when left out. */
  readonly sealed?: BackupRequest;
}

/** What was written and found right. */
export interface Made extends Summary {
  /** Null for standard output. */
  readonly file: string | null;
  readonly sizeBytes: number;
}

/**
 * Asks the running house for a backup, seals it and writes it. A file has its name only once it was
 * read again and every hash was right.
 * @throws NotRunning, UsageFault, BackupFault and what the disk throws; no file is left then
 */
export async function makeBackup(wish: BackupWish): Promise<Made> {
  if (wish.target !== '-' && !(await isFolder(wish.target))) {
    throw new UsageFault(`There is no folder ${wish.target}.`);
  }
  const socket = await reach(wish.dataFolder);
  try {
    const whole = wish.sealed ?? 'backup whole';
    const asked: BackupRequest = wish.passphrase === null ? 'backup open' : whole;
    socket.write(`${asked}\n`);
    const reader = new ByteReader(socket);
    const answer = await reader.line();
    if (answer !== ANSWERS.ok) throw new UsageFault(answer);
    let summary: Summary | null = null;
    const plain = untilEnd(reader.rest(), (told) => (summary = told));
    const bytes = wish.passphrase === null ? plain : sealed(plain, wish.passphrase);
    if (wish.target !== '-') return await writeFile(bytes, wish);
    let sizeBytes = 0;
    for await (const piece of bytes) {
      sizeBytes += piece.length;
      if (!process.stdout.write(piece)) await once(process.stdout, 'drain');
    }
    return { ...(summary ?? { entries: 0, faults: [] }), file: null, sizeBytes };
  } finally {
    socket.destroy();
  }
}

export interface PutBackWish {
  readonly backup: string;
  readonly dataFolder: string;
  /** Asked for where the backup is sealed. */
  readonly passphrase: () => Promise<string | null>;
  readonly replaces: boolean;
  readonly nowMs: number;
  /** Makes that key hold before anything is touched, or throws. */
  readonly useKey: (secretKey: string) => void;
}

/** @throws UsageFault, BackupFault, DataFolderInUseError, SchemaVersionError */
export async function putBack(wish: PutBackWish): Promise<Restored> {
  const { dataFolder: folder, replaces, nowMs } = wish;
  if (!existsSync(wish.backup)) throw new UsageFault(`There is no file ${wish.backup}.`);
  const handle = await open(wish.backup);
  const beginning = Buffer.alloc(SEALED_MARK_BYTES);
  await handle.read(beginning, 0, beginning.length, 0).finally(() => handle.close());
  if (!isSealed(beginning) && !isArchive(beginning)) throw new BackupFault('strange');
  const passphrase = isSealed(beginning) ? await wish.passphrase() : null;
  if (isSealed(beginning) && passphrase === null) throw new BackupFault('sealed');
  const bytes = read(wish.backup, passphrase);
  return await Restore.run({ folder, replaces, nowMs }, bytes, wish.useKey);
}

async function writeFile(bytes: AsyncIterable<Buffer>, wish: BackupWish): Promise<Made> {
  const time = new Date(wish.nowMs).toISOString().slice(0, 19).replaceAll(':', '-');
  const file = join(wish.target, wish.name ?? `balupi-${time}Z.backup`);
  const part = `${file}.part`;
  if (existsSync(file)) throw new UsageFault(`There is a ${file} already.`);
  const handle = await open(part, 'wx', constants.S_IRUSR | constants.S_IWUSR).catch(
    (error: unknown) => {
      throw asTarget(error, wish.target);
    },
  );
  const takeAway = (): never => {
    rmSync(part, { force: true });
    process.exit(130);
  };
  for (const signal of SIGNALS) process.once(signal, takeAway);
  try {
    await pipeline(Readable.from(bytes), handle.createWriteStream({ flush: true }));
    const told = await check(part, wish.passphrase);
    const { size } = await stat(part);
    await rename(part, file);
    await syncFolder(wish.target);
    return { ...told, file, sizeBytes: size };
  } catch (error) {
    rmSync(part, { force: true });
    throw asTarget(error, wish.target);
  } finally {
    for (const signal of SIGNALS) process.off(signal, takeAway);
  }
}

/** What the disk of the backup refuses is said of that disk, not of the data's. */
function asTarget(error: unknown, target: string): unknown {
  const { code, syscall } = error as NodeJS.ErrnoException;
  // What a house that went away in the middle leaves.
  if (code === 'ECONNRESET') return new BackupFault('cut', error);
  if (code === undefined || syscall === undefined) return error;
  return new UsageFault(`The folder ${target} cannot be written (${code}).`, { cause: error });
}

/** Reads all of it again, as a restore would. */
async function check(file: string, passphrase: string | null): Promise<About & Summary> {
  return await readArchive(read(file, passphrase), async () => {});
}

function read(file: string, passphrase: string | null): AsyncIterable<Buffer> {
  const bytes = createReadStream(file) as AsyncIterable<Buffer>;
  return passphrase === null ? bytes : opened(bytes, passphrase);
}

/**
 * Passes a backup on and takes its last line out of it.
 * @throws BackupFault where that line does not come, before whoever reads it believes in an end
 */
async function* untilEnd(
  bytes: AsyncIterable<Buffer>,
  onEnd: (summary: Summary) => void,
): AsyncGenerator<Buffer> {
  let tail = Buffer.alloc(0);
  for await (const piece of bytes) {
    tail = Buffer.concat([tail, piece]).subarray(-TAIL_BYTES);
    yield piece;
  }
  const at = tail.lastIndexOf('end {');
  if (at < 0 || tail.at(-1) !== 0x0a) throw new BackupFault('cut');
  onEnd(JSON.parse(tail.toString('utf8', at + 'end '.length)) as Summary);
}

async function reach(dataFolder: string): Promise<Socket> {
  const socket = connect(controlSocketIn(dataFolder));
  try {
    await once(socket, 'connect');
    return socket;
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (code === 'EACCES') throw new UsageFault('Only root may do this: put sudo before it.');
    if (code !== 'ENOENT' && code !== 'ECONNREFUSED') throw error;
    throw new NotRunning('BaluPi does not run, and only a running one can be backed up.');
  }
}

async function isFolder(path: string): Promise<boolean> {
  return existsSync(path) && (await stat(path)).isDirectory();
}

async function syncFolder(path: string): Promise<void> {
  const handle = await open(path);
  await handle.sync().finally(() => handle.close());
}
