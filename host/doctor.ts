import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, realpathSync, statfsSync, statSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { basename, dirname, join } from 'node:path';
import type { Finding as FindingIn } from '../nodes/lib/system/system.ts';
import { type Said, said, saidNumber } from '../nodes/lib/words/words.ts';
import {
  type BackupTargets,
  type Destination,
  isNightName,
  NAS_STAGING,
  readLastBackup,
  wordOfLast,
} from './backup/last-backup.ts';
import { PASSING_WORDS } from './health-checks.ts';

/** A catalogue entry, or text that is the same in all languages. */
type Told = Said | string;
type Finding = FindingIn<Told>;

const GB = 1e9;
const MIN_MEMORY_GB = 0.8;
const LOW_DISK_GB = 4;
const SYNCS = 20;
/** No disk syncs this fast unless its cache only pretends to. */
const HONEST_SYNC_MS = 0.02;
const SLOW_SYNC_MS = 100;
/** No healthy command takes longer. */
const COMMAND_LIMIT_MS = 5_000;
/** linux/magic.h: file systems without owner and mode, or without persistence. */
const UNFIT_FILE_SYSTEMS: Readonly<Record<number, string>> = {
  0x4d44: 'FAT',
  0x2011bab0: 'exFAT',
  0x5346544e: 'NTFS',
  0x1021994: 'tmpfs',
};

/** The NAS's state as far as it may be found out: a running BaluPi never wakes it for this. */
export type NasSeen =
  | { readonly kind: 'answers'; readonly version: string | null }
  | { readonly kind: 'silent' | 'no_address' };

export interface HealthTold {
  readonly status: string;
  readonly version: string;
  readonly checks: Readonly<Record<string, string>>;
}

/** What the doctor is given; everything else it finds out itself. */
export interface Patient {
  /** Absolute. */
  readonly dataFolder: string;
  readonly nasUrl: string;
  readonly nas: () => Promise<NasSeen>;
  /** Wakes the NAS; set or learnt, null if unknown. */
  readonly macAddress: string | null;
  /** The first port, as set. */
  readonly port: number;
  /** As `GET /api/health` reports it; null if nothing answers. */
  readonly health: () => Promise<HealthTold | null>;
  /** TAPO_USERNAME is set. */
  readonly hasPlugAccount: boolean;
  readonly backups: BackupTargets;
  readonly nowMs: number;
}

const ok = (subject: Told, found: Told): Finding => ({
  level: 'ok',
  subject,
  found,
  advice: '',
});
const warn = (subject: Told, found: Told, advice: Told): Finding => ({
  level: 'warn',
  subject,
  found,
  advice,
});
const fail = (subject: Told, found: Told, advice: Told): Finding => ({
  level: 'fail',
  subject,
  found,
  advice,
});

/**
 * The findings of `balupi doctor` and the page System.
 * @returns one finding per subject, in the order a person would look
 */
export async function examine(patient: Patient): Promise<readonly Finding[]> {
  const { dataFolder } = patient;
  return [
    machine(),
    memory(),
    ...(await dataDisk(dataFolder)),
    secrets(dataFolder),
    await clock(),
    await nas(patient),
    wake(patient),
    await api(patient),
    plugs(patient),
    ...backups(patient),
    await service(),
    await failedUnits(),
  ];
}

function machine(): Finding {
  const subject = said`[[machine]]`;
  const [major = 0] = process.versions.node.split('.').map(Number);
  const found = `Node.js ${process.versions.node}, ${process.arch}`;
  if (!['arm64', 'x64'].includes(process.arch)) {
    return fail(subject, found, said`[[want64Bit]]`);
  }
  if (major < 22) {
    return fail(subject, found, said`[[installRelease]]`);
  }
  return ok(subject, found);
}

function memory(): Finding {
  const gb = totalmem() / GB;
  const found = said`${saidNumber(gb, 1)} GB`;
  if (gb >= MIN_MEMORY_GB) return ok(said`[[memory]]`, found);
  return warn(said`[[memory]]`, found, said`[[want1Gb]]`);
}

/** Also checked by the installer and by `balupi move` before they use a folder for the data. */
export async function dataDisk(folder: string): Promise<readonly Finding[]> {
  const subject = said`[[dataDisk]]`;
  let place = folder;
  while (!existsSync(place) && place !== dirname(place)) place = dirname(place);
  const { type, bavail, bsize } = statfsSync(place);
  const unfit = UNFIT_FILE_SYSTEMS[type];
  if (unfit !== undefined) {
    return [fail(subject, `${folder}: ${unfit}`, said`[[takeFittingDisk]]`)];
  }
  const freeGb = (bavail * bsize) / GB;
  const space = said`${saidNumber(freeGb, 1)} GB [[free]]`;
  const more = said`[[needRoom]] sudo balupi move`;
  return [
    freeGb < LOW_DISK_GB ? warn(subject, space, more) : ok(subject, space),
    ...medium(place),
    await syncs(place),
  ];
}

