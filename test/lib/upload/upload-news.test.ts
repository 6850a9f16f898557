import assert from 'node:assert/strict';
import type { UploadNews } from '../../../nodes/lib/upload/upload.ts';
import { House } from './house.ts';
import { json } from './memory-nas.ts';

describe('what is told of uploads', () => {
  let house: House;
  let told: UploadNews[];

  beforeEach(async () => {
    house = new House();
    await house.start();
    told = [];
    house.upload.onNews((news) => told.push(news));
  });

  afterEach(async () => {
    await house.close();
  });

  const said = (): readonly unknown[] =>
    told.map(({ kind, username, path }) => [kind, username, path]);

  it('is that one was accepted, and that it is on the NAS', async () => {
    assert.equal((await house.send('alice', 'a.txt', 'one')).status, 200);
    assert.deepEqual(said(), [['upload_accepted', 'alice', 'alice/a.txt']]);
    await house.deliver();
    assert.deepEqual(said().slice(1), [['upload_delivered', 'alice', 'alice/a.txt']]);
  });

  it('is nothing of what was in the queue already', async () => {
    await house.send('alice', 'a.txt', 'one');
    await house.send('alice', 'a.txt', 'one');
    assert.equal(told.length, 1);
  });

  it('is a conflict, with where the other version lies', async () => {
    house.nas.put('alice/a.txt', 'theirs');
    await house.send('alice', 'a.txt', 'mine', { 'X-Base-Checksum': '0'.repeat(64) });
    await house.deliver();
    const conflict = told.find(({ kind }) => kind === 'conflict');
    assert.equal(conflict?.path, 'alice/a.txt');
    assert.match(conflict.conflictPath ?? '', /^alice\/a \(conflict .* alice\)\.txt$/);
  });

  it('is that one failed, and why', async () => {
    house.nas.trouble = (call) => (call.startsWith('init') ? json(403, { detail: 'No' }) : null);
    await house.send('alice', 'a.txt', 'one');
    await house.deliver();
    assert.deepEqual(house.states(), ['failed']);
    const failed = told.find(({ kind }) => kind === 'upload_failed');
    assert.equal(failed?.path, 'alice/a.txt');
    assert.ok((failed.detail ?? '').length > 0);
  });

  it('is that one waits, and why', async () => {
    house.tokens.clear();
    await house.send('alice', 'a.txt', 'one');
    await house.deliver();
    const waits = told.filter(({ kind }) => kind === 'upload_waits');
    assert.deepEqual(
      waits.map(({ path, detail }) => [path, detail]),
      [['alice/a.txt', 'Waiting for its user to sign in.']],
    );
  });

  it('goes on to the others where a listener fails', async () => {
    const more: UploadNews[] = [];
    house.upload.onNews(() => {
      throw new Error('broken');
    });
    house.upload.onNews((news) => more.push(news));
    assert.equal((await house.send('alice', 'a.txt', 'one')).status, 200);
    assert.equal(more.length, 1);
  });
});
