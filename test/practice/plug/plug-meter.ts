import type { LoadCurve } from './load-curve.ts';
import type { LocalTime } from './local-time.ts';

interface RelayStep {
  readonly atMs: number;
  readonly isOn: boolean;
}

/** The plug's metering: relay, exact energy, and the counters that a plug makes of it. */
export class PlugMeter {
  readonly #curve: LoadCurve;
  readonly #local: LocalTime;
  readonly #relay: RelayStep[];
  #wipedAtMs: number;
  #frozenAtMs: number | null = null;

  constructor(curve: LoadCurve, local: LocalTime, atMs: number) {
    this.#curve = curve;
    this.#local = local;
    this.#relay = [{ atMs: Number.NEGATIVE_INFINITY, isOn: true }];
    // A plug knows nothing of the time before it was plugged in.
    this.#wipedAtMs = atMs;
  }

  get isOn(): boolean {
    return this.#relay.at(-1)?.isOn ?? true;
  }

  setRelay(isOn: boolean, atMs: number): void {
    if (isOn !== this.isOn) this.#relay.push({ atMs, isOn });
  }

  wattsAt(atMs: number): number {
    const isOn = this.#relay.findLast((step) => step.atMs <= atMs)?.isOn ?? true;
    return isOn ? this.#curve.wattsAt(atMs) : 0;
  }

  energyWhBetween(fromMs: number, toMs: number): number {
    let energyWh = 0;
    for (const [at, step] of this.#relay.entries()) {
      if (!step.isOn) continue;
      const startMs = Math.max(fromMs, step.atMs);
      const endMs = Math.min(toMs, this.#relay[at + 1]?.atMs ?? toMs);
      if (endMs > startMs) energyWh += this.#curve.energyWhBetween(startMs, endMs);
    }
    return energyWh;
  }

  /** As a firmware update does. */
  wipe(atMs: number): void {
    this.#wipedAtMs = atMs;
  }

  freeze(atMs: number | null): void {
    this.#frozenAtMs = atMs;
  }

  /** Whole Wh of an hour as its history has them; a wipe clears the history too. */
  hourWh(fromMs: number, toMs: number): number {
    const knownMs = Math.max(fromMs, this.#wipedAtMs);
    return knownMs >= toMs ? 0 : Math.round(this.energyWhBetween(knownMs, toMs));
  }

  /**
   * Whole Wh since the plug's local midnight and since the first of its month.
   * @param aheadMs how far its clock is ahead
   */
  counters(atMs: number, aheadMs = 0): { readonly todayWh: number; readonly monthWh: number } {
    const nowMs = this.#frozenAtMs ?? atMs;
    const since = (startMs: number): number =>
      // Slightly above the integral, so that rounding does not lose a whole Wh.
      Math.floor(this.energyWhBetween(Math.max(startMs, this.#wipedAtMs), nowMs) + 1e-9);
    return {
      todayWh: since(this.#local.startOfDayMs(nowMs + aheadMs) - aheadMs),
      monthWh: since(this.#local.startOfMonthMs(nowMs + aheadMs) - aheadMs),
    };
  }
}
