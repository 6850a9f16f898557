import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Log } from '../log/log.ts';
import type { Clock } from '../time/clock.ts';

/** Memory in bytes: what the kernel cannot take back from this process, and how much that may be. */
interface MemoryUse {
  readonly heldBytes: number;
  readonly highBytes: number;
}

/** Where Linux tells of control groups (cgroups(7), the kernel's admin-guide/cgroup-v2). */
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

/** `max` is no limit. */
function isNumber(text: string | null): boolean {
  return text !== null && /^\d+\s*$/.test(text);
}

/**
 * Of `memory.stat`. The pages of files that were read are left out: they fill what is free up to the
 * limit in every house that serves files, and the kernel takes them back without asking.
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

/** The kernel holds a process at its limit and slows it there, so it is over a little before. */
const BEGINS_AT = 0.95;
/** Not each file that is done makes it take a new one and refuse the next. */
const ENDS_BELOW = 0.85;
/** Two small files of the kernel's for each request would be felt on a Pi. */
const LOOK_AGAIN_MS = 500;
const MB = 1_000_000;

/**
 * Whether memory is short: then what may wait is not begun (MEMORY_HIGH_MB, systemd's MemoryHigh).
 * Looked at when somebody asks.
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
