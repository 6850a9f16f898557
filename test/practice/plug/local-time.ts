/** A plug's calendar: it counts by the local days of its time zone. */
export class LocalTime {
  readonly #format: Intl.DateTimeFormat;
  /** The last local quarter hour: zones only change their offset on those. */
  #quarter = Number.NaN;
  #offsetMs = 0;
  #day: { readonly fromMs: number; readonly toMs: number; readonly monthMs: number } | null = null;

  /** @param timeZone IANA name */
  constructor(timeZone: string) {
    this.#format = new Intl.DateTimeFormat('en-GB', {
      timeZone,
      hourCycle: 'h23',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
    });
  }

  /** `YYYY-MM-DD HH:MM:SS` */
  text(atMs: number): string {
    return new Date(atMs + this.offsetMs(atMs)).toISOString().slice(0, 19).replace('T', ' ');
  }

  offsetMs(atMs: number): number {
    const quarter = Math.floor(atMs / QUARTER_MS);
    if (quarter !== this.#quarter) {
      this.#quarter = quarter;
      this.#offsetMs = this.#readOffsetMs(quarter * QUARTER_MS);
    }
    return this.#offsetMs;
  }

  startOfDayMs(atMs: number): number {
    return this.#dayOf(atMs).fromMs;
  }

  startOfMonthMs(atMs: number): number {
    return this.#dayOf(atMs).monthMs;
  }

  #dayOf(atMs: number): { readonly fromMs: number; readonly monthMs: number } {
    if (this.#day !== null && atMs >= this.#day.fromMs && atMs < this.#day.toMs) return this.#day;
    const date = new Date(atMs + this.#readOffsetMs(atMs));
    const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()];
    this.#day = {
      fromMs: this.#midnightMs(Date.UTC(year, month, day)),
      toMs: this.#midnightMs(Date.UTC(year, month, day + 1)),
      monthMs: this.#midnightMs(Date.UTC(year, month, 1)),
    };
    return this.#day;
  }

  /**
   * The moment whose local reading is `localMs`. Computed twice, as the offset may change near it.
   */
  #midnightMs(localMs: number): number {
    const guessMs = localMs - this.#readOffsetMs(localMs);
    return localMs - this.#readOffsetMs(guessMs);
  }

  #readOffsetMs(atMs: number): number {
    const parts = new Map(
      this.#format.formatToParts(atMs).map((part) => [part.type, Number(part.value)]),
    );
    const part = (type: Intl.DateTimeFormatPartTypes): number => parts.get(type) ?? 0;
    const localMs = Date.UTC(
      part('year'),
      part('month') - 1,
      part('day'),
      part('hour'),
      part('minute'),
      part('second'),
    );
    return localMs - Math.floor(atMs / 1_000) * 1_000;
  }
}

const QUARTER_MS = 900_000;
