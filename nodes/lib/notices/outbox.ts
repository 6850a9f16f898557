import type { Clock } from '../time/clock.ts';
import { type Facts, type NoticeKind, PAUSE_MS } from './notice-kinds.ts';
import type { NoticeRows, UnsentRow } from './notice-rows.ts';

/** One message that is to be sent to one device. */
export interface Unsent extends UnsentRow {
  /** How often it happened since the last message of the same. */
  count: number;
  /** How often it was tried. */
  tries: number;
  dueTickMs: number;
  facts: Facts;
}

/** Within it what comes together is told together, and what is over again is not told at all. */
const GATHER_MS = 20_000;
const FIRST_RETRY_MS = 30_000;
const LONGEST_RETRY_MS = 3_600_000;
/** Who was not reached for a day is not told any more: it is old by then. */
const TOO_OLD_MS = 86_400_000;

/**
 * What is still to be sent, one message for each device and topic: what happens again meanwhile is
 * counted, and a topic rests after its message, so that a plug that comes and goes sends a few
 * messages a day. The first of each is written down, so that a restart sends it.
 */
export class Outbox {
  readonly #rows: NoticeRows;
  readonly #clock: Clock;
  readonly #unsent = new Map<string, Unsent>();
  /** When a topic's message was last sent to a device, ticks; as long as its pause goes on. */
  readonly #rests = new Map<string, number>();

  constructor(rows: NoticeRows, clock: Clock) {
    this.#rows = rows;
    this.#clock = clock;
  }

  /** Takes up what the run before did not send. */
  load(): void {
    const dueTickMs = this.#clock.monotonicMs() + GATHER_MS;
    for (const row of this.#rows.unsent()) {
      this.#unsent.set(keyOf(row), { ...row, count: 1, tries: 0, dueTickMs });
    }
  }

  note(deviceId: string, of: { topic: string; kind: NoticeKind; facts: Facts }): void {
    const key = keyOf({ deviceId, topic: of.topic });
    const waiting = this.#unsent.get(key);
    if (waiting !== undefined) {
      waiting.count += 1;
      // The newest tells how it is now; of several the first one is as good.
      waiting.facts = of.facts;
      return;
    }
    const nowTickMs = this.#clock.monotonicMs();
    this.#forgetRests(nowTickMs);
    // A flow's owner has gathered already.
    const gatherMs = of.kind === 'flow' ? 0 : GATHER_MS;
    const dueTickMs = Math.max(nowTickMs + gatherMs, this.#rests.get(key) ?? 0);
    const row = { deviceId, ...of, firstAtMs: Math.floor(this.#clock.nowMs()) };
    this.#rows.note(row);
    this.#unsent.set(key, { ...row, count: 1, tries: 0, dueTickMs });
  }

  /** It is not true any more: whoever was not told of it is not. */
  over(topic: string): void {
    for (const unsent of [...this.#unsent.values()]) if (unsent.topic === topic) this.drop(unsent);
  }

  /** Earliest first. */
  due(): readonly Unsent[] {
    const nowTickMs = this.#clock.monotonicMs();
    return [...this.#unsent.values()]
      .filter(({ dueTickMs }) => dueTickMs <= nowTickMs)
      .sort((a, b) => a.dueTickMs - b.dueTickMs);
  }

  /** How long until something is due; null where nothing is to be sent. */
  get waitMs(): number | null {
    if (this.#unsent.size === 0) return null;
    const dues = [...this.#unsent.values()].map(({ dueTickMs }) => dueTickMs);
    return Math.max(0, Math.min(...dues) - this.#clock.monotonicMs());
  }

  sent(unsent: Unsent): void {
    this.drop(unsent);
    this.#rests.set(keyOf(unsent), this.#clock.monotonicMs() + PAUSE_MS[unsent.kind]);
  }

  drop(unsent: Unsent): void {
    this.#unsent.delete(keyOf(unsent));
    this.#rows.over(unsent.deviceId, unsent.topic);
  }

  dropDevice(deviceId: string): void {
    for (const unsent of [...this.#unsent.values()]) {
      if (unsent.deviceId === deviceId) this.drop(unsent);
    }
  }

  /** Not now: in quiet hours, or while nobody knows whether its reader may still be told. */
  postpone(unsent: Unsent, byMs: number): void {
    if (this.#clock.nowMs() - unsent.firstAtMs > TOO_OLD_MS) this.drop(unsent);
    else unsent.dueTickMs = this.#clock.monotonicMs() + byMs;
  }

  /** @param afterMs what the service asked for; null where it did not */
  tryAgain(unsent: Unsent, afterMs: number | null): void {
    const waitMs = Math.min(FIRST_RETRY_MS * 2 ** unsent.tries, LONGEST_RETRY_MS);
    unsent.tries += 1;
    this.postpone(unsent, Math.max(waitMs, afterMs ?? 0));
  }

  #forgetRests(nowTickMs: number): void {
    for (const [key, untilMs] of this.#rests) if (untilMs <= nowTickMs) this.#rests.delete(key);
  }
}

function keyOf({ deviceId, topic }: { deviceId: string; topic: string }): string {
  return `${deviceId} ${topic}`;
}
