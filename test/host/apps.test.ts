import assert from 'node:assert/strict';
import { SystemClock } from '../../nodes/lib/time/system-clock.ts';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';
import { steady } from '../practice/plug/load-curve.ts';
import { PracticePlug } from '../practice/plug/practice-plug.ts';

const OWNER = { username: 'plug.owner@example.org', password: 'Correct-Horse 9' };

/** What BaluHost's apps request, from a running BaluPi with one plug. */
describe('The plugs in the apps of BaluHost', function () {
  this.timeout(60_000);
  let balupi: BootedBaluPi;
  let plug: PracticePlug;
  let token: string;

  before(async () => {
    const clock = new SystemClock((problem) => {
      throw problem;
    });
    plug = new PracticePlug({ clock, load: steady(42.5), ...OWNER, nickname: 'NAS' });
    await plug.start();
    balupi = await BootedBaluPi.start({
      environment: {
        BALUPI_TAPO_USERNAME: OWNER.username,
        BALUPI_TAPO_PASSWORD: OWNER.password,
        BALUPI_TAPO_DISCOVERY_ADDRESS: `127.0.0.1:${plug.udpPort}`,
        BALUPI_ENERGY_SAMPLE_INTERVAL_SECONDS: '1',
      },
    });
    token = await balupi.signIn('admin');
    const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' };
    const body = JSON.stringify({ ip_address: plug.address, role: 'nas' });
    await fetch(`${balupi.url}/api/tapo/devices`, { method: 'POST', headers, body });
  });

  after(async () => {
    await balupi.stop();
    await plug.stop();
  });

  async function get(path: string): Promise<{ status: number; payload: Record<string, unknown> }> {
    const headers = { Authorization: `Bearer ${token}` };
    const answered = await fetch(`${balupi.url}${path}`, { headers, redirect: 'error' });
    const payload = (await answered.json()) as Record<string, unknown>;
    return { status: answered.status, payload };
  }

  /** Polls until the meter has the plug's first readings. */
  async function metered(path: string, isThere: (payload: Record<string, unknown>) => boolean) {
    return await balupi.until(`readings at ${path}`, async () => {
      const told = await get(path);
      return isThere(told.payload) ? told : null;
    });
  }

  async function seesThePlug(): Promise<void> {
    for (const path of ['/api/smart-devices/', '/api/smart-devices', '//api/smart-devices/']) {
      const { status, payload } = await get(path);
      assert.equal(status, 200, path);
      assert.partialDeepStrictEqual(payload, {
        total: 1,
        devices: [{ id: 1, name: 'NAS', is_active: true, is_online: true }],
      });
    }
    const power = await metered(
      '/api/smart-devices/power/summary',
      ({ device_count: n }) => n === 1,
    );
    assert.deepEqual(power.payload, {
      total_watts: 42.5,
      device_count: 1,
      devices: [{ device_id: 1, name: 'NAS', watts: 42.5 }],
    });
    const board = await metered('/api/energy/dashboard/1/', ({ today }) => today !== null);
    assert.partialDeepStrictEqual(board.payload, {
      device_id: 1,
      device_name: 'NAS',
      current_watts: 42.5,
      is_online: true,
      today: { avg_watts: 42.5, device_id: 1 },
    });
    for (const period of ['today', 'week', 'month']) {
      const stats = await get(`/api/energy/stats/1/${period}`);
      assert.partialDeepStrictEqual(stats, {
        status: 200,
        payload: { device_id: 1, device_name: 'NAS', avg_watts: 42.5 },
      });
    }
    const hours = await get('/api/energy/hourly/1?hours=2');
    assert.equal(hours.status, 200);
    assert.ok(Array.isArray(hours.payload));
    const one = await get('/api/smart-devices/1');
    assert.partialDeepStrictEqual(one, { status: 200, payload: { id: 1, name: 'NAS' } });
    const types = await get('/api/smart-devices/types');
    assert.partialDeepStrictEqual(types.payload, [{ type_id: 'tapo_p110' }]);
    // BaluHost's answer for a plug it does not have: nothing was metered.
    assert.deepEqual(await get('/api/energy/stats/2/today'), { status: 200, payload: null });
    assert.deepEqual(await get('/api/energy/hourly/2'), { status: 200, payload: [] });
    assert.equal((await get('/api/energy/stats/1/year')).status, 404);
    assert.equal((await get('/api/smart-devices/2')).status, 404);
    const page = await get('/api/energy/current');
    assert.partialDeepStrictEqual(page.payload, { devices: [{ device_name: 'NAS', name: 'NAS' }] });
    assert.equal((await get('/api/energy/dashboard/2')).status, 404);
    assert.equal((await get('/api/energy/dashboard/nas')).status, 404);
  }

  it('are there while the NAS is awake', seesThePlug);

  it('stand beside what BaluHost’s own page of the Pi reads', async () => {
    const { payload } = await metered('/api/system/status', (told) => 'hostname' in told);
    assert.equal(typeof payload['hostname'], 'string');
    assert.equal(payload['temperature_c'], payload['cpu_temp_celsius']);
  });

  it('are there all the same while it sleeps', async () => {
    await balupi.nas.sleep('suspend');
    await seesThePlug();
  });

  it('are for those who are signed in', async () => {
    for (const path of ['/api/smart-devices/', '/api/energy/dashboard/1']) {
      assert.equal((await fetch(`${balupi.url}${path}`)).status, 401);
    }
  });
});
