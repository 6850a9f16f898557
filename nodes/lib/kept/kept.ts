import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { errorKind, type Log } from '../log/log.ts';
import type { PassBefore, PassHook, PassRequest, PassResult } from '../pass/pass-hook.ts';
import type { Clock } from '../time/clock.ts';
import { KeptAnswers, type KeptAnswersDeps, Polls, type PollsDeps } from './kept-answers.ts';

interface KeptDeps extends Omit<KeptAnswersDeps, 'polls'>, PollsDeps {
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

const pack = promisify(gzip);
const unpack = promisify(gunzip);

/** Of all desktops' folders. */
const MOST_ANSWERS = 100;
const MOST_PACKED_BYTES = 8 * 1024 * 1024;
/** A longer answer is not kept. */
export const MOST_TEXT_BYTES = 8 * 1024 * 1024;
/** The NAS gives a new one each time, and a desktop sends the last one back. */
const CHANGE_TOKEN = /"change_token"\s*:\s*"[^"]*"/;

interface KeptDelta {
  /** Of what it tells; null where it was too long to say. */
  readonly hash: string | null;
  readonly toldAtMs: number;
  /** Until it is packed. */
  text: string | null;
  packed: Buffer | null;
}

/** The last answer to a question that was asked before. */
interface SyncAnswer {
  /** JSON; null where it was too long to be kept. */
  readonly text: string | null;
  readonly ageSeconds: number;
}

/**
 * What desktops were last told when they asked for their delta. One that asks the same again has
 * nothing new to tell, and mostly is told nothing new: it waits for its turn with the polls.
 */
class SyncAnswers {
  readonly #clock: Pick<Clock, 'nowMs'>;
  readonly #log: Log;
  readonly #kept = new Map<string, KeptDelta>();

  constructor(clock: Pick<Clock, 'nowMs'>, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  /**
   * Names a question, the same for the same question.
   * @param begin of the body, as much as was read of it
   * @param lengthBytes of all of it; null where it is not told
   */
  keyOf(userId: number, begin: Buffer, lengthBytes: number | null): string {
    const asked = begin.toString('latin1').replace(CHANGE_TOKEN, '');
    const rest = lengthBytes === null ? '' : String(Math.max(0, lengthBytes - begin.length));
    return createHash('sha256').update(`${userId}\n${rest}\n`).update(asked).digest('base64');
  }

  /** When that question was last answered, epoch ms; null where it never was. */
  toldAtMs(key: string): number | null {
    return this.#kept.get(key)?.toldAtMs ?? null;
  }

  async find(key: string): Promise<SyncAnswer | null> {
    const kept = this.#kept.get(key);
    if (kept === undefined) return null;
    const ageMs = Math.max(0, this.#clock.nowMs() - kept.toldAtMs);
    const text = kept.packed === null ? kept.text : (await unpack(kept.packed)).toString();
    return { text, ageSeconds: Math.floor(ageMs / 1_000) };
  }

  /**
   * @param text null where it was too long
   * @returns whether it tells anything that the one before did not
   */
  keep(key: string, text: string | null): boolean {
    const before = this.#kept.get(key);
    const hash = text === null ? null : hashOf(text.replace(CHANGE_TOKEN, ''));
    const kept: KeptDelta = { hash, text, packed: null, toldAtMs: this.#clock.nowMs() };
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    if (text !== null) this.#pack(kept, text);
    this.#cap();
    return before?.hash !== hash;
  }

  #pack(kept: KeptDelta, text: string): void {
    pack(text, { level: 1 }).then(
      (packed) => {
        [kept.packed, kept.text] = [packed, null];
        this.#cap();
      },
      (error: unknown) => {
        this.#log.warn(`A delta for a desktop could not be packed: ${errorKind(error)}.`);
      },
    );
  }

  #cap(): void {
    let bytes = 0;
    for (const { packed } of this.#kept.values()) bytes += packed?.length ?? 0;
    for (const [key, { packed }] of this.#kept) {
      if (this.#kept.size <= MOST_ANSWERS && bytes <= MOST_PACKED_BYTES) return;
      this.#kept.delete(key);
      bytes -= packed?.length ?? 0;
    }
  }
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('base64');
}

interface NasSleepsDeps {
  /** The NAS rests its disks from now on, and answers still. */
  readonly softly: () => void;
  /** It goes, and may answer for some seconds more. */
  readonly suspended: () => void;
}

/** A caller sends the NAS to sleep through the Pi: it counts as asleep from its own answer on. */
export class NasSleeps implements PassHook {
  readonly #deps: NasSleepsDeps;

  constructor(deps: NasSleepsDeps) {
    this.#deps = deps;
  }

  concerns({ method, segments }: Pick<PassRequest, 'method' | 'segments'>): boolean {
    return method === 'POST' && /^system\/sleep\/(?:soft|suspend)$/.test(segments.join('/'));
  }

  before({ segments }: PassRequest): PassBefore {
    const isSoft = segments.at(-1) === 'soft';
    const after = (result: PassResult): undefined => {
      const isDone = result.kind === 'answered' && result.status < 300;
      if (isDone && isSoft) this.#deps.softly();
      // It may be gone before its answer is out.
      if (!isSoft && (isDone || result.kind === 'no_answer')) this.#deps.suspended();
    };
    return { kind: 'go', after };
  }
}
