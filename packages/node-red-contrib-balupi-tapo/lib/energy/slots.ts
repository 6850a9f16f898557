export const SLOT_S = 300;
export const MJ_PER_WH = 3_600_000;
export const MJ_PER_MWH = 3_600;

/**
 * What was measured in a stretch of five minutes, or of an hour inside a very long gap. Energy is
 * in mJ (mW x s), so that nothing is lost between samples.
 */
export interface Slot {
  readonly startS: number;
  readonly widthS: number;
  energyMj: number;
  /** What was fed in, which is no part of `energyMj`; missing for nothing. */
  fedInMj?: number;
  coveredS: number;
  minMw: number;
  maxMw: number;
  isEstimated: boolean;
}

/** An hour of the local clock with its slots in order. Slots without a measurement are missing. */
export interface Hour {
  readonly startS: number;
  readonly endS: number;
  readonly slots: Slot[];
}

/** How energy and power run between two instants. */
export interface Course {
  readonly fromS: number;
  readonly toS: number;
  /** Whole mJ from `fromS` to `atS`: 0 at the start, everything at the end, never falling. */
  energyUpToMj(atS: number): number;
  /** The same for energy fed in; null where nothing was. */
  readonly fedInUpToMj: ((atS: number) => number) | null;
  /** mW at an instant. */
  powerAt(atS: number): number;
  readonly isEstimated: boolean;
}

/** Power at an instant, below 0 where it is fed in. */
export interface PowerAt {
  readonly atS: number;
  readonly powerMw: number;
}

/**
 * Between two samples power runs in a straight line; `energyMj` may differ from the area above 0,
 * which is what was used. The area below 0 is what was fed in.
 */
export function straightCourse(from: PowerAt, to: PowerAt, energyMj: number): Course {
  const spanS = to.atS - from.atS;
  const slope = (to.powerMw - from.powerMw) / spanS;
  const area = usedMj(from, to);
  const share = (x: number): number =>
    area > 0 ? areaAbove(from.powerMw, slope, x) / area : x / spanS;
  const isFedIn = from.powerMw < 0 || to.powerMw < 0;
  return {
    fromS: from.atS,
    toS: to.atS,
    energyUpToMj: (atS) =>
      atS >= to.atS ? energyMj : Math.round(energyMj * Math.min(1, share(atS - from.atS))),
    fedInUpToMj: isFedIn
      ? (atS) => Math.round(areaAbove(-from.powerMw, -slope, atS - from.atS))
      : null,
    powerAt: (atS) => Math.round(from.powerMw + slope * (atS - from.atS)),
    isEstimated: false,
  };
}

/** Energy spread evenly: the best estimate where only the plug's counter saw it. */
export function evenCourse(fromS: number, toS: number, energyMj: number): Course {
  const spanS = toS - fromS;
  return {
    fromS,
    toS,
    energyUpToMj: (atS) => Math.round((energyMj * (atS - fromS)) / spanS),
    fedInUpToMj: null,
    powerAt: () => Math.round(energyMj / spanS),
    isEstimated: true,
  };
}

/** Energy used between two samples, mJ: the area above 0 under the line between them. */
export function usedMj(from: PowerAt, to: PowerAt): number {
  const spanS = to.atS - from.atS;
  // Whole numbers as long as the line does not cross 0.
  if (from.powerMw >= 0 && to.powerMw >= 0) {
    return Math.round(((from.powerMw + to.powerMw) * spanS) / 2);
  }
  return Math.round(areaAbove(from.powerMw, (to.powerMw - from.powerMw) / spanS, spanS));
}

/** Energy fed in between two samples, mJ: the area below 0. */
export function fedInMj(from: PowerAt, to: PowerAt): number {
  const down = ({ atS, powerMw }: PowerAt): PowerAt => ({ atS, powerMw: -powerMw });
  return from.powerMw < 0 || to.powerMw < 0 ? usedMj(down(from), down(to)) : 0;
}

