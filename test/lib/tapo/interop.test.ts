import assert from 'node:assert/strict';
import { loginDeviceByIp } from 'tp-link-tapo-connect';
import type { PracticePlug } from '../../practice/plug/practice-plug.ts';
import { Bench, OWNER } from './setup.ts';

/** A third-party client shows that the practice plug speaks more than our own dialect. */
describe('tp-link-tapo-connect with the practice plug', () => {
  let bench: Bench;
  let practice: PracticePlug;

  beforeEach(async () => {
    bench = new Bench();
    practice = await bench.plug({ nickname: 'Waschküche' });
  });

  afterEach(async () => {
    await bench.close();
  });

  it('reads the same power and identity as our driver', async () => {
    await bench.clock.advance(3_600_000);
    const theirs = await loginDeviceByIp(OWNER.username, OWNER.password, practice.address);
    const usage = (await theirs.getEnergyUsage()) as unknown as Record<string, unknown>;
    const info = await theirs.getDeviceInfo();
    const ours = await bench.driver(practice).read();
    assert.ok(ours.kind === 'reading');
    assert.equal(usage['current_power'], ours.reading.powerMw);
    assert.equal(usage['today_energy'], ours.reading.todayEnergyWh);
    assert.equal(info.nickname, 'Waschküche');
    assert.equal(info.device_id, ours.reading.info.deviceId);
  });

  it('switches the relay', async () => {
    const theirs = await loginDeviceByIp(OWNER.username, OWNER.password, practice.address);
    await theirs.turnOff();
    assert.equal(practice.isOn, false);
  });

  it('takes our session, which our driver gets back within one read', async () => {
    const ours = bench.driver(practice);
    assert.equal((await ours.read()).kind, 'reading');
    await loginDeviceByIp(OWNER.username, OWNER.password, practice.address);
    assert.equal((await ours.read()).kind, 'reading');
    assert.equal(practice.logins, 3);
  });
});
