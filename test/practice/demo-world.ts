import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../nodes/lib/time/clock.ts';
import { LocalTime } from '../../nodes/lib/time/zoned-time.ts';
import { LoadWithPast, PAST_DAYS, type PastPlug, writePast } from './demo-past.ts';
import { PRACTICE_USERS, type PracticeUser } from './nas/options.ts';
import { PracticeNas } from './nas/practice-nas.ts';
import { seedDemo } from './nas/seed-demo.ts';
import { fridge, type LoadCurve, NasLoad } from './plug/load-curve.ts';
import { PracticePlug } from './plug/practice-plug.ts';

/** The account of the practice plugs. */
const TAPO = { username: 'demo@example.com', password: 'Practice-plugs-1' } as const;
/** How often the NAS's plug follows the NAS's state. */
const FOLLOW_MS = 500;
/** A suspended NAS takes a moment to come back. */
const BOOT_MS = 3_000;

/** The tour's user: an ordinary one whom the admin allowed to wake the NAS. */
export const DEMO_USER = 'alice';
export const DEMO_ADMIN = 'admin';

function demoUsers(): readonly PracticeUser[] {
  return PRACTICE_USERS.map((user) =>
    user.username === DEMO_USER ? { ...user, power: ['can_wake', 'can_wol'] } : user,
  );
}

export function passwordOf(username: string): string {
  return PRACTICE_USERS.find((user) => user.username === username)?.password ?? '';
}

/** Awake for an hour in the morning and some in the evening, a little differently each day. */
function nasWatts(fromS: number): number {
  const hour = Math.floor(fromS / 3_600) % 24;
  const day = Math.floor(fromS / 86_400);
  const evening = 18 + (day % 3);
  const isAwake = hour === 6 + (day % 2) || (hour >= evening && hour < evening + 2 + (day % 2));
  return isAwake ? 38 + ((fromS / 300) % 5) * 3.1 : 1.5;
}

const FRIDGE = fridge();
const PAST_PLUGS: readonly [PastPlug, PastPlug] = [
  { name: 'NAS', role: 'nas', watts: nasWatts },
  {
    name: 'Fridge',
    role: 'monitor',
    watts: (fromS, toS) =>
      (FRIDGE.energyWhBetween(fromS * 1_000, toS * 1_000) * 3_600) / (toS - fromS),
  },
];

/** A practice NAS and two practice plugs, one of which powers it. */
export class DemoWorld {
  readonly nas: PracticeNas;
  readonly #clock: Clock;
  readonly #timeZone: string;
  /** The end of its plugs' past. */
  readonly #pastEndS: number;
  readonly #nasLoad = new NasLoad('awake');
  readonly #plugs: readonly [PracticePlug, PracticePlug];
  #timer: NodeJS.Timeout | null = null;
  #lastState: 'awake' | 'asleep' = 'awake';

  /**
   * @param timeZone IANA name, of the BaluPi; its plugs count days by it
   * @param bootMs the time its NAS takes to boot
   */
  constructor(clock: Clock, folder: string, timeZone: string, bootMs = BOOT_MS) {
    this.#clock = clock;
    this.#timeZone = timeZone;
    this.#pastEndS = new LocalTime(timeZone).hourStart(Math.floor(clock.nowMs() / 1_000));
    const storageFolder = join(folder, 'practice-nas');
    mkdirSync(storageFolder, { recursive: true });
    const options = { users: demoUsers(), bootMs };
    this.nas = new PracticeNas({ clock, storageFolder, options });
    this.#plugs = [this.#plug(1, this.#nasLoad), this.#plug(2, fridge())];
  }

  async start(): Promise<void> {
    await this.nas.start();
    await seedDemo(this.nas);
    this.nas.resetCounters();
    for (const plug of this.#plugs) await plug.start();
    this.#timer = setInterval(() => {
      this.#follow();
    }, FOLLOW_MS);
  }

  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    for (const plug of this.#plugs) await plug.stop();
    await this.nas.stop();
  }

  /**
   * Writes some weeks of a past into a data folder: a NAS that slept most of the day, and a fridge.
   * Call it before a BaluPi opens the folder.
   */
  async past(dataFolder: string): Promise<void> {
    await writePast({
      dataFolder,
      timeZone: this.#timeZone,
      clock: this.#clock,
      endS: this.#pastEndS,
      tapo: TAPO,
      searchedAt: this.#plugAddresses(),
      plugs: PAST_PLUGS.map((plug, at) => ({ ...plug, address: this.#plugs[at]?.address ?? '' })),
    });
  }

  /** Settings that point a BaluPi at this world. */
  environment(): Record<string, string> {
    return {
      BALUPI_NAS_URL: this.nas.url,
      BALUPI_NAS_DIRECT_URL: this.nas.url,
      BALUPI_NAS_MAC_ADDRESS: this.nas.macAddress,
      BALUPI_NAS_WAKE_ADDRESS: this.nas.wakeAddress,
      BALUPI_TAPO_USERNAME: TAPO.username,
      BALUPI_TAPO_PASSWORD: TAPO.password,
      BALUPI_TAPO_DISCOVERY_ADDRESS: this.#plugAddresses(),
    };
  }

  /** It was plugged in throughout the past, so its counters continue from it. */
  #plug(serial: 1 | 2, now: LoadCurve): PracticePlug {
    const clock = this.#clock;
    const { name, watts } = PAST_PLUGS[serial - 1] as PastPlug;
    return new PracticePlug({
      ...TAPO,
      clock,
      load: new LoadWithPast(watts, this.#pastEndS, now, clock.nowMs()),
      serial,
      nickname: name,
      timeZone: this.#timeZone,
      pluggedInAtMs: (this.#pastEndS - PAST_DAYS * 86_400) * 1_000,
    });
  }

  #plugAddresses(): string {
    return this.#plugs.map((plug) => `127.0.0.1:${plug.udpPort}`).join(',');
  }

  #follow(): void {
    const state = this.nas.sleepState === 'true_suspend' ? 'asleep' : 'awake';
    if (this.#lastState === state) return;
    this.#lastState = state;
    this.#nasLoad.setState(state, this.#clock.nowMs());
  }
}
