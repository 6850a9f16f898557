import { existsSync, readdirSync, readFileSync, realpathSync, statfsSync, statSync } from 'node:fs';
import { lookup } from 'node:dns/promises';
import { closeSync, fsyncSync, openSync, rmSync, writeSync } from 'node:fs';
import { totalmem } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { spawnSync } from 'node:child_process';
import { askNas } from './nas-finder.ts';
import type { Settings } from '../settings.ts';

/** What one look found. `advice` says what to do; empty where there is nothing to do. */
export interface Finding {
  readonly level: 'ok' | 'warn' | 'fail';
  readonly subject: string;
  readonly found: string;
  readonly advice: string;
}

const GB = 1e9;
const MIN_MEMORY_GB = 0.8;
const LOW_DISK_GB = 4;
const SYNCS = 20;
/** No disk with moving or flash parts is done this fast unless its cache answers for it. */
const HONEST_SYNC_MS = 0.02;
const SLOW_SYNC_MS = 100;
/** linux/magic.h: what keeps no owner and mode, or forgets everything at a restart. */
const UNFIT_FILE_SYSTEMS: Readonly<Record<number, string>> = {
  0x4d44: 'FAT',
  0x2011bab0: 'exFAT',
  0x5346544e: 'NTFS',
  0x1021994: 'memory (tmpfs)',
};

const ok = (subject: string, found: string): Finding => ({
  level: 'ok',
  subject,
  found,
  advice: '',
});
const warn = (subject: string, found: string, advice: string): Finding => ({
  level: 'warn',
  subject,
  found,
  advice,
});
const fail = (subject: string, found: string, advice: string): Finding => ({
  level: 'fail',
  subject,
  found,
  advice,
});

/** @returns one finding a subject, in the order a person would look */
export async function examine(settings: Settings): Promise<readonly Finding[]> {
  const folder = resolve(settings.DATA_DIR);
  return [
    machine(),
    memory(),
    ...dataDisk(folder),
    secrets(folder),
    clock(),
    await nas(settings),
    macAddress(settings, folder),
    await api(settings),
    plugs(settings),
    service(),
    failedUnits(),
  ];
}

function machine(): Finding {
  const [major = 0] = process.versions.node.split('.').map(Number);
  const found = `Node.js ${process.versions.node} on ${process.arch}`;
  if (!['arm64', 'x64'].includes(process.arch)) {
    return fail('machine', found, 'BaluPi wants a 64-bit system: install the 64-bit image.');
  }
  if (major < 22) return fail('machine', found, 'Install a release, which brings its own Node.js.');
  return ok('machine', found);
}

function memory(): Finding {
  const gb = totalmem() / GB;
  const found = `${gb.toFixed(1)} GB`;
  if (gb >= MIN_MEMORY_GB) return ok('memory', found);
  return warn('memory', found, 'BaluPi wants 1 GB; with less, switch off what else runs here.');
}

/** Also what an installation asks before it takes a folder for its data. */
export function dataDisk(folder: string): Finding[] {
  let place = folder;
  while (!existsSync(place) && place !== dirname(place)) place = dirname(place);
  const { type, bavail, bsize } = statfsSync(place);
  const unfit = UNFIT_FILE_SYSTEMS[type];
  if (unfit !== undefined) {
    return [
      fail('data disk', `${folder} lies in ${unfit}`, 'Take a disk with ext4, xfs or btrfs.'),
    ];
  }
  const freeGb = (bavail * bsize) / GB;
  const space = `${freeGb.toFixed(1)} GB free`;
  return [
    freeGb < LOW_DISK_GB
      ? warn('data disk', space, 'Copies and uploads need room: `balupi move` to a larger disk.')
      : ok('data disk', space),
    ...medium(place),
    ...syncs(place),
  ];
}

function medium(place: string): Finding[] {
  const device = deviceOf(place);
  if (device === null) return [];
  if (!device.startsWith('mmcblk')) return [ok('medium', device)];
  const wear = wearOf(device);
  const advice =
    'An SD card wears out and may lie about what it has written: `balupi move <folder>` takes the data to a USB SSD.';
  return [warn('medium', `${device} is an SD card${wear}`, advice)];
}

/** The name of the whole disk below a folder; null where the kernel names none, as in a container. */
function deviceOf(place: string): string | null {
  const { dev } = statSync(place);
  const link = `/sys/dev/block/${(dev >> 8) & 0xfff}:${(dev & 0xff) | ((dev >> 12) & 0xfff00)}`;
  if (!existsSync(link)) return null;
  const path = realpathSync(link);
  return existsSync(join(path, 'partition')) ? basename(dirname(path)) : basename(path);
}

/** Cards that tell it give the share of their life that is gone in tenths (JEDEC eMMC 5.0). */
function wearOf(device: string): string {
  const file = `/sys/block/${device}/device/life_time`;
  if (!existsSync(file)) return '';
  const tenths = readFileSync(file, 'utf8').trim().split(/\s+/).map(Number);
  return `, ${Math.max(...tenths) * 10} % of its life used`;
}

