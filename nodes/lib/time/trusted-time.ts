import { existsSync } from 'node:fs';
import { uptime } from 'node:os';
import type { Log } from '../log/log.ts';
import type { Cancel, Clock } from './clock.ts';

/** What is kept over a restart. Epoch ms, 0 for what was never stored. */
export interface StoredTime {
  readonly newestMs: number;
  /** The newest `iat` of a token the NAS accepted. */
  readonly acceptedMs: number;
  /** A build date that proved to be in the future. */
  readonly refutedBuildMs: number;
}

/** Where the newest time ever known is kept over a restart. */
export interface NewestTimeStore {
  read(): StoredTime;
  write(newestMs: number, acceptedMs: number): void;
  /**
   * The newest time is `toMs`, not `fromMs`, and all times measured on it are corrected with it:
   * what the higher one ended stays ended.
   * @param refutedBuildMs the build date where that lay ahead too, else 0
   */
  putRight(fromMs: number, toMs: number, refutedBuildMs: number): void;
}

/** nowMs() is the time that trust in tokens, token results and grants is measured on. */
export interface TrustedClock {
  /** Epoch ms. Never goes back over a restart, and only where two proofs show that it was ahead. */
  nowMs(): number;
  /** The wall clock is behind what is known to have passed, so it is not set yet. */
  readonly unsynced: boolean;
  /** The time is verified, so that old data may be deleted for its age. */
  readonly isProved: boolean;
  /** The NAS accepted a token that it issued at that time, epoch ms. */
  accepted(issuedAtMs: number): void;
}

interface Deps {
  readonly clock: Clock;
  readonly store: NewestTimeStore;
  /** When this program was built, epoch ms. */
  readonly buildDateMs: number;
  readonly proofs: () => ClockProofs | null;
  readonly log: Log;
}

/**
 * How far the wall clock may lag before it counts as not set. NTP steps it back by a second or so
 * now and then, and it catches up by itself.
 */
const SLACK_MS = 5_000;

const TICK_MS = 60_000;

/** Written this often even if nobody asked, so that a power cut on a quiet Pi loses little. */
const IDLE_WRITE_MS = 600_000;

/** How often it is logged again that the clock is not set. */
const SAY_AGAIN_MS = 3_600_000;

/**
 * The latest of wall clock, newest time ever stored, and build date (contract 1, Time). A Pi has no
 * clock battery: after a power cut its wall clock may say 1970, and that must not revive an expired
 * token. While the wall clock is behind, time continues on the monotonic clock from that floor, the
 * best known lower bound of the real time.
 *
 * Unless the clock was once ahead: then two proofs that agree, time synchronisation and the NAS's
 * Date, correct the floor. One alone does not, as either may be wrong or forged.
 */
export class TrustedTime implements TrustedClock {
  readonly #deps: Deps;
  #newestMs: number;
  #acceptedMs: number;
  #readAtMs: number;
  #writtenMs: number;
  #asked = false;
  #saidAtMs: number | null = null;
  #cancel: Cancel | null = null;

  constructor(deps: Deps) {
    this.#deps = deps;
    const stored = deps.store.read();
    this.#writtenMs = stored.newestMs;
    this.#acceptedMs = stored.acceptedMs;
    const isBuildRefuted = deps.buildDateMs <= stored.refutedBuildMs;
    this.#newestMs = Math.max(this.#writtenMs, isBuildRefuted ? 0 : deps.buildDateMs);
    this.#readAtMs = deps.clock.monotonicMs();
  }

  get unsynced(): boolean {
    return this.#advance() - this.#deps.clock.nowMs() > SLACK_MS;
  }

  get isProved(): boolean {
    const proofs = this.#deps.proofs();
    return proofs !== null && this.#advance() - laterOf(proofs) <= SLACK_MS;
  }

  accepted(issuedAtMs: number): void {
    this.#acceptedMs = Math.max(this.#acceptedMs, issuedAtMs);
  }

  nowMs(): number {
    this.#asked = true;
    return this.#advance();
  }

