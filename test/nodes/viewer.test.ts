import assert from 'node:assert/strict';
import type { User } from '../../nodes/lib/accounts/caller.ts';
import { Viewers } from '../../nodes/lib/viewers/viewers.ts';
import { stages } from './stage.ts';

const type = 'balupi-viewer';
const ADMIN: User = { id: 1, username: 'admin', role: 'admin' };
const BOB: User = { id: 4, username: 'bob', role: 'user' };
const FROM = { _client: { socketId: 's1' } };

describe('balupi-viewer', () => {
  const open = stages();

  function services(user: User | null) {
    const viewers = new Viewers();
    viewers.add({ socketId: 's1', language: 'de', device: 'page:1', user: () => user });
    return { viewers, accounts: { mayWake: () => false, isAdmin: () => user === ADMIN } };
  }

  for (const [user, outputs] of [
    [ADMIN, [1, 0]],
    [BOB, [0, 1]],
    [null, [0, 0]],
  ] as const) {
    it(`lets ${user?.username ?? 'nobody'} empty the cache by role`, async () => {
      const more = { endpoint: 'cache-empty' };
      const stage = await open({ type, op: 'ask', services: services(user), more });
      await stage.send({ ...FROM, payload: { body: {} } });
      assert.deepEqual([stage.out[0]?.length, stage.out[1]?.length], outputs);
    });
  }

  it('answers the page that asked, and drops what no page asked for', async () => {
    const stage = await open({
      type,
      op: 'answer',
      services: services(BOB),
      more: { done: 'Done.' },
    });
    await stage.send({ ...FROM, statusCode: 200, payload: {} });
    await stage.send({ statusCode: 200, payload: {} });
    await stage.send({ _client: { socketId: 'gone' }, statusCode: 200, payload: {} });
    await stage.send({ ...FROM, statusCode: 403, payload: { detail: 'You may not do this.' } });
    const said = stage.out[0]?.map((message) => [message['ok'], message['text']]);
    assert.deepEqual(said, [
      [true, 'Done.'],
      [false, 'Das darfst du nicht.'],
    ]);
  });

  it('says why an upload waits in the words of the reader', async () => {
    const stage = await open({ type, op: 'answer', services: services(BOB) });
    const uploads = [
      { id: 'a', detail: 'The NAS went away.' },
      { id: 'b', detail: 'Said by nobody here.' },
      { id: 'c', detail: null },
    ];
    await stage.send({ ...FROM, statusCode: 200, payload: { uploads } });
    assert.deepEqual(stage.out[0]?.[0]?.['payload'], {
      uploads: [{ id: 'a', detail: 'Das NAS war plötzlich weg.' }, uploads[1], uploads[2]],
    });
  });

  it('says who looks, from the socket alone', async () => {
    const stage = await open({ type, op: 'who', services: services(BOB) });
    await stage.send({ ...FROM, payload: { username: 'admin', is_admin: true } });
    assert.deepEqual(stage.out[0]?.[0]?.['payload'], {
      username: 'bob',
      is_admin: false,
      may_wake: false,
      language: 'de',
    });
  });
});
