import type { Log } from '../log/log.ts';
import { KeptAnswers, type KeptAnswersDeps } from './kept-answers.ts';
import { Polls, type PollsDeps } from './polls.ts';
import { SyncAnswers } from './sync-answers.ts';

export { NasSleeps } from './nas-sleeps.ts';
export { MOST_TEXT_BYTES } from './sync-answers.ts';

export interface KeptDeps extends Omit<KeptAnswersDeps, 'polls'>, PollsDeps {
  readonly clock: KeptAnswersDeps['clock'] & PollsDeps['clock'];
  readonly log: Log;
}

/** What the NAS told, kept for its sleep and for those who ask all the time. */
export class Kept {
  /** Of routes that are passed on. */
  readonly answers: KeptAnswers;
  /** Of desktops that ask for their delta. */
  readonly deltas: SyncAnswers;
  readonly #polls: Polls;

  constructor(deps: KeptDeps) {
    this.#polls = new Polls(deps);
    this.answers = new KeptAnswers({ ...deps, polls: this.#polls });
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

  /** Writes down what is in memory. */
  stop(): void {
    this.answers.stop();
  }
}
