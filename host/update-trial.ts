import { closeSync, existsSync, fsyncSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { errorKind, type Log } from '../nodes/lib/log/log.ts';
import type { Cancel, Clock } from '../nodes/lib/time/clock.ts';

/** Written by deploy/turn.sh next to the previous databases; names the file that decides. */
const MARK = join('before-update', 'undecided');
/** Of the update before, useless once this one is kept. */
const OLDER = 'before-update.last';
const LOOK_MS = 1_000;
/** The updater decides within a minute. */
const LONGEST_MS = 120_000;

interface Deps {
  /** DATA_DIR, absolute. */
  readonly dataFolder: string;
  readonly clock: Clock;
  readonly log: Log;
}

interface Outcome {
  /** This version is kept: begins what it held back. */
  readonly onKept: () => Promise<void>;
  /** Ends the process, as nobody decided in time; the previous version starts then. */
  readonly onGivenUp: () => void;
}

/** Whether a version started on that data folder is on trial after an update. */
export function isOnTrial(dataFolder: string): boolean {
  return existsSync(join(dataFolder, MARK));
}

/**
 * A version on trial after an update (ADR 0030). Until it is kept, nothing may happen that going back
 * to the previous databases would lose: uploads, changes and sign-ins are refused, nothing is
 * delivered, and the plugs' samples are kept aside.
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

  /** Until it is kept; nothing may begin that going back would lose. */
  get isUndecided(): boolean {
    return this.#phase === 'undecided';
  }

  /** Until what was held back has begun; nothing is accepted from outside before that. */
  get isOn(): boolean {
    return this.#phase !== 'over';
  }

  /** Waits for the end of the trial, if there is one. */
  watch(outcome: Outcome): void {
    if (!this.isUndecided) return;
    const { clock, log } = this.#deps;
    log.info('This version is on trial after an update: it accepts nothing until it is kept.');
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
          // A failure that ends a start: the next start faces it from the beginning.
          log.error(
            `What this version held back during its trial could not start: ${errorKind(error)}.`,
          );
          outcome.onGivenUp();
        });
      } else if (clock.monotonicMs() >= endTickMs) {
        log.error('This version was not confirmed in time: the previous one runs again.');
        outcome.onGivenUp();
      } else this.#look(outcome, endTickMs);
    });
  }

  /** The updater, which runs as root, removes the file. */
  #isKept(): boolean {
    // Without the mark the next start would not go back either.
    if (!existsSync(this.#mark)) return true;
    try {
      const file = readFileSync(this.#mark, 'utf8').trim();
      return file !== '' && !existsSync(file);
    } catch (error) {
      // The next look tells; thrown from here there would be none, and the trial no end.
      this.#deps.log.warn(`Whether this version is kept could not be read: ${errorKind(error)}.`);
      return false;
    }
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
