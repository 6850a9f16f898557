const DAY_MS = 86_400_000;

/**
 * The latest moment at or before `nowMs` when the clocks of a zone showed this time of day. A time
 * that a day skips counts at the moment just after; one that it has twice counts once.
 * @param timezone IANA name
 * @returns epoch ms
 */
export function latestTimeOfDay(
  nowMs: number,
  time: { readonly hour: number; readonly minute: number },
  timezone: string,
): number {
  const clocks = clocksOf(timezone);
  const today = Math.floor((nowMs + clocks(nowMs)) / DAY_MS) * DAY_MS;
  const ofDayMs = (time.hour * 60 + time.minute) * 60_000;
  const candidate = instantOf(today + ofDayMs, clocks);
  return candidate <= nowMs ? candidate : instantOf(today - DAY_MS + ofDayMs, clocks);
}

/** @param localMs what the clocks show, written as if it were UTC */
function instantOf(localMs: number, clocks: (atMs: number) => number): number {
  const first = localMs - clocks(localMs);
  return localMs - clocks(first);
}

/** @returns how far that zone's clocks are ahead of UTC at a moment, ms */
function clocksOf(timezone: string): (atMs: number) => number {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: timezone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  return (atMs) => {
    const parts = new Map(format.formatToParts(atMs).map(({ type, value }) => [type, value]));
    const part = (type: Intl.DateTimeFormatPartTypes): number => Number(parts.get(type));
    const shown = Date.UTC(
      part('year'),
      part('month') - 1,
      part('day'),
      part('hour'),
      part('minute'),
      part('second'),
    );
    return shown - Math.floor(atMs / 1_000) * 1_000;
  };
}
