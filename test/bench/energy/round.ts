import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ENERGY_MIGRATIONS } from '../../../nodes/lib/store/databases.ts';
import { Store } from '../../../nodes/lib/store/store.ts';
import { Tapo } from '../../../packages/node-red-contrib-balupi-tapo/lib/tapo/tapo.ts';
import { Grid } from '../../../nodes/lib/time/clock.ts';
import { SystemClock } from '../../../nodes/lib/time/system-clock.ts';
import { Bench } from '../../lib/energy/energy-bench.ts';
import { SimulatedPlug, steady as steadyLoad } from '../../lib/energy/simulated-plug.ts';
import { steady } from '../../practice/plug/load-curve.ts';
import { PracticePlug } from '../../practice/plug/practice-plug.ts';
import type { Goals } from '../report/goals.ts';
import { short } from '../report/table.ts';

const PLUGS = 20;
const DEAD = 3;
const OWNER = { username: 'plug.owner@example.org', password: 'Correct-Horse 9' };

/** 20 plugs over real sockets, three of which accept requests and never answer. */
export async function benchRound(print: (line: string) => void, goals: Goals): Promise<void> {
  const clock = new SystemClock((problem) => {
    throw problem;
  });
  const quiet = (): void => {};
  const folder = mkdtempSync(join(tmpdir(), 'balupi-round-bench-'));
  const file = join(folder, 'energy.db');
  const options = { file, name: 'energy', synchronous: 'NORMAL' } as const;
  const store = Store.open({ ...options, migrations: ENERGY_MIGRATIONS });
  const plugs: PracticePlug[] = [];
  const tapo = new Tapo({
    store,
    clock,
    log: { debug: quiet, info: quiet, warn: quiet, error: quiet },
    credentials: OWNER,
    driver: 'auto',
    discoveryAddresses: [],
    timeZone: 'Europe/Berlin',
    judgeClock: () => null,
    isNasOff: () => false,
  });
  try {
    for (let serial = 1; serial <= PLUGS; serial += 1) {
      const plug = new PracticePlug({ clock, load: steady(10 * serial), ...OWNER, serial });
      await plug.start();
      plugs.push(plug);
    }
    tapo.start();
    await Promise.all(plugs.map((plug) => tapo.add({ address: plug.address })));
    for (const plug of plugs.slice(0, DEAD)) plug.setFault('silent');
    const readMs: number[] = [];
    const beganMs = performance.now();
    const stop = tapo.onSample(({ outcome }) => {
      if (outcome.kind === 'reading') readMs.push(performance.now() - beganMs);
    });
    await tapo.pollAll();
    stop();
    const what = `${PLUGS} plugs, one round, ${DEAD} of them dead: the last living one is read after`;
    const all = readMs.length === PLUGS - DEAD;
    goals.atMost(what, all ? Math.max(...readMs) / 1_000 : Number.NaN, 2, ' s');
    print(
      `the round itself ends with the dead ones, after ${short((performance.now() - beganMs) / 1_000)} s`,
    );
  } finally {
    await tapo.stop();
    for (const plug of plugs) await plug.stop();
    store.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The age of `current` over an hour of sampling, checked each second, and when it is stale. */
export async function benchAge(goals: Goals): Promise<void> {
  const fromS = Date.parse('2026-05-10T22:00:00Z') / 1_000;
  const bench = new Bench(fromS);
  try {
    const plug = new SimulatedPlug(1, steadyLoad(fromS, 60), fromS, bench.time);
    const grid = new Grid(bench.clock, bench.settings.sampleIntervalSeconds);
    let oldestMs = 0;
    for (let second = 0; second < 3_600; second += 1) {
      if (grid.due()) bench.energy.record([plug.read(bench.nowS, bench.clock.monotonicMs())]);
      await bench.moveTo(fromS + second + 1);
      const [shown] = bench.energy.current().devices;
      oldestMs = Math.max(oldestMs, bench.clock.nowMs() - (shown?.atMs ?? 0));
    }
    goals.atMost('age of current on the 30 s grid', oldestMs / 1_000, 35, ' s');
    let staleAfterS = 0;
    while (bench.energy.current().devices[0]?.isStale === false && staleAfterS < 600) {
      staleAfterS += 1;
      await bench.moveTo(fromS + 3_600 + staleAfterS);
    }
    goals.atMost('a plug that fell silent is stale after', staleAfterS + 30, 95, ' s');
    const invented = bench.energy.current().devices.filter(({ powerW }) => powerW === 0).length;
    goals.atMost('0 W shown for what is unknown', invented, 0);
  } finally {
    bench.close();
  }
}
