import { Listeners } from '../../../../nodes/lib/log/listeners.ts';
import type { Log } from '../../../../nodes/lib/log/log.ts';
import type { Clock } from '../../../../nodes/lib/time/clock.ts';
import type { PlugSample } from './poller.ts';

/** Who switched a plug. `elsewhere`: at the plug itself, or in an app that is not ours. */
export type SwitchedBy =
  | { readonly how: 'user'; readonly username: string }
  | { readonly how: 'flow' }
  | { readonly how: 'elsewhere' };

/** What happened to a plug. */
export type PlugNews =
  | { readonly kind: 'plug_lost' | 'plug_back'; readonly id: string; readonly name: string }
  | {
      readonly kind: 'plug_switched';
      readonly id: string;
      readonly name: string;
      readonly isOn: boolean;
      readonly by: SwitchedBy;
    };

/** One that was not read for so long is lost, ms: a plug in a far room misses single rounds. */
const LOST_MS = 60_000;

interface Known {
  seenTickMs: number;
  isLost: boolean;
  isOn: boolean | null;
  /** Who is about to switch it: a round may read it before that is answered. */
  by: SwitchedBy | null;
}

/** Finds out, from what plugs answer, what somebody might want to be told. */
export class PlugWatch {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #nameOf: (id: string) => string;
  readonly #news: Listeners<PlugNews>;
  readonly #plugs = new Map<string, Known>();

  constructor(clock: Pick<Clock, 'monotonicMs'>, log: Log, nameOf: (id: string) => string) {
    this.#clock = clock;
    this.#nameOf = nameOf;
    this.#news = new Listeners(log);
  }

  listen(listener: (news: PlugNews) => void): () => void {
    return this.#news.listen(listener);
  }

  /** Every outcome of every read. */
  heard({ id, outcome }: PlugSample): void {
    const nowMs = this.#clock.monotonicMs();
    const plug = this.#known(id, nowMs);
    if (outcome.kind !== 'reading') {
      if (plug.isLost || nowMs - plug.seenTickMs < LOST_MS) return;
      plug.isLost = true;
      this.#news.tell({ kind: 'plug_lost', id, name: this.#nameOf(id) });
      return;
    }
    const wasLost = plug.isLost;
    plug.seenTickMs = nowMs;
    plug.isLost = false;
    if (wasLost) this.#news.tell({ kind: 'plug_back', id, name: this.#nameOf(id) });
    const { isOn } = outcome.reading;
    if (isOn !== null) this.#stands(id, plug, isOn);
  }

  /** Somebody is about to switch it. */
  switching(id: string, by: SwitchedBy): void {
    this.#known(id, this.#clock.monotonicMs()).by = by;
  }

  /** What came of that; null where it failed. */
  switched(id: string, isOn: boolean | null): void {
    const plug = this.#known(id, this.#clock.monotonicMs());
    if (isOn !== null) this.#stands(id, plug, isOn);
    plug.by = null;
  }

  /** It is no plug of ours any more. */
  forget(id: string): void {
    this.#plugs.delete(id);
  }

  #stands(id: string, plug: Known, isOn: boolean): void {
    const before = plug.isOn;
    plug.isOn = isOn;
    // How it stood before the first look nobody knows.
    if (before === null || before === isOn) return;
    const by = plug.by ?? { how: 'elsewhere' };
    this.#news.tell({ kind: 'plug_switched', id, name: this.#nameOf(id), isOn, by });
  }

  #known(id: string, nowMs: number): Known {
    const known = this.#plugs.get(id) ?? { seenTickMs: nowMs, isLost: false, isOn: null, by: null };
    this.#plugs.set(id, known);
    return known;
  }
}
