import assert from 'node:assert/strict';
import { SystemClock } from '../../nodes/lib/time/system-clock.ts';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';
import { steady } from '../practice/plug/load-curve.ts';
import { PracticePlug } from '../practice/plug/practice-plug.ts';

const OWNER = { username: 'plug.owner@example.org', password: 'Correct-Horse 9' };

/** Values that are invalid for almost every field. */
const HOSTILE: readonly unknown[] = [
  ...['', ' ', 'x', '12', 'NaN', '-0', '2026-02-30', '2026-13-01T00:00:00Z', '24:15', '06:07'],
  ...["'; DROP TABLE energy_hourly; --", '<script>alert(1)</script>', '../../etc/passwd'],
  ...['\u0000', '\u202e', '__proto__', 'constructor', 'x'.repeat(20_000), '9'.repeat(400)],
  ...[0.000_000_1, -1, 1e21, 1e308, -1e308, 9_007_199_254_740_992, 7, 0],
  ...[null, true, false, [], {}, [[]], [{}], [null], { toString: 'x' }, ['x'.repeat(20_000)]],
];

type Body = Readonly<Record<string, unknown>>;
type Takes = (value: unknown) => boolean;

const isNumber = (least: number, most: number): Takes => {
  return (value) => typeof value === 'number' && value >= least && value <= most;
};
const orNull = (takes: Takes): Takes => {
  return (value) => value === null || takes(value);
};
const isName: Takes = (value) => {
  if (typeof value !== 'string' || value.length > 100) return false;
  return value.trim() !== '' && !/\p{Cc}/u.test(value);
};
const isWhy: Takes = (value) => {
  return typeof value === 'string' && value.length <= 500 && value.trim() !== '';
};
const isFlag = (value: unknown): boolean => typeof value === 'boolean';
const nothing: Takes = () => false;
const onlyNull: Takes = (value) => value === null;

interface Case {
  readonly method: string;
  readonly path: (ids: Ids) => string;
  readonly good: (ids: Ids) => Body;
  /** The fields, and which values each accepts. */
  readonly fields: Readonly<Record<string, Takes>>;
  /** Fields that may be left out. */
  readonly optional: readonly string[];
}

interface Ids {
  readonly plug: string;
  readonly price: string;
}

const PRICE_FIELDS: Case['fields'] = {
  name: isName,
  price_per_kwh_cents: isNumber(-100_000, 100_000),
  valid_from: onlyNull,
  valid_to: onlyNull,
  weekdays: onlyNull,
  time_from: onlyNull,
  time_to: onlyNull,
  is_active: isFlag,
  vat_percent: orNull(isNumber(0, 100)),
  base_fee_cents_per_month: orNull(isNumber(0, 100_000)),
};
const PRICE: Body = {
  ...{ name: 'Night', price_per_kwh_cents: 20, valid_from: '2026-01-01', valid_to: '2026-02-01' },
  ...{ weekdays: [1, 2], time_from: '22:00', time_to: '06:15', is_active: false },
  ...{ vat_percent: 19, base_fee_cents_per_month: 900 },
};

const CASES: readonly Case[] = [
  {
    ...{ method: 'POST', path: () => '/api/energy/prices', good: () => PRICE },
    fields: PRICE_FIELDS,
    optional: Object.keys(PRICE).slice(2),
  },
  {
    ...{ method: 'PUT', path: ({ price }) => `/api/energy/prices/${price}`, good: () => PRICE },
    fields: PRICE_FIELDS,
    optional: Object.keys(PRICE),
  },
  {
    ...{ method: 'POST', path: () => '/api/energy/prices/slots' },
    good: () => ({
      name: 'Spot',
      slots: [{ from: '2020-02-22T14:00:00Z', to: '2020-02-22T15:00:00Z', price_per_kwh_cents: 3 }],
    }),
    fields: { name: isName, slots: nothing },
    optional: ['name'],
  },
  {
    ...{ method: 'POST', path: () => '/api/energy/prices/recalculate' },
    good: () => ({ from: '2026-01-01' }),
    fields: { from: nothing },
    optional: [],
  },
  {
    ...{ method: 'PATCH', path: () => '/api/energy/history' },
    good: ({ plug }) => ({
      ...{ device_id: plug, from: '2020-02-22T14:00:00Z', to: '2020-02-22T15:00:00Z' },
      ...{ energy_wh: 20, why: 'it ran' },
    }),
    fields: {
      ...{ device_id: nothing, from: nothing, to: nothing, energy_wh: isNumber(0, 4_000) },
      why: isWhy,
    },
    optional: [],
  },
  {
    ...{ method: 'POST', path: ({ plug }) => `/api/tapo/devices/${plug}/merge` },
    good: () => ({ into: 'nobody' }),
    fields: { into: nothing },
    optional: [],
  },
];

