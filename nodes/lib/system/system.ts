import { readFileSync } from 'node:fs';
import { readFile, statfs } from 'node:fs/promises';
import { cpus, hostname, loadavg, uptime } from 'node:os';
import { join } from 'node:path';
import { mem } from 'systeminformation/lib/memory.js';
import { Listeners, type Log } from '../log/log.ts';
import type { Cancel, Clock } from '../time/clock.ts';

/** The disk of the data folder, in health's word: `ok`, `low`, `full`, `failing`. */
interface DiskNews {
  readonly kind: 'disk';
  readonly state: string;
  readonly freeBytes: number;
}

/** A brief wait for the disk is not worth a notice. */
const PASSING = 'slow';

/** Reports when disk space runs out, and when there is some again. */
export class DiskState {
  readonly #look: () => Omit<DiskNews, 'kind'>;
  readonly #news: Listeners<DiskNews>;
  #state = 'ok';

  constructor(log: Log, look: () => Omit<DiskNews, 'kind'>) {
    this.#look = look;
    this.#news = new Listeners(log);
  }

  listen(listener: (news: DiskNews) => void): () => void {
    return this.#news.listen(listener);
  }

  /** Looks now, and reports what changed since the last look. */
  look(): void {
    const seen = this.#look();
    if (seen.state === PASSING || seen.state === this.#state) return;
    this.#state = seen.state;
    this.#news.tell({ kind: 'disk', ...seen });
  }
}

/** The result of one check. `ok` or a stable word; anything else makes the whole `degraded`. */
type CheckResult = string;

/** A named check of this moment, answered from memory or by one cheap statement. */
export interface Check {
  readonly name: string;
  /** Words that are fine besides `ok`: a sleeping NAS is no fault. */
  readonly fine?: readonly string[];
  /** Always fine, whatever it says: a list for the reader. */
  readonly isToldOnly?: boolean;
  run(): CheckResult;
}

interface Health {
  readonly status: 'ok' | 'degraded';
  readonly checks: Readonly<Record<string, CheckResult>>;
}

/** Runs every check. A check that throws is `failing`, and the others still run. */
function examine(checks: readonly Check[]): Health {
  const found: Record<string, CheckResult> = {};
  let status: Health['status'] = 'ok';
  for (const check of checks) {
    const result = runOne(check);
    found[check.name] = result;
    if (!isFine(check, result)) status = 'degraded';
  }
  return { status, checks: found };
}

function isFine({ fine = [], isToldOnly = false }: Check, result: CheckResult): boolean {
  return result === 'ok' || isToldOnly || fine.includes(result);
}

function runOne(check: Check): CheckResult {
  try {
    return check.run();
  } catch (error) {
    // Callers only get the word; the reason may name a file.
    return error instanceof Error ? 'failing' : 'unknown';
  }
}

/** Memory in bytes: what the kernel cannot reclaim from this process, and the limit for that. */
interface MemoryUse {
  readonly heldBytes: number;
  readonly highBytes: number;
}

/** Where Linux describes control groups (cgroups(7), the kernel's admin-guide/cgroup-v2). */
const OWN_GROUP = '/proc/self/cgroup';
const ALL_GROUPS = '/sys/fs/cgroup';

/**
 * Reads the process's control group, where it has a limit that slows and does not kill (systemd's
 * MemoryHigh). Without one, or where the kernel counts no memory by groups, the resident memory of
 * the process counts, and the limit is the setting's.
 * @param settingBytes MEMORY_HIGH_MB in bytes
 */
export function memoryReader(
  settingBytes: number,
  places = { ownGroup: OWN_GROUP, allGroups: ALL_GROUPS },
): () => MemoryUse {
  const group = /^0::(\/.*)$/m.exec(textOf(places.ownGroup) ?? '')?.[1];
  const folder = group === undefined ? null : join(places.allGroups, group);
  return () => {
    const high = folder === null ? null : textOf(join(folder, 'memory.high'));
    const told = folder === null || !isNumber(high) ? null : textOf(join(folder, 'memory.stat'));
    return told === null
      ? { heldBytes: process.memoryUsage.rss(), highBytes: settingBytes }
      : { heldBytes: heldOf(told), highBytes: Number(high) };
  };
}

/** `max` means no limit. */
function isNumber(text: string | null): boolean {
  return text !== null && /^\d+\s*$/.test(text);
}

/**
 * From `memory.stat`. The page cache is left out: it fills free memory up to the limit on every
 * machine that serves files, and the kernel reclaims it at will.
 */
function heldOf(stat: string): number {
  const of = (name: string): number =>
    Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(stat)?.[1] ?? 0);
  return of('anon') + of('shmem') + of('sock') + of('kernel') - of('slab_reclaimable');
}

