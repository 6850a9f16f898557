import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { SystemClock } from '../../nodes/lib/time/system-clock.ts';
import { BootedBaluPi, type BootOptions } from '../fakes/boot-balupi.ts';
import { HostilePlug } from '../practice/plug/hostile-plug.ts';
import { steady } from '../practice/plug/load-curve.ts';
import { PracticePlug } from '../practice/plug/practice-plug.ts';
import { until } from '../fakes/until.ts';

const OWNER = { username: 'plug.owner@example.org', password: 'Correct-Horse 9' };

interface WireDevice {
  readonly id: string;
  readonly name: string;
  readonly is_online: boolean;
  readonly state: string;
  readonly state_hint: string;
  readonly old_protocol: string | null;
  readonly device_number: number;
}

/** The plugs of a running BaluPi, asked as the API's callers do. */
class PlugCaller {
  readonly #balupi: BootedBaluPi;
  readonly #token: string;

  private constructor(balupi: BootedBaluPi, token: string) {
    this.#balupi = balupi;
    this.#token = token;
  }

  static async signIn(balupi: BootedBaluPi, username: string): Promise<PlugCaller> {
    return new PlugCaller(balupi, await balupi.signIn(username));
  }

  async ask(method: string, path: string, body?: object): Promise<Response> {
    return await fetch(`${this.#balupi.url}${path}`, {
      method,
      headers: { Authorization: `Bearer ${this.#token}`, 'Content-Type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  async devices(): Promise<readonly WireDevice[]> {
    return (await (await this.ask('GET', '/api/tapo/devices')).json()) as WireDevice[];
  }
}

describe('A stranger that announces itself as an old plug', function () {
  this.timeout(60_000);
  let balupi: BootedBaluPi;
  let hostile: HostilePlug;

  before(async () => {
    hostile = new HostilePlug();
    await hostile.start();
    balupi = await BootedBaluPi.start({
      hurry: 3,
      environment: {
        BALUPI_TAPO_USERNAME: OWNER.username,
        BALUPI_TAPO_PASSWORD: OWNER.password,
        BALUPI_TAPO_DISCOVERY_ADDRESS: `127.0.0.1:${hostile.udpPort}`,
        BALUPI_ENERGY_SAMPLE_INTERVAL_SECONDS: '1',
      },
    });
  });

  after(async () => {
    await balupi.stop();
    await hostile.stop();
  });

  it('gets neither password nor hash before an admin confirms it, and then does', async () => {
    const admin = await PlugCaller.signIn(balupi, 'admin');
    assert.equal((await admin.ask('POST', '/api/tapo/devices/discover')).status, 200);
    const took = hostile.took.length;
    await until('the plug to be asked again', () => hostile.took.length > took + 4);
    const [device] = await admin.devices();
    assert.equal(device?.state, 'unsupported_protocol');
    assert.equal(device?.old_protocol, 'asked');
    assert.match(device?.state_hint ?? '', /password .* goes to whoever answers/);
    assert.deepEqual(hostile.gotOf(OWNER), []);
    const path = `/api/tapo/devices/${device?.id ?? ''}`;
    const user = await PlugCaller.signIn(balupi, 'alice');
    assert.equal((await user.ask('PUT', path, { confirm_old_protocol: true })).status, 403);
    assert.equal((await admin.ask('PUT', path, { confirm_old_protocol: 'yes' })).status, 422);
    assert.equal((await admin.ask('PUT', path, { name: 'Herd' })).status, 200);
    assert.deepEqual(hostile.gotOf(OWNER), []);
    const told = await admin.ask('PUT', path, { confirm_old_protocol: true });
    assert.equal(told.status, 200, await told.text());
    await until('the password to be handed over', () => hostile.gotOf(OWNER).length > 0);
    assert.equal((await admin.ask('PUT', path, { confirm_old_protocol: false })).status, 200);
    const again = await admin.ask('PUT', path, { confirm_old_protocol: true });
    assert.equal(again.status, 409);
  });
});

describe('A plug of a running BaluPi', function () {
  this.timeout(60_000);
  let balupi: BootedBaluPi;
  let plug: PracticePlug;
  let admin: PlugCaller;
  let id: string;

  async function boot(options: BootOptions = {}): Promise<void> {
    balupi = await BootedBaluPi.start({
      hurry: 3,
      ...options,
      environment: {
        BALUPI_TAPO_USERNAME: OWNER.username,
        BALUPI_TAPO_PASSWORD: OWNER.password,
        BALUPI_TAPO_DISCOVERY_ADDRESS: `127.0.0.1:${plug.udpPort}`,
        BALUPI_TIMEZONE: 'Europe/Berlin',
        BALUPI_ENERGY_SAMPLE_INTERVAL_SECONDS: '1',
        BALUPI_ENERGY_COMMIT_SECONDS: '1',
      },
    });
    admin = await PlugCaller.signIn(balupi, 'admin');
  }

  before(async () => {
    const clock = new SystemClock((problem) => {
      throw problem;
    });
    plug = new PracticePlug({ clock, load: steady(42.5), ...OWNER, nickname: 'NAS' });
    await plug.start();
    await boot();
    const body = { ip_address: plug.address };
    assert.equal((await admin.ask('POST', '/api/tapo/devices', body)).status, 201);
    [{ id } = { id: '' }] = await admin.devices();
  });

  after(async () => {
    await balupi.stop();
    await plug.stop();
  });

  async function current(): Promise<Record<string, unknown>> {
    const answered = await admin.ask('GET', '/api/energy/current');
    const { devices } = (await answered.json()) as { devices: Record<string, unknown>[] };
    return devices[0] ?? {};
  }

  async function isHint(text: RegExp): Promise<boolean> {
    const [device] = await admin.devices();
    return device?.state === 'ok' && text.test(device.state_hint);
  }

  /** The database as it would be found after a power cut. */
  function onDisk(sql: string): Record<string, unknown> {
    const database = new DatabaseSync(join(balupi.dataFolder, 'energy.db'), { readOnly: true });
    try {
      return database.prepare(sql).get() ?? {};
    } finally {
      database.close();
    }
  }

  it('is known on the disk as it is, without an orderly end', async () => {
    const sql = 'SELECT state, last_seen_at AS seen FROM tapo_devices';
    await until('the plug to be ok on the disk', () => onDisk(sql)['state'] === 'ok');
    assert.ok(Math.abs(Number(onDisk(sql)['seen']) - Date.now()) < 30_000);
  });

  it('keeps its series in /metrics when it is renamed', async () => {
    const series = async (): Promise<readonly string[]> => {
      const text = await (await admin.ask('GET', '/metrics')).text();
      return text.split('\n').filter((line) => /^balupi_plug_/.test(line));
    };
    const names = (lines: readonly string[]): readonly string[] =>
      lines.filter((line) => !line.includes('_info')).map((line) => line.replace(/ \S+$/, ''));
    await until('its series', async () => (await series()).length >= 4);
    const before = await series();
    assert.ok(before.includes(`balupi_plug_info{device="${id}",name="NAS"} 1`), before.join('\n'));
    await admin.ask('PUT', `/api/tapo/devices/${id}`, { name: 'Keller' });
    const after = await series();
    assert.deepEqual(names(after), names(before));
    assert.ok(after.includes(`balupi_plug_info{device="${id}",name="Keller"} 1`));
  });

  it('whose clock is wrong is ok with a hint, and its day is not used', async () => {
    const sql = 'SELECT today_wh AS today FROM energy_samples ORDER BY place DESC LIMIT 1';
    await until('a day of its own', () => onDisk(sql)['today'] !== null);
    plug.setClockAhead(3_600_000);
    await until('the hint at its clock', () => isHint(/clock of the plug is wrong/));
    await until('samples without its day', () => onDisk(sql)['today'] === null);
    plug.setClockAhead(0);
    await until('no hint', () => isHint(/^$/));
  });

  it('that refuses to tell its power is ok with a hint, online, and can be switched', async () => {
    for (const method of ['get_energy_usage', 'get_emeter_data', 'get_current_power']) {
      plug.setAnswer(method, -1_007);
    }
    await until('the hint at its power', () => isHint(/does not report its power/));
    await until('no power', async () => (await current())['power_w'] === null);
    const shown = await current();
    assert.deepEqual([shown['is_online'], shown['is_stale']], [true, false]);
    const path = `/api/tapo/devices/${id}/toggle`;
    for (const isOn of [false, true]) {
      assert.equal((await admin.ask('POST', path, { force: true })).status, 200);
      assert.equal(plug.isOn, isOn);
    }
    for (const method of ['get_energy_usage', 'get_emeter_data', 'get_current_power']) {
      plug.setAnswer(method, null);
    }
    await until('its power', async () => (await current())['power_w'] === 42.5);
  });

  it('keeps its history when it is forgotten, and is the same when it is found again', async () => {
    const wh = async (): Promise<number> => {
      const answered = await admin.ask('GET', `/api/energy/history?device_id=${id}`);
      assert.equal(answered.status, 200);
      const { data } = (await answered.json()) as { data: { energy_wh: number }[] };
      return data.reduce((sum, { energy_wh: one }) => sum + one, 0);
    };
    await until('a history', async () => (await wh()) > 0.01);
    const path = `/api/tapo/devices/${id}`;
    await admin.ask('PUT', path, { name: 'Keller', role: 'nas' });
    const [before] = await admin.devices();
    const whBefore = await wh();
    assert.equal((await admin.ask('DELETE', path)).status, 200);
    assert.equal((await admin.ask('DELETE', path)).status, 404);
    assert.deepEqual(await admin.devices(), []);
    const forgotten = await admin.ask('GET', '/api/tapo/devices/forgotten');
    assert.partialDeepStrictEqual(await forgotten.json(), [{ id, name: 'Keller' }]);
    assert.ok((await wh()) >= whBefore);
    assert.equal((await admin.ask('POST', '/api/tapo/devices/discover')).status, 200);
    assert.partialDeepStrictEqual(await admin.devices(), [
      { id, name: 'Keller', role: 'nas', device_number: before?.device_number },
    ]);
    assert.ok((await wh()) >= whBefore);
  });

  it('is put right by admins, listed and undone', async () => {
    const path = '/api/energy/history';
    const quarterMs = 900_000;
    const toMs = Math.floor(Date.now() / quarterMs) * quarterMs;
    const [from, to] = [toMs - quarterMs, toMs].map((ms) => new Date(ms).toISOString());
    const body = { device_id: id, from, to, energy_wh: 700, why: 'the oven was on it' };
    const user = await PlugCaller.signIn(balupi, 'alice');
    assert.equal((await user.ask('PATCH', path, body)).status, 403);
    for (const wrong of [
      { energy_wh: 1_001 },
      { energy_wh: -1 },
      { energy_wh: '7' },
      { clear: true },
      { energy_wh: undefined },
      { why: ' ' },
      { from: new Date(toMs - quarterMs + 420_000).toISOString() },
      // Not over for the meters either, which hurry ahead of this clock.
      { to: new Date(toMs + 2 * quarterMs).toISOString() },
    ]) {
      const refused = await admin.ask('PATCH', path, { ...body, ...wrong });
      assert.equal(refused.status, 422, JSON.stringify(wrong));
      const { errors } = (await refused.json()) as { errors: unknown[] };
      assert.ok(errors.length > 0);
    }
    const unknown = await admin.ask('PATCH', path, { ...body, device_id: 'nobody' });
    assert.equal(unknown.status, 404);
    const told = await admin.ask('PATCH', path, body);
    assert.equal(told.status, 200, await told.clone().text());
    const { id: number } = (await told.json()) as { id: number };
    const wh = async (): Promise<number> => {
      const query = `from=${from ?? ''}&to=${to ?? ''}&resolution=5m&device_id=${id}`;
      const answered = await admin.ask('GET', `${path}?${query}`);
      const { data } = (await answered.json()) as { data: { energy_wh: number }[] };
      return data.reduce((sum, { energy_wh: one }) => sum + one, 0);
    };
    assert.ok(Math.abs((await wh()) - 700) < 0.01);
    const listed = async (query = ''): Promise<unknown> =>
      await (await user.ask('GET', `/api/energy/corrections${query}`)).json();
    const shown = [{ id: number, device_id: id, energy_wh: 700, corrected_by: 'admin' }];
    assert.partialDeepStrictEqual(await listed(), shown);
    const one = `/api/energy/corrections/${number}`;
    assert.equal((await user.ask('DELETE', one)).status, 403);
    assert.equal((await admin.ask('DELETE', one)).status, 200);
    assert.equal((await admin.ask('DELETE', one)).status, 404);
    assert.ok((await wh()) < 10);
    assert.deepEqual(await listed(), []);
    assert.partialDeepStrictEqual(await listed('?undone=true'), [{ undone_by: 'admin' }]);
  });

  it('through which a solar inverter feeds in is metered so, and uses nothing meanwhile', async () => {
    const history = async () => {
      const answered = await admin.ask('GET', `/api/energy/history?device_id=${id}`);
      const { data } = (await answered.json()) as {
        data: { energy_wh: number; feed_in_wh: number }[];
      };
      const sum = (of: (point: (typeof data)[number]) => number): number =>
        data.reduce((total, point) => total + of(point), 0);
      return { usedWh: sum((one) => one.energy_wh), fedInWh: sum((one) => one.feed_in_wh) };
    };
    assert.equal((await history()).fedInWh, 0);
    plug.setAnswer('get_energy_usage', { current_power: -3_600_000 });
    await until('the power that is fed in', async () => (await current())['power_w'] === -3_600);
    const { usedWh } = await history();
    await until('3 Wh fed in', async () => (await history()).fedInWh > 3);
    assert.ok((await history()).usedWh <= usedWh + 0.02);
    const costs = await admin.ask('GET', `/api/energy/costs?device_id=${id}`);
    const { feed_in_kwh: fedInKwh } = (await costs.json()) as { feed_in_kwh: number };
    assert.ok(fedInKwh > 0.002, `${fedInKwh} kWh`);
    plug.setAnswer('get_energy_usage', null);
    await until('its power', async () => (await current())['power_w'] === 42.5);
  });

  it('has its days put together anew in another zone, and its log says so', async () => {
    const days = async (): Promise<number> => {
      const path = `/api/energy/history?device_id=${id}&resolution=day&from=2020-01-01`;
      const { data } = (await (await admin.ask('GET', path)).json()) as {
        data: { energy_wh: number }[];
      };
      return data.reduce((sum, { energy_wh: one }) => sum + one, 0);
    };
    const before = await days();
    await balupi.restart({ BALUPI_TIMEZONE: 'America/New_York' });
    admin = await PlugCaller.signIn(balupi, 'admin');
    assert.match(balupi.output, /The time zone is America\/New_York now and was Europe\/Berlin/);
    assert.ok((await days()) >= before - 0.1, `${await days()} of ${before} Wh`);
    await balupi.restart();
    admin = await PlugCaller.signIn(balupi, 'admin');
    await until('its power', async () => (await current())['power_w'] === 42.5);
  });

  it('hands its history to the plug that takes its place', async () => {
    const clock = new SystemClock((problem) => {
      throw problem;
    });
    const next = new PracticePlug({ clock, load: steady(42.5), ...OWNER, serial: 7 });
    await next.start();
    try {
      const added = await admin.ask('POST', '/api/tapo/devices', { ip_address: next.address });
      assert.equal(added.status, 201, await added.clone().text());
      const { id: into } = (await added.json()) as { id: string };
      const wh = async (of: string): Promise<number> => {
        const answered = await admin.ask('GET', `/api/energy/history?device_id=${of}`);
        const { data } = (await answered.json()) as { data: { energy_wh: number }[] };
        return data.reduce((sum, { energy_wh: one }) => sum + one, 0);
      };
      await until('a history of the next plug', async () => (await wh(into)) > 0);
      const whBefore = await wh(id);
      const path = `/api/tapo/devices/${id}/merge`;
      const user = await PlugCaller.signIn(balupi, 'alice');
      assert.equal((await user.ask('POST', path, { into })).status, 403);
      for (const body of [{}, { into: id }, { into: 'nobody' }, { into: 7 }]) {
        assert.equal((await admin.ask('POST', path, body)).status, 422, JSON.stringify(body));
      }
      const unknown = await admin.ask('POST', '/api/tapo/devices/nobody/merge', { into });
      assert.equal(unknown.status, 404);
      // It has to have been read since the other one was.
      await until('the merge', async () => {
        const merged = await admin.ask('POST', path, { into });
        const said = await merged.text();
        assert.ok(merged.status === 200 || merged.status === 409, said);
        return merged.status === 200;
      });
      assert.ok((await wh(into)) >= whBefore);
      assert.equal((await admin.ask('POST', path, { into })).status, 404);
      assert.deepEqual(
        (await admin.devices()).map((device) => device.id),
        [into],
      );
      // The old one is a new one from here on.
      const back = await admin.ask('POST', '/api/tapo/devices', { ip_address: plug.address });
      assert.equal(back.status, 201);
      ({ id } = (await back.json()) as { id: string });
      assert.notEqual(id, into);
      assert.equal((await admin.ask('DELETE', `/api/tapo/devices/${into}`)).status, 200);
    } finally {
      await next.stop();
    }
  });

  it('takes a hundred thousand price slots in one body', async () => {
    const startMs = Date.parse('2020-01-01T00:00:00Z');
    const at = (index: number): string => new Date(startMs + index * 900_000).toISOString();
    const slots = Array.from({ length: 100_001 }, (_, index) => ({
      ...{ from: at(index), to: at(index + 1), price_per_kwh_cents: (index % 60) - 10.5 },
    }));
    const path = '/api/energy/prices/slots';
    assert.equal((await admin.ask('POST', path, { name: 'Spot', slots })).status, 422);
    slots.pop();
    const told = await admin.ask('POST', path, { name: 'Spot', slots });
    assert.equal(told.status, 200, await told.clone().text());
    const price = (await told.json()) as { id: number };
    assert.partialDeepStrictEqual(price, { name: 'Spot', slots: 100_000 });
    const one = `/api/energy/prices/${price.id}`;
    assert.equal((await admin.ask('PUT', one, { price_per_kwh_cents: 5 })).status, 422);
    assert.equal((await admin.ask('PUT', one, { vat_percent: 19 })).status, 200);
    assert.equal((await admin.ask('DELETE', one)).status, 200);
  });

  it('books no month again when its counter is 1 Wh lower after two minutes', async () => {
    plug.setAnswer('get_energy_usage', { today_energy: 500, month_energy: 12_000 });
    const sql = 'SELECT month_wh AS month FROM energy_samples ORDER BY place DESC LIMIT 1';
    await until('the month on the disk', () => onDisk(sql)['month'] === 12_000);
    const kept = mkdtempSync(join(tmpdir(), 'balupi-gap-'));
    balupi.signal('SIGTERM');
    await balupi.exit();
    cpSync(balupi.dataFolder, kept, { recursive: true });
    await balupi.stop();
    // As if all of it had been two minutes earlier; the meters are rebuilt from the raw samples.
    const database = new DatabaseSync(join(kept, 'energy.db'));
    database.exec(`UPDATE energy_samples SET place = place - 120 * 65536;
      DELETE FROM energy_meters; DELETE FROM energy_hourly; DELETE FROM energy_five_minutes;
      DELETE FROM energy_daily; DELETE FROM energy_daily_tariffs;`);
    database.close();
    plug.setAnswer('get_energy_usage', { today_energy: 499, month_energy: 11_999 });
    await boot({
      prepare: ({ data }) => {
        cpSync(kept, data, { recursive: true });
      },
    });
    rmSync(kept, { recursive: true });
    await until('the lower month on the disk', () => onDisk(sql)['month'] === 11_999);
    const fromMs = Date.now() - 3_600_000;
    const query = `from=${new Date(fromMs).toISOString()}&resolution=5m`;
    const answered = await admin.ask('GET', `/api/energy/history?device_id=${id}&${query}`);
    const { data } = (await answered.json()) as { data: { energy_wh: number }[] };
    const wh = data.reduce((sum, { energy_wh: one }) => sum + one, 0);
    assert.ok(data.length > 0 && wh < 5, `${wh} Wh`);
  });
});

describe('A running BaluPi and a plug of new firmware', function () {
  this.timeout(60_000);
  let balupi: BootedBaluPi;
  let plug: PracticePlug;

  before(async () => {
    const clock = new SystemClock((problem) => {
      throw problem;
    });
    plug = new PracticePlug({ clock, load: steady(42.5), ...OWNER, protocol: 'tpap' });
    await plug.start();
    balupi = await BootedBaluPi.start({
      hurry: 3,
      environment: {
        BALUPI_TAPO_USERNAME: OWNER.username,
        BALUPI_TAPO_PASSWORD: OWNER.password,
        BALUPI_TAPO_DISCOVERY_ADDRESS: `127.0.0.1:${plug.udpPort}`,
        BALUPI_ENERGY_SAMPLE_INTERVAL_SECONDS: '1',
      },
    });
  });

  after(async () => {
    await balupi.stop();
    await plug.stop();
  });

  it('is found, read and switched by TPAP, and by KLAP while its owner allows that', async () => {
    const admin = await PlugCaller.signIn(balupi, 'admin');
    assert.equal((await admin.ask('POST', '/api/tapo/devices/discover')).status, 200);
    const isRead = async (): Promise<boolean> => {
      const [device] = await admin.devices();
      return device?.state === 'ok' && device.is_online;
    };
    await until('the plug to be read', isRead);
    const [{ id } = { id: '' }] = await admin.devices();
    const reads = (): number => plug.calls('get_energy_usage');
    for (const isOn of [true, false]) {
      plug.setCompatibility(isOn);
      const before = reads();
      await until('two more readings', () => reads() > before + 1);
      assert.equal((await admin.devices())[0]?.is_online, true);
    }
    const switched = await admin.ask('POST', `/api/tapo/devices/${id}/toggle`, { force: true });
    assert.equal(switched.status, 200);
    assert.equal(plug.isOn, false);
    assert.ok((plug.tpap?.logins ?? 0) >= 2);
  });
});