/** The area above 0 under a line in its first `x` seconds, mJ. */
function areaAbove(fromMw: number, slope: number, x: number): number {
  const toMw = fromMw + slope * x;
  if (fromMw <= 0 && toMw <= 0) return 0;
  if (fromMw >= 0 && toMw >= 0) return ((fromMw + toMw) * x) / 2;
  const zeroS = -fromMw / slope;
  return fromMw > 0 ? (fromMw * zeroS) / 2 : (toMw * (x - zeroS)) / 2;
}

/** Adds the part of a course that lies in one slot. */
export function addToSlot(slot: Slot, course: Course, fromS: number, toS: number): void {
  const powers = [course.powerAt(fromS), course.powerAt(toS)];
  slot.energyMj += course.energyUpToMj(toS) - course.energyUpToMj(fromS);
  const fedInMj = (course.fedInUpToMj?.(toS) ?? 0) - (course.fedInUpToMj?.(fromS) ?? 0);
  if (fedInMj > 0) slot.fedInMj = (slot.fedInMj ?? 0) + fedInMj;
  slot.coveredS += toS - fromS;
  slot.minMw = Math.min(slot.minMw, ...powers);
  slot.maxMw = Math.max(slot.maxMw, ...powers);
  slot.isEstimated ||= course.isEstimated;
}

/** The slot of an hour that starts then, created when missing. */
export function slotOf(hour: Hour, startS: number, widthS: number): Slot {
  const last = hour.slots.at(-1);
  if (last?.startS === startS && last.widthS === widthS) return last;
  const slot: Slot = {
    startS,
    widthS,
    energyMj: 0,
    coveredS: 0,
    minMw: Number.MAX_SAFE_INTEGER,
    maxMw: Number.MIN_SAFE_INTEGER,
    isEstimated: false,
  };
  hour.slots.push(slot);
  return slot;
}

/**
 * Adds withheld energy to the slots from `fromS` on, by the time each covers.
 * @param mostMw what a circuit carries
 * @returns what no circuit could have carried in that time
 */
export function restoreEnergy(hour: Hour, fromS: number, energyMj: number, mostMw: number): number {
  const slots = hour.slots.filter((slot) => slot.startS + slot.widthS > fromS);
  const coveredS = slots.reduce((sum, slot) => sum + slot.coveredS, 0);
  let passedS = 0;
  let dealtMj = 0;
  let leftMj = 0;
  for (const slot of slots) {
    passedS += slot.coveredS;
    const upToMj = Math.round((energyMj * passedS) / coveredS);
    const headroomMj = Math.max(0, mostMw * slot.coveredS - slot.energyMj);
    const givenMj = Math.min(upToMj - dealtMj, headroomMj);
    slot.energyMj += givenMj;
    leftMj += upToMj - dealtMj - givenMj;
    dealtMj = upToMj;
  }
  return leftMj;
}

/** Adds buckets of another plug to the slots of an hour, where each has its time. */
export function joinSlots(
  hour: Hour,
  buckets: readonly {
    readonly startS: number;
    readonly energyMwh: number;
    readonly fedInMwh?: number;
    readonly coveredS: number;
    readonly minMw: number;
    readonly maxMw: number;
    readonly isEstimated: boolean;
  }[],
): void {
  for (const bucket of buckets) {
    const known = hour.slots.find(
      ({ startS, widthS }) => bucket.startS >= startS && bucket.startS < startS + widthS,
    );
    const energyMj = bucket.energyMwh * MJ_PER_MWH;
    const fedInMj = (bucket.fedInMwh ?? 0) * MJ_PER_MWH;
    const { startS, coveredS, minMw, maxMw, isEstimated } = bucket;
    if (known === undefined) {
      const slot = { startS, widthS: SLOT_S, energyMj, coveredS, minMw, maxMw, isEstimated };
      hour.slots.push(fedInMj === 0 ? slot : { ...slot, fedInMj });
      continue;
    }
    known.energyMj += energyMj;
    if (fedInMj > 0) known.fedInMj = (known.fedInMj ?? 0) + fedInMj;
    known.coveredS = Math.min(known.widthS, known.coveredS + coveredS);
    known.minMw = Math.min(known.minMw, minMw);
    known.maxMw = Math.max(known.maxMw, maxMw);
    known.isEstimated ||= isEstimated;
  }
  hour.slots.sort((a, b) => a.startS - b.startS);
}
