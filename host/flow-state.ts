import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { uptime } from 'node:os';
import { join } from 'node:path';
import type { FlowStorageDeps } from '../flows/flow-storage.ts';
import type { Log } from '../nodes/lib/log/log.ts';
import type { FlowsState } from './health-checks.ts';

interface Deps {
  readonly log: Log;
  readonly dataFolder: string;
  /** BALUPI_SAFE_MODE is on. */
  readonly isForced: boolean;
  /** Restarts the flows as stored. */
  readonly reload: () => Promise<void>;
}

/**
 * The state of the deployed flows, and whether the owner's run at all: after three crashes within ten
 * minutes they do not, until a deploy.
 */
export class FlowState {
  readonly #deps: Deps;
  readonly #runs: RunEnds;
  #now: FlowsState;

  constructor(deps: Deps) {
    this.#deps = deps;
    this.#runs = new RunEnds({
      dataFolder: deps.dataFolder,
      bootId: bootIdOf(),
      uptimeMs: () => Math.round(uptime() * 1_000),
    });
    this.#now = { leftOut: [], missing: [], changedByBoth: [], isSafe: deps.isForced };
  }

  get now(): FlowsState {
    return this.#now;
  }

  /** To be called at the start, once this process owns the data folder. */
  begin(): void {
    const isUnwell = this.#runs.begin();
    if (isUnwell) this.#now = { ...this.#now, isSafe: true };
    if (this.#now.isSafe) this.#deps.log.warn(lineOf(isUnwell));
  }

  /** To be called for an orderly stop, or a start that failed through no flow's fault. */
  end(): void {
    this.#runs.end();
  }

  setMissing(missing: readonly string[]): void {
    this.#now = { ...this.#now, missing };
    if (missing.length > 0) this.#deps.log.warn(`No flow answers ${missing.join(', ')}.`);
  }

  get storageHooks(): Pick<
    FlowStorageDeps,
    'onLeftOut' | 'onChangedByBoth' | 'isSafe' | 'onSafeDeploy'
  > {
    return {
      onLeftOut: (found) => {
        this.#now = { ...this.#now, leftOut: found.map(({ label }) => label) };
      },
      onChangedByBoth: (changedByBoth) => {
        this.#now = { ...this.#now, changedByBoth };
      },
      isSafe: () => this.#now.isSafe,
      onSafeDeploy: () => {
        this.#mended();
      },
    };
  }

  #mended(): void {
    const { isForced, log, reload } = this.#deps;
    if (isForced) return;
    log.info('Safe mode ends: what was deployed runs.');
    this.#now = { ...this.#now, isSafe: false };
    this.#runs.forget();
    reload().catch((error: unknown) => {
      log.error(`The flows could not be restarted: ${String(error)}`);
    });
  }
}

function lineOf(isUnwell: boolean): string {
  const why = isUnwell
    ? 'BaluPi ended three times within ten minutes without being stopped'
    : 'BALUPI_SAFE_MODE is on';
  const end = isUnwell
    ? 'Mend them in the editor: the next deploy there ends safe mode.'
    : 'They can be mended in the editor.';
  return `Safe mode, as ${why}: own tabs and changes of shipped tabs do not run. ${end}`;
}

/** This many crashes within this time, and the owner's flows are left out. */
const ENDS = 3;
const WITHIN_MS = 10 * 60_000;
const NAME = 'runs.json';

interface Told {
  /** Times count from the machine's boot, as a Pi's clock cannot be trusted; a reboot voids them. */
  readonly bootId: string;
  readonly running: boolean;
  readonly endsAtMs: readonly number[];
}

interface RunEndsDeps {
  readonly dataFolder: string;
  /** Identifies this boot of the machine. */
  readonly bootId: string;
  /** Since the machine's boot. */
  readonly uptimeMs: () => number;
}

/**
 * How the last runs ended. A flow that blocks the event loop or ends the process does so again at each
 * start, so after three crashes in ten minutes the next run leaves the owner's flows out. A run that
 * was stopped, or failed to start because of a setting or its data, does not count.
 */
export class RunEnds {
  readonly #deps: RunEndsDeps;
  #endsAtMs: readonly number[] = [];

  constructor(deps: RunEndsDeps) {
    this.#deps = deps;
  }

  /** Records the start of a run. @returns whether to leave the owner's flows out of it */
  begin(): boolean {
    const { bootId, uptimeMs } = this.#deps;
    const nowMs = uptimeMs();
    const told = this.#read();
    const before = told?.bootId === bootId ? told : null;
    const ends = [...(before?.endsAtMs ?? []), ...(before?.running === true ? [nowMs] : [])];
    this.#endsAtMs = ends.filter((atMs) => nowMs - atMs < WITHIN_MS);
    this.#write(true);
    return this.#endsAtMs.length >= ENDS;
  }

  /** Records an orderly end. */
  end(): void {
    this.#write(false);
  }

  /** The flows were fixed: forgets earlier crashes. */
  forget(): void {
    this.#endsAtMs = [];
    this.#write(true);
  }

  #read(): Told | null {
    try {
      const value = JSON.parse(readFileSync(this.#file, 'utf8')) as Partial<Told> | null;
      const { bootId, running, endsAtMs } = value ?? {};
      if (typeof bootId !== 'string' || typeof running !== 'boolean') return null;
      if (!Array.isArray(endsAtMs) || !endsAtMs.every(Number.isFinite)) return null;
      return { bootId, running, endsAtMs };
    } catch {
      // Not there yet, or truncated by a power cut: nothing is known, so nothing counts.
      return null;
    }
  }

  #write(running: boolean): void {
    const text = JSON.stringify({ bootId: this.#deps.bootId, running, endsAtMs: this.#endsAtMs });
    const handle = openSync(`${this.#file}.next`, 'w', 0o600);
    try {
      writeSync(handle, text);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    renameSync(`${this.#file}.next`, this.#file);
  }

  get #file(): string {
    return join(this.#deps.dataFolder, NAME);
  }
}

/** The boot id (proc(5)); without one, no run counts as following another. */
function bootIdOf(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return `none-${process.pid}-${performance.timeOrigin}`;
  }
}
