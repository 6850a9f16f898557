import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A slow Pi's resources, in cores of the machine the figures come from: a tenth of four cores. */
export const PI = { cores: 0.4, memoryBytes: 700_000_000 } as const;
/** As in deploy/balupi.service. */
const HIGH_BYTES = 500 * 1024 * 1024;
const PERIOD_US = 100_000;
const ROOT = '/sys/fs/cgroup';

/** A file to write, or one to read figures from, in either version of control groups. */
interface Kind {
  readonly folders: readonly string[];
  readonly limits: readonly (readonly [file: string, value: string])[];
  readonly cpuStat: string;
  readonly peak: string;
  readonly kills: string;
}

/** A kernel control group with a Pi's share of this machine (cgroups(7)). */
export class PiGroup {
  readonly #kind: Kind;

  private constructor(kind: Kind) {
    this.#kind = kind;
  }

  /** @returns the group, or why there can be none */
  static make(name = `balupi-bench-${process.pid}`): PiGroup | string {
    const kind = existsSync(join(ROOT, 'cgroup.controllers')) ? unified(name) : separate(name);
    if (kind === null) return 'this kernel offers no control groups for processor and memory';
    try {
      for (const folder of kind.folders) mkdirSync(folder);
      for (const [file, value] of kind.limits) writeFileSync(file, value);
      return new PiGroup(kind);
    } catch (error) {
      return `no control group can be made here: ${(error as Error).message}`;
    }
  }

  /** Starts Node in it: from its first instruction on, with every thread and child. */
  spawnNode(args: readonly string[], env: NodeJS.ProcessEnv): ChildProcess {
    const enter = this.#kind.folders.map((folder) => `echo $$ > ${folder}/cgroup.procs`);
    const script = [...enter, 'exec "$0" "$@"'].join(' && ');
    return spawn('/bin/sh', ['-c', script, process.execPath, ...args], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  }

  /** Peak memory, including the page cache of the files it read and wrote. */
  get peakBytes(): number {
    return Number(readFileSync(this.#kind.peak, 'latin1'));
  }

  /** How often the kernel killed a process in it for want of memory. */
  get kills(): number {
    return field(this.#kind.kills, 'oom_kill');
  }

  /** Of the 0.1 s periods in which it ran, how many it used up; since its creation. */
  get throttled(): { readonly periods: number; readonly usedUp: number } {
    const { cpuStat } = this.#kind;
    return { periods: field(cpuStat, 'nr_periods'), usedUp: field(cpuStat, 'nr_throttled') };
  }

  /** Call once no process is left in it. */
  remove(): void {
    for (const folder of this.#kind.folders) rmdirSync(folder);
  }
}

/** One tree for everything (v2). */
function unified(name: string): Kind | null {
  const controllers = readFileSync(join(ROOT, 'cgroup.controllers'), 'latin1');
  if (!/\bcpu\b/.test(controllers) || !/\bmemory\b/.test(controllers)) return null;
  const folder = join(ROOT, name);
  return {
    folders: [folder],
    limits: [
      [join(ROOT, 'cgroup.subtree_control'), '+cpu +memory'],
      [join(folder, 'cpu.max'), `${PI.cores * PERIOD_US} ${PERIOD_US}`],
      [join(folder, 'memory.max'), String(PI.memoryBytes)],
      [join(folder, 'memory.high'), String(HIGH_BYTES)],
    ],
    cpuStat: join(folder, 'cpu.stat'),
    peak: join(folder, 'memory.peak'),
    kills: join(folder, 'memory.events'),
  };
}

/** One tree per controller (v1), without MemoryHigh. */
function separate(name: string): Kind | null {
  const [cpu, memory] = [join(ROOT, 'cpu'), join(ROOT, 'memory')];
  if (!existsSync(join(cpu, 'cpu.cfs_quota_us'))) return null;
  if (!existsSync(join(memory, 'memory.limit_in_bytes'))) return null;
  return {
    folders: [join(cpu, name), join(memory, name)],
    limits: [
      [join(cpu, name, 'cpu.cfs_period_us'), String(PERIOD_US)],
      [join(cpu, name, 'cpu.cfs_quota_us'), String(PI.cores * PERIOD_US)],
      [join(memory, name, 'memory.limit_in_bytes'), String(PI.memoryBytes)],
    ],
    cpuStat: join(cpu, name, 'cpu.stat'),
    peak: join(memory, name, 'memory.max_usage_in_bytes'),
    kills: join(memory, name, 'memory.oom_control'),
  };
}

function field(file: string, name: string): number {
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(readFileSync(file, 'latin1'))?.[1] ?? NaN);
}