const QUERIES: Readonly<Record<string, readonly string[]>> = {
  '/api/energy/history': ['device_id', 'period', 'from', 'to', 'resolution'],
  '/api/energy/costs': ['device_id', 'period', 'from', 'to'],
  '/api/energy/corrections': ['undone'],
};

describe('What the energy routes are sent', function () {
  this.timeout(120_000);
  let balupi: BootedBaluPi;
  let plug: PracticePlug;
  let headers: Record<string, string>;
  let ids: Ids;

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
        BALUPI_TIMEZONE: 'Europe/Berlin',
        BALUPI_ENERGY_DEFAULT_PRICE_CENTS: '30',
      },
    });
    const token = await balupi.signIn('admin');
    headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' };
    await ask('POST', '/api/tapo/devices', JSON.stringify({ ip_address: plug.address }));
    const { body: devices } = await ask('GET', '/api/tapo/devices');
    const made = await ask(
      'POST',
      '/api/energy/prices',
      JSON.stringify({ ...PRICE, name: 'Kept' }),
    );
    ids = {
      plug: (devices as { id: string }[])[0]?.id ?? '',
      price: String((made.body as { id: number }).id),
    };
    assert.ok(ids.plug !== '' && ids.price !== 'undefined');
  });

  after(async () => {
    await balupi.stop();
    await plug.stop();
  });

  interface Answer {
    readonly status: number;
    readonly body: unknown;
  }

  async function ask(method: string, path: string, body?: string): Promise<Answer> {
    const answered = await fetch(`${balupi.url}${path}`, {
      ...{ method, headers },
      ...(body === undefined ? {} : { body }),
    });
    return { status: answered.status, body: await answered.json() };
  }

  async function state(): Promise<readonly unknown[]> {
    const paths = ['/api/energy/prices', '/api/energy/corrections?undone=true'];
    return await Promise.all(paths.map(async (path) => (await ask('GET', path)).body));
  }

  /** Expects a 4xx; a 422 has to name the field. */
  function check({ status, body }: Answer, place: readonly string[], what: string): void {
    assert.ok(status >= 400 && status < 500, `${what}: ${status} ${JSON.stringify(body)}`);
    if (status !== 422) return;
    const { errors = [] } = body as { errors?: { loc: readonly unknown[] }[] };
    const isNamed = errors.some(({ loc }) => place.every((step, at) => loc[at] === step));
    assert.ok(isNamed, `${what}: ${JSON.stringify(body)}`);
    assert.ok(JSON.stringify(body).length < 20_000, `${what}: a long answer`);
  }

  for (const [index, { method, path, good, fields, optional }] of CASES.entries()) {
    const name = `${method} ${path({ plug: '{id}', price: '{id}' })}`;

    it(`${name} refuses wrong, empty, huge, hostile and missing fields with their place`, async () => {
      const before = await state();
      for (const [field, takes] of Object.entries(fields)) {
        for (const value of HOSTILE.filter((each) => !takes(each))) {
          const body = JSON.stringify({ ...good(ids), [field]: value });
          const what = `${field}: ${JSON.stringify(value).slice(0, 60)}`;
          check(await ask(method, path(ids), body), ['body', field], what);
        }
        if (optional.includes(field)) continue;
        const body = JSON.stringify({ ...good(ids), [field]: undefined });
        check(await ask(method, path(ids), body), ['body', field], `${field} missing`);
      }
      assert.deepEqual(await state(), before, `case ${index}`);
    });

    it(`${name} refuses a field that is given twice`, async () => {
      const before = await state();
      for (const field of Object.keys(fields)) {
        const once = JSON.stringify(good(ids));
        const again = `${JSON.stringify(field)}:${JSON.stringify(good(ids)[field])}`;
        const answer = await ask(method, path(ids), `${once.slice(0, -1)},${again}}`);
        assert.equal(answer.status, 422, field);
        check(answer, ['body', field], `${field} twice`);
      }
      assert.deepEqual(await state(), before);
    });

    it(`${name} refuses a body that is no object, or none at all`, async () => {
      for (const body of ['', '[]', 'null', '7', '"x"', '{', '{"a":', '\u0000']) {
        const { status } = await ask(method, path(ids), body);
        const isPut = method === 'PUT' && body === '';
        assert.ok(isPut || (status >= 400 && status < 500), `${body}: ${status}`);
      }
    });
  }

  it('of slots each has its place, and none is taken with a wrong one', async () => {
    const before = await state();
    const [from, to] = ['2020-02-22T14:00:00Z', '2020-02-22T15:00:00Z'];
    const slot = { from, to, price_per_kwh_cents: 3 };
    const fields = { from: nothing, to: nothing, price_per_kwh_cents: isNumber(-100_000, 100_000) };
    for (const [field, takes] of Object.entries(fields)) {
      for (const value of HOSTILE.filter((each) => !takes(each))) {
        const wrong = { ...slot, from: to, to: '2020-02-22T16:00:00Z', [field]: value };
        const body = JSON.stringify({ name: 'Spot', slots: [slot, wrong] });
        const answer = await ask('POST', '/api/energy/prices/slots', body);
        const what = `${field}: ${JSON.stringify(value).slice(0, 60)}`;
        check(answer, ['body', 'slots'], what);
        const { errors = [] } = answer.body as { errors?: { loc: readonly unknown[] }[] };
        assert.ok(
          errors.some(({ loc }) => String(loc[2]) === '1' && loc[3] === field),
          what,
        );
      }
    }
    const twice = `{"slots":[{"from":"${from}","from":"${from}","to":"${to}","price_per_kwh_cents":3}]}`;
    const answer = await ask('POST', '/api/energy/prices/slots', twice);
    check(answer, ['body', 'slots'], 'twice');
    assert.equal(answer.status, 422);
    const lapping = JSON.stringify({ slots: [slot, slot] });
    check(await ask('POST', '/api/energy/prices/slots', lapping), ['body', 'slots'], 'the same');
    assert.deepEqual(await state(), before);
  });

  for (const [path, names] of Object.entries(QUERIES)) {
    it(`${path} refuses hostile and repeated parameters with their place`, async () => {
      const texts = HOSTILE.filter((value) => typeof value === 'string' && value.trim().length > 2);
      for (const name of names) {
        for (const text of texts.filter((value) => value !== '2026-02-30').map(String)) {
          const answer = await ask(
            'GET',
            `${path}?${name}=${encodeURIComponent(text.slice(0, 2_000))}`,
          );
          check(answer, ['query', name], `${name}=${text.slice(0, 40)}`);
        }
        check(await ask('GET', `${path}?${name}=x&${name}=x`), ['query', name], `${name} twice`);
      }
    });
  }

  it('is answered by a process that has lost nothing and goes on metering', async () => {
    const { status, body } = await ask('GET', '/api/energy/current');
    assert.equal(status, 200);
    assert.equal((body as { devices: unknown[] }).devices.length, 1);
    assert.equal((await ask('GET', '/api/health')).status, 200);
  });
});
