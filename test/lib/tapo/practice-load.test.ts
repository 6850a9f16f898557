import assert from 'node:assert/strict';
import {
  fridge,
  kettle,
  NasLoad,
  steady,
  wave,
  type LoadCurve,
} from '../../practice/plug/load-curve.ts';
import { LocalTime } from '../../practice/plug/local-time.ts';
import { PlugMeter } from '../../practice/plug/plug-meter.ts';

const START = Date.parse('2026-03-28T12:00:00Z');
const HOUR = 3_600_000;

/** A sum over tenths of seconds, each at its middle. */
function summedWh(curve: LoadCurve, fromMs: number, toMs: number): number {
  let energyWh = 0;
  for (let atMs = fromMs; atMs < toMs; atMs += 100) {
    energyWh += (curve.wattsAt(atMs + 50) * 100) / HOUR;
  }
  return energyWh;
}

describe('the loads of practice plugs', () => {
  const nas = new NasLoad();
  nas.setState('asleep', START + HOUR);
  nas.setState('awake', START + 3 * HOUR);
  const curves: Readonly<Record<string, LoadCurve>> = {
    steady: steady(42.5),
    fridge: fridge(),
    kettle: kettle(),
    wave: wave(10, 300, 7_000),
    nas,
  };
  for (const [name, curve] of Object.entries(curves)) {
    it(`integrates ${name} exactly`, () => {
      const [fromMs, toMs] = [START + 12_300, START + 5 * HOUR + 45_600];
      const exact = curve.energyWhBetween(fromMs, toMs);
      assert.ok(Math.abs(exact - summedWh(curve, fromMs, toMs)) < exact * 1e-4, `${exact} Wh`);
      const middle = START + 2 * HOUR + 7;
      const halves = curve.energyWhBetween(fromMs, middle) + curve.energyWhBetween(middle, toMs);
      assert.ok(Math.abs(exact - halves) < 1e-6);
    });
  }

  it('count whole Wh by local days of 23 hours, months, wipes and freezes', () => {
    const meter = new PlugMeter(steady(100), new LocalTime('Europe/Berlin'), START);
    const at = (iso: string): number => Date.parse(iso);
    assert.deepEqual(meter.counters(at('2026-03-28T22:59:59Z')), {
      todayWh: 1_099,
      monthWh: 1_099,
    });
    assert.deepEqual(meter.counters(at('2026-03-28T23:00:00Z')), { todayWh: 0, monthWh: 1_100 });
    assert.equal(meter.counters(at('2026-03-29T21:59:59Z')).todayWh, 2_299);
    assert.equal(meter.counters(at('2026-03-29T22:30:00Z')).todayWh, 50);
    assert.equal(meter.counters(at('2026-03-31T22:30:00Z')).monthWh, 50);
    meter.wipe(at('2026-04-01T10:00:00Z'));
    assert.deepEqual(meter.counters(at('2026-04-01T11:00:00Z')), { todayWh: 100, monthWh: 100 });
    meter.freeze(at('2026-04-01T11:00:00Z'));
    assert.equal(meter.counters(at('2026-04-01T19:00:00Z')).todayWh, 100);
  });

  it('draw nothing while the relay is open', () => {
    const meter = new PlugMeter(steady(100), new LocalTime('UTC'), START);
    meter.setRelay(false, START + HOUR);
    meter.setRelay(true, START + 2 * HOUR);
    assert.equal(meter.wattsAt(START + 1.5 * HOUR), 0);
    assert.equal(Math.round(meter.energyWhBetween(START, START + 4 * HOUR)), 300);
  });
});
