import { FormatRegistry } from '@sinclair/typebox';

const DATE = /^(\d{4})-(\d{2})-(\d{2})$/;
const TIME_OF_DAY =
  /^(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d)(?:\.\d{1,9})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

/** Whether the text is a day that exists, such as `2026-02-28`. */
export function isCalendarDay(text: string): boolean {
  const parts = DATE.exec(text);
  if (parts === null) return false;
  const [year, month, day] = parts.slice(1).map(Number);
  const date = new Date(`${text}T00:00:00Z`);
  return (
    !Number.isNaN(date.getTime()) &&
    date.getUTCFullYear() === year &&
    date.getUTCMonth() + 1 === month &&
    date.getUTCDate() === day
  );
}

/** Whether the text is an instant: a day that exists, `T`, a time, and `Z` or an offset. */
export function isInstant(text: string): boolean {
  return (
    text.charAt(10) === 'T' && isCalendarDay(text.slice(0, 10)) && TIME_OF_DAY.test(text.slice(11))
  );
}

/** Breaks of lines, control characters, and overrides of the direction that hide what stands there. */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u202A-\u202E\u2066-\u2069]/u;
/** Characters that show nothing by themselves. */
const INVISIBLE = /[\p{C}\p{Z}]/gu;

/** Whether the text is one line that shows something, such as a name. */
export function isOneLine(text: string): boolean {
  return !UNPRINTABLE.test(text) && text.replace(INVISIBLE, '') !== '';
}

/**
 * The formats of our schemas. TypeBox refuses any format it was not told of, and keeps them in one
 * registry for the process, so they are told once, here.
 */
const FORMATS: Readonly<Record<string, (text: string) => boolean>> = {
  'date-time': (text) => isInstant(text) && text.endsWith('Z'),
  date: isCalendarDay,
  /** A calendar day in TIMEZONE, or an instant. */
  moment: (text) => isCalendarDay(text) || isInstant(text),
  'one-line': isOneLine,
  /** A path on the NAS; whether it is one is for the files room to say. */
  'nas-path': () => true,
  /** Marks what is never echoed, logged or shown. */
  password: () => true,
};

for (const [name, check] of Object.entries(FORMATS)) FormatRegistry.Set(name, check);
