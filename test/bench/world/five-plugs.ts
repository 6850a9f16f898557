import { SystemClock } from '../../../nodes/lib/time/system-clock.ts';
import { LocalTime } from '../../../nodes/lib/time/zoned-time.ts';
import { LoadWithPast, PAST_DAYS, type PastPlug, writePast } from '../../practice/demo-past.ts';
import { steady } from '../../practice/plug/load-curve.ts';
import { PracticePlug } from '../../practice/plug/practice-plug.ts';

const TAPO = { username: 'bench@example.com', password: 'Practice-plugs-1' } as const;
const ZONE = 'Europe/Berlin';
const WATTS = [38, 90, 4, 150, 12];

/** Five practice plugs that a household has had for some weeks. */
export class FivePlugs {
  readonly #clock = new SystemClock((problem) => {
    console.error(problem);
  });
  readonly #endS = new LocalTime(ZONE).hourStart(Math.floor(Date.now() / 1_000));
  readonly #past: readonly PastPlug[] = WATTS.map((watts, index) => ({
    name: `Plug ${index + 1}`,
    role: index === 0 ? 'nas' : 'monitor',
    watts: (fromS) => watts * (0.5 + ((fromS / 900) % 7) / 7),
  }));
  readonly #plugs = this.#past.map(
    ({ name, watts }, index) =>
      new PracticePlug({
        ...TAPO,
        clock: this.#clock,
        load: new LoadWithPast(watts, this.#endS, steady(WATTS[index] ?? 1), this.#clock.nowMs()),
        serial: index + 1,
        nickname: name,
        timeZone: ZONE,
        pluggedInAtMs: (this.#endS - PAST_DAYS * 86_400) * 1_000,
      }),
  );

  /** @param dataFolder not opened by any BaluPi yet: the plugs' past is written into it */
  async start(dataFolder: string): Promise<void> {
    for (const plug of this.#plugs) await plug.start();
    await writePast({
      ...{ dataFolder, timeZone: ZONE, clock: this.#clock, endS: this.#endS, tapo: TAPO },
      searchedAt: this.#addresses(),
      plugs: this.#past.map((plug, at) => ({ ...plug, address: this.#plugs[at]?.address ?? '' })),
    });
  }

  async stop(): Promise<void> {
    for (const plug of this.#plugs) await plug.stop();
  }

  /** Makes a BaluPi read them. */
  settings(): Readonly<Record<string, string>> {
    return {
      BALUPI_TIMEZONE: ZONE,
      BALUPI_TAPO_USERNAME: TAPO.username,
      BALUPI_TAPO_PASSWORD: TAPO.password,
      BALUPI_TAPO_DISCOVERY_ADDRESS: this.#addresses(),
    };
  }

  #addresses(): string {
    return this.#plugs.map((plug) => `127.0.0.1:${plug.udpPort}`).join(',');
  }
}
