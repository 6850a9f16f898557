import assert from 'node:assert/strict';
import type { UploadNews } from '../../../nodes/lib/upload/upload.ts';
import { UploadBench } from './upload-bench.ts';
import { json } from './memory-nas.ts';

describe('what is told of uploads', () => {
  let bench: UploadBench;
  let told: UploadNews[];

  beforeEach(async () => {
    bench = new UploadBench();
    await bench.start();
    told = [];
    bench.upload.onNews((news) => told.push(news));
  });

  afterEach(async () => {
    await bench.close();
  });

  const said = (): readonly unknown[] =>
    told.map(({ kind, username, path }) => [kind, username, path]);

  it('is that one was accepted, and that it is on the NAS', async () => {
    assert.equal((await bench.send('alice', 'a.txt', 'one')).status, 200);
    assert.deepEqual(said(), [['upload_accepted', 'alice', 'alice/a.txt']]);
    await bench.deliver();
    assert.deepEqual(said().slice(1), [['upload_delivered', 'alice', 'alice/a.txt']]);
  });

  it('is nothing of what was in the queue already', async () => {
    await bench.send('alice', 'a.txt', 'one');
    await bench.send('alice', 'a.txt', 'one');
    assert.equal(told.length, 1);
  });

  it('is a conflict, with where the other version lies', async () => {
    bench.nas.put('alice/a.txt', 'theirs');
    await bench.send('alice', 'a.txt', 'mine', { 'X-Base-Checksum': '0'.repeat(64) });
    await bench.deliver();
    const conflict = told.find(({ kind }) => kind === 'conflict');
    assert.equal(conflict?.path, 'alice/a.txt');
    assert.match(conflict.conflictPath ?? '', /^alice\/a \(conflict .* alice\)\.txt$/);
  });

  it('is that one failed, and why', async () => {
    bench.nas.trouble = (call) => (call.startsWith('init') ? json(403, { detail: 'No' }) : null);
    await bench.send('alice', 'a.txt', 'one');
    await bench.deliver();
    assert.deepEqual(bench.states(), ['failed']);
    const failed = told.find(({ kind }) => kind === 'upload_failed');
    assert.equal(failed?.path, 'alice/a.txt');
    assert.ok((failed.detail ?? '').length > 0);
  });

  it('is that one waits, and why', async () => {
    bench.tokens.clear();
    await bench.send('alice', 'a.txt', 'one');
    await bench.deliver();
    const waits = told.filter(({ kind }) => kind === 'upload_waits');
    assert.deepEqual(
      waits.map(({ path, detail }) => [path, detail]),
      [['alice/a.txt', 'Waiting for its user to sign in.']],
    );
  });

  it('goes on to the others where a listener fails', async () => {
    const more: UploadNews[] = [];
    bench.upload.onNews(() => {
      throw new Error('broken');
    });
    bench.upload.onNews((news) => more.push(news));
    assert.equal((await bench.send('alice', 'a.txt', 'one')).status, 200);
    assert.equal(more.length, 1);
  });
});
