/** The calendar day of an instant, epoch ms, as `YYYY-MM-DD` in one time zone. */
export type DayOf = (atMs: number) => string;

/**
 * @param timeZone IANA name
 * @throws RangeError for a name the runtime does not know
 */
export function localDays(timeZone: string): DayOf {
  // Canada's English writes a date as ISO 8601 does.
  const format = new Intl.DateTimeFormat('en-CA', {
    timeZone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
  });
  return (atMs) => format.format(atMs);
}

/** The day so many days before (or, negative, after) another. */
export function daysBefore(day: string, days: number): string {
  const moved = new Date(Date.parse(`${day}T00:00:00Z`) - days * 86_400_000);
  return moved.toISOString().slice(0, 10);
}
