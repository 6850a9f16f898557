import { uptime } from 'node:os';
import type { FlowStorageDeps } from '../flows/flow-storage.ts';
import type { Log } from '../nodes/lib/log/log.ts';
import type { FlowsState } from './health-checks.ts';
import { bootIdOf, RunEnds } from './run-ends.ts';

interface Deps {
  readonly log: Log;
  readonly dataFolder: string;
  /** BALUPI_SAFE_MODE is on. */
  readonly isForced: boolean;
  /** Starts the flows anew, from what is stored. */
  readonly reload: () => Promise<void>;
}

/**
 * How the deployed flows are, and whether the owner's run at all: not where they ended three runs
 * within ten minutes, until a deploy mended them.
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

  /** A run begins in a data folder that is its own. */
  begin(): void {
    const isUnwell = this.#runs.begin();
    if (isUnwell) this.#now = { ...this.#now, isSafe: true };
    if (this.#now.isSafe) this.#deps.log.warn(lineOf(isUnwell));
  }

  /** It ends in order, or could not start for a reason that is no flow's. */
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
      log.error(`The flows could not be started anew: ${String(error)}`);
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
