import assert from 'node:assert/strict';
import type { User } from '../../../nodes/lib/accounts/caller.ts';
import { endpointById, type Endpoint } from '../../../nodes/lib/api/api.ts';
import {
  type Asked,
  type Asker,
  callAs,
  changesOf,
  type Viewer,
  Viewers,
} from '../../../nodes/lib/viewers/viewers.ts';

const ALICE: User = { id: 3, username: 'alice', role: 'user' };
const ADMIN: User = { id: 1, username: 'admin', role: 'admin' };

function viewer(socketId: string, user: () => User | null): Viewer {
  return { socketId, language: 'de', device: 'page:1', user };
}

describe('The viewers', () => {
  it('are found by their socket, with the role as it is now', () => {
    const viewers = new Viewers();
    let role = 'admin';
    viewers.add(viewer('s1', () => ({ ...ADMIN, role })));
    assert.equal(viewers.askerAt('s1')?.caller.user.role, 'admin');
    role = 'user';
    const asker = viewers.askerAt('s1');
    assert.deepEqual(asker?.caller.user, { ...ADMIN, role: 'user' });
    assert.deepEqual([asker?.language, asker?.caller.nasToken], ['de', null]);
  });

  it('are nobody for a socket that is unknown, gone, signed out, or no name at all', () => {
    const viewers = new Viewers();
    let user: User | null = ALICE;
    viewers.add(viewer('s1', () => user));
    for (const socketId of ['s2', '', undefined, null, 1, ['s1'], { toString: () => 's1' }]) {
      assert.equal(viewers.askerAt(socketId), null);
    }
    user = null;
    assert.equal(viewers.askerAt('s1'), null);
    user = ALICE;
    viewers.remove('s1');
    assert.equal(viewers.askerAt('s1'), null);
    assert.equal(viewers.count, 0);
  });

  it('may have twenty pages open each, whatever others have', () => {
    const viewers = new Viewers();
    for (let page = 0; page < 20; page += 1) {
      assert.ok(viewers.add(viewer(`alice-${page}`, () => ALICE)));
    }
    assert.equal(viewers.add(viewer('alice-20', () => ALICE)), false);
    assert.ok(viewers.add(viewer('admin-0', () => ADMIN)));
  });
});

describe('What a viewer was answered', () => {
  const answered = (name: string): { name: string; value: string } => ({
    name,
    value: `of ${name}`,
  });
  let viewers: Viewers;

  beforeEach(() => {
    viewers = new Viewers();
    viewers.add(viewer('s1', () => ALICE));
    viewers.add(viewer('s2', () => ADMIN));
  });

  it('is known to the page that says its name, and to nobody else', () => {
    assert.equal(viewers.exchange('s1', 'past', '', answered('1')), undefined);
    assert.equal(viewers.exchange('s2', 'past', '1', answered('1')), undefined);
    assert.equal(viewers.exchange('s1', 'plugs', '1', answered('1')), undefined);
    assert.equal(viewers.exchange('s1', 'past', '1', answered('2')), 'of 1');
    assert.equal(viewers.exchange('s1', 'past', '1', answered('3')), undefined);
    assert.equal(viewers.exchange('s1', 'past', '3', answered('4')), 'of 3');
  });

  it('is let go, the oldest first, for a page that asks everything', () => {
    for (const by of ['a', 'b', 'c', 'd', 'a', 'e']) viewers.exchange('s1', by, '', answered('1'));
    assert.equal(viewers.exchange('s1', 'a', '1', answered('2')), 'of 1');
    assert.equal(viewers.exchange('s1', 'b', '1', answered('2')), undefined);
  });

  it('ends with its socket', () => {
    viewers.exchange('s1', 'past', '', answered('1'));
    viewers.remove('s1');
    assert.equal(viewers.exchange('s1', 'past', '1', answered('2')), undefined);
    viewers.add(viewer('s1', () => ALICE));
    assert.equal(viewers.exchange('s1', 'past', '2', answered('3')), undefined);
  });
});

