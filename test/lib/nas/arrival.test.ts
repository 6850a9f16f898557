import assert from 'node:assert/strict';
import { Arrival } from '../../../nodes/lib/nas/nas-service.ts';
import { KeptLog } from '../../fakes/kept-log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

describe('A NAS that said hello', () => {
  let clock: ManualClock;
  let awakeAtMs: number;
  let probes: number[];
  let log: KeptLog;
  let arrival: Arrival;

  beforeEach(() => {
    clock = new ManualClock();
    [awakeAtMs, probes, log] = [Infinity, [], new KeptLog()];
    arrival = new Arrival({
      clock,
      log,
      isAwake: () => clock.monotonicMs() >= awakeAtMs,
      probe: () => {
        probes.push(clock.monotonicMs());
        return Promise.resolve('silent');
      },
      bootTimeoutSeconds: 10,
    });
  });

  afterEach(async () => {
    await arrival.stop();
    assert.deepEqual(log.problems, []);
  });

  it('is asked at once and every second until it is awake', async () => {
    awakeAtMs = 3_000;
    arrival.begin();
    await clock.advance(60_000);
    assert.deepEqual(probes, [0, 1_000, 2_000, 3_000]);
  });

  it('is given up when it does not come', async () => {
    arrival.begin();
    await clock.advance(60_000);
    assert.equal(probes.length, 11);
  });

  it('is looked for once, and again from its last hello', async () => {
    arrival.begin();
    await clock.advance(5_500);
    arrival.begin();
    await clock.advance(60_000);
    assert.equal(probes.at(-1), 15_500);
    assert.equal(probes.length, 6 + 11);
  });

  it('is looked for no longer once it said goodbye, or BaluPi stops', async () => {
    arrival.begin();
    await clock.advance(2_500);
    arrival.end();
    await clock.advance(60_000);
    assert.equal(probes.length, 3);
    await arrival.stop();
    arrival.begin();
    assert.equal(probes.length, 3);
    assert.equal(clock.pending, 0);
  });
});
