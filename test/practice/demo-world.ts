import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../nodes/lib/time/clock.ts';
import { PRACTICE_USERS, type PracticeUser } from './nas/options.ts';
import { PracticeNas } from './nas/practice-nas.ts';
import { seedDemo } from './nas/seed-demo.ts';
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

  /** Settings that point a BaluPi at this world. */
  environment(): Record<string, string> {
    return {
      BALUPI_NAS_URL: this.nas.url,
      BALUPI_NAS_DIRECT_URL: this.nas.url,
      BALUPI_NAS_MAC_ADDRESS: this.nas.macAddress,
      BALUPI_NAS_WAKE_ADDRESS: this.nas.wakeAddress,
      BALUPI_TAPO_USERNAME: TAPO.username,
      BALUPI_TAPO_PASSWORD: TAPO.password,
      BALUPI_TAPO_DISCOVERY_ADDRESS: this.#plugs
        .map((plug) => `127.0.0.1:${plug.udpPort}`)
        .join(','),
    };
  }

  #follow(): void {
    const state = this.nas.sleepState === 'true_suspend' ? 'asleep' : 'awake';
    if (this.#lastState === state) return;
    this.#lastState = state;
    this.#nasLoad.setState(state, this.#clock.nowMs());
  }
}
