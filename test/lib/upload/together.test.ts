import assert from 'node:assert/strict';
import { ALICE, UploadBench } from './upload-bench.ts';
import { json } from './memory-nas.ts';

const COUNT = 40;

describe('delivering small files together', () => {
  let bench: UploadBench;

  beforeEach(async () => {
    bench = new UploadBench();
    await bench.start();
  });

  afterEach(async () => {
    await bench.close();
  });

  async function queue(folder = 'alice'): Promise<void> {
    for (let index = 0; index < COUNT; index += 1) {
      await bench.send(folder, `${index}.jpg`, `photo ${index}`);
    }
  }

  const looks = (): number => bench.nas.count('list ') + bench.nas.count('exist ');
  const synced = (): number => bench.states().filter((state) => state === 'synced').length;

  it('asks the NAS for many names at once, and proves each file', async () => {
    await queue();
    await bench.deliver();
    assert.equal(synced(), COUNT);
    assert.ok(looks() <= 9, `${looks()} looks`);
    for (let index = 0; index < COUNT; index += 1) {
      assert.deepEqual(bench.nas.published.get(`alice/${index}.jpg`), [`photo ${index}`]);
    }
    assert.equal(bench.kept.length, COUNT);
    assert.deepEqual(bench.onDisk(), []);
  });

  it('lists where the NAS does not answer the question for duplicates', async () => {
    await queue();
    bench.nas.trouble = (call) => (call.startsWith('exist') ? json(404, { detail: 'No' }) : null);
    await bench.deliver();
    assert.equal(synced(), COUNT);
  });

  it('makes the folder for all of them once', async () => {
    await queue('alice/2026/02');
    await bench.deliver();
    assert.equal(synced(), COUNT);
    assert.equal(bench.nas.count('mkdir'), 2);
  });

  it('puts beside what changed, and delivers the rest', async () => {
    bench.nas.put('alice/3.jpg', 'somebody else’s');
    await queue();
    await bench.deliver();
    assert.equal(synced(), COUNT - 1);
    assert.equal(bench.nas.text('alice/3.jpg'), 'somebody else’s');
    assert.equal(bench.states()[3], 'conflict');
  });

  it('sees a change that comes after the first look and before the last step', async () => {
    await queue();
    let changed = false;
    bench.nas.effect = (call) => {
      if (call.startsWith('chunk') && !changed) {
        changed = true;
        bench.nas.put('alice/5.jpg', 'just written');
      }
    };
    await bench.deliver();
    assert.equal(bench.nas.text('alice/5.jpg'), 'just written');
    assert.equal(bench.states()[5], 'conflict');
    assert.equal(synced(), COUNT - 1);
  });

  it('sends nothing that is there already', async () => {
    for (let index = 0; index < COUNT; index += 1) {
      bench.nas.put(`alice/${index}.jpg`, `photo ${index}`);
    }
    await queue();
    await bench.deliver();
    assert.equal(synced(), COUNT);
    assert.equal(bench.nas.count('init'), 0);
  });

  it('sends again alone what did not arrive whole', async () => {
    await queue();
    let broken = false;
    bench.nas.effect = (call) => {
      if (call === 'complete alice/7.jpg' && !broken) {
        broken = true;
        bench.nas.put('alice/7.jpg', 'phot');
      }
    };
    await bench.deliver();
    assert.equal(synced(), COUNT);
    assert.equal(bench.nas.text('alice/7.jpg'), 'photo 7');
  });

  it('fails one that the NAS refuses, and no other', async () => {
    await queue();
    bench.nas.trouble = (call) =>
      call === 'init alice/9.jpg' ? json(422, { detail: 'no' }) : null;
    await bench.deliver();
    assert.equal(bench.states()[9], 'failed');
    assert.equal(synced(), COUNT - 1);
  });

  for (const verb of ['init', 'chunk', 'complete']) {
    it(`publishes each once though the answers to ${verb} are lost now and then`, async () => {
      await queue();
      let count = 0;
      bench.nas.effect = (call) => {
        if (!call.startsWith(verb)) return;
        count += 1;
        if (count % 7 === 0) bench.nas.loseAnswerOf.add(verb);
      };
      for (let turn = 0; turn < 20 && synced() < COUNT; turn += 1) {
        bench.presence.set(false);
        await bench.deliver();
      }
      assert.equal(synced(), COUNT);
      for (let index = 0; index < COUNT; index += 1) {
        assert.equal(bench.nas.published.get(`alice/${index}.jpg`)?.length, 1);
      }
    });
  }

  it('waits as one when the user can be acted for no more', async () => {
    await queue();
    bench.nas.deadTokens.add('token-alice');
    await bench.deliver();
    assert.deepEqual(new Set(bench.states()), new Set(['waiting_for_credential']));
    const status = bench.upload.view.status(ALICE, false);
    assert.partialDeepStrictEqual(status, { status: { waiting_for_credential: ['alice'] } });
  });

  it('delivers versions of a path in order, though they never travel together', async () => {
    for (const version of ['one', 'two', 'three']) {
      await bench.send('alice', 'a.txt', version);
      await bench.send('alice', `${version}.txt`, version);
    }
    await bench.deliver();
    assert.deepEqual(bench.nas.published.get('alice/a.txt'), ['one', 'two', 'three']);
    assert.equal(synced(), 6);
  });
});
