import type { LocalTime } from './local-time.ts';
import type { Reading } from './sample.ts';

/** A plug whose clock is further off starts its day, and so its counters, at another time. */
const MOST_OFF_S = 600;

/**
 * Whether a plug's own clock is right enough for its counters of today and this month to mean what
 * they say. A recorded plug stood in the year 2000 without NTP; its counters misbehave.
 * @param plugLocalTime `YYYY-MM-DD HH:MM:SS` in the plug's zone, which is the household's
 */
export function isPlugClockRight(plugLocalTime: string, nowS: number, time: LocalTime): boolean {
  const asIfUtcMs = Date.parse(`${plugLocalTime.replace(' ', 'T')}Z`);
  if (Number.isNaN(asIfUtcMs)) return false;
  const localNowS = nowS + time.offsetS(nowS);
  return Math.abs(asIfUtcMs / 1_000 - localNowS) <= MOST_OFF_S;
}

/** The reading, without its counters where the plug's clock says they cannot be believed. */
export function withHonestCounters(reading: Reading, nowS: number, time: LocalTime): Reading {
  const { plugLocalTime } = reading;
  if (plugLocalTime === undefined || isPlugClockRight(plugLocalTime, nowS, time)) return reading;
  return { ...reading, todayWh: null, monthWh: null };
}
