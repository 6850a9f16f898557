const DAY_S = 86_400;
const HOUR_S = 3_600;
const REMEMBERED_DAYS = 4_000;
/** 1800-01-01: before then no zone changed its offset. */
const FIRST_OFFSETS_S = -5_364_662_400;

/** The offsets of one UTC day; no zone changes its offset twice in a day. */
interface DayOffsets {
  readonly before: number;
  /** Epoch second from which `after` holds. */
  readonly changeS: number;
  readonly after: number;
}

/**
 * Calendar arithmetic in one IANA zone, on epoch seconds. A local hour begins on a whole hour of
 * the zone, so in half-hour zones not on a whole UTC hour; where an offset changes inside an hour
 * (Lord Howe), the change is a border too. A local day has 23, 24 or 25 hours.
 */
export class LocalTime {
  readonly #format: Intl.DateTimeFormat;
  readonly #days = new Map<number, DayOffsets>();

  /**
   * @param timeZone IANA name
   * @throws RangeError for a name the runtime does not know
   */
  constructor(timeZone: string) {
    this.#format = new Intl.DateTimeFormat('en-US', {
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

  /** Seconds that local time is ahead of UTC. */
  offsetS(atS: number): number {
    const { before, changeS, after } = this.#offsetsOf(Math.floor(atS / DAY_S));
    return atS < changeS ? before : after;
  }

  hourStart(atS: number): number {
    const offset = this.offsetS(atS);
    const start = atS - modulo(atS + offset, HOUR_S);
    return this.offsetS(start) === offset ? start : this.#changeBetween(start, atS);
  }

  /** The border after `atS`, where the next hour starts. */
  hourEnd(atS: number): number {
    const start = this.hourStart(atS);
    const end = start + HOUR_S - modulo(start + this.offsetS(start), HOUR_S);
    return this.hourStart(end - 1) === start ? end : this.hourStart(end - 1);
  }

  /** Days since 1970-01-01 on the local calendar. */
  dayNumber(atS: number): number {
    return Math.floor((atS + this.offsetS(atS)) / DAY_S);
  }

  /** The first instant of a local day. */
  startOfDay(dayNumber: number): number {
    const midnight = dayNumber * DAY_S;
    const early = midnight - this.offsetS(midnight - DAY_S);
    const late = midnight - this.offsetS(midnight + DAY_S);
    if (early === late) return early;
    const change = this.#changeBetween(midnight - DAY_S, midnight + DAY_S);
    const begins = (atS: number): boolean =>
      this.dayNumber(atS) === dayNumber && this.dayNumber(atS - 1) < dayNumber;
    return [early, late, change].filter(begins).sort((a, b) => a - b)[0] ?? Math.max(early, late);
  }

  dayStart(atS: number): number {
    return this.startOfDay(this.dayNumber(atS));
  }

  nextDayStart(atS: number): number {
    return this.startOfDay(this.dayNumber(atS) + 1);
  }

  /** `YYYY-MM-DD` of the local day. */
  date(atS: number): string {
    return dateOf(this.dayNumber(atS));
  }

  /** 0 to 23. */
  hourOfDay(atS: number): number {
    return Math.floor(modulo(atS + this.offsetS(atS), DAY_S) / HOUR_S);
  }

  /** 0 to 1439. */
  minuteOfDay(atS: number): number {
    return Math.floor(modulo(atS + this.offsetS(atS), DAY_S) / 60);
  }

  /** `HH:MM`, local time in the zone. */
  timeOfDay(atS: number): string {
    const minute = this.minuteOfDay(atS);
    const two = (value: number): string => String(value).padStart(2, '0');
    return `${two(Math.floor(minute / 60))}:${two(minute % 60)}`;
  }

  /**
   * The latest instant at or before `nowS` when local clocks showed this time of day. A time that a
   * day skips counts at the instant just after; one that occurs twice counts once.
   */
  latestTimeOfDay(nowS: number, time: { readonly hour: number; readonly minute: number }): number {
    const shown = this.dayNumber(nowS) * DAY_S + time.hour * HOUR_S + time.minute * 60;
    const candidate = this.#instantOf(shown);
    return candidate <= nowS ? candidate : this.#instantOf(shown - DAY_S);
  }

  /** @param shownS local time, written as if it were UTC */
  #instantOf(shownS: number): number {
    return shownS - this.offsetS(shownS - this.offsetS(shownS));
  }

