import { Type } from '@sinclair/typebox';
import fc from 'fast-check';
import assert from 'node:assert/strict';
import { endpointById, ENDPOINTS } from '../../../nodes/lib/api/api.ts';
import { endpoint, nullable, partsOf, rowId, words } from '../../../nodes/lib/api/endpoint.ts';
import {
  type Fault,
  validateBody,
  type Validated,
  validateParams,
  validateQuery,
} from '../../../nodes/lib/api/validate.ts';

function valid<T>(checked: Validated<T>): T {
  assert.equal(checked.kind, 'valid', JSON.stringify(checked));
  return (checked as { value: T }).value;
}

function faults(checked: Validated<unknown>): readonly Fault[] {
  assert.equal(checked.kind, 'invalid', JSON.stringify(checked));
  return (checked as { errors: readonly Fault[] }).errors;
}

const history = endpointById('energy-history').query;
const list = endpointById('files-list').query;
const price = endpointById('energy-prices-add').bodySchema;
const plug = endpointById('tapo-devices-change').bodySchema;
const slots = endpointById('energy-prices-slots').bodySchema;
const correction = endpointById('energy-history-correct').bodySchema;
const SLOT = { from: '2026-02-22', to: '2026-02-22T01:00:00Z', price_per_kwh_cents: 1 };
const CORRECTION = { device_id: 'a', from: '2026-02-22', to: '2026-02-23', clear: true };
const toggle = endpointById('tapo-devices-toggle').bodySchema;
const login = endpointById('auth-login').bodySchema;

describe('a query', () => {
  it('gets its defaults', () => {
    assert.deepEqual(valid(validateQuery(history, '')), { period: 'day', resolution: 'auto' });
    assert.equal(valid(validateQuery(endpointById('energy-costs').query, '')).period, 'month');
    assert.deepEqual(valid(validateQuery(list, '')), { path: '' });
  });

  it('ignores parameters nobody asked for, whatever they are called', () => {
    const query = 'x=1&__proto__=a&constructor=b&toString=c&mount=2&%=%&&=';
    const value = valid(validateQuery(list, query));
    assert.deepEqual(value, { path: '' });
    assert.equal(Object.getPrototypeOf(value), Object.prototype);
  });

  it('says what is wanted and what came', () => {
    assert.deepEqual(faults(validateQuery(history, 'period=decade')), [
      { loc: ['query', 'period'], msg: 'must be one of day, week, month, year', got: '"decade"' },
    ]);
  });

  it('names every fault at once', () => {
    const errors = faults(validateQuery(history, 'period=x&resolution=y&from=z'));
    assert.deepEqual(errors.map(({ loc }) => loc[1]).sort(), ['from', 'period', 'resolution']);
  });

  it('refuses a parameter that is given twice', () => {
    assert.deepEqual(faults(validateQuery(history, 'period=day&period=week'))[0]?.loc, [
      'query',
      'period',
    ]);
  });

  it('counts an empty parameter as absent, but an empty path as the root', () => {
    assert.equal(valid(validateQuery(history, 'period=&device_id=')).period, 'day');
    assert.equal(valid(validateQuery(list, 'path=')).path, '');
    assert.equal(validateQuery(endpointById('files-download-query').query, '').kind, 'invalid');
  });

  it('keeps a path as it was meant', () => {
    const paths = {
      'alice/Photos': 'alice/Photos',
      'alice%2FPhotos': 'alice/Photos',
      'a%20b+c%2Bd': 'a b c+d',
      '100%.txt': '100%.txt',
      'Gr%C3%B6%C3%9Fe': 'Größe',
      '%FF.txt': '%FF.txt',
      'a%2': 'a%2',
    };
    for (const [sent, meant] of Object.entries(paths)) {
      assert.equal(valid(validateQuery(list, `path=${sent}`)).path, meant);
    }
  });

  it('takes days and times, and puts times into UTC', () => {
    const moments = {
      '2026-02-22': '2026-02-22',
      '2026-02-22T14:30:00Z': '2026-02-22T14:30:00.000Z',
      '2026-02-22T15:30:00%2B01:00': '2026-02-22T14:30:00.000Z',
      '2026-02-22T15:30:00+01:00': '2026-02-22T14:30:00.000Z',
      '2024-02-29': '2024-02-29',
    };
    for (const [sent, read] of Object.entries(moments)) {
      assert.equal(valid(validateQuery(history, `from=${sent}`)).from, read, sent);
    }
    for (const sent of [
      '2026-02-30',
      '2025-02-29',
      '2026-13-01',
      '2026-02-22T14:30:00',
      '1771770600',
      '2026-02-22T25:00:00Z',
      'today',
      '2026-2-2',
      '2026-02-22T14:30:00.Z',
    ]) {
      assert.equal(validateQuery(history, `from=${sent}`).kind, 'invalid', sent);
    }
  });

  it('reads numbers, whole numbers and switches, and none of their traps', () => {
    const schema = Type.Object({
      n: Type.Optional(Type.Number()),
      i: Type.Optional(rowId()),
      b: Type.Optional(Type.Boolean()),
    });
    const good = {
      'n=1.5': { n: 1.5 },
      'n=-2e3': { n: -2000 },
      'i=7': { i: 7 },
      'b=TRUE': { b: true },
      'b=0': { b: false },
    };
    for (const [query, value] of Object.entries(good)) {
      assert.deepEqual(valid(validateQuery(schema, query)), value, query);
    }
    for (const query of [
      'n=NaN',
      'n=Infinity',
      'n=-Infinity',
      'n=1e400',
      'n=1e999',
      'n=0x10',
      'n=1_000',
      'n=1,5',
      'n=%201',
      'n=.5',
      'n=1.',
      'n=%D9%A1',
      'n=null',
      'n=1n',
      'n=--1',
      'i=1.5',
      'i=1e3',
      'i=0',
      'i=-1',
      'i=9007199254740993',
      'i=99999999999999999999',
      'i=abc',
      'b=maybe',
      'b=2',
      'b=null',
    ]) {
      assert.equal(validateQuery(schema, query).kind, 'invalid', query);
    }
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (raw) => {
        for (const prefix of ['', 'from=', 'period=', 'device_id=']) {
          validateQuery(history, `${prefix}${raw}`);
        }
        validateQuery(list, `path=${raw}`);
      }),
    );
  });
});

