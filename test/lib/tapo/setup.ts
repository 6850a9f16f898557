import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ENERGY_MIGRATIONS } from '../../../nodes/lib/store/databases.ts';
import { Store } from '../../../nodes/lib/store/store.ts';
import { plugHint } from '../../../nodes/lib/words/words.ts';
import { libraryLogins } from '../../../packages/node-red-contrib-balupi-tapo/lib/tapo/connect/connect-login.ts';
import {
  Tapo,
  type TapoDeps,
} from '../../../packages/node-red-contrib-balupi-tapo/lib/tapo/tapo.ts';
import { Discovery } from '../../../packages/node-red-contrib-balupi-tapo/lib/tapo/discovery.ts';
import {
  type DriverChoice,
  plugDriver,
} from '../../../packages/node-red-contrib-balupi-tapo/lib/tapo/plug-driver.ts';
import {
  nodePlugHttp,
  openNodeUdp,
  type PlugHttp,
} from '../../../packages/node-red-contrib-balupi-tapo/lib/tapo/plug-http.ts';
import type {
  Plug,
  PlugCredentials,
  PlugTarget,
} from '../../../packages/node-red-contrib-balupi-tapo/lib/tapo/plug.ts';
import { KeptLog } from '../../fakes/kept-log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { steady } from '../../practice/plug/load-curve.ts';
import { PracticePlug, type PracticePlugOptions } from '../../practice/plug/practice-plug.ts';

export const OWNER: PlugCredentials = {
  username: 'plug.owner@example.org',
  password: 'Correct-Horse 9',
};

/** Generated once for all tests, as that takes a while. */
const QUERY_KEY = generateKeyPairSync('rsa', { modulusLength: 1_024 })
  .publicKey.export({ type: 'spki', format: 'pem' })
  .toString();

/** A clock, practice plugs and a database, disposed of together. */
export class Bench {
  readonly clock = new ManualClock();
  readonly log = new KeptLog();
  readonly #plugs: PracticePlug[] = [];
  readonly #tapos: Tapo[] = [];
  readonly #folder = mkdtempSync(join(tmpdir(), 'balupi-tapo-'));
  readonly store = Store.open({
    file: join(this.#folder, 'energy.db'),
    name: 'energy',
    synchronous: 'NORMAL',
    migrations: ENERGY_MIGRATIONS,
  });

  async plug(
    options: Partial<PracticePlugOptions> & { readonly port?: number } = {},
  ): Promise<PracticePlug> {
    const plug = new PracticePlug({
      clock: this.clock,
      load: steady(42.5),
      ...OWNER,
      serial: this.#plugs.length + 1,
      ...options,
    });
    this.#plugs.push(plug);
    await plug.start(options.port === undefined ? {} : { http: options.port });
    return plug;
  }

  discovery(...plugs: readonly PracticePlug[]): Discovery {
    return new Discovery({
      clock: this.clock,
      log: this.log,
      openUdp: openNodeUdp,
      addresses: plugs.map((plug) => ({ host: '127.0.0.1', port: plug.udpPort })),
      makePublicPem: () => Promise.resolve(QUERY_KEY),
    });
  }

  /** Our driver on one practice plug. */
  driver(
    plug: PracticePlug,
    change: {
      readonly target?: Partial<PlugTarget>;
      readonly credentials?: PlugCredentials | null;
      readonly choice?: DriverChoice;
      readonly http?: PlugHttp;
    } = {},
  ): Plug {
    const discovery = this.discovery(plug);
    const open = plugDriver({
      clock: this.clock,
      http: change.http ?? nodePlugHttp,
      identify: (ip, port, signal) => discovery.identify(ip, port, signal),
      credentials: () => (change.credentials === undefined ? OWNER : change.credentials),
      choice: change.choice ?? 'auto',
      otherLogins: libraryLogins,
    });
    return open({
      ip: '127.0.0.1',
      port: plug.port,
      deviceId: null,
      mac: null,
      protocol: null,
      oldProtocolMac: null,
      ...change.target,
    });
  }

  tapo(plugs: readonly PracticePlug[], change: Partial<TapoDeps> = {}): Tapo {
    const tapo = new Tapo({
      store: this.store,
      clock: this.clock,
      log: this.log,
      credentials: OWNER,
      driver: 'auto',
      otherLogins: libraryLogins,
      hints: plugHint,
      discoveryAddresses: plugs.map((plug) => ({ host: '127.0.0.1', port: plug.udpPort })),
      isNasOff: () => false,
      timeZone: 'Europe/Berlin',
      judgeClock: () => null,
      ...change,
    });
    tapo.start();
    this.#tapos.push(tapo);
    return tapo;
  }

  /** Lets real sockets use the event loop while the manual clock stands. */
  async turns(isEnough: () => boolean): Promise<void> {
    const limitMs = performance.now() + 20_000;
    while (!isEnough() && performance.now() < limitMs) {
      await new Promise<void>((resolve) => {
        setTimeout(resolve, 1);
      });
    }
  }

  /** Advances the clock in steps until `work` is done. */
  async until<T>(work: Promise<T>): Promise<T> {
    let isDone = false;
    const mark = (): void => {
      isDone = true;
    };
    work.then(mark, mark);
    for (let step = 0; step < 100 && !isDone; step += 1) {
      for (let turn = 0; turn < 15 && !isDone; turn += 1) {
        await new Promise<void>((resolve) => {
          setTimeout(resolve, 1);
        });
      }
      if (!isDone) await this.clock.advance(500);
    }
    if (!isDone) throw new Error('The work was not done in 50 s of the clock.');
    return await work;
  }

  async close(): Promise<void> {
    for (const tapo of this.#tapos) await tapo.stop();
    for (const plug of this.#plugs) await plug.stop();
    this.store.close();
    rmSync(this.#folder, { recursive: true });
  }
}
