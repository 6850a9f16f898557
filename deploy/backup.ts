import {
  createCipheriv,
  createDecipheriv,
  randomBytes,
  scrypt,
  type ScryptOptions,
} from 'node:crypto';
import { once } from 'node:events';
import {
  constants,
  createReadStream,
  existsSync,
  lchownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { open, rename, stat } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import {
  type About,
  BackupFault,
  ByteReader,
  isArchive,
  readArchive,
  type Summary,
} from '../host/backup/archive.ts';
import { ANSWERS, type BackupRequest, controlSocketIn } from '../host/backup/control-socket.ts';
import {
  type BackupProblem,
  type Destination,
  isNightName,
  NAS_STAGING,
  nightName,
  outlived,
  readLastBackup,
  tellLastBackup,
} from '../host/backup/last-backup.ts';
import { Restore, type Restored } from '../host/backup/restore.ts';
import { UsageFault } from './usage-fault.ts';

/** Far longer than the last line of a backup, unless a great deal is wrong. */
const TAIL_BYTES = 64 * 1024;

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** No BaluPi runs on that data folder, so its databases cannot be backed up. */
export class NotRunning extends Error {
  override readonly name = 'NotRunning';
}

interface BackupInput {
  readonly dataFolder: string;
  /** A folder, or `-` for standard output. */
  readonly target: string;
  /** Null omits everything secret. */
  readonly passphrase: string | null;
  readonly nowMs: number;
  /** File name; default: by its time. */
  readonly name?: string;
  /** What to request if there is a passphrase; default: everything. */
  readonly sealed?: BackupRequest;
}

/** A written and verified backup. */
interface Made extends Summary {
  /** Null for standard output. */
  readonly file: string | null;
  readonly sizeBytes: number;
}

/**
 * Requests a backup from the running BaluPi, seals it and writes it. A file gets its name only after
 * it was read back with every hash right.
 * @throws NotRunning, UsageFault, BackupFault and the disk's errors; no file is left then
 */
export async function makeBackup(input: BackupInput): Promise<Made> {
  if (input.target !== '-' && !(await isFolder(input.target))) {
    throw new UsageFault(`There is no folder ${input.target}.`);
  }
  const socket = await reach(input.dataFolder);
  try {
    const whole = input.sealed ?? 'backup whole';
    const asked: BackupRequest = input.passphrase === null ? 'backup open' : whole;
    socket.write(`${asked}\n`);
    const reader = new ByteReader(socket);
    const answer = await reader.line();
    if (answer !== ANSWERS.ok) throw new UsageFault(answer);
    let summary: Summary | null = null;
    const plain = untilEnd(reader.rest(), (told) => (summary = told));
    const bytes = input.passphrase === null ? plain : sealed(plain, input.passphrase);
    if (input.target !== '-') return await writeFile(bytes, input);
    let sizeBytes = 0;
    for await (const chunk of bytes) {
      sizeBytes += chunk.length;
      if (!process.stdout.write(chunk)) await once(process.stdout, 'drain');
    }
    return { ...(summary ?? { entries: 0, faults: [] }), file: null, sizeBytes };
  } finally {
    socket.destroy();
  }
}

interface RestoreInput {
  readonly backup: string;
  readonly dataFolder: string;
  /** Called if the backup is sealed. */
  readonly passphrase: () => Promise<string | null>;
  readonly replaces: boolean;
  readonly nowMs: number;
  /** Puts the key into effect before anything is touched, or throws. */
  readonly useKey: (secretKey: string) => void;
}

/** @throws UsageFault, BackupFault, DataFolderInUseError, SchemaVersionError */
export async function putBack(input: RestoreInput): Promise<Restored> {
  const { dataFolder: folder, replaces, nowMs } = input;
  if (!existsSync(input.backup)) throw new UsageFault(`There is no file ${input.backup}.`);
  const handle = await open(input.backup);
  const beginning = Buffer.alloc(SEALED_MARK_BYTES);
  try {
    await handle.read(beginning, 0, beginning.length, 0);
  } finally {
    await handle.close();
  }
  if (!isSealed(beginning) && !isArchive(beginning)) throw new BackupFault('strange');
  const passphrase = isSealed(beginning) ? await input.passphrase() : null;
  if (isSealed(beginning) && passphrase === null) throw new BackupFault('sealed');
  const bytes = read(input.backup, passphrase);
  return await Restore.run({ folder, replaces, nowMs }, bytes, input.useKey);
}

async function writeFile(bytes: AsyncIterable<Buffer>, input: BackupInput): Promise<Made> {
  const file = join(input.target, input.name ?? freeName(input.target, nameByHand, input.nowMs));
  const part = `${file}.part`;
  const handle = await open(part, 'wx', constants.S_IRUSR | constants.S_IWUSR).catch(
    (error: unknown) => {
      throw asTarget(error, input.target);
    },
  );
  const takeAway = (): never => {
    rmSync(part, { force: true });
    process.exit(130);
  };
  for (const signal of SIGNALS) process.once(signal, takeAway);
  try {
    await pipeline(Readable.from(bytes), handle.createWriteStream({ flush: true }));
    const told = await check(part, input.passphrase);
    const { size } = await stat(part);
    await rename(part, file);
    await syncFolder(input.target);
    return { ...told, file, sizeBytes: size };
  } catch (error) {
    rmSync(part, { force: true });
    throw asTarget(error, input.target);
  } finally {
    for (const signal of SIGNALS) process.off(signal, takeAway);
  }
}

function nameByHand(atMs: number): string {
  return `balupi-${new Date(atMs).toISOString().slice(0, 19).replaceAll(':', '-')}Z.backup`;
}

/**
 * Names tell seconds, and a clock without a battery may show one twice.
 * @returns the name of the first second from `atMs` on that no backup in the folder has
 */
function freeName(folder: string, nameAt: (atMs: number) => string, atMs: number): string {
  let name = nameAt(atMs);
  for (let later = 1; isTaken(join(folder, name)); later += 1) name = nameAt(atMs + later * 1_000);
  return name;
}

function isTaken(file: string): boolean {
  return existsSync(file) || existsSync(`${file}.part`);
}

/** Makes a write error name the backup's disk, not the data's. */
function asTarget(error: unknown, target: string): unknown {
  const { code, syscall } = error as NodeJS.ErrnoException;
  // BaluPi stopped in the middle.
  if (code === 'ECONNRESET') return new BackupFault('cut', error);
  if (code === undefined || syscall === undefined) return error;
  return new UsageFault(`The folder ${target} cannot be written (${code}).`, { cause: error });
}

/** Reads all of it back, as a restore would. */
async function check(file: string, passphrase: string | null): Promise<About & Summary> {
  return await readArchive(read(file, passphrase), async () => {});
}

function read(file: string, passphrase: string | null): AsyncIterable<Buffer> {
  const bytes = createReadStream(file) as AsyncIterable<Buffer>;
  return passphrase === null ? bytes : opened(bytes, passphrase);
}

/**
 * Passes a backup on and parses its last line on the way.
 * @throws BackupFault if that line is missing, before the reader sees an end
 */
async function* untilEnd(
  bytes: AsyncIterable<Buffer>,
  onEnd: (summary: Summary) => void,
): AsyncGenerator<Buffer> {
  let tail = Buffer.alloc(0);
  for await (const chunk of bytes) {
    tail = Buffer.concat([tail, chunk]).subarray(-TAIL_BYTES);
    yield chunk;
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
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

interface NightInput {
  readonly dataFolder: string;
  /** BACKUP_DIR. */
  readonly folder: string | null;
  /** BACKUP_USER is set. */
  readonly goesToNas: boolean;
  /** Null omits everything secret. */
  readonly passphrase: () => string | null;
  /** The disk is new, so none of the earlier backups has to be there. */
  readonly isNewDisk: boolean;
  readonly nowMs: number;
  readonly say: (line: string) => void;
}

/** The disk for the backups is not mounted; its mount point is on the system disk. */
class NotMounted extends UsageFault {
  override readonly name = 'NotMounted';
}

/**
 * The nightly backup: one to BACKUP_DIR, where old ones are deleted once the new one is verified, and
 * one that the running BaluPi uploads to the NAS. The outcome is stored in the data folder, for health,
 * doctor and the page System.
 * @throws the first failure, once all were tried
 */
export async function backUpByNight(input: NightInput): Promise<void> {
  const { folder, goesToNas, say } = input;
  if (folder === null && !goesToNas) {
    say('Neither BALUPI_BACKUP_DIR nor BALUPI_BACKUP_USER says where to: nothing was done.');
    return;
  }
  const faults: unknown[] = [];
  if (folder !== null) faults.push(...(await attempt(input, 'disk', () => toDisk(input, folder))));
  if (goesToNas) faults.push(...(await attempt(input, 'nas', () => forNas(input))));
  if (faults.length > 0) throw faults[0];
}

async function attempt(
  { dataFolder }: NightInput,
  destination: Destination,
  work: () => Promise<void>,
): Promise<readonly unknown[]> {
  try {
    await work();
    return [];
  } catch (error) {
    tellLastBackup(dataFolder, destination, { problem: problemOf(error) });
    return [error];
  }
}

async function toDisk(input: NightInput, given: string): Promise<void> {
  const folder = resolve(given);
  checkPlace(folder, input);
  for (const name of readdirSync(folder)) {
    // Left by a power cut.
    if (isNightName(name.replace(/\.part$/, '')) && name.endsWith('.part')) {
      rmSync(join(folder, name));
    }
  }
  const name = freeName(folder, nightName, input.nowMs);
  const made = await make(input, folder, name, 'backup whole');
  const gone = outlived(readdirSync(folder), name);
  for (const old of gone) rmSync(join(folder, old));
  const { dataFolder, nowMs } = input;
  const at = new Date(nowMs).toISOString();
  const told = { at, where: folder, sizeBytes: made.sizeBytes };
  tellLastBackup(dataFolder, 'disk', { problem: null, made: told });
  input.say(`ok, ${made.entries} files: ${join(folder, name)}`);
  for (const old of gone) input.say(`Taken away, as newer ones are enough: ${old}`);
}

/** Put where the running BaluPi looks for it, to upload it once the NAS is awake. */
async function forNas(input: NightInput): Promise<void> {
  const folder = join(input.dataFolder, NAS_STAGING);
  if (!existsSync(folder)) throw new NotRunning('BaluPi runs without BALUPI_BACKUP_USER yet.');
  // Last night's, if the NAS slept: the new one replaces it.
  for (const old of readdirSync(folder)) rmSync(join(folder, old), { recursive: true });
  const name = nightName(input.nowMs);
  await make(input, folder, name, 'backup own');
  const { uid, gid } = statSync(input.dataFolder);
  if (process.getuid?.() === 0) lchownSync(join(folder, name), uid, gid);
  input.say('ok, one waits to be taken to the NAS.');
}

async function make(
  { dataFolder, passphrase: read, nowMs }: NightInput,
  target: string,
  name: string,
  sealed: 'backup whole' | 'backup own',
): Promise<Made> {
  const passphrase = read();
  const made = await makeBackup({ dataFolder, target, passphrase, nowMs, name, sealed });
  if (made.faults.length === 0) return made;
  throw new UsageFault(`The disk does not give ${made.faults.join(', ')} as it once was.`);
}

/**
 * If the disk is not mounted, its folder is on the system disk, and filling that would one night stop
 * BaluPi. So the folder must be on a file system other than the system's and the data's, and an
 * earlier backup must still be there.
 */
function checkPlace(folder: string, { dataFolder, isNewDisk }: NightInput): void {
  let place = folder;
  while (!existsSync(place) && place !== dirname(place)) place = dirname(place);
  const { dev } = statSync(place);
  if (dev === statSync('/').dev || dev === statSync(dataFolder).dev) {
    throw new NotMounted(
      `${folder} lies on the disk of the system or of the data: its own disk is not mounted. Nothing was written.`,
    );
  }
  const { made } = readLastBackup(dataFolder, 'disk');
  const wasUsed = made?.where === folder;
  const isAsLeft = place === folder && readdirSync(folder).some(isNightName);
  if (wasUsed && !isAsLeft && !isNewDisk) {
    throw new NotMounted(
      `None of the backups made before is in ${folder}: another disk is mounted, or none. For a new disk begin with \`balupi backup --nightly --new-disk\`.`,
    );
  }
  mkdirSync(folder, { recursive: true, mode: 0o700 });
}

function problemOf(error: unknown): BackupProblem {
  if (error instanceof NotMounted) return 'not_mounted';
  if (error instanceof NotRunning) return 'not_running';
  const { cause } = error as Error;
  const { code = '' } = (cause ?? {}) as NodeJS.ErrnoException;
  return code === 'ENOSPC' || code === 'EDQUOT' ? 'no_room' : 'failed';
}

const ENTER = /[\r\n]/;
const [CANCEL, BACKSPACE, DELETE] = ['\u0003', '\b', '\u007f'];

/** The content of BACKUP_PASSPHRASE_FILE without a final line feed. */
export function passphraseIn(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    throw new UsageFault(`The file of BALUPI_BACKUP_PASSPHRASE_FILE cannot be read (${code}).`);
  }
  if (text === '') throw new UsageFault('The file of BALUPI_BACKUP_PASSPHRASE_FILE is empty.');
  return text;
}

/** @returns null without a terminal, or if the user wants none */
export async function askNewPassphrase(): Promise<string | null> {
  if (!process.stdin.isTTY) return null;
  const first = await askPassphrase('Passphrase (empty: leave keys, credentials and uploads out)');
  if (first === null || first === '') return null;
  if ((await askPassphrase('The same again')) === first) return first;
  throw new UsageFault('These were two different passphrases.');
}

/** Asks without echo. @returns null without a terminal */
export async function askPassphrase(question: string): Promise<string | null> {
  const { stdin, stderr } = process;
  if (!stdin.isTTY) return null;
  stderr.write(`${question}: `);
  stdin.setRawMode(true);
  stdin.setEncoding('utf8');
  // The previous question paused it.
  stdin.resume();
  try {
    let typed = '';
    // Not iterated: an iterator would close stdin after the first answer.
    for (;;) {
      const { promise, resolve } = Promise.withResolvers<string>();
      stdin.once('data', resolve);
      for (const letter of await promise) {
        if (letter === CANCEL) throw new UsageFault('Nothing was done.');
        if (ENTER.test(letter)) return typed;
        typed = letter === BACKSPACE || letter === DELETE ? typed.slice(0, -1) : typed + letter;
      }
    }
  } finally {
    stdin.setRawMode(false);
    stdin.pause();
    stderr.write('\n');
  }
}

const MAGIC = Buffer.from('BALUPI-SEALED-1\n');
const SALT_BYTES = 16;
const KEY_BYTES = 32;
const TAG_BYTES = 16;
const NONCE_BYTES = 12;
/** Sealed at a time: what is held in memory, unverified, before its tag is checked. */
const CHUNK_BYTES = 64 * 1024;
/** 64 MB for each guess, which a Pi can spare for a second. */
const COST: ScryptOptions = { N: 65_536, r: 8, p: 1, maxmem: 128 * 1024 * 1024 };
const HEAD_BYTES = 5;

const derive = promisify(scrypt) as (
  passphrase: string,
  salt: Buffer,
  keyBytes: number,
  cost: ScryptOptions,
) => Promise<Buffer>;

/** Whether a stream with this beginning is sealed. */
function isSealed(beginning: Buffer): boolean {
  return beginning.subarray(0, MAGIC.length).equals(MAGIC);
}

const SEALED_MARK_BYTES = MAGIC.length;

/**
 * Seals a stream with a passphrase: scrypt, then AES-256-GCM by chunk. The salt gives each file its own
 * key, so the chunk number can be the nonce; the number and a last-chunk flag are authenticated, so
 * that chunks cannot be dropped, swapped or cut off.
 */
async function* sealed(bytes: AsyncIterable<Buffer>, passphrase: string): AsyncGenerator<Buffer> {
  const salt = randomBytes(SALT_BYTES);
  const key = await derive(passphrase, salt, KEY_BYTES, COST);
  const start = Buffer.concat([MAGIC, salt]);
  yield start;
  let number = 0;
  let held: Buffer = Buffer.alloc(0);
  for await (const chunk of bytes) {
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    // `>`, so that the last chunk is never empty by accident.
    while (held.length > CHUNK_BYTES) {
      yield sealOne(key, start, number, held.subarray(0, CHUNK_BYTES), false);
      number += 1;
      held = held.subarray(CHUNK_BYTES);
    }
  }
  yield sealOne(key, start, number, held, true);
}

/**
 * @returns what {@link sealed} was given, each chunk after its tag was verified
 * @throws BackupFault for a wrong passphrase, or a changed or truncated file
 */
async function* opened(bytes: AsyncIterable<Buffer>, passphrase: string): AsyncGenerator<Buffer> {
  const reader = new ByteReader(bytes);
  const start = Buffer.from(await reader.exactly(MAGIC.length + SALT_BYTES));
  if (!isSealed(start)) throw new BackupFault('strange');
  const key = await derive(passphrase, start.subarray(MAGIC.length), KEY_BYTES, COST);
  for (let number = 0; ; number += 1) {
    const head = await reader.exactly(HEAD_BYTES);
    const [isLast, length] = [head[0] === 1, head.readUInt32BE(1)];
    if (length > CHUNK_BYTES) throw new BackupFault('damaged');
    const chunk = await reader.exactly(length + TAG_BYTES);
    yield openOne(key, start, number, chunk, isLast);
    if (!isLast) continue;
    if (!(await reader.isAtEnd())) throw new BackupFault('damaged');
    return;
  }
}

function nonceOf(number: number, isLast: boolean): Buffer {
  const nonce = Buffer.alloc(NONCE_BYTES);
  nonce.writeUInt8(isLast ? 1 : 0, 0);
  nonce.writeBigUInt64BE(BigInt(number), NONCE_BYTES - 8);
  return nonce;
}

function sealOne(
  key: Buffer,
  start: Buffer,
  number: number,
  plain: Buffer,
  isLast: boolean,
): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, nonceOf(number, isLast)).setAAD(start);
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt8(isLast ? 1 : 0, 0);
  head.writeUInt32BE(plain.length, 1);
  return Buffer.concat([head, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

function openOne(
  key: Buffer,
  start: Buffer,
  number: number,
  chunk: Buffer,
  isLast: boolean,
): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, nonceOf(number, isLast)).setAAD(start);
  decipher.setAuthTag(chunk.subarray(-TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(chunk.subarray(0, -TAG_BYTES)), decipher.final()]);
  } catch (error) {
    throw new BackupFault(number === 0 ? 'passphrase' : 'damaged', error);
  }
}