  /** 1 Monday to 7 Sunday (ISO 8601). */
  weekday(atS: number): number {
    return weekdayOf(this.dayNumber(atS));
  }

  weekStart(atS: number): number {
    const day = this.dayNumber(atS);
    return this.startOfDay(day - weekdayOf(day) + 1);
  }

  monthStart(atS: number, monthsOn = 0): number {
    const day = new Date(this.dayNumber(atS) * DAY_S * 1_000);
    return this.#startOfDate(day.getUTCFullYear(), day.getUTCMonth() + monthsOn);
  }

  yearStart(atS: number): number {
    return this.#startOfDate(new Date(this.dayNumber(atS) * DAY_S * 1_000).getUTCFullYear(), 0);
  }

  #startOfDate(year: number, month: number): number {
    return this.startOfDay(firstOfMonth(year, month) / 1_000 / DAY_S);
  }

  #offsetsOf(utcDay: number): DayOffsets {
    const known = this.#days.get(utcDay);
    if (known !== undefined) return known;
    const before = this.#askOffset(utcDay * DAY_S);
    const after = this.#askOffset((utcDay + 1) * DAY_S);
    const changeS =
      before === after
        ? Number.POSITIVE_INFINITY
        : bisect(utcDay * DAY_S, (utcDay + 1) * DAY_S, (atS) => this.#askOffset(atS) !== before);
    if (this.#days.size >= REMEMBERED_DAYS) this.#days.clear();
    const offsets = { before, changeS, after };
    this.#days.set(utcDay, offsets);
    return offsets;
  }

  #changeBetween(fromS: number, toS: number): number {
    const before = this.offsetS(fromS);
    return bisect(fromS, toS, (atS) => this.offsetS(atS) !== before);
  }

  #askOffset(wantedS: number): number {
    const atS = Math.max(wantedS, FIRST_OFFSETS_S);
    const parts = new Map<string, number>();
    for (const { type, value } of this.#format.formatToParts(atS * 1_000)) {
      parts.set(type, Number(value));
    }
    const part = (type: string): number => parts.get(type) ?? 0;
    const localMs = Date.UTC(
      part('year'),
      part('month') - 1,
      part('day'),
      part('hour'),
      part('minute'),
      part('second'),
    );
    return localMs / 1_000 - atS;
  }
}

/** Epoch ms of the first day of a month; `Date.UTC` takes the years below 100 for those from 1900. */
function firstOfMonth(year: number, month: number): number {
  return new Date(0).setUTCFullYear(year, month, 1);
}

/** `YYYY-MM-DD` of a day number. */
export function dateOf(dayNumber: number): string {
  return new Date(dayNumber * DAY_S * 1_000).toISOString().slice(0, 10);
}

/** The day number of a `YYYY-MM-DD`, or null when there is no such day. */
export function dayNumberOf(date: string): number | null {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(date)) return null;
  const ms = Date.parse(`${date}T00:00:00Z`);
  if (Number.isNaN(ms) || dateOf(ms / 1_000 / DAY_S) !== date) return null;
  return ms / 1_000 / DAY_S;
}

/** 1970-01-01 was a Thursday. */
function weekdayOf(dayNumber: number): number {
  return modulo(dayNumber + 3, 7) + 1;
}

function modulo(value: number, by: number): number {
  return ((value % by) + by) % by;
}

/** The first whole second in (fromS, toS] for which `holds`. */
function bisect(fromS: number, toS: number, holds: (atS: number) => boolean): number {
  let low = fromS;
  let high = toS;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (holds(middle)) high = middle;
    else low = middle;
  }
  return high;
}

/** The calendar day of an instant, epoch ms, as `YYYY-MM-DD` in one time zone. */
export type DayOf = (atMs: number) => string;

/**
 * @param timeZone IANA name
 * @throws RangeError for a name the runtime does not know
 */
export function localDays(timeZone: string): DayOf {
  const zone = new LocalTime(timeZone);
  return (atMs) => zone.date(Math.floor(atMs / 1_000));
}

/** The day that many days before (or, negative, after) another. */
export function daysBefore(day: string, days: number): string {
  const moved = new Date(Date.parse(`${day}T00:00:00Z`) - days * 86_400_000);
  return moved.toISOString().slice(0, 10);
}
