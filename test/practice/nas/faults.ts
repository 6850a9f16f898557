import type { Cancel } from '../../../nodes/lib/time/clock.ts';

/** What goes wrong with a request; omitted fields go right. */
export interface Effect {
  /** Waits on the clock before doing anything. */
  readonly latencyMs?: number;
  /** Cuts the connection before doing anything. */
  readonly refuse?: boolean;
  /** Accepts the request, does nothing and never answers. */
  readonly blackhole?: boolean;
  /** Answers this status without doing anything: JSON, or nginx's page with `html`. */
  readonly status?: number;
  readonly html?: boolean;
  /** Does everything, and still answers this status, as the real one does (measured). */
  readonly statusAfter?: number;
  /**
   * Does everything, then cuts after that many bytes of the answer's body; 0: before the headers.
   */
  readonly cutAfterBytes?: number;
  /** Cuts once this many bytes of the request's body are in. */
  readonly cutBodyAfterBytes?: number;
  /** Paces the answer's body and, for an upload, the write into place. */
  readonly bytesPerSecond?: number;
  /** A download's second half is another version's, with the right length (measured). */
  readonly tornRead?: boolean;
  /** Listings and check-exists show no checksum. */
  readonly missingChecksum?: boolean;
  /** They show one of other bytes. */
  readonly staleChecksum?: boolean;
  /** Preflight claims this state, whatever is true. */
  readonly lyingPreflight?: 'awake' | 'soft_sleep' | 'true_suspend';
}

/** An effect and the requests it applies to: all, if neither method nor path is given. */
export interface Fault extends Effect {
  readonly method?: string;
  /** Matched against the percent-decoded path. */
  readonly path?: RegExp;
  /** How many requests it applies to; by default all until it is cancelled. */
  readonly times?: number;
}

interface ActiveFault {
  readonly fault: Fault;
  left: number;
}

/** The fault switches of a practice NAS, except for its control routes. */
export class FaultSwitches {
  readonly #active = new Set<ActiveFault>();

  /** Adds a fault. If several apply to a request, the later ones win, field by field. */
  set(fault: Fault): Cancel {
    const active: ActiveFault = { fault, left: fault.times ?? Number.POSITIVE_INFINITY };
    this.#active.add(active);
    return () => {
      this.#active.delete(active);
    };
  }

  clear(): void {
    this.#active.clear();
  }

  /** How many faults are still active. */
  get pending(): number {
    return this.#active.size;
  }

  /** The faults that apply to one request, and count it. */
  take(method: string, path: string): Effect {
    let effect: Effect = {};
    for (const active of this.#active) {
      const { fault } = active;
      if (fault.method !== undefined && fault.method !== method) continue;
      if (fault.path !== undefined && path.search(fault.path) === -1) continue;
      effect = { ...effect, ...fault };
      active.left -= 1;
      if (active.left <= 0) this.#active.delete(active);
    }
    return effect;
  }
}
