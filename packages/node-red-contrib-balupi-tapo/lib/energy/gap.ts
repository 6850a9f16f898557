import { type Counter, type CounterBand, counterMove, wireMj } from './counter-band.ts';
import type { LocalTime } from './local-time.ts';
import type { HistoryHour, Sample } from './sample.ts';
import { type Course, evenCourse, MJ_PER_WH } from './slots.ts';

/** A stretch of a gap and the energy the plug counted in it; null where nobody counted. */
interface Stretch {
  readonly fromS: number;
  readonly toS: number;
  readonly energyMj: number | null;
}

/** Shorter stretches are spread evenly, longer ones by the plug's own hours where it has them. */
const EVEN_UP_TO_S = 3_600;

/** A longer gap is a clock that jumped, and what a counter shows then belongs to other days. */
const LONGEST_GAP_S = 366 * 86_400;

/**
 * Covers a gap from what the plug counted meanwhile: split at the last local midnight by
 * `today_energy`, and after a new month by the new month's counter. What nobody counted, and what
 * no wire can have carried, is left out, never invented.
 * @param history the plug's own hours, empty when it offers none
 * @param meteredMj what was metered of the hour the gap begins in; null when not all of it was seen
 * @returns courses in order, with holes where nothing is known
 */
export function coverGap(
  band: CounterBand,
  from: Sample,
  to: Sample,
  time: LocalTime,
  history: readonly HistoryHour[],
  meteredMj: number | null = null,
): Course[] {
  const hours = withoutMetered(hoursIn(from.atS, to.atS, time, history), from.atS, meteredMj);
  return stretchesOf(band, from, to, time)
    .flatMap((stretch) => spread(stretch, hours))
    .filter(isCarriedBy);
}

function stretchesOf(band: CounterBand, from: Sample, to: Sample, time: LocalTime): Stretch[] {
  const { counter: before } = band.state;
  if (band.isFrozen || to.atS - from.atS > LONGEST_GAP_S) {
    band.begin(to, to.atS);
    return [unknown(from.atS, to.atS)];
  }
  const move = counterMove(before, to, time.dayStart(to.atS) <= from.atS);
  const isNewMonth = isMonthChange(move.kind, from, to, time);
  if (move.kind === 'grew' && !isNewMonth && !isNewDayOnly(before, from, to, time)) {
    return grown(band, from, to, time, move.wh);
  }
  if (move.kind === 'fell' && !isNewMonth) band.fall(to, to.atS);
  else band.begin(to, to.atS);
  return move.kind === 'unknown'
    ? [unknown(from.atS, to.atS)]
    : afterReset(before, from, to, time, isNewMonth);
}

/** The counter went on: what it counted, unless no wire can carry that or it only came back. */
function grown(
  band: CounterBand,
  from: Sample,
  to: Sample,
  time: LocalTime,
  wh: number,
): Stretch[] {
  const [fromS, toS] = [from.atS, to.atS];
  if (band.isAbsurd(wh, toS) || band.isReturn(to, toS, wh, mostSeenMj(from, to))) {
    band.begin(to, toS);
    return [unknown(fromS, toS)];
  }
  const countedMj = Math.max(0, wh * MJ_PER_WH - band.state.sinceMj);
  const totalMj = Math.min(countedMj, wireMj(toS - fromS));
  band.fit(totalMj, to, toS, wh);
  band.state.flat = null;
  return splitAtMidnight(fromS, to, totalMj, time);
}

/**
 * A new month lies in the gap and the counter restarted with it. A plug whose clock is behind may
 * not have restarted; what it shows is then more than can have gone through since, or on the first
 * day of the month differs from the counter of the day.
 */
function isMonthChange(kind: string, from: Sample, to: Sample, time: LocalTime): boolean {
  const monthS = time.monthStart(to.atS);
  if (to.monthWh === null || monthS <= from.atS || !isCarried(to.monthWh, monthS, to.atS)) {
    return false;
  }
  if (kind === 'fell' || to.todayWh === null) return true;
  return time.dayStart(to.atS) > monthS || Math.abs(to.monthWh - to.todayWh) <= 1;
}