describe('a JSON body', () => {
  const GOOD = { name: 'Night', price_per_kwh_cents: 22.5 };

  it('refuses what is not described on our own routes, with its place, at every depth', () => {
    assert.deepEqual(faults(validateBody(price, { ...GOOD, id: 7, extra: {} })), [
      { loc: ['body', 'id'], msg: 'is not described' },
      { loc: ['body', 'extra'], msg: 'is not described' },
    ]);
    const deep = endpoint({
      id: 'deep',
      method: 'POST',
      path: '/api/deep',
      summary: 'Deep.',
      tags: [],
      access: 'caller',
      responses: {},
      example: {},
      bodySchema: Type.Object({ list: Type.Array(Type.Object({ a: Type.Optional(rowId()) })) }),
    }).bodySchema;
    assert.deepEqual(faults(validateBody(deep, { list: [{ a: 1 }, { b: 1 }] })), [
      { loc: ['body', 'list', 1, 'b'], msg: 'is not described' },
    ]);
  });

  it('lets what it does not know go on the routes that BaluHost has too', () => {
    const sent = { username: 'alice', password: 'secret' };
    assert.deepEqual(valid(validateBody(login, { ...sent, device_name: 'Pixel' })), sent);
    for (const { id, path, body, isBaluHosts, bodySchema } of ENDPOINTS) {
      if (body !== 'json') continue;
      const isTheirs = /^\/api\/(?:auth|files\/upload\/chunked)\//.test(path);
      assert.equal(isBaluHosts, isTheirs, id);
      const { additionalProperties } = partsOf(bodySchema);
      assert.equal(additionalProperties, isTheirs ? undefined : false, id);
    }
  });

  it('refuses a name that shows nothing', () => {
    assert.deepEqual(valid(validateBody(plug, { name: ' Fridge ' })), { name: ' Fridge ' });
    for (const name of ['', '   ', '\t', 'x'.repeat(101)]) {
      const [fault] = faults(validateBody(plug, { name }));
      assert.match(fault?.msg ?? '', /1 to 100 characters, not all of them blank/);
    }
  });

  it('refuses a name that does not stay in its line, or that hides what it says', () => {
    const hostile = ['a\nb', 'a\r', 'a\u2028b', 'a\u0000', 'a\u001b[31m', 'a\u0085', '\u202Egnp.a'];
    const invisible = ['\u200B', '\u2060\uFEFF', '\u00A0', '\uD800'];
    for (const name of [...hostile, ...invisible]) {
      for (const [schema, rest, field] of [
        [plug, {}, 'name'],
        [price, GOOD, 'name'],
        [slots, { slots: [SLOT] }, 'name'],
        [correction, CORRECTION, 'why'],
      ] as const) {
        const [fault] = faults(validateBody(schema, { ...rest, [field]: name }));
        assert.deepEqual(fault?.loc, ['body', field], JSON.stringify(name));
        assert.match(fault.msg, /without line breaks or control characters/);
      }
    }
    for (const name of ['Kühlschrank', '👩‍🔧 Werkstatt', 'قبو', 'a\u200Eb']) {
      assert.equal(validateBody(plug, { name }).kind, 'valid', name);
    }
  });

  it('does not let a prototype be sent', () => {
    const body: unknown = JSON.parse(
      '{"name":"n","price_per_kwh_cents":1,"__proto__":{"is_active":false},"constructor":{"prototype":{"x":1}}}',
    );
    assert.deepEqual(
      faults(validateBody(price, body)).map(({ loc }) => loc[1]),
      ['__proto__', 'constructor'],
    );
    const open = Type.Object(price.properties);
    const value = valid(validateBody(open, body));
    assert.deepEqual(value, { name: 'n', price_per_kwh_cents: 1 });
    assert.equal(Object.getPrototypeOf(value), Object.prototype);
    assert.equal(({} as Record<string, unknown>)['x'], undefined);
    // Inherited properties were not sent.
    const inherited = Object.create({ name: 'n', price_per_kwh_cents: 1 }) as unknown;
    assert.equal(validateBody(price, inherited).kind, 'invalid');
  });

  it('refuses numbers that are none', () => {
    for (const text of [
      '1e400',
      '-1e400',
      '"12"',
      'null',
      '-100001',
      'true',
      '[1]',
      '{}',
      '1e300',
    ]) {
      const body: unknown = JSON.parse(`{"name":"n","price_per_kwh_cents":${text}}`);
      assert.equal(validateBody(price, body).kind, 'invalid', text);
    }
    assert.equal(validateBody(price, { ...GOOD, price_per_kwh_cents: NaN }).kind, 'invalid');
    const error = faults(validateBody(price, { ...GOOD, price_per_kwh_cents: Infinity }))[0];
    assert.deepEqual(error, {
      loc: ['body', 'price_per_kwh_cents'],
      msg: 'must be a number from -100000 to 100000',
      got: 'Infinity',
    });
  });

  it('takes windows on quarter hours only', () => {
    for (const time of ['00:00', '06:15', '06:30', '23:45', '24:00', null]) {
      assert.equal(validateBody(price, { ...GOOD, time_to: time }).kind, 'valid', String(time));
    }
    for (const time of ['06:07', '6:00', '25:00', '24:15', '', 6]) {
      assert.equal(validateBody(price, { ...GOOD, time_from: time }).kind, 'invalid', String(time));
    }
  });

  it('takes a price to change as it was read, and nothing that no price has', () => {
    const { bodySchema } = endpointById('energy-prices-change');
    assert.ok(bodySchema !== undefined);
    const read = { ...GOOD, id: 3, slots: 0, already_costed_hours: 12, is_active: true };
    assert.equal(validateBody(bodySchema, read).kind, 'valid');
    assert.equal(validateBody(bodySchema, { ...read, pricee: 1 }).kind, 'invalid');
  });

  it('points into lists', () => {
    const told = (weekdays: unknown) => {
      const [fault] = faults(validateBody(price, { ...GOOD, weekdays }));
      return [fault?.loc, fault?.msg];
    };
    const list = 'must be a list of 1 to 7 different entries (1 is Monday, 7 is Sunday) or null';
    assert.deepEqual(told([1, 9]), [['body', 'weekdays', 1], 'must be a whole number from 1 to 7']);
    assert.deepEqual(told(['Mon']), [
      ['body', 'weekdays', 0],
      'must be a whole number from 1 to 7',
    ]);
    for (const wrong of [[], [1, 1], 'Mon', {}, 5]) {
      assert.deepEqual(told(wrong), [['body', 'weekdays'], list], JSON.stringify(wrong));
    }
    const [empty] = faults(validateBody(slots, { slots: [] }));
    assert.equal(empty?.msg, 'must be a list of 1 to 100000 entries');
    const [fault] = faults(validateBody(slots, { slots: [SLOT, { ...SLOT, to: 'soon' }] }));
    assert.deepEqual(fault?.loc, ['body', 'slots', 1, 'to']);
  });

  it('says what is wanted of a word that may be null', () => {
    const schema = Type.Object({ a: nullable(words(['b', 'c'])) });
    assert.equal(faults(validateBody(schema, { a: 'd' }))[0]?.msg, 'must be one of b, c or null');
  });

  it('says which field is missing', () => {
    assert.deepEqual(faults(validateBody(price, { name: 'n' })), [
      { loc: ['body', 'price_per_kwh_cents'], msg: 'is required' },
    ]);
  });

  it('takes no body as an empty one where nothing is required', () => {
    assert.deepEqual(valid(validateBody(toggle, undefined)), { force: false });
    assert.deepEqual(valid(validateBody(toggle, { force: true })), { force: true });
    assert.equal(validateBody(toggle, { force: 'yes' }).kind, 'invalid');
    assert.equal(validateBody(login, undefined).kind, 'invalid');
  });

  it('refuses anything but an object', () => {
    for (const body of [null, [], 'text', 7, true]) {
      assert.equal(validateBody(price, body).kind, 'invalid');
      assert.equal(validateBody(toggle, body).kind, 'invalid');
    }
  });

  it('never echoes a secret', () => {
    const SECRET = 'hunter2-hunter2';
    for (const body of [
      { username: 'a', password: [SECRET] },
      { username: 'a', password: 7 },
      { username: ['x', SECRET], password: 'p' },
      { username: 'a', password: SECRET.repeat(200) },
      { username: { password: SECRET }, password: 'p' },
      SECRET,
      [SECRET],
    ]) {
      const checked = validateBody(login, body);
      assert.equal(checked.kind, 'invalid', JSON.stringify(body));
      assert.ok(!JSON.stringify(checked).includes('hunter2'), JSON.stringify(checked));
    }
    const refresh = endpointById('auth-refresh').bodySchema;
    assert.deepEqual(faults(validateBody(refresh, { refresh_token: 7 })), [
      { loc: ['body', 'refresh_token'], msg: 'must be text of 1 to 8192 characters' },
    ]);
  });

  it('shortens what it echoes and says no more than twenty faults', () => {
    const error = faults(validateBody(price, { ...GOOD, name: 'x'.repeat(5000) }))[0];
    assert.ok((error?.got?.length ?? 0) <= 61);
    const many = Type.Object({ list: Type.Array(Type.Number()) });
    assert.equal(faults(validateBody(many, { list: Array(5000).fill('x') })).length, 20);
  });

  it('reduces inside a value that may be null', () => {
    const schema = Type.Object({ a: nullable(Type.Object({ b: words(['c']) })) });
    assert.deepEqual(valid(validateBody(schema, { a: { b: 'c', d: 1 } })), { a: { b: 'c' } });
    assert.deepEqual(valid(validateBody(schema, { a: null })), { a: null });
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (body) => {
        validateBody(price, body);
        validateBody(login, body);
        validateBody(toggle, body);
      }),
    );
  });
});

describe('the parameters of a path', () => {
  it('are read by their schema', () => {
    const { params } = endpointById('energy-prices-change');
    assert.deepEqual(valid(validateParams(params, { id: '7' })), { id: 7 });
    for (const id of ['x', '0', '-1', '1.5', '', '1e3']) {
      assert.equal(validateParams(params, { id }).kind, 'invalid', id);
    }
    const plug = endpointById('tapo-devices-change').params;
    assert.deepEqual(valid(validateParams(plug, { id: 'a+b %&=c' })), { id: 'a+b %&=c' });
  });
});
