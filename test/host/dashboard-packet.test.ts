import assert from 'node:assert/strict';
import { isDashboard, isSameOrigin, safeNext } from '../../host/dashboard-request.ts';
import { admitPacket, inLook, isFor, withoutAdmins } from '../../host/dashboard-sockets.ts';

const TYPES: Readonly<Record<string, string>> = {
  'plugs-list': 'ui-template',
  'wake-button': 'ui-button',
  'power-chart': 'ui-chart',
  'rank-table': 'ui-table',
  'heat-switch': 'ui-switch',
  'a-page': 'ui-event',
};
const typeOf = (id: string): string | undefined =>
  Object.hasOwn(TYPES, id) ? TYPES[id] : undefined;

/** What is left of a packet; null if it is dropped. */
function admitted(...packet: unknown[]): unknown[] | null {
  return admitPacket(packet, typeOf) ? packet : null;
}

describe('What a page sends', () => {
  it('goes on without who it says it comes from', () => {
    const forged = {
      payload: { a: 1 },
      topic: 'list',
      _client: { socketId: 'somebody', user: 'admin' },
      _dashboard: { sourceId: 'x' },
      req: { call: { caller: 'admin' } },
      res: {},
      statusCode: 200,
      ui_update: { format: '<script>' },
      enabled: false,
      visible: false,
      class: 'x',
      __proto__: { payload: 'inherited' },
    };
    assert.deepEqual(admitted('widget-send', 'plugs-list', forged), [
      'widget-send',
      'plugs-list',
      { payload: { a: 1 }, topic: 'list' },
    ]);
    assert.deepEqual(admitted('widget-action', 'wake-button', [forged, [forged]]), [
      'widget-action',
      'wake-button',
      { payload: [forged, [forged]] },
    ]);
  });

  it('goes nowhere under a name or to a widget that is not there', () => {
    for (const packet of [
      ['ui-config', 'plugs-list', {}],
      ['disconnect'],
      [],
      [{}, 'plugs-list'],
      ['widget-action'],
      ['widget-action', 'unknown', {}],
      ['widget-load', '__proto__'],
      ['widget-load', 'constructor'],
      ['widget-action', { toString: 'x' }, {}],
      ['ui-event', 'plugs-list', { topic: '$pageview' }],
      ['ui-event', 'all', { topic: '$pageview' }],
    ]) {
      assert.equal(admitted(...packet), null, JSON.stringify(packet));
    }
  });

  it('cannot change what only shows', () => {
    for (const id of ['power-chart', 'rank-table']) {
      assert.equal(admitted('widget-send', id, { payload: [] }), null);
      assert.equal(admitted('widget-change', id, 'x'), null);
    }
    assert.ok(admitted('widget-action', 'rank-table', { payload: { name: 'x' } }));
    assert.deepEqual(admitted('widget-change', 'heat-switch', true), [
      'widget-change',
      'heat-switch',
      true,
    ]);
  });

  it('may load what is kept for all, and says nothing with it', () => {
    assert.deepEqual(admitted('widget-load', 'power-chart', { payload: 'x' }), [
      'widget-load',
      'power-chart',
    ]);
    assert.deepEqual(admitted('widget-load', 'ui-notification'), [
      'widget-load',
      'ui-notification',
    ]);
  });

  it('tells which page was opened, and no more', () => {
    const payload = { page: { id: 'page-plugs', name: 'x', user: 'admin' }, query: { a: 1 } };
    assert.deepEqual(admitted('ui-event', 'a-page', { topic: '$pageview', payload }), [
      'ui-event',
      'a-page',
      { topic: '$pageview', payload: { page: 'page-plugs' } },
    ]);
    assert.equal(admitted('ui-event', 'a-page', { topic: 'other', payload }), null);
    assert.equal(admitted('ui-event', 'a-page', 'x'), null);
  });

  it('leaves no more than an event, a widget and a message', () => {
    assert.equal(admitted('widget-action', 'wake-button', {}, 'more', 'and more')?.length, 3);
  });
});