/** Only the day's counter is known and a midnight lies in the gap, so growth says nothing. */
function isNewDayOnly(before: Counter | null, from: Sample, to: Sample, time: LocalTime): boolean {
  const isByDay = to.monthWh === null || before?.monthWh === null;
  return isByDay && time.dayStart(to.atS) > from.atS;
}

function splitAtMidnight(fromS: number, to: Sample, totalMj: number, time: LocalTime): Stretch[] {
  const whole = [{ fromS, toS: to.atS, energyMj: totalMj }];
  const midnightS = time.dayStart(to.atS);
  const todayMj = to.todayWh === null ? null : to.todayWh * MJ_PER_WH;
  const isSplit = midnightS > fromS && midnightS < to.atS;
  // A plug in another zone resets at another hour; its day then says nothing about ours.
  if (!isSplit || todayMj === null || todayMj > totalMj + MJ_PER_WH) return whole;
  const afterMj = Math.min(todayMj, totalMj);
  const parts = [
    { fromS, toS: midnightS, energyMj: totalMj - afterMj },
    { fromS: midnightS, toS: to.atS, energyMj: afterMj },
  ];
  return parts.every((part) => part.energyMj <= wireMj(part.toS - part.fromS)) ? parts : whole;
}

/**
 * The counter fell in the gap. It began anew with the month or, where only the day's is known or the
 * month's is none, with the day; else it was wiped at an unknown moment, as long as the power seen
 * can have counted since what it shows. A fall that none of this explains says nothing.
 */
function afterReset(
  before: Counter | null,
  from: Sample,
  to: Sample,
  time: LocalTime,
  isNewMonth: boolean,
): Stretch[] {
  const midnightS = time.dayStart(to.atS);
  const isByMonth = before?.monthWh !== null && to.monthWh !== null;
  const countedWh = isByMonth ? to.monthWh : to.todayWh;
  if (isNewMonth) return since(time.monthStart(to.atS), from, to, to.monthWh, time);
  if (isByMonth && isExplained(to.monthWh, from, to)) return sinceWipe(from, to, countedWh, time);
  if (midnightS > from.atS) return since(midnightS, from, to, to.todayWh, time);
  return isExplained(countedWh, from, to)
    ? sinceWipe(from, to, countedWh, time)
    : [unknown(from.atS, to.atS)];
}

/** What was counted since a moment in the gap; before it nobody counted. */
function since(
  resetS: number,
  from: Sample,
  to: Sample,
  wh: number | null,
  time: LocalTime,
): Stretch[] {
  if (wh === null || !isCarried(wh, resetS, to.atS)) return [unknown(from.atS, to.atS)];
  const energyMj = Math.min(wh * MJ_PER_WH, wireMj(to.atS - resetS));
  const known = splitAtMidnight(resetS, to, energyMj, time);
  return [unknown(from.atS, resetS), ...known].filter(isLong);
}

function sinceWipe(from: Sample, to: Sample, wh: number | null, time: LocalTime): Stretch[] {
  return since(wipedAt(from, to, (wh ?? 0) * MJ_PER_WH), from, to, wh, time);
}

function isCarriedBy(course: Course): boolean {
  return course.energyUpToMj(course.toS) <= wireMj(course.toS - course.fromS);
}

/** Whether the wire can have carried so much, where the counter shows whole Wh. */
function isCarried(wh: number, fromS: number, toS: number): boolean {
  return wh * MJ_PER_WH <= wireMj(toS - fromS) + MJ_PER_WH;
}

/** Whether a counter can have begun anew in the gap, by the power seen at both its ends. */
function isExplained(wh: number | null, from: Sample, to: Sample): boolean {
  return wh !== null && wh * MJ_PER_WH <= mostSeenMj(from, to) + 2 * MJ_PER_WH;
}

function mostSeenMj(from: Sample, to: Sample): number {
  return Math.max(0, from.powerMw, to.powerMw) * (to.atS - from.atS);
}