/** Null where there is no such file, as on another kernel. */
function textOf(file: string): string | null {
  try {
    return readFileSync(file, 'latin1');
  } catch (error) {
    if (error instanceof Error && 'code' in error) return null;
    throw error;
  }
}

/** The kernel throttles a process at its limit, so memory counts as short slightly below it. */
const BEGINS_AT = 0.95;
/** Hysteresis, so that each finished file does not flip it back and forth. */
const ENDS_BELOW = 0.85;
/** Reading two kernel files for each request would be felt on a Pi. */
const LOOK_AGAIN_MS = 500;
const MB = 1_000_000;

/**
 * Whether memory is short: then deferrable work is not started (MEMORY_HIGH_MB, systemd's
 * MemoryHigh). Checked on request.
 */
export class MemoryPressure {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #read: () => MemoryUse;
  #isOver = false;
  #lookedAtMs = -Infinity;

  constructor(clock: Clock, log: Log, read: () => MemoryUse) {
    this.#clock = clock;
    this.#log = log;
    this.#read = read;
  }

  /** True from where the limit is reached until well below it. */
  isOver(): boolean {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#lookedAtMs >= LOOK_AGAIN_MS) {
      this.#lookedAtMs = nowMs;
      this.#judge(this.#read());
    }
    return this.#isOver;
  }

  #judge({ heldBytes, highBytes }: MemoryUse): void {
    const isOver = heldBytes >= highBytes * (this.#isOver ? ENDS_BELOW : BEGINS_AT);
    if (isOver === this.#isOver) return;
    this.#isOver = isOver;
    const used = `${Math.round(heldBytes / MB)} MB of ${Math.round(highBytes / MB)} MB`;
    if (isOver) this.#log.warn(`Memory is short (${used}): new downloads and lists are refused.`);
    else this.#log.info(`There is memory again (${used}): downloads and lists are served.`);
  }
}

/** A newer version is ready in the data folder; nobody outside was asked for one. */
interface UpdateNews {
  readonly kind: 'update_ready';
  readonly version: string;
}

/** An owner who puts a file there should not have to wait. */
const LOOK_EVERY_MS = 600_000;

/** Reports each version once per run: at its first look, or when it arrives. */
export class UpdateWatch {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #newest: () => string | null;
  readonly #news: Listeners<UpdateNews>;
  #told: string | null = null;
  #lookedTickMs = -Infinity;

  /** @param newest the version that is ready; null where there is none newer than this one */
  constructor(clock: Pick<Clock, 'monotonicMs'>, log: Log, newest: () => string | null) {
    this.#clock = clock;
    this.#newest = newest;
    this.#news = new Listeners(log);
  }

  listen(listener: (news: UpdateNews) => void): () => void {
    return this.#news.listen(listener);
  }