describe('What is sent to a page', () => {
  const ALICE = { socketId: 's1', username: 'alice', isAdmin: false };
  const ADMIN = { socketId: 's2', username: 'admin', isAdmin: true };

  it('is for all, or for that very page', () => {
    assert.ok(isFor(ALICE, [{ payload: 1 }]));
    assert.ok(isFor(ALICE, [{ payload: 1, _client: { socketId: 's1' } }]));
    assert.ok(!isFor(ALICE, [{ payload: 1, _client: { socketId: 's2' } }]));
    assert.ok(isFor(ALICE, ['text', null, undefined, 5]));
  });

  it('is what its reader may know, where it says who that is', () => {
    const ofAlice = [{ payload: 1, audience: 'user', username: 'alice' }];
    assert.ok(isFor(ALICE, ofAlice));
    assert.ok(!isFor({ ...ALICE, username: 'bob' }, ofAlice));
    assert.ok(!isFor(ADMIN, ofAlice), 'an admin is another user here');
    assert.ok(!isFor(ALICE, [{ payload: 1, audience: 'user' }]), 'without a name it is nobody’s');
    assert.ok(isFor(ADMIN, [{ payload: 1, audience: 'admins' }]));
    assert.ok(!isFor(ALICE, [{ payload: 1, audience: 'admins' }]));
    assert.ok(isFor(ALICE, [{ payload: 1, audience: 'everybody' }]));
    assert.ok(!isFor(ALICE, [[{ payload: 1 }, { payload: 2, audience: 'admins' }]]));
    const rows = [{ audience: 'everybody' }, { audience: 'user', username: 'bob' }];
    assert.ok(!isFor(ALICE, [{ payload: rows }]), 'rows that a table kept of several');
    assert.ok(isFor(ALICE, [{ payload: rows.slice(0, 1) }]));
  });

  it('is not what was kept of another page', () => {
    const kept = [{ payload: 1 }, { payload: 2, _client: { socketId: 's2' } }];
    assert.ok(!isFor(ALICE, [kept, { visible: true }]));
    assert.ok(!isFor(ALICE, [{ payload: 1, _client: { socketId: 's2' } }, {}]));
  });

  it('is dark for who likes it dark, where there is a dark theme', () => {
    const config = {
      pages: { a: { theme: 'day', name: 'A' }, b: { theme: 'own' } },
      themes: { day: {}, 'day-dark': {}, own: {} },
    };
    assert.deepEqual(inLook('dark', config), {
      ...config,
      pages: { a: { theme: 'day-dark', name: 'A' }, b: { theme: 'own' } },
    });
    assert.equal(inLook('light', config), config);
  });
});

describe('A request to the Dashboard', () => {
  it('is known in any spelling that Express would take for it', () => {
    for (const path of [
      '/dashboard',
      '/DASHBOARD',
      '/Dashboard/_debug/datastore/x',
      '/dashboard/',
    ]) {
      assert.ok(isDashboard(path), path);
    }
    for (const path of ['/dashboards', '/api/dashboard', '/', '/dash']) {
      assert.ok(!isDashboard(path), path);
    }
  });

  it('comes from a page of this address, or from no page', () => {
    const from = (headers: Record<string, string>): boolean =>
      isSameOrigin({ headers } as unknown as Parameters<typeof isSameOrigin>[0]);
    assert.ok(from({ host: 'pi.local:8000', origin: 'http://pi.local:8000' }));
    assert.ok(from({ host: 'pi.local', origin: 'https://pi.local' }));
    assert.ok(from({ host: 'pi.local' }));
    assert.ok(!from({ host: 'pi.local:8000', origin: 'http://pi.local' }));
    assert.ok(!from({ host: 'pi.local', origin: 'null' }));
    assert.ok(!from({ host: 'pi.local', origin: 'http://evil.example' }));
    assert.ok(!from({ host: 'pi.local', 'sec-fetch-site': 'cross-site' }));
    assert.ok(!from({ host: 'pi.local', 'sec-fetch-site': 'same-site' }));
    assert.ok(!from({ origin: 'http://pi.local' }));
  });

  it('goes on to a page of the Dashboard and nowhere else', () => {
    const choice = '/dashboard/energy?period=month&date=2026-02-01';
    for (const next of ['/dashboard/plugs', choice, '/dashboard/energy?device_id=a%3A1']) {
      assert.equal(safeNext(next), next);
    }
    for (const next of [
      null,
      undefined,
      '',
      '//evil.example',
      '/dashboard/..//evil',
      'https://evil.example/dashboard/',
      '/dashboard/\\evil',
      '/dashboard/x?y',
      '/dashboard/x?y=//evil.example',
      '/dashboard/x?y=1#z',
      '/dashboard/x?y=<b>',
      '/api/nas/wol',
      '/dashboard/sign-out',
      '/dashboard/sign-in',
    ]) {
      assert.equal(safeNext(next), '/dashboard/', String(next));
    }
  });

  it('tells nobody but admins of what is for admins', () => {
    const config = {
      groups: { all: { className: '' }, admins: { className: 'wide for-admins' }, plain: {} },
      widgets: {
        one: { props: { group: 'all' } },
        two: { props: { group: 'admins' } },
        head: { props: {} },
      },
      pages: { page: {} },
    };
    assert.deepEqual(withoutAdmins(config), {
      groups: { all: { className: '' }, plain: {} },
      widgets: { one: { props: { group: 'all' } }, head: { props: {} } },
      pages: { page: {} },
    });
  });
});
