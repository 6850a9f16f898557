import assert from 'node:assert/strict';
import { ADMIN, caller, House } from './house.ts';

/** The NAS gave alice's id away again. */
const NEW_ALICE = caller(1, 'anna');

describe('uploads of a person who is gone', () => {
  let house: House;

  beforeEach(async () => {
    house = new House();
    await house.start();
  });

  afterEach(async () => {
    await house.close();
  });

  it('are held: never delivered, seen by admins alone, dropped by them', async () => {
    await house.send('alice', 'delivered.txt', 'old');
    await house.deliver();
    house.presence.set(false);
    const { body } = await house.send('alice', 'a.txt', 'private');
    assert.equal(house.upload.hold(1), 1);
    assert.deepEqual(house.states(NEW_ALICE), []);
    assert.equal(house.upload.view.queuedFile(1, 'alice/a.txt'), null);
    assert.equal(house.upload.hasUnfinished(1), false);
    await house.deliver();
    assert.equal(house.nas.text('alice/a.txt'), null);
    assert.deepEqual(house.states(ADMIN), ['held']);
    const [item] = list(ADMIN, 'held');
    assert.equal(item?.detail, 'Its user alice is gone.');
    assert.deepEqual(list(NEW_ALICE, 'held'), []);
    const id = String(body['id']);
    assert.deepEqual(kindOf(house.upload.retry(ADMIN, id)), 'conflict');
    assert.deepEqual(kindOf(await house.upload.drop(NEW_ALICE, id)), 'not_found');
    assert.deepEqual(kindOf(await house.upload.drop(ADMIN, id)), 'done');
    assert.deepEqual(house.onDisk(), []);
  });

  it('are still held after a restart, and do not stand on what the new one sends', async () => {
    await house.send('alice', 'a.txt', 'private');
    house.upload.hold(1);
    await house.restart();
    await house.send('alice', 'a.txt', 'of another');
    await house.deliver();
    assert.equal(house.nas.text('alice/a.txt'), 'of another');
    assert.deepEqual(house.states(ADMIN), ['held']);
  });

  it('are held though they were being sent at that moment', async () => {
    await house.send('alice', 'a.txt', 'private');
    house.tokens.delete(1);
    await house.deliver();
    house.upload.hold(1);
    house.tokens.set(1, 'token-alice');
    house.upload.credentialArrived(1);
    await house.deliver();
    assert.equal(house.nas.text('alice/a.txt'), null);
    assert.deepEqual(house.states(ADMIN), ['held']);
  });

  function list(who: typeof ADMIN, state: string) {
    const listed = house.upload.view.list(who, state);
    return listed.kind === 'uploads' ? listed.uploads : [];
  }
});

function kindOf(done: { readonly kind: string; readonly code?: string }): string {
  return done.code ?? done.kind;
}