  look(): void {
    const nowTickMs = this.#clock.monotonicMs();
    if (nowTickMs - this.#lookedTickMs < LOOK_EVERY_MS) return;
    this.#lookedTickMs = nowTickMs;
    const version = this.#newest();
    if (version === null || version === this.#told) return;
    this.#told = version;
    this.#news.tell({ kind: 'update_ready', version });
  }
}

/** What an admin may want to know of the Pi. */
export type SystemNews = DiskNews | UpdateNews;

/** As the NAS counts versions of its own API; the apps compare (BaluHost 1.38, `GET /api/health`). */
const API_VERSION = '1';

interface HealthReport extends Health {
  readonly version: string;
  readonly apiVersion: string;
  readonly minApiVersion: string;
  readonly hostname: string;
}

/** Where nightly backups go, and how the last one went. */
interface BackupCare {
  readonly to: 'disk' | 'nas';
  readonly problem: 'not_mounted' | 'no_room' | 'not_running' | 'failed' | null;
  readonly made: { readonly at: string; readonly where: string; readonly sizeBytes: number } | null;
}

export interface SystemCare {
  readonly isOnTrial: boolean;
  /** The file of a release that is ready; null where there is none. */
  readonly newer: string | null;
  readonly backups: readonly BackupCare[];
}

/** The doctor starts programs and writes to the disk, so concurrent requests share one run. */
const VISIT_HOLDS_MS = 30_000;

interface Deps {
  readonly version: string;
  readonly checks: readonly Check[];
  readonly load: PiLoadSampler;
  readonly memory: MemoryPressure;
  readonly disk: DiskState;
  readonly update: UpdateWatch;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  /** Backups and updates, as far as known here. */
  readonly care: () => SystemCare;
  /** Checks the whole machine, as `balupi doctor` does. */
  readonly visit: () => Promise<readonly Finding<unknown>[]>;
}

/** The Pi itself: how it is, and how busy. */
export class System {
  /** Whether deferrable work should not be started now. */
  readonly memory: Pick<MemoryPressure, 'isOver'>;
  readonly #deps: Deps;
  #visit: {
    readonly atMs: number;
    readonly findings: Promise<readonly Finding<unknown>[]>;
  } | null = null;

  constructor(deps: Deps) {
    this.#deps = deps;
    this.memory = deps.memory;
  }

  /** True at this moment; asks nobody outside the process. */
  health(): HealthReport {
    return {
      ...examine(this.#deps.checks),
      version: this.#deps.version,
      apiVersion: API_VERSION,
      minApiVersion: API_VERSION,
      hostname: this.hostname,
    };
  }

  /** Of the Pi, as its system has it. */
  get hostname(): string {
    return hostname();
  }

  /** The last background look; null before the first. */
  load(): PiLoad | null {
    return this.#deps.load.last;
  }

  /** What the doctor found, half a minute ago at most. */
  async doctor(): Promise<readonly Finding<unknown>[]> {
    const { clock, visit } = this.#deps;
    const nowMs = clock.monotonicMs();
    if (this.#visit === null || nowMs - this.#visit.atMs > VISIT_HOLDS_MS) {
      this.#visit = { atMs: nowMs, findings: visit() };
    }
    return await this.#visit.findings;
  }

  /** Backups and updates; asks nobody outside. */
  care(): SystemCare & { readonly version: string } {
    return { ...this.#deps.care(), version: this.#deps.version };
  }

  /**
   * Reports when the disk of the data folder gets nearly full, when it is well again, and when a
   * newer version is ready.
   * @returns how to unsubscribe
   */
  onNews(listener: (news: SystemNews) => void): () => void {
    const stops = [this.#deps.disk.listen(listener), this.#deps.update.listen(listener)];
    return () => {
      for (const stop of stops) stop();
    };
  }

  async start(): Promise<void> {
    this.#deps.load.onLook = () => {
      this.#deps.disk.look();
      this.#deps.update.look();
    };
    await this.#deps.load.start();
  }

  async stop(): Promise<void> {
    await this.#deps.load.stop();
  }
}

/**
 * The result of one check of the doctor. @typeParam Text words of the pages, which each shows in
 * its reader's language, or their English text
 */
export interface Finding<Text = string> {
  readonly level: 'ok' | 'warn' | 'fail';
  readonly subject: Text;
  readonly found: Text;
  /** What to do; empty where nothing is needed. */
  readonly advice: Text;
}

/** One look at the machine. Memory in MiB, disk in GB (10^9) of the data folder's file system. */
export interface PiLoad {
  readonly cpuPercent: number;
  readonly cpuTempCelsius: number | null;
  readonly memoryTotalMb: number;
  readonly memoryUsedMb: number;
  readonly memoryPercent: number;
  readonly diskTotalGb: number;
  readonly diskUsedGb: number;
  readonly diskPercent: number;
  readonly uptimeSeconds: number;
  readonly loadAvg: readonly [number, number, number];
}

const SAMPLE_EVERY_MS = 10_000;
const MIB = 1_048_576;
const GB = 1e9;

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

/** In thousandths of a degree; a Pi's only zone is its processor's. */
const THERMAL_ZONE = '/sys/class/thermal/thermal_zone0/temp';
/**
 * No silicon of a running Pi is outside of this range, so anything else is a sensor that does not
 * exist.
 */
const SENSIBLE_CELSIUS = { min: -40, max: 150 };

/** @returns null where the machine has no such sensor, as a virtual one */
async function cpuTemperatureCelsius(file: string): Promise<number | null> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error) return null;
    throw error;
  }
  const degrees = Number(text) / 1_000;
  const { min, max } = SENSIBLE_CELSIUS;
  return text.trim() !== '' && degrees > min && degrees < max ? round(degrees, 1) : null;
}