/** A short measured test: a synced write that takes no time at all was not written. */
function syncs(place: string): Finding[] {
  const file = join(place, `.balupi-sync-test-${process.pid}`);
  let handle: number;
  try {
    handle = openSync(file, 'wx', 0o600);
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    return [warn('synced writes', `not measured (${code})`, 'Run this as root.')];
  }
  const tookMs: number[] = [];
  try {
    for (let round = 0; round < SYNCS; round += 1) {
      writeSync(handle, Buffer.alloc(4_096, round));
      const beganMs = performance.now();
      fsyncSync(handle);
      tookMs.push(performance.now() - beganMs);
    }
  } finally {
    closeSync(handle);
    rmSync(file);
  }
  const median = tookMs.sort((one, other) => one - other)[SYNCS / 2] ?? 0;
  const found = `${median.toFixed(2)} ms each`;
  if (median < HONEST_SYNC_MS) {
    return [
      warn('synced writes', found, 'That is faster than a disk: a power cut may lose uploads.'),
    ];
  }
  if (median > SLOW_SYNC_MS) {
    return [warn('synced writes', found, 'Uploads of many small files will be slow on this disk.')];
  }
  return [ok('synced writes', found)];
}

function clock(): Finding {
  if (existsSync('/run/systemd/timesync/synchronized')) return ok('clock', 'set by network time');
  const told = spawnSync('timedatectl', ['show', '--property=NTPSynchronized', '--value'], {
    encoding: 'utf8',
  });
  if (told.stdout?.trim() === 'yes') return ok('clock', 'set by network time');
  const advice = 'Switch network time on: `timedatectl set-ntp true`.';
  return warn('clock', `${new Date().toISOString()}, confirmed by nobody`, advice);
}

async function nas({ NAS_URL: url }: Settings): Promise<Finding> {
  const { hostname } = new URL(url);
  try {
    await lookup(hostname);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return fail(
      'NAS',
      `${hostname} has no address`,
      'Set NAS_URL to an address: `balupi set NAS_URL`.',
    );
  }
  const found = await askNas(url);
  if (found !== null) return ok('NAS', `BaluHost ${found.version} at ${url}`);
  return warn(
    'NAS',
    `${url} does not answer`,
    'It may sleep. Else set NAS_URL: `balupi set NAS_URL`.',
  );
}

function macAddress({ NAS_MAC_ADDRESS: set }: Settings, folder: string): Finding {
  if (set !== null) return ok('wake', `for ${set}`);
  if (existsSync(join(folder, 'queue.db')))
    return ok('wake', 'for the address learnt from the NAS');
  const advice = 'Sign in once while the NAS is awake, or `balupi set NAS_MAC_ADDRESS`.';
  return warn('wake', 'no MAC address of the NAS is known', advice);
}

async function api({ PORT: ports, HOST: host }: Settings): Promise<Finding> {
  const [port = 8000] = ports;
  const at = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  try {
    const answer = await fetch(`http://${at}:${port}/api/health`, {
      signal: AbortSignal.timeout(5_000),
    });
    const { status, version, checks } = (await answer.json()) as {
      readonly status?: string;
      readonly version?: string;
      readonly checks?: Readonly<Record<string, string>>;
    };
    if (status === 'ok') return ok('BaluPi', `${version} is well at port ${port}`);
    const told = Object.entries(checks ?? {}).map(([name, word]) => `${name}: ${word}`);
    return warn('BaluPi', `${status ?? 'strange'} (${told.join(', ')})`, 'See `balupi logs`.');
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return fail('BaluPi', `nothing answers at port ${port}`, 'See `balupi logs`.');
  }
}

function plugs({ TAPO_USERNAME: user }: Settings): Finding {
  if (user !== null) return ok('plugs', 'an account is set');
  return warn(
    'plugs',
    'no Tapo account',
    'To meter: `balupi set TAPO_USERNAME`, then TAPO_PASSWORD.',
  );
}

function service(): Finding {
  const told = spawnSync('systemctl', ['is-active', 'balupi'], { encoding: 'utf8' });
  if (told.error !== undefined)
    return warn('service', 'no systemd here', 'Start it by `npm start`.');
  const state = told.stdout.trim();
  if (state === 'active') return ok('service', state);
  return fail('service', state, 'See `balupi logs`, then `systemctl start balupi`.');
}

function failedUnits(): Finding {
  const args = ['list-units', '--state=failed', '--plain', '--no-legend', 'balupi*'];
  const told = spawnSync('systemctl', args, { encoding: 'utf8' });
  const names = (told.stdout ?? '').split('\n').flatMap((line) => line.split(' ')[0] || []);
  if (names.length === 0) return ok('failed units', 'none');
  return fail('failed units', names.join(', '), `See \`journalctl -u ${names[0]}\`.`);
}

/** What lies in the data folder holds keys, passwords and the family's files: nobody else's business. */
function secrets(folder: string): Finding {
  const open = tooOpen(folder);
  if (open.length === 0) return ok('secrets', 'read by BaluPi alone');
  return warn(
    'secrets',
    `others may open ${open.join(', ')}`,
    `chmod -R go= ${folder}, unless that is meant.`,
  );
}

function tooOpen(folder: string): readonly string[] {
  if (!existsSync(folder) || (statSync(folder).mode & 0o077) === 0) return [];
  return readdirSync(folder).filter((name) => (statSync(join(folder, name)).mode & 0o077) !== 0);
}
