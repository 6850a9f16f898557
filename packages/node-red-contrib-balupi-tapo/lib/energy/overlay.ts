import type { DeviceHour } from './buckets.ts';
import type { Correction, CorrectionRows, KnownHour } from './correction-rows.ts';
import { correctedHour } from './hour-slots.ts';
import type { LocalTime } from './local-time.ts';
import type { Tariffs } from './tariff.ts';

/**
 * What admins put right lies over what was metered: the meters go on as if nothing was, the hour
 * they write becomes the new original, and undoing brings it back (docs/ENERGY.md).
 */
export class Overlay {
  readonly #rows: CorrectionRows;
  readonly #time: LocalTime;
  readonly #tariffs: () => Tariffs;

  constructor(rows: CorrectionRows, time: LocalTime, tariffs: () => Tariffs) {
    this.#rows = rows;
    this.#time = time;
    this.#tariffs = tariffs;
  }

  /** The hour with corrections over it, as it is shown. */
  over(device: DeviceHour): DeviceHour | null {
    const { deviceNumber, hour, fine } = device;
    const corrected = this.#over(deviceNumber, hour.startS, { hour, fine });
    if (corrected === null) return device;
    return corrected.hour === null
      ? null
      : { deviceNumber, hour: corrected.hour, fine: corrected.fine };
  }

  /**
   * Takes an hour as it was metered, inside a transaction of the caller.
   * @returns what is to be stored of it; null for nothing
   */
  take(device: DeviceHour): DeviceHour | null {
    const { deviceNumber, hour, fine } = device;
    const isTouched = this.#standingIn(deviceNumber, hour.startS).length > 0;
    if (isTouched) this.#rows.putOriginal(deviceNumber, hour.startS, { hour, fine });
    return this.over(device);
  }

  /** Null where no correction holds. */
  #over(deviceNumber: number, startS: number, known: KnownHour): KnownHour | null {
    const standing = this.#standingIn(deviceNumber, startS);
    if (standing.length === 0) return null;
    return correctedHour(known, startS, this.#time.hourEnd(startS), standing, this.#tariffs());
  }

  /** @returns the hour as corrections leave it */
  corrected(deviceNumber: number, startS: number, original: KnownHour): KnownHour {
    return this.#over(deviceNumber, startS, original) ?? original;
  }

  #standingIn(deviceNumber: number, startS: number): readonly Correction[] {
    const standing = this.#rows.standing();
    if (standing.length === 0) return standing;
    const endS = this.#time.hourEnd(startS);
    return standing.filter(
      (one) => one.deviceNumber === deviceNumber && one.fromS < endS && one.toS > startS,
    );
  }
}
