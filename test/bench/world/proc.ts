import { readFileSync } from 'node:fs';

/** Linux reports times in hundredths of a second on every machine BaluPi runs on. */
const TICKS_A_SECOND = 100;
const SAMPLE_MS = 100;

/** User and system CPU seconds of processes and their ended children so far. */
export function cpuSeconds(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + cpuSecondsOf(pid), 0);
}

function cpuSecondsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  // The name in brackets may contain spaces; the fields after it begin with the state.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / TICKS_A_SECOND;
}

/** Resident bytes. */
export function rssBytes(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1');
    return sum + Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? NaN) * 1024;
  }, 0);
}

/** Resident bytes, plus the child processes' proportional share (Pss). */
export function wholeBytes(pids: readonly number[]): number {
  return pids.flatMap(childrenOf).reduce((sum, pid) => {
    const maps = readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1');
    return sum + Number(/^Pss:\s+(\d+) kB$/m.exec(maps)?.[1] ?? NaN) * 1024;
  }, rssBytes(pids));
}

/** A process's running children. */
export function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim();
  return text === '' ? [] : text.split(' ').map(Number);
}

/** Samples the memory of processes ten times a second. */
export class MemoryWatch {
  readonly #pids: readonly number[];
  readonly #timer: NodeJS.Timeout;
  readonly #fromBytes: number;
  #mostBytes: number;

  constructor(pids: readonly number[]) {
    this.#pids = pids;
    this.#fromBytes = rssBytes(pids);
    this.#mostBytes = this.#fromBytes;
    this.#timer = setInterval(() => {
      this.#look();
    }, SAMPLE_MS);
  }

  /** Stops sampling. */
  stop(): { readonly fromBytes: number; readonly mostBytes: number; readonly grownBytes: number } {
    clearInterval(this.#timer);
    this.#look();
    const [fromBytes, mostBytes] = [this.#fromBytes, this.#mostBytes];
    return { fromBytes, mostBytes, grownBytes: mostBytes - fromBytes };
  }

  #look(): void {
    this.#mostBytes = Math.max(this.#mostBytes, rssBytes(this.#pids));
  }
}