  /** Begins to store the newest time, at most once a minute. */
  start(): void {
    if (this.#cancel !== null) return;
    this.#sayUnsynced();
    this.#schedule();
  }

  /** Corrects a floor that lies ahead of both proofs; called when one of them may be new. */
  look(): void {
    if (!this.unsynced) return;
    const proofs = this.#deps.proofs();
    const fromMs = this.#newestMs;
    if (proofs === null || fromMs - laterOf(proofs) <= SLACK_MS) return;
    const toMs = Math.max(Math.floor(proofs.wallMs), this.#acceptedMs);
    if (fromMs - toMs <= SLACK_MS) return;
    const { store, buildDateMs, log } = this.#deps;
    try {
      store.putRight(fromMs, toMs, buildDateMs > laterOf(proofs) ? buildDateMs : 0);
    } catch (error) {
      // Tried again in the next minute.
      log.warn(`A time in the future could not be corrected: ${String(error)}`);
      return;
    }
    this.#newestMs = toMs;
    this.#writtenMs = toMs;
    this.#readAtMs = this.#deps.clock.monotonicMs();
    log.warn(
      `The newest time known was ${isoOf(fromMs)}. Time synchronisation and the NAS both tell ` +
        `${isoOf(toMs)}, which counts from now on.`,
    );
  }

  /** Stores the newest time a last time. */
  stop(): void {
    this.#cancel?.();
    this.#cancel = null;
    this.#write(this.#advance());
  }

  /**
   * Stores the newest time now, which is also what shows whether the disk takes a synced row.
   * @throws what the store throws
   */
  keep(): void {
    const newestMs = this.#advance();
    this.#deps.store.write(newestMs, this.#acceptedMs);
    this.#writtenMs = newestMs;
    this.#asked = false;
  }

  #schedule(): void {
    this.#cancel = this.#deps.clock.after(TICK_MS, () => {
      this.#schedule();
      this.#tick();
    });
  }

  #sayUnsynced(): void {
    const { clock, log } = this.#deps;
    const tickMs = clock.monotonicMs();
    if (!this.unsynced) {
      this.#saidAtMs = null;
      return;
    }
    if (this.#saidAtMs !== null && tickMs - this.#saidAtMs < SAY_AGAIN_MS) return;
    this.#saidAtMs = tickMs;
    log.warn(
      `The clock of this machine says ${isoOf(clock.nowMs())}, and ${isoOf(this.#newestMs)} was ` +
        'known before. Who may come in is judged by the later one, until the clock is right or ' +
        'time synchronisation and the NAS both say that the earlier one is.',
    );
  }

  #advance(): number {
    const { clock } = this.#deps;
    const monotonicMs = clock.monotonicMs();
    const wallMs = Math.floor(clock.nowMs());
    if (wallMs >= this.#newestMs) this.#newestMs = wallMs;
    else if (this.#newestMs - wallMs > SLACK_MS) {
      this.#newestMs += Math.floor(monotonicMs) - Math.floor(this.#readAtMs);
    }
    this.#readAtMs = monotonicMs;
    return this.#newestMs;
  }

  #tick(): void {
    this.look();
    this.#sayUnsynced();
    const newestMs = this.#advance();
    if (!this.#asked && newestMs - this.#writtenMs < IDLE_WRITE_MS) return;
    this.#write(newestMs);
  }

  #write(newestMs: number): void {
    if (newestMs <= this.#writtenMs) return;
    try {
      this.#deps.store.write(newestMs, this.#acceptedMs);
      this.#writtenMs = newestMs;
      this.#asked = false;
    } catch (error) {
      // The next minute tries again; until then only the floor after a power cut is lower.
      this.#deps.log.warn(`The newest time could not be stored: ${String(error)}`);
    }
  }
}

function laterOf({ wallMs, nasMs }: ClockProofs): number {
  return Math.max(wallMs, nasMs);
}

function isoOf(atMs: number): string {
  return new Date(atMs).toISOString();
}

/** What the system says about its clock. */
export interface ClockMarks {
  /** systemd-timesyncd has set the clock since boot. */
  readonly isSynchronized: boolean;
  /**
   * The clock starts from a guess: systemd runs here, which sets it from the time of the last
   * shutdown, and there is no hardware clock that went on meanwhile.
   */
  readonly startsFromGuess: boolean;
  /** How long the machine has been up, ms. */
  readonly uptimeMs: number;
}

