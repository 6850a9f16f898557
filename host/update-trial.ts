import { closeSync, existsSync, fsyncSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { errorKind, type Log } from '../nodes/lib/log/log.ts';
import type { Cancel, Clock } from '../nodes/lib/time/clock.ts';

/** Laid by deploy/turn.sh with the databases of before; in it stands which file decides. */
const MARK = join('before-update', 'undecided');
/** Of an update before this one, which is of no use once this one is kept. */
const OLDER = 'before-update.last';
const LOOK_MS = 1_000;
/** Whoever watches over the update decides within a minute. */
const LONGEST_MS = 120_000;

interface Deps {
  /** DATA_DIR, absolute. */
  readonly dataFolder: string;
  readonly clock: Clock;
  readonly log: Log;
}

interface Outcome {
  /** This version stays: begins what it has held back. */
  readonly onKept: () => Promise<void>;
  /** Ends the process. Where nobody decided in time, the version of before starts then. */
  readonly onGivenUp: () => void;
}

/** Whether what starts on that data folder is on trial after an update. */
export function isOnTrial(dataFolder: string): boolean {
  return existsSync(join(dataFolder, MARK));
}

/**
 * A version on trial after an update (ADR 0030). Until it is kept nothing may happen that going back
 * to the databases of before would lose: no upload, no change, no sign-in is taken, nothing is
 * delivered, and what the plugs tell is kept aside.
 */
export class UpdateTrial {
  readonly #deps: Deps;
  readonly #mark: string;
  #phase: 'undecided' | 'kept' | 'over';
  #cancel: Cancel | null = null;

  constructor(deps: Deps) {
    this.#deps = deps;
    this.#mark = join(deps.dataFolder, MARK);
    this.#phase = isOnTrial(deps.dataFolder) ? 'undecided' : 'over';
  }

  /** Until it is kept: nothing is begun that going back would lose. */
  get isUndecided(): boolean {
    return this.#phase === 'undecided';
  }

  /** Until what was held back has begun: nothing is taken in from outside before that. */
  get isOn(): boolean {
    return this.#phase !== 'over';
  }

  /** Waits for the end of the trial. Does nothing where there is none. */
  watch(outcome: Outcome): void {
    if (!this.isUndecided) return;
    const { clock, log } = this.#deps;
    log.info('This version is on trial after an update: it takes nothing in until it is kept.');
    this.#look(outcome, clock.monotonicMs() + LONGEST_MS);
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = null;
  }

  #look(outcome: Outcome, endTickMs: number): void {
    const { clock, log } = this.#deps;
    this.#cancel = clock.after(LOOK_MS, () => {
      if (this.#isKept()) {
        this.#keep(outcome).catch((error: unknown) => {
          // What a start would have ended with: the next one begins with it.
          log.error(`What this version held back on trial did not begin: ${errorKind(error)}.`);
          outcome.onGivenUp();
        });
      } else if (clock.monotonicMs() >= endTickMs) {
        log.error('Nobody kept this version in time: the one of before runs again.');
        outcome.onGivenUp();
      } else this.#look(outcome, endTickMs);
    });
  }

  /** Its file is removed by whoever watches over the update, which is root's to do. */
  #isKept(): boolean {
    // Without its mark the next start would not go back either.
    if (!existsSync(this.#mark)) return true;
    const file = readFileSync(this.#mark, 'utf8').trim();
    return file !== '' && !existsSync(file);
  }

  async #keep({ onKept }: Outcome): Promise<void> {
    this.#phase = 'kept';
    rmSync(this.#mark, { force: true });
    const folder = openSync(join(this.#mark, '..'), 'r');
    try {
      fsyncSync(folder);
    } finally {
      closeSync(folder);
    }
    rmSync(join(this.#deps.dataFolder, OLDER), { recursive: true, force: true });
    await onKept();
    this.#phase = 'over';
    this.#deps.log.info('The trial is over, and this version is kept.');
  }
}
