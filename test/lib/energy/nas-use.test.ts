import assert from 'node:assert/strict';
import { Bench } from './energy-bench.ts';
import { SimulatedPlug, steady } from './simulated-plug.ts';

const HOUR = 3_600;
/** Monday, 2026-05-11 in Berlin. */
const fromS = Date.parse('2026-05-10T22:00:00Z') / 1_000;

describe('what the NAS used in a stretch of time', () => {
  let bench: Bench;

  beforeEach(() => {
    bench = new Bench(fromS);
  });

  afterEach(() => {
    bench.close();
  });

  async function metered(hours: number, outages: readonly (readonly [number, number])[] = []) {
    const load = steady(fromS, 2).step(fromS + 2 * HOUR, 60);
    const toS = fromS + hours * HOUR;
    bench.run([new SimulatedPlug(1, load, fromS, bench.time)], fromS, toS, { outages });
    await bench.moveTo(toS);
  }

  const use = (from: number, to: number) =>
    bench.energy.nasUse((fromS + from) * 1_000, (fromS + to) * 1_000);

  it('is what its plug measured between any two moments, at the prices of then', async () => {
    await metered(5);
    const told = use(2 * HOUR + 610, 3 * HOUR + 910);
    assert.ok(told !== null);
    const wh = (60 * (HOUR + 300)) / HOUR;
    assert.ok(Math.abs(told.energyMwh / 1_000 - wh) < 0.2, String(told.energyMwh));
    assert.ok(Math.abs(told.costUc - told.energyMwh * 32) < 64, String(told.costUc));
  });

  it('reaches up to this moment', async () => {
    await metered(5);
    const told = use(5 * HOUR - 240, 5 * HOUR);
    assert.ok(told !== null && Math.abs(told.energyMwh / 1_000 - 4) < 0.7, String(told?.energyMwh));
  });

  it('is counted by the hour where it lasted for days', async () => {
    await metered(100);
    const told = use(2 * HOUR, 100 * HOUR);
    assert.ok(told !== null && Math.abs(told.energyMwh / 1_000 - 98 * 60) < 10);
  });

  it('is not known where the plug was gone, or is none', async () => {
    await metered(5, [[fromS + 3 * HOUR, fromS + 6 * HOUR]]);
    assert.equal(use(3 * HOUR + 600, 4 * HOUR), null);
    assert.equal(use(2 * HOUR, 4 * HOUR), null);
    const { devices } = bench.devices as unknown as { devices: object[] };
    devices.splice(0, 1);
    assert.equal(use(2 * HOUR, 3 * HOUR), null);
  });
});
