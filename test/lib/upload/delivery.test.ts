import assert from 'node:assert/strict';
import { ADMIN, ALICE, BOB, UploadBench } from './upload-bench.ts';
import { gone, json, sha256 } from './memory-nas.ts';

/** Calls that ask the NAS what is in alice's folder, by either route. */
const isLook = (call: string): boolean => /^(list|exist) alice$/.test(call);

describe('delivering the queue', () => {
  let bench: UploadBench;

  beforeEach(async () => {
    bench = new UploadBench();
    await bench.start();
  });

  afterEach(async () => {
    await bench.close();
  });

  it('brings an upload to the NAS as its user once it is awake, and proves it', async () => {
    await bench.send('alice', 'a.txt', 'x'.repeat(200));
    assert.deepEqual(bench.nas.calls, []);
    await bench.deliver();
    assert.equal(bench.nas.text('alice/a.txt'), 'x'.repeat(200));
    assert.equal(bench.nas.files.get('alice/a.txt')?.ownerId, 'alice');
    assert.deepEqual(bench.states(), ['synced']);
    assert.equal(bench.nas.count('chunk'), 4);
    assert.equal(bench.nas.count('download'), 0);
    assert.deepEqual(bench.onDisk(), []);
    const status = bench.upload.view.status(ALICE, false);
    assert.match(
      String(status.kind === 'status' && status.status.last_sync),
      /^2026-02-22T14:\d\d:\d\dZ$/,
    );
  });

  it('never touches the NAS while it sleeps', async () => {
    await bench.send('alice', 'a.txt', 'x');
    await bench.flushed();
    await bench.clock.advance(86_400_000);
    assert.deepEqual(bench.nas.calls, []);
    assert.deepEqual(bench.states(), ['queued']);
  });

  it('sends an empty file as one empty chunk', async () => {
    await bench.send('alice', 'empty', '');
    await bench.deliver();
    assert.equal(bench.nas.text('alice/empty'), '');
    assert.deepEqual(bench.states(), ['synced']);
  });

  it('hands the bytes on as a copy, after the row says that they are delivered', async () => {
    await bench.close();
    const seen: string[] = [];
    bench = new UploadBench({
      keep: (delivered) => {
        seen.push(`${delivered.path} ${delivered.version.size} ${bench.states().join()}`);
      },
    });
    await bench.start();
    await bench.send('alice', 'a.txt', 'abc');
    await bench.deliver();
    assert.deepEqual(seen, ['alice/a.txt 3 synced']);
  });

  it('delivers versions of a path in order, each on top of the one before', async () => {
    bench.nas.put('alice/a.txt', 'zero');
    listFrom('alice/a.txt');
    for (const version of ['one', 'two', 'three']) await bench.send('alice', 'a.txt', version);
    await bench.deliver();
    assert.deepEqual(bench.nas.published.get('alice/a.txt'), ['one', 'two', 'three']);
    assert.deepEqual(bench.states(), ['synced', 'synced', 'synced']);
  });

  it('makes a folder its user’s that was laid down past the NAS’s API, by one mkdir', async () => {
    bench.nas.folders.add('alice/laid').add('alice/laid/down');
    bench.nas.unowned.add('alice/laid').add('alice/laid/down');
    bench.nas.put('alice/laid/down/old.txt', 'old');
    for (const name of ['a.txt', 'b.txt', 'c.txt']) {
      await bench.send('alice/laid/down', name, `new ${name}`);
    }
    await bench.deliver();
    assert.deepEqual(bench.states(), ['synced', 'synced', 'synced']);
    assert.deepEqual(
      bench.nas.calls.filter((call) => call.startsWith('mkdir')),
      ['mkdir alice/laid', 'mkdir alice/laid/down'],
    );
  });

  it('says which folder refuses uploads, and tries again once it is listed as the user’s', async () => {
    bench.nas.folders.add('alice/x');
    bench.nas.put('alice/x/old.txt', 'old');
    let isRefusing = true;
    bench.nas.trouble = (call) =>
      isRefusing && (call.startsWith('init') || call.startsWith('mkdir'))
        ? json(403, { detail: 'Operation not permitted' })
        : null;
    for (const name of ['a.txt', 'b.txt']) await bench.send('alice/x', name, 'new');
    await bench.deliver();
    assert.deepEqual(bench.states(), ['failed', 'failed']);
    const listed = bench.upload.view.list(ALICE, 'failed');
    assert.match(
      String(listed.kind === 'uploads' && listed.uploads[0]?.detail),
      /403.*Its folder alice\/x may not be/,
    );
    assert.ok(bench.nas.count('mkdir') <= 1, String(bench.nas.calls));
    isRefusing = false;
    bench.upload.shown(ALICE, 'alice');
    await bench.flushed();
    assert.deepEqual(bench.states(), ['failed', 'failed']);
    bench.listed.set('1 alice/x', { kind: 'folder', isOwn: true });
    bench.upload.shown(ALICE, 'alice');
    await bench.flushed();
    assert.deepEqual(bench.states(), ['synced', 'synced']);
  });

  it('says which file lies where a folder is needed, and waits for nothing', async () => {
    bench.nas.put('alice/f', 'a file');
    await bench.send('alice/f/sub', 'a.txt', 'x');
    await bench.send('alice/f', 'b.txt', 'y');
    await bench.deliver();
    assert.deepEqual(bench.states(), ['failed', 'failed']);
    const listed = bench.upload.view.list(ALICE, 'failed');
    assert.ok(listed.kind === 'uploads');
    for (const { detail } of listed.uploads) {
      assert.equal(detail, 'alice/f is a file on the NAS, so nothing can be put into it.');
    }
    assert.equal(bench.nas.text('alice/f'), 'a file');
  });

  it('takes turns between users, and keeps the order within each', async () => {
    for (let index = 0; index < 40; index += 1) {
      await bench.send('alice', `${String(index).padStart(2, '0')}.txt`, `a ${index}`);
    }
    bench.who = BOB;
    for (const name of ['1.txt', '2.txt']) await bench.send('bob', name, `b ${name}`);
    bench.who = ADMIN;
    await bench.send('Shared', 'c.txt', 'c');
    await bench.deliver();
    const order = [...bench.nas.published.keys()];
    assert.equal(order.length, 43);
    // Uploads of one batch count as one turn.
    assert.ok(order.indexOf('bob/1.txt') <= 16, String(order));
    assert.ok(order.indexOf('Shared/c.txt') <= 18, String(order));
    const ofAlice = order.filter((path) => path.startsWith('alice/'));
    assert.deepEqual(ofAlice, [...ofAlice].sort());
  });

  it('lets a later version stand on the base of one that failed or was dropped', async () => {
    bench.nas.put('alice/a.txt', 'zero');
    listFrom('alice/a.txt');
    const first = await bench.send('alice', 'a.txt', 'one');
    const second = await bench.send('alice', 'a.txt', 'two');
    await bench.send('alice', 'a.txt', 'three');
    await bench.upload.drop(ALICE, String(second.body['id']));
    let refusals = 0;
    bench.nas.trouble = (call) =>
      call.startsWith('init') && refusals++ === 0 ? json(413, { detail: 'too large' }) : null;
    await bench.deliver();
    assert.deepEqual(bench.states(), ['failed', 'synced']);
    assert.equal(bench.nas.text('alice/a.txt'), 'three');
    const listed = bench.upload.view.list(ALICE, 'failed');
    assert.equal(listed.kind === 'uploads' && listed.uploads[0]?.id, first.body['id']);
    assert.match(String(listed.kind === 'uploads' && listed.uploads[0]?.detail), /413: too large/);
  });

  it('makes missing folders level by level first', async () => {
    await bench.send('alice/2026/02/22', 'a.txt', 'x');
    await bench.send('alice/2026/02/22', 'b.txt', 'y');
    await bench.deliver();
    assert.deepEqual(
      bench.nas.calls.filter((call) => call.startsWith('mkdir')),
      ['mkdir alice/2026', 'mkdir alice/2026/02', 'mkdir alice/2026/02/22'],
    );
    assert.deepEqual(bench.states(), ['synced', 'synced']);
  });

  it('decides an undecided path by asking the NAS', async () => {
    bench.nas.folders.add('alice/v1.2');
    await bench.send('alice/v1.2', 'a.txt', 'into the folder');
    await bench.send('alice/b.txt', 'c.txt', 'as this file');
    await bench.deliver();
    assert.equal(bench.nas.text('alice/v1.2/a.txt'), 'into the folder');
    assert.equal(bench.nas.text('alice/b.txt'), 'as this file');
    assert.deepEqual(bench.states(), ['synced', 'synced']);
  });

  it('never lets two undecided uploads fall on one target', async () => {
    await bench.send('alice/v1.2', 'a.txt', 'one');
    await bench.send('alice/v1.2', 'b.txt', 'two');
    await bench.send('alice', 'v1.2', 'three');
    await bench.deliver();
    const texts = [...bench.nas.files.values()].map(({ bytes }) => bytes.toString()).sort();
    assert.deepEqual(texts, ['one', 'three', 'two']);
    assert.equal(bench.nas.text('alice/v1.2'), 'one');
  });

  it('overwrites what the caller had last seen', async () => {
    bench.nas.put('alice/a.txt', 'old');
    listFrom('alice/a.txt');
    await bench.send('alice', 'a.txt', 'new');
    await bench.deliver();
    assert.equal(bench.nas.text('alice/a.txt'), 'new');
    assert.deepEqual(bench.states(), ['synced']);
  });

  it('overwrites what X-Base-Checksum names, reading it back where the NAS shows no checksum', async () => {
    bench.nas.put('alice/a.txt', 'old', { checksum: null });
    await bench.send('alice', 'a.txt', 'new', { 'X-Base-Checksum': sha256('old') });
    await bench.deliver();
    assert.equal(bench.nas.text('alice/a.txt'), 'new');
    assert.equal(bench.nas.count('download'), 1);
    assert.deepEqual(bench.states(), ['synced']);
  });

  it('knows its own earlier delivery for a base, though no listing came since', async () => {
    bench.nas.put('alice/a.txt', 'old');
    listFrom('alice/a.txt', 0);
    await bench.send('alice', 'a.txt', 'one');
    await bench.deliver();
    bench.presence.set(false);
    await bench.send('alice', 'a.txt', 'two');
    await bench.deliver();
    assert.equal(bench.nas.text('alice/a.txt'), 'two');
    assert.deepEqual(bench.states(), ['synced', 'synced']);
  });

  for (const [what, prepare] of [
    ['changed since the caller listed it', 'listing'],
    ['is not what X-Base-Checksum names', 'header'],
    ['was never seen by the caller', 'none'],
  ] as const) {
    it(`goes beside what ${what}`, async () => {
      bench.nas.put('alice/a.txt', 'old');
      if (prepare === 'listing') listFrom('alice/a.txt');
      const headers = prepare === 'header' ? { 'X-Base-Checksum': sha256('old') } : {};
      if (prepare !== 'none') bench.nas.put('alice/a.txt', 'theirs');
      await bench.send('alice', 'a.txt', 'mine', headers);
      await bench.deliver();
      assert.equal(bench.nas.text('alice/a.txt'), prepare === 'none' ? 'old' : 'theirs');
      assert.equal(bench.nas.text('alice/a (conflict 2026-02-22 15-30 alice).txt'), 'mine');
      assert.deepEqual(bench.states(), ['conflict']);
      const status = bench.upload.view.status(ALICE, false);
      assert.equal(status.kind === 'status' && status.status.conflicts, 1);
    });
  }

  it('counts on where a conflict name is taken, on the NAS or in the queue', async () => {
    bench.nas.put('alice/a.txt', 'theirs');
    bench.nas.put('alice/a (conflict 2026-02-22 15-30 alice).txt', 'older conflict');
    await bench.send('alice', 'a.txt', 'mine');
    const queued = 'a (conflict 2026-02-22 15-30 alice) 2.txt';
    await bench.send('alice', queued, 'a strange name for an upload');
    await bench.deliver();
    assert.equal(bench.nas.text('alice/a (conflict 2026-02-22 15-30 alice) 3.txt'), 'mine');
    assert.equal(bench.nas.text(`alice/${queued}`), 'a strange name for an upload');
  });

  it('sees a change that happens while it sends, right before the last step', async () => {
    bench.nas.put('alice/a.txt', 'old');
    listFrom('alice/a.txt');
    await bench.send('alice', 'a.txt', 'mine');
    bench.nas.trouble = (call) => {
      if (call === 'chunk 0' && bench.nas.text('alice/a.txt') === 'old') {
        bench.nas.put('alice/a.txt', 'theirs');
      }
      return null;
    };
    await bench.deliver();
    assert.equal(bench.nas.text('alice/a.txt'), 'theirs');
    assert.equal(bench.nas.text('alice/a (conflict 2026-02-22 15-30 alice).txt'), 'mine');
    assert.deepEqual(bench.states(), ['conflict']);
  });

  it('puts two users’ files in Shared beside each other, never over each other', async () => {
    await bench.send('Shared', 'a.txt', 'alices');
    bench.who = BOB;
    await bench.send('Shared', 'a.txt', 'bobs');
    await bench.deliver();
    assert.equal(bench.nas.text('Shared/a.txt'), 'alices');
    assert.equal(bench.nas.text('Shared/a (conflict 2026-02-22 15-30 bob).txt'), 'bobs');
  });

  it('starts over when the NAS has forgotten the session', async () => {
    await bench.send('alice', 'a.txt', 'x'.repeat(200));
    let lost = false;
    bench.nas.trouble = (call) => {
      if (call === 'chunk 2' && !lost) {
        lost = true;
        bench.nas.loseSessions();
      }
      return null;
    };
    await bench.deliver();
    assert.equal(bench.nas.text('alice/a.txt'), 'x'.repeat(200));
    assert.equal(bench.nas.count('init'), 2);
    assert.deepEqual(bench.states(), ['synced']);
  });

  it('goes by multipart where no address keeps a session', async () => {
    await bench.close();
    const sent: string[] = [];
    bench = new UploadBench({
      fallback: {
        send: async (token, path, _file, sizeBytes) => {
          sent.push(`${token} ${path} ${sizeBytes}`);
          bench.nas.put(path, 'abc');
          return Promise.resolve(json(200, {}));
        },
      },
    });
    await bench.start();
    bench.nas.trouble = (call) => {
      if (call.startsWith('chunk')) bench.nas.loseSessions();
      return null;
    };
    await bench.send('alice', 'a.txt', 'abc');
    await bench.deliver();
    assert.deepEqual(sent, ['token-alice alice/a.txt 3']);
    assert.deepEqual(bench.states(), ['synced']);
  });

  it('makes the folder its user’s on that way too', async () => {
    await bench.close();
    const sent: string[] = [];
    bench = new UploadBench({
      fallback: {
        send: async (_token, path) => {
          sent.push(path);
          const isRefused = bench.nas.unowned.has('alice/laid');
          if (!isRefused) bench.nas.put(path, 'abc');
          return Promise.resolve(json(isRefused ? 403 : 200, { detail: 'Not permitted' }));
        },
      },
    });
    await bench.start();
    bench.nas.folders.add('alice/laid');
    bench.nas.put('alice/laid/old.txt', 'old');
    bench.nas.trouble = (call) => {
      if (call.startsWith('chunk')) bench.nas.loseSessions();
      if (call.startsWith('exist') && sent.length === 0) bench.nas.unowned.add('alice/laid');
      return null;
    };
    await bench.send('alice/laid', 'a.txt', 'abc');
    await bench.deliver();
    assert.deepEqual(sent, ['alice/laid/a.txt', 'alice/laid/a.txt']);
    assert.deepEqual(bench.states(), ['synced']);
  });

  for (const verb of ['init', 'chunk', 'complete']) {
    it(`asks before it sends again when the answer to ${verb} is lost`, async () => {
      await bench.send('alice', 'a.txt', 'x'.repeat(200));
      bench.nas.loseAnswerOf.add(verb);
      await bench.deliver();
      assert.equal(bench.presence.silences, 1);
      assert.deepEqual(bench.states(), ['waiting']);
      bench.presence.set(false);
      await bench.deliver();
      assert.deepEqual(bench.states(), ['synced']);
      assert.deepEqual(bench.nas.published.get('alice/a.txt'), ['x'.repeat(200)]);
    });
  }

  it('goes on with a half-sent file where the NAS still has the session', async () => {
    await bench.send('alice', 'a.txt', 'x'.repeat(200));
    bench.nas.loseAnswerOf.add('chunk');
    await bench.deliver();
    bench.presence.set(false);
    await bench.deliver();
    assert.equal(bench.nas.count('init'), 1);
    assert.equal(bench.nas.text('alice/a.txt'), 'x'.repeat(200));
  });

  it('reads the file back where the NAS shows no checksum, or a stale one', async () => {
    for (const [name, checksum] of [
      ['none', null],
      ['stale', 'f'.repeat(64)],
    ] as const) {
      bench.presence.set(false);
      await bench.send('alice', name, `content ${name}`);
      bench.nas.trouble = (call) => {
        const file = bench.nas.files.get(`alice/${name}`);
        if (isLook(call) && file !== undefined) file.checksum = checksum;
        return null;
      };
      const before = bench.nas.count('download');
      await bench.deliver();
      assert.equal(bench.nas.count('download'), before + 1);
    }
    assert.deepEqual(bench.states(), ['synced', 'synced']);
  });

  it('sends again at most three times what does not arrive whole, then keeps it as failed', async () => {
    await bench.send('alice', 'a.txt', 'right');
    bench.nas.trouble = (call) => {
      const file = bench.nas.files.get('alice/a.txt');
      if (isLook(call) && file?.bytes.toString() === 'right') {
        bench.nas.put('alice/a.txt', 'wrong');
      }
      return null;
    };
    await bench.deliver();
    assert.equal(bench.nas.count('complete'), 4);
    assert.deepEqual(bench.states(), ['failed']);
    assert.equal(bench.onDisk().length, 1);
    bench.nas.trouble = () => null;
    bench.nas.files.clear();
    const [row] = listOf();
    assert.equal(bench.upload.retry(ALICE, row?.id ?? '').kind, 'done');
    await bench.flushed();
    assert.deepEqual(bench.states(), ['synced']);
  });

  it('mends a file that arrived broken once', async () => {
    await bench.send('alice', 'a.txt', 'right');
    let broken = false;
    bench.nas.trouble = (call) => {
      const file = bench.nas.files.get('alice/a.txt');
      if (isLook(call) && file !== undefined && !broken) {
        broken = true;
        bench.nas.put('alice/a.txt', 'righ');
      }
      return null;
    };
    await bench.deliver();
    assert.equal(bench.nas.text('alice/a.txt'), 'right');
    assert.deepEqual(bench.states(), ['synced']);
    assert.equal(bench.nas.files.size, 1);
  });

  for (const status of [400, 403, 404, 413, 422]) {
    it(`keeps the bytes and says why after a refusal with ${status}`, async () => {
      await bench.send('alice', 'a.txt', 'x');
      bench.nas.trouble = (call) =>
        call.startsWith('init') ? json(status, { detail: 'no' }) : null;
      await bench.deliver();
      const [row] = listOf();
      assert.equal(row?.state, 'failed');
      assert.match(row?.detail ?? '', new RegExp(`${status}: no`));
      assert.equal(bench.onDisk().length, 1);
    });
  }

  it('queues a failed upload again when its sender sends it again', async () => {
    const first = await bench.send('alice', 'a.txt', 'x');
    bench.nas.trouble = (call) => (call.startsWith('init') ? json(403, {}) : null);
    await bench.deliver();
    bench.presence.set(false);
    bench.nas.trouble = () => null;
    const again = await bench.send('alice', 'a.txt', 'x');
    assert.equal(again.body['id'], first.body['id']);
    await bench.deliver();
    assert.deepEqual(bench.states(), ['synced']);
  });

  for (const [what, answered] of [
    ['429', json(429, { detail: 'slow down', retry_after: 60 })],
    ['a 503 page of its proxy', { kind: 'bad_answer', status: 503 }],
  ] as const) {
    it(`leaves the NAS alone for a while after ${what}`, async () => {
      await bench.send('alice', 'a.txt', 'x');
      await bench.send('alice', 'b.txt', 'y');
      let busy = true;
      bench.nas.trouble = (call) => (busy && call.startsWith('init') ? answered : null);
      await bench.deliver();
      const calls = bench.nas.calls.length;
      assert.deepEqual(bench.states(), ['waiting', 'queued']);
      await bench.flushed();
      await bench.flushed();
      assert.equal(bench.nas.calls.length, calls);
      busy = false;
      await bench.clock.advance(70_000);
      await bench.flushed();
      assert.deepEqual(bench.states(), ['synced', 'synced']);
    });
  }

  it('leaves the NAS alone for an hour at most, whatever it asks for', async () => {
    await bench.send('alice', 'a.txt', 'x');
    let busy = true;
    const forever = json(429, { detail: 'slow down', retry_after: 1_000_000_000 });
    bench.nas.trouble = (call) => (busy && call.startsWith('init') ? forever : null);
    await bench.deliver();
    assert.deepEqual(bench.states(), ['waiting']);
    busy = false;
    await bench.clock.advance(3_600_000);
    await bench.flushed();
    assert.deepEqual(bench.states(), ['synced']);
  });

  it('pauses the whole queue when the NAS is full', async () => {
    await bench.send('alice', 'a.txt', 'x');
    await bench.send('alice', 'b.txt', 'y');
    bench.nas.trouble = (call) => (call.startsWith('init') ? json(507, {}) : null);
    await bench.deliver();
    assert.deepEqual(bench.states(), ['waiting', 'queued']);
    assert.equal(bench.nas.count('init'), 1);
    assert.match(listOf().at(-1)?.detail ?? '', /no room/);
  });

  it('tries at once what somebody wants tried, though the queue pauses', async () => {
    const { body } = await bench.send('alice', 'a.txt', 'x');
    await bench.send('alice', 'b.txt', 'y');
    bench.nas.trouble = (call) => (call.startsWith('init') ? json(507, {}) : null);
    await bench.deliver();
    assert.deepEqual(bench.states(), ['waiting', 'queued']);
    bench.nas.trouble = () => null;
    await bench.flushed();
    assert.deepEqual(bench.states(), ['waiting', 'queued']);
    assert.equal(bench.upload.retry(ALICE, String(body['id'])).kind, 'done');
    await bench.flushed();
    assert.deepEqual(bench.states(), ['synced', 'synced']);
  });

  it('leaves a NAS alone that asks for it, whatever somebody wants tried', async () => {
    const { body } = await bench.send('alice', 'a.txt', 'x');
    let busy = true;
    const answered = json(429, { detail: 'slow down', retry_after: 60 });
    bench.nas.trouble = (call) => (busy && call.startsWith('init') ? answered : null);
    await bench.deliver();
    busy = false;
    bench.upload.retry(ALICE, String(body['id']));
    await bench.flushed();
    assert.deepEqual(bench.states(), ['queued']);
    await bench.clock.advance(70_000);
    await bench.flushed();
    assert.deepEqual(bench.states(), ['synced']);
  });

  it('tries a row in trouble again after a backoff, and others meanwhile', async () => {
    await bench.send('alice', 'a.txt', 'x');
    await bench.send('alice', 'b.txt', 'y');
    let trouble = true;
    bench.nas.trouble = (call) => (trouble && call === 'init alice/a.txt' ? json(500, {}) : null);
    await bench.deliver();
    assert.deepEqual(bench.states(), ['waiting', 'synced']);
    assert.notEqual(listOf().at(-1)?.next_attempt_at, null);
    trouble = false;
    await bench.clock.advance(20_000);
    await bench.flushed();
    assert.deepEqual(bench.states(), ['synced', 'synced']);
  });

  it('lets no version overtake the one before it while that waits', async () => {
    await bench.send('alice', 'a.txt', 'one');
    await bench.send('alice', 'a.txt', 'two');
    await bench.send('alice/v1.2', 'b.txt', 'undecided');
    await bench.send('alice', 'v1.2', 'after it');
    await bench.send('alice/v1.2', 'v1.2', 'free to go');
    let trouble = true;
    bench.nas.trouble = (call) =>
      trouble && (call === 'init alice/a.txt' || call === 'init alice/v1.2') ? json(500, {}) : null;
    await bench.deliver();
    await bench.flushed();
    assert.deepEqual(bench.states().slice(0, 4), ['waiting', 'queued', 'waiting', 'queued']);
    trouble = false;
    await bench.clock.advance(30_000);
    await bench.flushed();
    assert.deepEqual(bench.nas.published.get('alice/a.txt'), ['one', 'two']);
    assert.equal(bench.nas.text('alice/v1.2'), 'undecided');
  });

  it('waits for a credential of its own user, never using another’s', async () => {
    bench.tokens.delete(2);
    bench.who = BOB;
    await bench.send('bob', 'b.txt', 'bobs');
    bench.who = ALICE;
    await bench.send('alice', 'a.txt', 'alices');
    await bench.deliver();
    assert.equal(bench.nas.files.has('bob/b.txt'), false);
    assert.deepEqual(bench.states(BOB), ['waiting_for_credential']);
    assert.deepEqual(bench.states(ALICE), ['synced']);
    const status = bench.upload.view.status(BOB, false);
    assert.deepEqual(status.kind === 'status' && status.status.waiting_for_credential, ['bob']);
    bench.tokens.set(2, 'token-bob');
    bench.upload.credentialArrived(2);
    await bench.flushed();
    assert.equal(bench.nas.files.get('bob/b.txt')?.ownerId, 'bob');
  });

  it('gives a refused credential back and goes on with another', async () => {
    await bench.send('alice', 'a.txt', 'x');
    bench.nas.deadTokens.add('token-alice');
    await bench.deliver();
    assert.deepEqual(bench.refusedTokens, ['token-alice']);
    assert.deepEqual(bench.states(), ['waiting_for_credential']);
    bench.tokens.set(1, 'token-alice2');
    await bench.flushed();
    assert.deepEqual(bench.states(), ['synced']);
  });

  it('begins by itself when the NAS wakes, and when an upload comes while it is awake', async () => {
    await bench.send('alice', 'a.txt', 'x');
    bench.presence.set(true);
    await bench.clock.advance(5_000);
    await bench.flushed();
    await bench.send('alice', 'b.txt', 'y');
    await bench.flushed();
    assert.deepEqual(bench.states(), ['synced', 'synced']);
  });

  it('says when it is of use, and delivers nothing that nobody asks it to', async () => {
    bench.hasFlow = false;
    let due = 0;
    const stop = bench.upload.delivery.onDue(() => {
      due += 1;
    });
    await bench.send('alice', 'a.txt', 'x');
    assert.equal(due, 1, 'an upload came in');
    bench.presence.set(true);
    assert.equal(due, 2, 'the NAS woke');
    await bench.clock.advance(86_400_000);
    assert.deepEqual(bench.states(), ['queued']);
    stop();
    await bench.send('alice', 'b.txt', 'y');
    assert.equal(due, 2);
    await bench.flushed();
    assert.deepEqual(bench.states(), ['synced', 'synced']);
  });

  it('ends in the middle when the NAS goes, and loses nothing', async () => {
    await bench.send('alice', 'a.txt', 'x'.repeat(300));
    await bench.send('alice', 'b.txt', 'y');
    bench.nas.trouble = (call) => {
      if (call === 'chunk 2') bench.presence.set(false);
      return call === 'chunk 2' ? gone() : null;
    };
    await bench.deliver();
    assert.deepEqual(bench.states(), ['waiting', 'queued']);
    bench.nas.trouble = () => null;
    await bench.deliver();
    assert.deepEqual(bench.states(), ['synced', 'synced']);
    assert.deepEqual([...bench.nas.published.values()].flat().length, 2);
  });

  it('counts and tells of an upload whose file is lost', async () => {
    const { body } = await bench.send('alice', 'a.txt', 'x');
    await bench.parts.disk.remove(`${bench.queueFolder}/${String(body['id'])}`);
    await bench.deliver();
    assert.deepEqual(bench.states(), ['failed']);
    assert.equal(bench.upload.lost.countLost(), 1);
    assert.equal(bench.upload.retry(ALICE, String(body['id'])).kind, 'refused');
    assert.ok(bench.log.lines.some((line) => /lost its file/.test(line)));
  });

  it('writes every attempt down and forgets it after 90 days', async () => {
    await bench.send('alice', 'a.txt', 'x');
    let first = true;
    bench.nas.trouble = (call) => {
      if (!first || !call.startsWith('init')) return null;
      first = false;
      return json(500, {});
    };
    await bench.deliver();
    await bench.clock.advance(20_000);
    await bench.flushed();
    const outcomes = (): unknown[] =>
      bench.data.queue
        .prepare('SELECT outcome FROM sync_log ORDER BY id')
        .all()
        .map((row) => row['outcome']);
    assert.deepEqual(outcomes(), ['waiting', 'synced']);
    await bench.clock.advance(91 * 86_400_000);
    await bench.flushed();
    assert.deepEqual(outcomes(), []);
    assert.deepEqual(bench.states(), []);
  });

  it('forgets nothing for its age before the time is proved', async () => {
    bench.isClockProved = false;
    await bench.send('alice', 'a.txt', 'x');
    await bench.deliver();
    for (let day = 0; day < 3; day += 1) {
      await bench.clock.advance(91 * 86_400_000);
      await bench.flushed();
    }
    const attempts = (): unknown =>
      bench.data.queue.prepare('SELECT count(*) AS n FROM sync_log').get()?.['n'];
    assert.equal(attempts(), 1);
    bench.isClockProved = true;
    await bench.flushed();
    await bench.clock.advance(86_400_000);
    await bench.flushed();
    assert.equal(attempts(), 0);
  });

  function listOf(): readonly {
    id: string;
    state: string;
    detail: string | null;
    next_attempt_at: string | null;
  }[] {
    const listed = bench.upload.view.list(ALICE, null);
    return listed.kind === 'uploads' ? listed.uploads : [];
  }

  function listFrom(path: string, listedAtMs = bench.clock.nowMs()): void {
    const item = bench.nas.item(path);
    assert.ok(item);
    bench.listed.set(`1 ${path}`, {
      kind: 'file',
      sizeBytes: item.size,
      modifiedAt: item.modified_at,
      checksum: item.checksum,
      listedAtMs,
    });
  }
});
