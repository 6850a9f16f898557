import type { WakeCause } from '../nas/nas.ts';
import { type Entry, type EntryCause, entryOf } from './entry.ts';
import type { Unwritten } from './unwritten.ts';

/** A call that found the NAS gone is no sleep when the next one finds it again. */
const BLINK_MS = 60_000;

/** How the NAS is now. */
export interface NasNow {
  readonly awake: boolean;
  readonly sleepState: string;
  /** Who is waking it; null where nobody here is. */
  readonly cause: WakeCause | null;
}

/** What the NAS's plug measured in a stretch of time. */
export interface NasUse {
  readonly energyMwh: number;
  readonly costUc: number;
}

interface Deps {
  readonly unwritten: Unwritten;
  /** Null while nobody knows how it is. */
  readonly nas: () => NasNow | null;
  /** Null where too little of it was measured. */
  readonly useOf: (fromMs: number, toMs: number) => NasUse | null;
}

/** The times the NAS was awake and asleep, each an entry that ends when the next begins. */
export class NasTimes {
  readonly #deps: Deps;
  #open: Entry | null = null;
  #before: Entry | null = null;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** What still lasted when the Pi was seen last; it goes on where the Pi was gone a moment only. */
  resume(entry: Entry): void {
    this.#open = entry;
  }

  /** Nobody knows how it went on from there. */
  end(atMs: number): void {
    if (this.#open !== null) this.#close(this.#open, atMs);
    this.#open = null;
    this.#before = null;
  }

  /** To be called when the NAS may be otherwise than before. */
  look(time: { nowMs(): number }): void {
    const now = this.#deps.nas();
    const kind = now?.awake === true ? 'nas_awake' : 'nas_asleep';
    // Only a change asks for the time, which is written once it was asked for.
    if (now === null || this.#open?.kind === kind) return;
    const nowMs = time.nowMs();
    if (now.awake && this.#blinked(now, nowMs)) return;
    const wasSeen = this.#open !== null;
    if (this.#open !== null) this.#close(this.#open, nowMs);
    this.#before = this.#open;
    this.#open = now.awake
      ? entryOf(kind, nowMs, { cause: causeOf(now.cause, wasSeen) }, now.cause?.by)
      : entryOf(kind, nowMs, { sleepState: now.sleepState });
    this.#deps.unwritten.put(this.#open);
  }

  /** What the present time awake used so far. */
  useOf(entry: Entry, nowMs: number): NasUse | null {
    return this.#deps.useOf(entry.atMs, nowMs);
  }

  /** That user is another person now. */
  forgetUser(userId: number): void {
    for (const entry of [this.#open, this.#before]) {
      if (entry?.userId === userId) entry.userId = entry.username = null;
    }
  }

  #blinked({ cause }: NasNow, nowMs: number): boolean {
    const [open, before] = [this.#open, this.#before];
    if (open === null || before === null || cause !== null) return false;
    const wasSilent = open.facts.sleepState === 'unreachable';
    if (!wasSilent || nowMs - open.atMs >= BLINK_MS) return false;
    this.#deps.unwritten.remove(open);
    before.endedAtMs = null;
    const { cause: woken = null } = before.facts;
    before.facts = { cause: woken };
    this.#deps.unwritten.put(before);
    this.#open = before;
    this.#before = null;
    return true;
  }

  #close(entry: Entry, atMs: number): void {
    entry.endedAtMs = Math.max(entry.atMs, atMs);
    if (entry.kind === 'nas_awake') {
      const use = this.#deps.useOf(entry.atMs, entry.endedAtMs);
      const { energyMwh = null, costUc = null } = use ?? {};
      entry.facts = { ...entry.facts, energyMwh, costUc };
    }
    this.#deps.unwritten.put(entry);
  }
}

/** @param wasSeen whether the Pi saw it asleep before */
export function causeOf(cause: WakeCause | null, wasSeen: boolean): EntryCause {
  if (cause === null) return wasSeen ? 'elsewhere' : null;
  if (cause.kind !== 'call') return cause.kind;
  return cause.by === null ? 'flow' : 'user';
}
