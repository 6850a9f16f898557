import assert from 'node:assert/strict';
import { DECLARATIONS } from '../../deploy/node-pages.ts';
import { fieldsOf } from '../../nodes/lib/operations/operations.ts';
import { ALICE, type FakeServices } from '../fakes/fake-services.ts';
import { stages } from './stage.ts';

const TAPO = 'balupi-tapo-meter';
const PLUGS = [
  { id: 'p1', name: 'Lamp' },
  { id: 'p2', name: 'Fridge' },
] as never[];

describe('The values of an operation', () => {
  const open = stages();

  /** Which plug a node with these fields switches when it gets this message. */
  async function switched(
    more: Readonly<Record<string, unknown>>,
    message: object = {},
  ): Promise<{ asked: readonly unknown[]; said: string }> {
    const asked: unknown[] = [];
    const toggle: NonNullable<FakeServices['tapo']>['toggle'] = (id, options) => {
      asked.push(id, options?.force);
      return Promise.resolve({ kind: 'switched', id, isOn: false });
    };
    const tapo = { toggle, list: () => PLUGS };
    const stage = await open({ type: TAPO, op: 'off', services: { tapo }, more });
    await stage.send({ ...message });
    return { asked, said: stage.caught[0]?.error.message ?? '' };
  }

  it('come from the message where the dialog sets none', async () => {
    assert.deepEqual((await switched({ version: 1 }, { device: 'Lamp' })).asked, ['p1', false]);
  });

  it('come from where the dialog says, whatever the message has under their name', async () => {
    process.env['SOME_PLUG'] = 'Fridge';
    const sent = { device: 'Lamp', payload: { which: 'p2' }, services: ['p2'] };
    for (const device of [
      { type: 'plug', value: 'p2' },
      { type: 'str', value: 'Fridge' },
      { type: 'msg', value: 'payload.which' },
      { type: 'jsonata', value: 'services[0]' },
      { type: 'env', value: 'SOME_PLUG' },
    ]) {
      const { asked, said } = await switched({ version: 1, fields: { device } }, sent);
      assert.deepEqual(asked, ['p2', false], `${device.type} ${said}`);
    }
    delete process.env['SOME_PLUG'];
  });

  it('come from a context', async () => {
    const asked: unknown[] = [];
    const tapo: FakeServices['tapo'] = {
      list: () => PLUGS,
      toggle: (id) => {
        asked.push(id);
        return Promise.resolve({ kind: 'switched', id, isOn: false });
      },
    };
    for (const place of ['flow', 'global'] as const) {
      const fields = { device: { type: place, value: 'plug' } };
      const more = { version: 1, fields };
      const stage = await open({ type: TAPO, op: 'off', services: { tapo }, more });
      const contexts = stage.node as unknown as {
        context(): Record<string, { set(key: string, value: unknown): void }>;
      };
      contexts.context()[place]?.set('plug', 'p2');
      await stage.send();
    }
    assert.deepEqual(asked, ['p2', 'p2']);
  });

  it('are never the message’s where only the node may say it', async () => {
    const { asked } = await switched({ version: 1 }, { device: 'p1', force: true });
    assert.deepEqual(asked, ['p1', false]);
    const force = { type: 'bool', value: 'true' };
    const more = { version: 1, fields: { force } };
    assert.deepEqual((await switched(more, { device: 'p1' })).asked, ['p1', true]);
  });

  it('tell a Catch node which of them cannot be worked out', async () => {
    const device = { type: 'jsonata', value: 'payload.(' };
    const { asked, said } = await switched({ version: 1, fields: { device } });
    assert.deepEqual(asked, []);
    assert.match(said, /"Plug" of this node cannot be worked out: /);
  });

  it('are held against the endpoint’s own description', async () => {
    const type = 'balupi-energy-aggregator';
    const fields = { period: { type: 'choice', value: 'fortnight' } };
    const stage = await open({ type, op: 'costs', services: {}, more: { version: 1, fields } });
    await stage.send();
    assert.equal(stage.caught[0]?.['code'], 'invalid');
    assert.match(stage.caught[0]?.error.message ?? '', /msg\.period/);
  });

  it('fill a body, beside what the message’s payload has of it', async () => {
    const seen: unknown[] = [];
    const add: NonNullable<FakeServices['tapo']>['add'] = (input) => {
      seen.push(input);
      return Promise.resolve({ kind: 'full' });
    };
    const fields = {
      ip_address: { type: 'str', value: '192.168.178.20' },
      name: { type: 'jsonata', value: '"Lamp " & topic' },
    };
    const more = { version: 1, fields };
    const stage = await open({ type: TAPO, op: 'add', services: { tapo: { add } }, more });
    await stage.send({ topic: 'two', payload: { role: 'monitor' } });
    assert.partialDeepStrictEqual(seen, [
      { address: '192.168.178.20', name: 'Lamp two', role: 'monitor' },
    ]);
  });

  it('are a named user’s path for what belongs to somebody', async () => {
    const seen: unknown[] = [];
    const services: FakeServices = {
      accounts: { users: { userNamed: () => ALICE.user } },
      credentials: { holdsFor: () => true, credentialFor: () => Promise.resolve('a token') },
      files: {
        largest: (user, folder, count) => {
          seen.push(user.username, folder, count);
          return Promise.resolve({ files: [], unlistedFolders: 0 });
        },
      },
    };
    const fields = {
      path: { type: 'str', value: 'alice/Photos' },
      count: { type: 'num', value: '3' },
    };
    const more = { version: 1, as: 'alice', fields };
    const stage = await open({ type: 'balupi-nas-proxy', op: 'largest', services, more });
    await stage.send({ path: 'elsewhere' });
    assert.deepEqual(seen, ['alice', 'alice/Photos', 3]);
  });

  describe('of a node of before', () => {
    it('switch the plug it had chosen, and a message that names one goes before', async () => {
      assert.deepEqual((await switched({ device: 'p2', force: true })).asked, ['p2', true]);
      const named = await switched({ device: 'p2' }, { device: 'Lamp' });
      assert.deepEqual(named.asked, ['p1', false]);
    });

    it('are no more than what the dialog kept once it was edited', async () => {
      const fields = { device: { type: 'plug', value: 'p1' } };
      const { asked } = await switched({ version: 1, device: 'p2', force: true, fields });
      assert.deepEqual(asked, ['p1', false]);
    });
  });

  describe('in the declarations', () => {
    for (const { key, operations } of DECLARATIONS) {
      it(`of ${key} have words in both languages`, () => {
        const fields = Object.values(operations).flatMap((operation) => fieldsOf(operation));
        for (const { name, label, about } of fields) {
          assert.ok(
            label.en !== name && label.de !== '' && about.en !== '' && about.de !== '',
            name,
          );
        }
      });
    }
  });
});
