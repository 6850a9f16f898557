import type { Log } from '../log/log.ts';
import type { Clock } from './clock.ts';

/** What the system says of its clock. */
export interface ClockMarks {
  /** systemd-timesyncd has set the clock since boot. */
  readonly isSynchronized: boolean;
  /**
   * The clock starts from a guess: systemd runs here, which sets it from the time of the last
   * shutdown, and there is no hardware clock that went on meanwhile.
   */
  readonly startsFromGuess: boolean;
  /** How long the machine is up, ms. */
  readonly uptimeMs: number;
}

export interface ClockEvidenceParts {
  readonly clock: Clock;
  readonly log: Log;
  /** When this program was built, epoch ms. */
  readonly buildDateMs: number;
  /** The wall clock is behind what is known to have passed. */
  readonly isBehind: () => boolean;
  readonly readMarks: () => ClockMarks;
}

/** NTP over a slow line needs a minute; after this nothing better will come. */
const LONGEST_DOUBT_MS = 1_200_000;
/** Two clocks that both go by NTP differ by less; a HTTP date has whole seconds. */
const AGREES_MS = 60_000;
/** Contract 1, Time: two proofs stand when they differ by no more. */
const PROOFS_AGREE_MS = 300_000;

/** The two proofs of the time, where both stand and agree. Epoch ms. */
export interface ClockProofs {
  /** The wall clock that time synchronisation has set. */
  readonly wallMs: number;
  /** By the NAS's own Date. */
  readonly nasMs: number;
}

/**
 * Whether the wall clock may be believed. A Pi without a clock battery boots with the time of its
 * last shutdown: plausible, and wrong by as long as it was off. So it is believed once
 *
 * - systemd-timesyncd marks it as synchronized,
 * - or the NAS, in the head of any answer, tells the same time,
 * - or nothing says that it starts from a guess and the NAS does not tell another time,
 * - or the machine is up for 20 minutes: there may be no network, and what is measured has to be
 *   placed somewhere. A later correction is then followed as any step of the clock is.
 *
 * Once believed it stays so. Where it is behind the floor of trusted time, one of the first two
 * counts, or the 20 minutes unless it is of a time before this program was made: a clock that was
 * once wrong by years must not end the metering until that year comes.
 */
export class ClockEvidence {
  readonly #parts: ClockEvidenceParts;
  #isBelieved = false;
  /** What the NAS told last, and when by the monotonic clock. */
  #nas: { readonly toldMs: number; readonly tickMs: number } | null = null;

  constructor(parts: ClockEvidenceParts) {
    this.#parts = parts;
  }

  /** Takes the `Date` of an answer of the NAS (RFC 9110); anything else is ignored. */
  heardFromNas(date: string): void {
    const toldMs = Date.parse(date);
    if (Number.isNaN(toldMs)) return;
    this.#nas = { toldMs, tickMs: this.#parts.clock.monotonicMs() };
  }

  /** Null while one of them is missing, or tells another time. */
  get proofs(): ClockProofs | null {
    const [aheadMs, nasMs] = [this.#aheadOfNasMs(), this.#nasMs()];
    if (aheadMs === null || nasMs === null || Math.abs(aheadMs) > PROOFS_AGREE_MS) return null;
    if (!this.#parts.readMarks().isSynchronized) return null;
    return { wallMs: this.#parts.clock.nowMs(), nasMs };
  }

  /** Nobody set the wall clock, and the NAS tells an earlier time. */
  get isAhead(): boolean {
    const aheadMs = this.#aheadOfNasMs();
    const isFar = aheadMs !== null && aheadMs > PROOFS_AGREE_MS;
    return isFar && !this.#parts.readMarks().isSynchronized;
  }

  get isTrusted(): boolean {
    if (this.#parts.isBehind()) return this.#isConfirmed() || this.#isPlausibleAtLast();
    this.#isBelieved ||= this.#mayBelieve();
    return this.#isBelieved;
  }

  /** By something that knows the time of its own: then it is the floor that lies ahead. */
  #isConfirmed(): boolean {
    return this.#parts.readMarks().isSynchronized || this.#doesNasAgree() === true;
  }

  #nasMs(): number | null {
    const { clock } = this.#parts;
    return this.#nas === null ? null : this.#nas.toldMs + clock.monotonicMs() - this.#nas.tickMs;
  }

  #aheadOfNasMs(): number | null {
    const nasMs = this.#nasMs();
    return nasMs === null ? null : this.#parts.clock.nowMs() - nasMs;
  }

  #doesNasAgree(): boolean | null {
    const aheadMs = this.#aheadOfNasMs();
    return aheadMs === null ? null : Math.abs(aheadMs) <= AGREES_MS;
  }

  #isPlausibleAtLast(): boolean {
    const { clock, buildDateMs, readMarks } = this.#parts;
    return clock.nowMs() >= buildDateMs && readMarks().uptimeMs >= LONGEST_DOUBT_MS;
  }

  #mayBelieve(): boolean {
    const { isSynchronized, startsFromGuess, uptimeMs } = this.#parts.readMarks();
    if (isSynchronized) return true;
    if (this.#doesNasAgree() ?? !startsFromGuess) return true;
    if (uptimeMs < LONGEST_DOUBT_MS) return false;
    this.#parts.log.warn(
      'Nothing confirms the clock of this machine; energy is metered by it all the same. Check its network time.',
    );
    return true;
  }
}
