/** At most this many bodies at once per user. The desktop app opens up to 12. */
const BODIES_AT_ONCE = 8;
/** Callers beyond this are told to come back; those before it simply wait, unread. */
const LONGEST_QUEUE = 32;

interface Slots {
  taken: number;
  readonly waiting: (() => void)[];
}

/** Limits how many bodies of one user are received at the same time. */
export class BodySlots {
  readonly #users = new Map<number, Slots>();

  /** Whether a further body of that user would not even be let wait. */
  isCrowded(userId: number): boolean {
    return (this.#users.get(userId)?.waiting.length ?? 0) >= LONGEST_QUEUE;
  }

  /** How many bodies of that user are being received or wait for their turn. */
  running(userId: number): number {
    const slots = this.#users.get(userId);
    return slots === undefined ? 0 : slots.taken + slots.waiting.length;
  }

  /**
   * Waits for a turn.
   * @returns how to give it back; or `crowded`; or `gone` when `signal` aborts first
   */
  async take(userId: number, signal: AbortSignal): Promise<(() => void) | 'crowded' | 'gone'> {
    const slots = this.#users.get(userId) ?? { taken: 0, waiting: [] };
    this.#users.set(userId, slots);
    if (slots.taken >= BODIES_AT_ONCE) {
      if (slots.waiting.length >= LONGEST_QUEUE) return 'crowded';
      if (!(await waitTurn(slots, signal))) return 'gone';
    } else {
      slots.taken += 1;
    }
    let given = false;
    return () => {
      if (given) return;
      given = true;
      this.#giveBack(userId, slots);
    };
  }

  #giveBack(userId: number, slots: Slots): void {
    const next = slots.waiting.shift();
    if (next !== undefined) {
      next();
      return;
    }
    slots.taken -= 1;
    if (slots.taken === 0) this.#users.delete(userId);
  }
}

/** The turn is handed over by whoever gives one back, so the count stays as it is. */
async function waitTurn(slots: Slots, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return false;
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const turn = (): void => {
    resolve(true);
  };
  const onAbort = (): void => {
    const place = slots.waiting.indexOf(turn);
    if (place >= 0) slots.waiting.splice(place, 1);
    resolve(false);
  };
  slots.waiting.push(turn);
  signal.addEventListener('abort', onAbort, { once: true });
  const got = await promise;
  signal.removeEventListener('abort', onAbort);
  return got;
}
