import type { Store } from '../store/store.ts';
import { keyOf } from './policy/key-of.ts';
import { Tournament } from './policy/tournament.ts';
import { mayEnter, usesOnReturn, weightOf, worthOf, type Displaced } from './policy/worth.ts';
import { PolicyRows } from './policy-rows.ts';

export interface CachePolicyPorts {
  readonly store: Store;
  /** What the copies are kept below, in bytes. */
  readonly limitBytes: () => number;
  /** Called before the cache leans another way: uses until then count under the old rule. */
  readonly beforeChange: () => void;
}

/** How often the limit is looked at; it moves with the disk and the queue. */
const LOOK_EVERY_USES = 256;

/** A file that is about to be fetched into a full cache. */
export interface Applicant {
  readonly path: string;
  readonly sizeBytes: number;
  /** What must go for it. */
  readonly neededBytes: number;
  readonly limitBytes: number;
}

/** What is worth keeping: the rules of the policy folder over the cache's own rows. */
export class CachePolicy {
  readonly #ports: CachePolicyPorts;
  readonly #rows: PolicyRows;
  #tournament: Tournament | null = null;
  #limitBytes = 0;
  #uses = 0;

  constructor(ports: CachePolicyPorts) {
    this.#ports = ports;
    this.#rows = new PolicyRows(ports.store);
  }

  /** A caller asked for a file, kept or not. */
  used(path: string, sizeBytes: number): void {
    const tournament = this.#running();
    if (!tournament.see(keyOf(path), sizeBytes)) return;
    this.#ports.beforeChange();
    this.#rows.lead(tournament.temper);
  }

  /**
   * Whether a file is worth those that must go for it. One that is not is remembered, so that it
   * may come in at a later use.
   * @param next the next entry that would go; null when there is none left
   */
  admits(applicant: Applicant, next: () => Displaced | null): boolean {
    const { path, sizeBytes, neededBytes, limitBytes } = applicant;
    const { floor, temper } = this.#rows.leaning();
    const key = keyOf(path);
    const weight = weightOf(sizeBytes);
    const uses = usesOnReturn(temper, floor, this.#rows.recall(key));
    const worth = worthOf(temper, floor, uses, weight);
    if (mayEnter(temper, { sizeBytes, worth, neededBytes, limitBytes }, next)) return true;
    this.#ports.store.transaction(() => {
      this.#rows.raiseFloor(worth);
      this.#rows.remember(key, { uses, floor: this.#rows.leaning().floor, weight });
    });
    return false;
  }

  #running(): Tournament {
    const isDue = this.#uses % LOOK_EVERY_USES === 0;
    this.#uses += 1;
    if (this.#tournament !== null && !isDue) return this.#tournament;
    const limitBytes = this.#ports.limitBytes();
    this.#tournament ??= new Tournament(this.#rows.leaning().temper.name, limitBytes);
    if (limitBytes !== this.#limitBytes) this.#tournament.resize(limitBytes);
    this.#limitBytes = limitBytes;
    return this.#tournament;
  }
}