/**
 * Nobody knows when a counter was wiped. What it has counted since is real; at the power seen before
 * and after the gap it took so long, and what lies before stays uncovered.
 */
function wipedAt(from: Sample, to: Sample, countedMj: number): number {
  const meanMw = Math.max(0, (from.powerMw + to.powerMw) / 2);
  if (countedMj === 0 || meanMw === 0) return countedMj === 0 ? to.atS : from.atS;
  return Math.max(from.atS, to.atS - Math.max(1, Math.round(countedMj / meanMw)));
}

function unknown(fromS: number, toS: number): Stretch {
  return { fromS, toS, energyMj: null };
}

function isLong(stretch: Stretch): boolean {
  return stretch.toS > stretch.fromS;
}

/**
 * The plug's own hours around the gap; `energyMj` null where it has none. The last one was not over
 * when it was asked, so what it tells is of its part up to then.
 */
function hoursIn(
  fromS: number,
  toS: number,
  time: LocalTime,
  history: readonly HistoryHour[],
): Stretch[] {
  if (history.length === 0) return [];
  const known = new Map(history.map((hour) => [hour.startS, hour.energyWh]));
  const hours: Stretch[] = [];
  for (let startS = time.hourStart(fromS); startS < toS; startS = time.hourEnd(startS)) {
    const energyWh = known.get(startS);
    const endS = Math.min(time.hourEnd(startS), toS);
    const energyMj = energyWh === undefined ? null : energyWh * MJ_PER_WH;
    hours.push({ fromS: startS, toS: endS, energyMj });
  }
  return hours;
}

/** The gap's part of its first hour is what the plug counted in it, less what was seen of it. */
function withoutMetered(hours: Stretch[], fromS: number, meteredMj: number | null): Stretch[] {
  const [first, ...rest] = hours;
  if (first === undefined || first.energyMj === null || meteredMj === null) return hours;
  const energyMj = Math.max(0, first.energyMj - meteredMj);
  return [{ fromS: Math.max(first.fromS, fromS), toS: first.toS, energyMj }, ...rest];
}

function spread(stretch: Stretch, hours: readonly Stretch[]): Course[] {
  const { fromS, toS, energyMj } = stretch;
  const cuts = hours.flatMap((hour) => cutTo(hour, fromS, toS));
  if (energyMj === null) {
    return cuts.flatMap((cut) =>
      cut.energyMj === null ? [] : [evenCourse(cut.fromS, cut.toS, Math.round(cut.energyMj))],
    );
  }
  const weightMj = cuts.reduce((sum, cut) => sum + (cut.energyMj ?? 0), 0);
  const isComplete = cuts.length > 0 && cuts.every((cut) => cut.energyMj !== null);
  if (toS - fromS <= EVEN_UP_TO_S || !isComplete || weightMj === 0) {
    return [evenCourse(fromS, toS, energyMj)];
  }
  const courses = weighted(cuts, energyMj, weightMj);
  const isCarriedAll = courses.every(isCarriedBy);
  return isCarriedAll ? courses : [evenCourse(fromS, toS, energyMj)];
}

function weighted(cuts: readonly Stretch[], energyMj: number, weightMj: number): Course[] {
  let passedMj = 0;
  let givenMj = 0;
  return cuts.map((cut) => {
    passedMj += cut.energyMj ?? 0;
    const upToMj = Math.round(energyMj * (passedMj / weightMj));
    const course = evenCourse(cut.fromS, cut.toS, upToMj - givenMj);
    givenMj = upToMj;
    return course;
  });
}

function cutTo(hour: Stretch, fromS: number, toS: number): Stretch[] {
  const startS = Math.max(hour.fromS, fromS);
  const endS = Math.min(hour.toS, toS);
  if (endS <= startS) return [];
  const share = (endS - startS) / (hour.toS - hour.fromS);
  return [
    { fromS: startS, toS: endS, energyMj: hour.energyMj === null ? null : hour.energyMj * share },
  ];
}
