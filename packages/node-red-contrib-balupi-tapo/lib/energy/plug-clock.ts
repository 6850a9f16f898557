import type { LocalTime } from './local-time.ts';
import type { Reading } from './sample.ts';

/** From here on a plug's day, and so its counter of the day, begins at another time than ours. */
const WRONG_FROM_S = 300;
/** No zone and no daylight saving explains more: the plug does not know the time at all. */
const LOST_FROM_S = 26 * 3_600;

/**
 * How far a plug's own clock can be believed. `wrong`: its day is not ours, so neither its counter
 * of the day nor its history says when energy went through. `lost`: not even its month is. A recorded
 * plug stood in the year 2000 without NTP; the counters of such a plug misbehave.
 */
export type PlugClock = 'right' | 'wrong' | 'lost';

/** @param plugLocalTime `YYYY-MM-DD HH:MM:SS` in the plug's zone, which is the household's */
export function judgePlugClock(plugLocalTime: string, nowS: number, time: LocalTime): PlugClock {
  const asIfUtcMs = Date.parse(`${plugLocalTime.replace(' ', 'T')}Z`);
  if (Number.isNaN(asIfUtcMs)) return 'lost';
  const offS = Math.abs(asIfUtcMs / 1_000 - (nowS + time.offsetS(nowS)));
  if (offS >= LOST_FROM_S) return 'lost';
  return offS >= WRONG_FROM_S ? 'wrong' : 'right';
}

/** The reading, without the counters that the plug's clock says cannot be believed. */
export function withHonestCounters(reading: Reading, clock: PlugClock): Reading {
  if (clock === 'right') return reading;
  return { ...reading, todayWh: null, monthWh: clock === 'lost' ? null : reading.monthWh };
}