interface CpuTimes {
  readonly busyMs: number;
  readonly allMs: number;
}

/** Of all cores since the machine started. */
function cpuTimes(): CpuTimes {
  let busyMs = 0;
  let allMs = 0;
  for (const { times } of cpus()) {
    const all = Object.values(times).reduce((sum, ms) => sum + ms, 0);
    allMs += all;
    busyMs += all - times.idle;
  }
  return { busyMs, allMs };
}

/**
 * Samples the machine without spawning processes. The library is only used for memory, which it
 * reads from a file: for load, temperature and time it runs a shell, nine processes a sample, two
 * of them synchronously (read in 5.33.23).
 * @param dataFolder whose file system counts
 * @param thermalZone the kernel's file with the processor's temperature
 * @returns a sample; the load is the mean since the previous one, at first since boot
 */
export function piLoadReader(
  dataFolder: string,
  thermalZone = THERMAL_ZONE,
): () => Promise<PiLoad> {
  let before: CpuTimes = { busyMs: 0, allMs: 0 };
  return async () => {
    const now = cpuTimes();
    const spanMs = now.allMs - before.allMs;
    const cpuPercent = spanMs > 0 ? ((now.busyMs - before.busyMs) / spanMs) * 100 : 0;
    before = now;
    const [temperature, memory, disk] = await Promise.all([
      cpuTemperatureCelsius(thermalZone),
      mem(),
      statfs(dataFolder),
    ]);
    const diskBytes = disk.blocks * disk.bsize;
    const diskUsedBytes = (disk.blocks - disk.bfree) * disk.bsize;
    const [one = 0, five = 0, fifteen = 0] = loadavg();
    return {
      cpuPercent: round(cpuPercent, 1),
      cpuTempCelsius: temperature,
      memoryTotalMb: round(memory.total / MIB, 1),
      memoryUsedMb: round(memory.active / MIB, 1),
      memoryPercent: round((memory.active / memory.total) * 100, 1),
      diskTotalGb: round(diskBytes / GB, 2),
      diskUsedGb: round(diskUsedBytes / GB, 2),
      diskPercent: round(diskBytes === 0 ? 0 : (diskUsedBytes / diskBytes) * 100, 1),
      uptimeSeconds: Math.floor(uptime()),
      loadAvg: [round(one, 2), round(five, 2), round(fifteen, 2)],
    };
  };
}

/**
 * Keeps the last look, taken in the background, so that no caller ever waits for one: in the Python
 * predecessor one poller of its status held every other request up to half a second (measured).
 */
export class PiLoadSampler {
  readonly #clock: Clock;
  readonly #read: () => Promise<PiLoad>;
  readonly #log: Log;
  #last: PiLoad | null = null;
  #cancel: Cancel | null = null;
  #stopped = false;
  #sampling: Promise<void> = Promise.resolve();
  /** Called after each look. */
  onLook: () => void = () => undefined;

  constructor(clock: Clock, read: () => Promise<PiLoad>, log: Log) {
    this.#clock = clock;
    this.#read = read;
    this.#log = log;
  }

  /** Null until the first look is done. */
  get last(): PiLoad | null {
    return this.#last;
  }

  /** Takes the first look, so that there is one when this resolves, then one every 10 s. */
  async start(): Promise<void> {
    this.#stopped = false;
    await this.#begin();
  }

  /** Resolves when no look is running, so that the databases may be closed. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    this.#cancel = null;
    await this.#sampling;
  }

  #begin(): Promise<void> {
    this.#sampling = this.#sample();
    return this.#sampling;
  }

  async #sample(): Promise<void> {
    try {
      this.#last = await this.#read();
    } catch (error) {
      this.#log.warn(`The load of the Pi could not be read: ${(error as Error).message}`);
    }
    if (this.#stopped) return;
    try {
      // A disk whose load cannot be read has all the more news.
      this.onLook();
    } catch (error) {
      this.#log.warn(`What the Pi's state means could not be told: ${(error as Error).message}`);
    }
    this.#cancel = this.#clock.after(SAMPLE_EVERY_MS, () => void this.#begin());
  }
}
