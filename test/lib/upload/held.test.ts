import assert from 'node:assert/strict';
import { ADMIN, caller, UploadBench } from './upload-bench.ts';

/** Who got alice's id from the NAS after her. */
const NEW_ALICE = caller(1, 'anna');

describe('uploads of a person who is gone', () => {
  let bench: UploadBench;

  beforeEach(async () => {
    bench = new UploadBench();
    await bench.start();
  });

  afterEach(async () => {
    await bench.close();
  });

  it('are held: never delivered, seen by admins alone, dropped by them', async () => {
    await bench.send('alice', 'delivered.txt', 'old');
    await bench.deliver();
    bench.presence.set(false);
    const { body } = await bench.send('alice', 'a.txt', 'private');
    assert.equal(bench.upload.held.hold(1), 1);
    assert.deepEqual(bench.states(NEW_ALICE), []);
    assert.equal(bench.upload.view.queuedFile(1, 'alice/a.txt'), null);
    assert.equal(bench.upload.hasUnfinished(1), false);
    await bench.deliver();
    assert.equal(bench.nas.text('alice/a.txt'), null);
    assert.deepEqual(bench.states(ADMIN), ['held']);
    const [item] = list(ADMIN, 'held');
    assert.equal(item?.detail, 'Its user alice is gone.');
    assert.deepEqual(list(NEW_ALICE, 'held'), []);
    const id = String(body['id']);
    assert.deepEqual(kindOf(bench.upload.retry(ADMIN, id)), 'conflict');
    assert.deepEqual(kindOf(await bench.upload.drop(NEW_ALICE, id)), 'not_found');
    assert.deepEqual(kindOf(await bench.upload.drop(ADMIN, id)), 'done');
    assert.deepEqual(bench.onDisk(), []);
  });

  it('are still held after a restart, and do not stand on what the new one sends', async () => {
    await bench.send('alice', 'a.txt', 'private');
    bench.upload.held.hold(1);
    await bench.restart();
    await bench.send('alice', 'a.txt', 'of another');
    await bench.deliver();
    assert.equal(bench.nas.text('alice/a.txt'), 'of another');
    assert.deepEqual(bench.states(ADMIN), ['held']);
  });

  it('are held though they were being sent at that moment', async () => {
    await bench.send('alice', 'a.txt', 'private');
    bench.tokens.delete(1);
    await bench.deliver();
    bench.upload.held.hold(1);
    bench.tokens.set(1, 'token-alice');
    bench.upload.credentialArrived(1);
    await bench.deliver();
    assert.equal(bench.nas.text('alice/a.txt'), null);
    assert.deepEqual(bench.states(ADMIN), ['held']);
  });

  function list(who: typeof ADMIN, state: string) {
    const listed = bench.upload.view.list(who, state);
    return listed.kind === 'uploads' ? listed.uploads : [];
  }
});

function kindOf(done: { readonly kind: string; readonly code?: string }): string {
  return done.code ?? done.kind;
}