function medium(place: string): readonly Finding[] {
  const device = deviceOf(place);
  if (device === null) return [];
  if (!device.startsWith('mmcblk')) return [ok(said`[[medium]]`, device)];
  return [
    warn(
      said`[[medium]]`,
      said`${device}, [[anSdCard]]${wearOf(device)}`,
      said`[[sdCardWearsOut]] sudo balupi move`,
    ),
  ];
}

/** The disk device below a folder; null where the kernel names none, as in a container. */
function deviceOf(place: string): string | null {
  const { dev } = statSync(place);
  const link = `/sys/dev/block/${(dev >> 8) & 0xfff}:${(dev & 0xff) | ((dev >> 12) & 0xfff00)}`;
  if (!existsSync(link)) return null;
  const path = realpathSync(link);
  return existsSync(join(path, 'partition')) ? basename(dirname(path)) : basename(path);
}

/** Some cards report their used life in tenths (JEDEC eMMC 5.0). */
function wearOf(device: string): Told {
  const file = `/sys/block/${device}/device/life_time`;
  if (!existsSync(file)) return '';
  const tenths = readFileSync(file, 'utf8').trim().split(/\s+/).map(Number);
  return said`, ${String(Math.max(...tenths) * 10)} % [[ofItsLifeUsed]]`;
}

/** A short measurement: a synced write that takes no time was not written. */
async function syncs(place: string): Promise<Finding> {
  const subject = said`[[syncedWrites]]`;
  let median: number;
  try {
    median = await medianSyncMs(join(place, `.balupi-sync-test-${process.pid}`));
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    return warn(subject, said`[[notMeasured]] (${code})`, said`[[runThisAsRoot]]`);
  }
  const found = said`${saidNumber(median, 2)} ms [[each]]`;
  if (median < HONEST_SYNC_MS) {
    const advice = said`[[fasterThanDisk]]`;
    return warn(subject, found, advice);
  }
  if (median > SLOW_SYNC_MS) {
    return warn(subject, found, said`[[slowDisk]]`);
  }
  return ok(subject, found);
}

async function medianSyncMs(file: string): Promise<number> {
  const handle = await open(file, 'wx', 0o600);
  const tookMs: number[] = [];
  try {
    for (let round = 0; round < SYNCS; round += 1) {
      await handle.write(Buffer.alloc(4_096, round));
      const beganMs = performance.now();
      await handle.sync();
      tookMs.push(performance.now() - beganMs);
    }
  } finally {
    await handle.close();
    await rm(file);
  }
  return tookMs.sort((one, other) => one - other)[SYNCS / 2] ?? 0;
}

/** The data folder holds keys, passwords and users' files: nobody else may read it. */
function secrets(folder: string): Finding {
  const readable = tooOpen(folder);
  if (readable.length === 0) return ok(said`[[secrets]]`, said`[[readByBaluPiAlone]]`);
  return warn(
    said`[[secrets]]`,
    said`[[othersMayOpen]] ${readable.join(', ')}`,
    said`[[unlessThatIsMeant]] chmod -R go= ${folder}`,
  );
}

function tooOpen(folder: string): readonly string[] {
  if (!existsSync(folder) || (statSync(folder).mode & 0o077) === 0) return [];
  return readdirSync(folder).filter((name) => (statSync(join(folder, name)).mode & 0o077) !== 0);
}

async function clock(): Promise<Finding> {
  const subject = said`[[clock]]`;
  const isMarked = existsSync('/run/systemd/timesync/synchronized');
  const told = isMarked
    ? 'yes'
    : await outputOf('timedatectl', 'show', '--property=NTPSynchronized', '--value');
  if (told === 'yes') return ok(subject, said`[[setByNetworkTime]]`);
  return warn(
    subject,
    said`${new Date().toISOString()}, [[confirmedByNobody]]`,
    said`[[switchTimeOn]] timedatectl set-ntp true`,
  );
}

async function nas({ nasUrl, nas: look }: Patient): Promise<Finding> {
  const seen = await look();
  switch (seen.kind) {
    case 'answers':
      return ok('NAS', `BaluHost ${seen.version ?? '?'}, ${nasUrl}`);
    case 'silent':
      return warn(
        'NAS',
        said`${nasUrl} [[doesNotAnswer]]`,
        said`[[maySleep]] sudo balupi set NAS_URL`,
      );
    case 'no_address':
      return fail(
        'NAS',
        said`${new URL(nasUrl).hostname} [[hasNoAddress]]`,
        said`[[setNumericAddress]] sudo balupi set NAS_URL`,
      );
  }
}

function wake({ macAddress }: Patient): Finding {
  if (macAddress !== null) return ok(said`[[wakingSubject]]`, macAddress);
  return warn(
    said`[[wakingSubject]]`,
    said`[[noMacKnown]]`,
    said`[[signInOnceAwake]] sudo balupi set NAS_MAC_ADDRESS`,
  );
}

