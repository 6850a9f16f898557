import type { Log } from '../log/log.ts';
import type { Clock } from '../time/clock.ts';
import { Polls, type PollsDeps } from './polls.ts';
import { SyncAnswers } from './sync-answers.ts';

export { MOST_TEXT_BYTES } from './sync-answers.ts';

export interface KeptDeps extends PollsDeps {
  readonly clock: Pick<Clock, 'nowMs' | 'monotonicMs'>;
  readonly log: Log;
}

/** What the NAS told, kept for those who ask all the time. */
export class Kept {
  /** Of desktops that ask for their delta. */
  readonly deltas: SyncAnswers;
  readonly #polls: Polls;

  constructor(deps: KeptDeps) {
    this.#polls = new Polls(deps);
    this.deltas = new SyncAnswers(deps.clock, deps.log);
  }

  /**
   * Whether the NAS may be asked for a delta now: at once for a question that is new, in its turn
   * for one that was answered before.
   */
  mayAskForDelta(key: string): boolean {
    const toldAtMs = this.deltas.toldAtMs(key);
    return toldAtMs === null || this.#polls.take(`delta ${key}`, toldAtMs);
  }
}