describe('The changes from one answer to the next', () => {
  it('are what is other, and no more', () => {
    const before = {
      total: 1,
      points: [
        { at: 1, w: 5 },
        { at: 2, w: 6 },
      ],
      old: true,
      same: 'x',
    };
    const after = {
      total: 2,
      points: [
        { at: 1, w: 5 },
        { at: 2, w: 7 },
        { at: 3, w: 8 },
      ],
      same: 'x',
    };
    assert.deepEqual(changesOf(before, after), [
      { op: 'remove', path: '/old' },
      { op: 'replace', path: '/total', value: 2 },
      { op: 'replace', path: '/points/1/w', value: 7 },
      { op: 'add', path: '/points/2', value: { at: 3, w: 8 } },
    ]);
    assert.deepEqual(changesOf(after, after), []);
    assert.deepEqual(changesOf([1, 2, 3], [1]), [
      { op: 'remove', path: '/2' },
      { op: 'remove', path: '/1' },
    ]);
  });
});

describe('What a viewer asks', () => {
  const toggle: Endpoint = endpointById('tapo-devices-toggle');
  const asker = (user: User): Asker => ({
    caller: { user, kind: 'pi', nasToken: null, scope: 'all' },
    language: 'en',
  });
  const ask = (user: User, endpoint: Endpoint, asked: Asked) =>
    callAs(asker(user), endpoint, asked, () => false);
  const codeOf = (outcome: ReturnType<typeof callAs>): string =>
    outcome.kind === 'call' ? 'call' : (outcome.answer.payload as { readonly code: string }).code;

  it('is the call that it would be over the API', () => {
    const outcome = ask(ADMIN, toggle, { params: { id: 'p1' }, body: { force: true } });
    assert.ok(outcome.kind === 'call');
    const { endpointId, caller, params, body } = outcome.call;
    assert.deepEqual(
      [endpointId, params, body],
      ['tapo-devices-toggle', { id: 'p1' }, { force: true }],
    );
    assert.deepEqual(caller?.user, ADMIN);
  });

  it('needs the role that the API wants', () => {
    const asked = { params: { id: 'p1' } };
    assert.equal(codeOf(ask(ALICE, toggle, asked)), 'admin_only');
    for (const id of [
      'tapo-devices-change',
      'tapo-devices-discover',
      'tapo-devices-add',
      'tapo-devices-delete',
      'energy-prices-add',
      'energy-prices-change',
      'energy-prices-delete',
      'cache-empty',
    ] as const) {
      assert.equal(codeOf(ask(ALICE, endpointById(id), asked)), 'admin_only', id);
    }
    const wake: Endpoint = endpointById('nas-wol');
    assert.equal(codeOf(ask(ALICE, wake, {})), 'not_allowed');
    assert.equal(codeOf(callAs(asker(ALICE), wake, {}, () => true)), 'call');
    assert.equal(codeOf(ask(ADMIN, wake, {})), 'call');
  });

  it('needs the form that the API takes', () => {
    assert.equal(
      codeOf(ask(ADMIN, toggle, { params: { id: 'p1' }, body: { force: 'x' } })),
      'invalid',
    );
    assert.equal(
      codeOf(ask(ADMIN, toggle, { params: { id: 'p1' }, body: { forse: true } })),
      'invalid',
    );
    assert.equal(codeOf(ask(ADMIN, toggle, { params: { id: 7 } })), 'not_found');
    assert.equal(codeOf(ask(ADMIN, toggle, { params: 'p1' })), 'not_found');
    const price: Endpoint = endpointById('energy-prices-add');
    assert.equal(
      codeOf(ask(ADMIN, price, { body: { name: 'x', price_per_kwh_cents: -100_001 } })),
      'invalid',
    );
    assert.equal(codeOf(ask(ADMIN, price, {})), 'invalid');
  });

  it('may not bring a name along that no endpoint has', () => {
    const asked = (body: string): Asked =>
      JSON.parse(`{"params":{"id":"p1","__proto__":"x"},"body":${body}}`) as Asked;
    assert.equal(codeOf(ask(ADMIN, toggle, asked('{"__proto__":{"force":true}}'))), 'invalid');
    const outcome = ask(ADMIN, toggle, asked('{}'));
    assert.ok(outcome.kind === 'call');
    assert.deepEqual(outcome.call.body, { force: false });
    assert.deepEqual(outcome.call.params, { id: 'p1' });
  });
});