async function api({ health, port }: Patient): Promise<Finding> {
  const told = await health();
  const advice = said`[[whatItSaid]] sudo balupi logs`;
  if (told === null) return fail('BaluPi', said`[[nothingAnswersAtPort]] ${String(port)}`, advice);
  const { status, version, checks } = told;
  if (status === 'ok') return ok('BaluPi', said`${version} [[isWell]]`);
  const found = Object.entries(checks)
    .filter(([name, word]) => word !== 'ok' && PASSING_WORDS[name]?.includes(word) !== true)
    .map(([name, word]) => `${name}: ${word}`);
  return warn('BaluPi', `${status} (${found.join(', ')})`, advice);
}

function plugs({ hasPlugAccount }: Patient): Finding {
  if (hasPlugAccount) return ok(said`[[plugs]]`, said`[[anAccountIsSet]]`);
  return warn(
    said`[[plugs]]`,
    said`[[noTapoAccount]]`,
    said`[[toMeterSetBoth]] sudo balupi set TAPO_USERNAME, sudo balupi set TAPO_PASSWORD`,
  );
}

function backups({ backups: targets, dataFolder, nowMs }: Patient): readonly Finding[] {
  if (!targets.toDisk && !targets.toNas) {
    return [
      warn(said`[[backup]]`, said`[[noneByNight]]`, said`[[nameBackupFolder]] BALUPI_BACKUP_DIR`),
    ];
  }
  return [
    ...(targets.toDisk ? [backup(said`[[backup]]`, dataFolder, 'disk', nowMs)] : []),
    ...(targets.toNas ? [backup(said`[[backupOnTheNas]]`, dataFolder, 'nas', nowMs)] : []),
  ];
}

const BACKUP_LOGS = said`[[whatItSaid]] journalctl -u balupi-backup -n 20`;

function backup(
  subject: Said,
  dataFolder: string,
  destination: Destination,
  nowMs: number,
): Finding {
  const last = readLastBackup(dataFolder, destination);
  const { made } = last;
  const when =
    made === null
      ? said`[[noneYet]]`
      : said`${made.at.slice(0, 16).replace('T', ' ')} UTC, ${saidNumber(made.sizeBytes / 1e6, 1)} MB`;
  // A backup to the NAS waits for it to be awake, however long that takes.
  const runningMs = destination === 'nas' ? 0 : Infinity;
  switch (wordOfLast(last, { nowMs, runningMs })) {
    case 'ok':
      return ok(subject, when);
    case 'not_yet':
      if (destination === 'nas' && waitsForNas(dataFolder)) {
        return ok(subject, said`[[backupWaitsForNas]]`);
      }
      return warn(subject, when, said`[[firstBackupTonight]] sudo balupi backup --nightly`);
    case 'old':
      return warn(subject, when, BACKUP_LOGS);
    case 'not_mounted':
      return fail(subject, said`[[itsDiskIsMissing]]; ${when}`, said`[[plugItInAndMountIt]]`);
    case 'failed':
      return fail(subject, said`[[didNotWork]]; ${when}`, BACKUP_LOGS);
  }
}

function waitsForNas(dataFolder: string): boolean {
  const folder = join(dataFolder, NAS_STAGING);
  return existsSync(folder) && readdirSync(folder).some(isNightName);
}

async function service(): Promise<Finding> {
  const state = await outputOf('systemctl', 'is-active', 'balupi');
  // Without systemd as PID 1 the command exists but prints nothing.
  if (state === null || state === '') {
    return warn(said`[[service]]`, said`[[noSystemdHere]]`, said`[[startIt]] npm start`);
  }
  if (state === 'active') return ok(said`[[service]]`, state);
  return fail(said`[[service]]`, state, said`[[whatItSaid]] sudo balupi logs`);
}

async function failedUnits(): Promise<Finding> {
  const args = ['list-units', '--state=failed', '--plain', '--no-legend', 'balupi*'];
  const told = (await outputOf('systemctl', ...args)) ?? '';
  const names = told.split('\n').flatMap((line) => line.split(' ')[0] || []);
  if (names.length === 0) return ok(said`[[failedUnits]]`, said`[[none]]`);
  return fail(
    said`[[failedUnits]]`,
    names.join(', '),
    said`[[whatItSaid]] journalctl -u ${names[0] ?? ''}`,
  );
}

/** @returns its output, whatever the exit code; null if there is no such program */
async function outputOf(program: string, ...args: readonly string[]): Promise<string | null> {
  const { promise, resolve } = Promise.withResolvers<string | null>();
  execFile(program, [...args], { timeout: COMMAND_LIMIT_MS }, (error, stdout) => {
    resolve(error?.code === 'ENOENT' ? null : stdout.trim());
  });
  return await promise;
}
