import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../nodes/lib/time/clock.ts';
import { PRACTICE_USERS, type PracticeUser } from './nas/options.ts';
import { PracticeNas } from './nas/practice-nas.ts';
import { seedDemo } from './nas/seed-demo.ts';
import { type PastPlug, writePast } from './demo-past.ts';
import { fridge, NasLoad } from './plug/load-curve.ts';
import { PracticePlug } from './plug/practice-plug.ts';

/** The account of the practice plugs. */
const TAPO = { username: 'demo@example.com', password: 'Practice-plugs-1' } as const;
/** How often the plug of the NAS learns how the NAS is. */
const FOLLOW_MS = 500;
/** A suspended NAS takes a moment to come back. */
const BOOT_MS = 3_000;

/** Whoever signs in for the tour: an ordinary user whom the admin allowed to wake the NAS. */
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
const PAST_PLUGS: readonly PastPlug[] = [
  { name: 'NAS', role: 'nas', watts: nasWatts },
  {
    name: 'Fridge',
    role: 'monitor',
    watts: (fromS, toS) =>
      (FRIDGE.energyWhBetween(fromS * 1_000, toS * 1_000) * 3_600) / (toS - fromS),
  },
];

/** A practice NAS and two practice plugs, one of which feeds it. */
export class DemoWorld {
  readonly nas: PracticeNas;
  readonly #clock: Clock;
  readonly #nasLoad = new NasLoad('awake');
  readonly #plugs: readonly [PracticePlug, PracticePlug];
  #timer: NodeJS.Timeout | null = null;
  #lastState: 'awake' | 'asleep' = 'awake';

  constructor(clock: Clock, folder: string) {
    this.#clock = clock;
    const storageFolder = join(folder, 'practice-nas');
    mkdirSync(storageFolder, { recursive: true });
    const options = { users: demoUsers(), bootMs: BOOT_MS };
    this.nas = new PracticeNas({ clock, storageFolder, options });
    this.#plugs = [
      new PracticePlug({ clock, load: this.#nasLoad, ...TAPO, serial: 1, nickname: 'NAS' }),
      new PracticePlug({ clock, load: fridge(), ...TAPO, serial: 2, nickname: 'Fridge' }),
    ];
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
   * Gives a data folder some weeks of a past: a NAS that slept most of the day, and a fridge.
   * To be called before a BaluPi opens it.
   */
  async past(dataFolder: string, timeZone: string): Promise<void> {
    await writePast({
      dataFolder,
      timeZone,
      clock: this.#clock,
      tapo: TAPO,
      addresses: this.#plugAddresses(),
      plugs: PAST_PLUGS,
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
