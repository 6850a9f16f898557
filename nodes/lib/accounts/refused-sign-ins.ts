import type { Log } from '../log/log.ts';
import { quoted } from '../log/quoted.ts';
import type { Clock } from '../time/clock.ts';
import type { SignInRefusal } from './outcomes.ts';

/** How a try ended, as far as it counts here. */
type Ended =
  | Pick<SignInRefusal, 'kind' | 'code'>
  | { readonly kind: 'by_nas'; readonly status: number }
  | { readonly kind: 'by_verifier' };

/** Whoever guesses all day fills no disk with it. */
const MOST_A_MINUTE = 10;
const MINUTE_MS = 60_000;
/** Nobody did anything wrong: only the NAS could tell. */
const NO_ALARM = new Set(['nas_asleep', 'nas_never_seen', 'nas_busy', 'nas_bad_answer']);

/** Tells the log which sign-ins were refused: whose, from where and why, at most ten a minute. */
export class RefusedSignIns {
  readonly #clock: Clock;
  readonly #log: Log;
  #fromMs = -Infinity;
  #count = 0;

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  /**
   * @param username null for a name nobody is known by, which is not told: people type their
   *   password there
   */
  note(ended: Ended, username: string | null, address: string): void {
    const why = whyRefused(ended);
    if (why === null || !this.#mayTell()) return;
    const who = username === null ? 'an unknown name' : quoted(username);
    const line = `sign-in: refused for ${who} from ${address}: ${why}.`;
    if (NO_ALARM.has(why)) this.#log.info(line);
    else this.#log.warn(line);
  }

  #mayTell(): boolean {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#fromMs >= MINUTE_MS) {
      const untold = this.#count - MOST_A_MINUTE;
      if (untold > 0) this.#log.warn(`sign-in: refused ${untold} times more than was told here.`);
      this.#fromMs = nowMs;
      this.#count = 0;
    }
    this.#count += 1;
    return this.#count <= MOST_A_MINUTE;
  }
}

/** A word of the API's for what went wrong; null where nothing did, as when a code is wanted next. */
function whyRefused(ended: Ended): string | null {
  if (ended.kind === 'refused') return ended.code;
  if (ended.kind === 'by_verifier' || ended.status < 400) return null;
  return ended.status === 401 || ended.status === 403
    ? 'bad_credentials'
    : `the NAS said ${ended.status}`;
}