interface ClockEvidenceDeps {
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
/** Contract 1, Time: two proofs agree when they differ by no more than this. */
const PROOFS_AGREE_MS = 300_000;

/** The two proofs of the time, where both stand and agree. Epoch ms. */
export interface ClockProofs {
  /** The wall clock as set by time synchronisation. */
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
 * - or nothing suggests that it started from a guess and the NAS tells no other time,
 * - or the machine has been up for 20 minutes: there may be no network, and measurements have to be
 *   placed somewhere. A later correction is then followed like any step of the clock.
 *
 * Once believed it stays so. Where it is behind the floor of trusted time, one of the first two is
 * required, or the 20 minutes unless it predates this program's build: a clock that was once wrong
 * by years must not end the metering until that year comes.
 */
export class ClockEvidence {
  readonly #deps: ClockEvidenceDeps;
  #isBelieved = false;
  /** What the NAS last told, and when, by the monotonic clock. */
  #nas: { readonly toldMs: number; readonly tickMs: number } | null = null;

  constructor(deps: ClockEvidenceDeps) {
    this.#deps = deps;
  }

  /** Takes the `Date` of an answer of the NAS (RFC 9110); anything else is ignored. */
  heardFromNas(date: string): void {
    const toldMs = Date.parse(date);
    if (Number.isNaN(toldMs)) return;
    this.#nas = { toldMs, tickMs: this.#deps.clock.monotonicMs() };
  }

  /** Null while one of them is missing, or they disagree. */
  get proofs(): ClockProofs | null {
    const [aheadMs, nasMs] = [this.#aheadOfNasMs(), this.#nasMs()];
    if (aheadMs === null || nasMs === null || Math.abs(aheadMs) > PROOFS_AGREE_MS) return null;
    if (!this.#deps.readMarks().isSynchronized) return null;
    return { wallMs: this.#deps.clock.nowMs(), nasMs };
  }

  /** Nobody set the wall clock, and the NAS tells an earlier time. */
  get isAhead(): boolean {
    const aheadMs = this.#aheadOfNasMs();
    const isFar = aheadMs !== null && aheadMs > PROOFS_AGREE_MS;
    return isFar && !this.#deps.readMarks().isSynchronized;
  }

  get isTrusted(): boolean {
    if (this.#deps.isBehind()) return this.#isConfirmed() || this.#isPlausibleAtLast();
    this.#isBelieved ||= this.#mayBelieve();
    return this.#isBelieved;
  }

  /** From a source that knows the time itself: then it is the floor that lies ahead. */
  #isConfirmed(): boolean {
    return this.#deps.readMarks().isSynchronized || this.#doesNasAgree() === true;
  }

  #nasMs(): number | null {
    const { clock } = this.#deps;
    return this.#nas === null ? null : this.#nas.toldMs + clock.monotonicMs() - this.#nas.tickMs;
  }

  #aheadOfNasMs(): number | null {
    const nasMs = this.#nasMs();
    return nasMs === null ? null : this.#deps.clock.nowMs() - nasMs;
  }

  #doesNasAgree(): boolean | null {
    const aheadMs = this.#aheadOfNasMs();
    return aheadMs === null ? null : Math.abs(aheadMs) <= AGREES_MS;
  }

  #isPlausibleAtLast(): boolean {
    const { clock, buildDateMs, readMarks } = this.#deps;
    return clock.nowMs() >= buildDateMs && readMarks().uptimeMs >= LONGEST_DOUBT_MS;
  }

  #mayBelieve(): boolean {
    const { isSynchronized, startsFromGuess, uptimeMs } = this.#deps.readMarks();
    if (isSynchronized) return true;
    if (this.#doesNasAgree() ?? !startsFromGuess) return true;
    if (uptimeMs < LONGEST_DOUBT_MS) return false;
    this.#deps.log.warn(
      'Nothing confirms the clock of this machine; energy is metered by it all the same. Check its network time.',
    );
    return true;
  }
}

/** Kept by systemd-timesyncd from the first synchronization after boot on (its manual page). */
const SYNCHRONIZED = '/run/systemd/timesync/synchronized';
/** Exists when systemd is the init of this machine (sd_booted(3)). */
const SYSTEMD = '/run/systemd/system';
/** The hardware clock Linux sets its own from; a Pi before the 5 has none. */
const HARDWARE_CLOCK = '/sys/class/rtc/rtc0';

/** Looks at the machine: three files and the uptime. */
export function readClockMarks(): ClockMarks {
  return {
    isSynchronized: existsSync(SYNCHRONIZED),
    startsFromGuess: existsSync(SYSTEMD) && !existsSync(HARDWARE_CLOCK),
    uptimeMs: uptime() * 1_000,
  };
}
