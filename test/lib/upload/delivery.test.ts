import assert from 'node:assert/strict';
import { ADMIN, ALICE, BOB, House } from './house.ts';
import { gone, json, sha256 } from './memory-nas.ts';

/** The NAS is asked what lies in alice's folder, by either of its routes. */
const isLook = (call: string): boolean => /^(list|exist) alice$/.test(call);

describe('delivering the queue', () => {
  let house: House;

  beforeEach(async () => {
    house = new House();
    await house.start();
  });

  afterEach(async () => {
    await house.close();
  });

  it('brings an upload to the NAS as its user once it is awake, and proves it', async () => {
    await house.send('alice', 'a.txt', 'x'.repeat(200));
    assert.deepEqual(house.nas.calls, []);
    await house.deliver();
    assert.equal(house.nas.text('alice/a.txt'), 'x'.repeat(200));
    assert.equal(house.nas.files.get('alice/a.txt')?.ownerId, 'alice');
    assert.deepEqual(house.states(), ['synced']);
    assert.equal(house.nas.count('chunk'), 4);
    assert.equal(house.nas.count('download'), 0);
    assert.deepEqual(house.onDisk(), []);
    const status = house.upload.view.status(ALICE, false);
    assert.match(
      String(status.kind === 'status' && status.status.last_sync),
      /^2026-02-22T14:\d\d:\d\dZ$/,
    );
  });

  it('never touches the NAS while it sleeps', async () => {
    await house.send('alice', 'a.txt', 'x');
    await house.flushed();
    await house.clock.advance(86_400_000);
    assert.deepEqual(house.nas.calls, []);
    assert.deepEqual(house.states(), ['queued']);
  });

  it('sends an empty file as one empty chunk', async () => {
    await house.send('alice', 'empty', '');
    await house.deliver();
    assert.equal(house.nas.text('alice/empty'), '');
    assert.deepEqual(house.states(), ['synced']);
  });

  it('hands the bytes on as a copy, after the row says that they are delivered', async () => {
    await house.close();
    const seen: string[] = [];
    house = new House({
      keep: (delivered) => {
        seen.push(`${delivered.path} ${delivered.version.size} ${house.states().join()}`);
      },
    });
    await house.start();
    await house.send('alice', 'a.txt', 'abc');
    await house.deliver();
    assert.deepEqual(seen, ['alice/a.txt 3 synced']);
  });

  it('delivers versions of a path in order, each on top of the one before', async () => {
    house.nas.put('alice/a.txt', 'zero');
    listFrom('alice/a.txt');
    for (const version of ['one', 'two', 'three']) await house.send('alice', 'a.txt', version);
    await house.deliver();
    assert.deepEqual(house.nas.published.get('alice/a.txt'), ['one', 'two', 'three']);
    assert.deepEqual(house.states(), ['synced', 'synced', 'synced']);
  });

  it('makes a folder its user’s that was laid down past the NAS’s API, by one mkdir', async () => {
    house.nas.folders.add('alice/laid').add('alice/laid/down');
    house.nas.unowned.add('alice/laid').add('alice/laid/down');
    house.nas.put('alice/laid/down/old.txt', 'old');
    for (const name of ['a.txt', 'b.txt', 'c.txt']) {
      await house.send('alice/laid/down', name, `new ${name}`);
    }
    await house.deliver();
    assert.deepEqual(house.states(), ['synced', 'synced', 'synced']);
    assert.deepEqual(
      house.nas.calls.filter((call) => call.startsWith('mkdir')),
      ['mkdir alice/laid', 'mkdir alice/laid/down'],
    );
  });

  it('says which folder refuses uploads, and tries again once it is listed as the user’s', async () => {
    house.nas.folders.add('alice/x');
    house.nas.put('alice/x/old.txt', 'old');
    let isRefusing = true;
    house.nas.trouble = (call) =>
      isRefusing && (call.startsWith('init') || call.startsWith('mkdir'))
        ? json(403, { detail: 'Operation not permitted' })
        : null;
    for (const name of ['a.txt', 'b.txt']) await house.send('alice/x', name, 'new');
    await house.deliver();
    assert.deepEqual(house.states(), ['failed', 'failed']);
    const listed = house.upload.view.list(ALICE, 'failed');
    assert.match(
      String(listed.kind === 'uploads' && listed.uploads[0]?.detail),
      /403.*Its folder alice\/x may not be/,
    );
    assert.ok(house.nas.count('mkdir') <= 1, String(house.nas.calls));
    isRefusing = false;
    house.upload.shown(ALICE, 'alice');
    await house.flushed();
    assert.deepEqual(house.states(), ['failed', 'failed']);
    house.listed.set('1 alice/x', { kind: 'folder', isOwn: true });
    house.upload.shown(ALICE, 'alice');
    await house.flushed();
    assert.deepEqual(house.states(), ['synced', 'synced']);
  });

  it('says which file lies where a folder is needed, and waits for nothing', async () => {
    house.nas.put('alice/f', 'a file');
    await house.send('alice/f/sub', 'a.txt', 'x');
    await house.send('alice/f', 'b.txt', 'y');
    await house.deliver();
    assert.deepEqual(house.states(), ['failed', 'failed']);
    const listed = house.upload.view.list(ALICE, 'failed');
    assert.ok(listed.kind === 'uploads');
    for (const { detail } of listed.uploads) {
      assert.equal(detail, 'alice/f is a file on the NAS, so nothing can be put into it.');
    }
    assert.equal(house.nas.text('alice/f'), 'a file');
  });

  it('takes turns between users, and keeps the order within each', async () => {
    for (let index = 0; index < 40; index += 1) {
      await house.send('alice', `${String(index).padStart(2, '0')}.txt`, `a ${index}`);
    }
    house.who = BOB;
    for (const name of ['1.txt', '2.txt']) await house.send('bob', name, `b ${name}`);
    house.who = ADMIN;
    await house.send('Shared', 'c.txt', 'c');
    await house.deliver();
    const order = [...house.nas.published.keys()];
    assert.equal(order.length, 43);
    // What travels together counts as one turn.
    assert.ok(order.indexOf('bob/1.txt') <= 16, String(order));
    assert.ok(order.indexOf('Shared/c.txt') <= 18, String(order));
    const ofAlice = order.filter((path) => path.startsWith('alice/'));
    assert.deepEqual(ofAlice, [...ofAlice].sort());
  });

  it('lets a later version stand on the base of one that failed or was dropped', async () => {
    house.nas.put('alice/a.txt', 'zero');
    listFrom('alice/a.txt');
    const first = await house.send('alice', 'a.txt', 'one');
    const second = await house.send('alice', 'a.txt', 'two');
    await house.send('alice', 'a.txt', 'three');
    await house.upload.drop(ALICE, String(second.body['id']));
    let refusals = 0;
    house.nas.trouble = (call) =>
      call.startsWith('init') && refusals++ === 0 ? json(413, { detail: 'too large' }) : null;
    await house.deliver();
    assert.deepEqual(house.states(), ['failed', 'synced']);
    assert.equal(house.nas.text('alice/a.txt'), 'three');
    const listed = house.upload.view.list(ALICE, 'failed');
    assert.equal(listed.kind === 'uploads' && listed.uploads[0]?.id, first.body['id']);
    assert.match(String(listed.kind === 'uploads' && listed.uploads[0]?.detail), /413: too large/);
  });

  it('makes missing folders level by level first', async () => {
    await house.send('alice/2026/02/22', 'a.txt', 'x');
    await house.send('alice/2026/02/22', 'b.txt', 'y');
    await house.deliver();
    assert.deepEqual(
      house.nas.calls.filter((call) => call.startsWith('mkdir')),
      ['mkdir alice/2026', 'mkdir alice/2026/02', 'mkdir alice/2026/02/22'],
    );
    assert.deepEqual(house.states(), ['synced', 'synced']);
  });

  it('decides an undecided path by asking the NAS', async () => {
    house.nas.folders.add('alice/v1.2');
    await house.send('alice/v1.2', 'a.txt', 'into the folder');
    await house.send('alice/b.txt', 'c.txt', 'as this file');
    await house.deliver();
    assert.equal(house.nas.text('alice/v1.2/a.txt'), 'into the folder');
    assert.equal(house.nas.text('alice/b.txt'), 'as this file');
    assert.deepEqual(house.states(), ['synced', 'synced']);
  });

  it('never lets two undecided uploads fall on one target', async () => {
    await house.send('alice/v1.2', 'a.txt', 'one');
    await house.send('alice/v1.2', 'b.txt', 'two');
    await house.send('alice', 'v1.2', 'three');
    await house.deliver();
    const texts = [...house.nas.files.values()].map(({ bytes }) => bytes.toString()).sort();
    assert.deepEqual(texts, ['one', 'three', 'two']);
    assert.equal(house.nas.text('alice/v1.2'), 'one');
  });

  it('overwrites what the caller had last seen', async () => {
    house.nas.put('alice/a.txt', 'old');
    listFrom('alice/a.txt');
    await house.send('alice', 'a.txt', 'new');
    await house.deliver();
    assert.equal(house.nas.text('alice/a.txt'), 'new');
    assert.deepEqual(house.states(), ['synced']);
  });

  it('overwrites what X-Base-Checksum names, reading it back where the NAS shows no checksum', async () => {
    house.nas.put('alice/a.txt', 'old', { checksum: null });
    await house.send('alice', 'a.txt', 'new', { 'X-Base-Checksum': sha256('old') });
    await house.deliver();
    assert.equal(house.nas.text('alice/a.txt'), 'new');
    assert.equal(house.nas.count('download'), 1);
    assert.deepEqual(house.states(), ['synced']);
  });

  it('knows its own earlier delivery for a base, though no listing came since', async () => {
    house.nas.put('alice/a.txt', 'old');
    listFrom('alice/a.txt', 0);
    await house.send('alice', 'a.txt', 'one');
    await house.deliver();
    house.presence.set(false);
    await house.send('alice', 'a.txt', 'two');
    await house.deliver();
    assert.equal(house.nas.text('alice/a.txt'), 'two');
    assert.deepEqual(house.states(), ['synced', 'synced']);
  });

  for (const [what, prepare] of [
    ['changed since the caller listed it', 'listing'],
    ['is not what X-Base-Checksum names', 'header'],
    ['was never seen by the caller', 'none'],
  ] as const) {
    it(`goes beside what ${what}`, async () => {
      house.nas.put('alice/a.txt', 'old');
      if (prepare === 'listing') listFrom('alice/a.txt');
      const headers = prepare === 'header' ? { 'X-Base-Checksum': sha256('old') } : {};
      if (prepare !== 'none') house.nas.put('alice/a.txt', 'theirs');
      await house.send('alice', 'a.txt', 'mine', headers);
      await house.deliver();
      assert.equal(house.nas.text('alice/a.txt'), prepare === 'none' ? 'old' : 'theirs');
      assert.equal(house.nas.text('alice/a (conflict 2026-02-22 15-30 alice).txt'), 'mine');
      assert.deepEqual(house.states(), ['conflict']);
      const status = house.upload.view.status(ALICE, false);
      assert.equal(status.kind === 'status' && status.status.conflicts, 1);
    });
  }

  it('counts on where a conflict name is taken, on the NAS or in the queue', async () => {
    house.nas.put('alice/a.txt', 'theirs');
    house.nas.put('alice/a (conflict 2026-02-22 15-30 alice).txt', 'older conflict');
    await house.send('alice', 'a.txt', 'mine');
    const queued = 'a (conflict 2026-02-22 15-30 alice) 2.txt';
    await house.send('alice', queued, 'a strange name for an upload');
    await house.deliver();
    assert.equal(house.nas.text('alice/a (conflict 2026-02-22 15-30 alice) 3.txt'), 'mine');
    assert.equal(house.nas.text(`alice/${queued}`), 'a strange name for an upload');
  });

  it('sees a change that happens while it sends, right before the last step', async () => {
    house.nas.put('alice/a.txt', 'old');
    listFrom('alice/a.txt');
    await house.send('alice', 'a.txt', 'mine');
    house.nas.trouble = (call) => {
      if (call === 'chunk 0' && house.nas.text('alice/a.txt') === 'old') {
        house.nas.put('alice/a.txt', 'theirs');
      }
      return null;
    };
    await house.deliver();
    assert.equal(house.nas.text('alice/a.txt'), 'theirs');
    assert.equal(house.nas.text('alice/a (conflict 2026-02-22 15-30 alice).txt'), 'mine');
    assert.deepEqual(house.states(), ['conflict']);
  });

  it('puts two users’ files in Shared beside each other, never over each other', async () => {
    await house.send('Shared', 'a.txt', 'alices');
    house.who = BOB;
    await house.send('Shared', 'a.txt', 'bobs');
    await house.deliver();
    assert.equal(house.nas.text('Shared/a.txt'), 'alices');
    assert.equal(house.nas.text('Shared/a (conflict 2026-02-22 15-30 bob).txt'), 'bobs');
  });

  it('begins anew when the NAS has forgotten the session', async () => {
    await house.send('alice', 'a.txt', 'x'.repeat(200));
    let lost = false;
    house.nas.trouble = (call) => {
      if (call === 'chunk 2' && !lost) {
        lost = true;
        house.nas.loseSessions();
      }
      return null;
    };
    await house.deliver();
    assert.equal(house.nas.text('alice/a.txt'), 'x'.repeat(200));
    assert.equal(house.nas.count('init'), 2);
    assert.deepEqual(house.states(), ['synced']);
  });

  it('goes by multipart where no address keeps a session', async () => {
    await house.close();
    const sent: string[] = [];
    house = new House({
      fallback: {
        send: async (token, path, _file, sizeBytes) => {
          sent.push(`${token} ${path} ${sizeBytes}`);
          house.nas.put(path, 'abc');
          return Promise.resolve(json(200, {}));
        },
      },
    });
    await house.start();
    house.nas.trouble = (call) => {
      if (call.startsWith('chunk')) house.nas.loseSessions();
      return null;
    };
    await house.send('alice', 'a.txt', 'abc');
    await house.deliver();
    assert.deepEqual(sent, ['token-alice alice/a.txt 3']);
    assert.deepEqual(house.states(), ['synced']);
  });

  it('makes the folder its user’s on that way too', async () => {
    await house.close();
    const sent: string[] = [];
    house = new House({
      fallback: {
        send: async (_token, path) => {
          sent.push(path);
          const isRefused = house.nas.unowned.has('alice/laid');
          if (!isRefused) house.nas.put(path, 'abc');
          return Promise.resolve(json(isRefused ? 403 : 200, { detail: 'Not permitted' }));
        },
      },
    });
    await house.start();
    house.nas.folders.add('alice/laid');
    house.nas.put('alice/laid/old.txt', 'old');
    house.nas.trouble = (call) => {
      if (call.startsWith('chunk')) house.nas.loseSessions();
      if (call.startsWith('exist') && sent.length === 0) house.nas.unowned.add('alice/laid');
      return null;
    };
    await house.send('alice/laid', 'a.txt', 'abc');
    await house.deliver();
    assert.deepEqual(sent, ['alice/laid/a.txt', 'alice/laid/a.txt']);
    assert.deepEqual(house.states(), ['synced']);
  });

  for (const verb of ['init', 'chunk', 'complete']) {
    it(`asks before it sends again when the answer to ${verb} is lost`, async () => {
      await house.send('alice', 'a.txt', 'x'.repeat(200));
      house.nas.loseAnswerOf.add(verb);
      await house.deliver();
      assert.equal(house.presence.silences, 1);
      assert.deepEqual(house.states(), ['waiting']);
      house.presence.set(false);
      await house.deliver();
      assert.deepEqual(house.states(), ['synced']);
      assert.deepEqual(house.nas.published.get('alice/a.txt'), ['x'.repeat(200)]);
    });
  }

  it('goes on with a half-sent file where the NAS still has the session', async () => {
    await house.send('alice', 'a.txt', 'x'.repeat(200));
    house.nas.loseAnswerOf.add('chunk');
    await house.deliver();
    house.presence.set(false);
    await house.deliver();
    assert.equal(house.nas.count('init'), 1);
    assert.equal(house.nas.text('alice/a.txt'), 'x'.repeat(200));
  });

  it('reads the file back where the NAS shows no checksum, or a stale one', async () => {
    for (const [name, checksum] of [
      ['none', null],
      ['stale', 'f'.repeat(64)],
    ] as const) {
      house.presence.set(false);
      await house.send('alice', name, `content ${name}`);
      house.nas.trouble = (call) => {
        const file = house.nas.files.get(`alice/${name}`);
        if (isLook(call) && file !== undefined) file.checksum = checksum;
        return null;
      };
      const before = house.nas.count('download');
      await house.deliver();
      assert.equal(house.nas.count('download'), before + 1);
    }
    assert.deepEqual(house.states(), ['synced', 'synced']);
  });

  it('sends again at most three times what does not arrive whole, then keeps it as failed', async () => {
    await house.send('alice', 'a.txt', 'right');
    house.nas.trouble = (call) => {
      const file = house.nas.files.get('alice/a.txt');
      if (isLook(call) && file?.bytes.toString() === 'right') {
        house.nas.put('alice/a.txt', 'wrong');
      }
      return null;
    };
    await house.deliver();
    assert.equal(house.nas.count('complete'), 4);
    assert.deepEqual(house.states(), ['failed']);
    assert.equal(house.onDisk().length, 1);
    house.nas.trouble = () => null;
    house.nas.files.clear();
    const [row] = listOf();
    assert.equal(house.upload.retry(ALICE, row?.id ?? '').kind, 'done');
    await house.flushed();
    assert.deepEqual(house.states(), ['synced']);
  });

  it('mends a file that arrived broken once', async () => {
    await house.send('alice', 'a.txt', 'right');
    let broken = false;
    house.nas.trouble = (call) => {
      const file = house.nas.files.get('alice/a.txt');
      if (isLook(call) && file !== undefined && !broken) {
        broken = true;
        house.nas.put('alice/a.txt', 'righ');
      }
      return null;
    };
    await house.deliver();
    assert.equal(house.nas.text('alice/a.txt'), 'right');
    assert.deepEqual(house.states(), ['synced']);
    assert.equal(house.nas.files.size, 1);
  });

  for (const status of [400, 403, 404, 413, 422]) {
    it(`keeps the bytes and says why after a refusal with ${status}`, async () => {
      await house.send('alice', 'a.txt', 'x');
      house.nas.trouble = (call) =>
        call.startsWith('init') ? json(status, { detail: 'no' }) : null;
      await house.deliver();
      const [row] = listOf();
      assert.equal(row?.state, 'failed');
      assert.match(row?.detail ?? '', new RegExp(`${status}: no`));
      assert.equal(house.onDisk().length, 1);
    });
  }

  it('queues a failed upload again when its sender sends it again', async () => {
    const first = await house.send('alice', 'a.txt', 'x');
    house.nas.trouble = (call) => (call.startsWith('init') ? json(403, {}) : null);
    await house.deliver();
    house.presence.set(false);
    house.nas.trouble = () => null;
    const again = await house.send('alice', 'a.txt', 'x');
    assert.equal(again.body['id'], first.body['id']);
    await house.deliver();
    assert.deepEqual(house.states(), ['synced']);
  });

  for (const [what, answered] of [
    ['429', json(429, { detail: 'slow down', retry_after: 60 })],
    ['a 503 page of its proxy', { kind: 'bad_answer', status: 503 }],
  ] as const) {
    it(`leaves the NAS alone for a while after ${what}`, async () => {
      await house.send('alice', 'a.txt', 'x');
      await house.send('alice', 'b.txt', 'y');
      let busy = true;
      house.nas.trouble = (call) => (busy && call.startsWith('init') ? answered : null);
      await house.deliver();
      const calls = house.nas.calls.length;
      assert.deepEqual(house.states(), ['waiting', 'queued']);
      await house.flushed();
      await house.flushed();
      assert.equal(house.nas.calls.length, calls);
      busy = false;
      await house.clock.advance(70_000);
      await house.flushed();
      assert.deepEqual(house.states(), ['synced', 'synced']);
    });
  }

  it('leaves the NAS alone for an hour at most, whatever it asks for', async () => {
    await house.send('alice', 'a.txt', 'x');
    let busy = true;
    const forever = json(429, { detail: 'slow down', retry_after: 1_000_000_000 });
    house.nas.trouble = (call) => (busy && call.startsWith('init') ? forever : null);
    await house.deliver();
    assert.deepEqual(house.states(), ['waiting']);
    busy = false;
    await house.clock.advance(3_600_000);
    await house.flushed();
    assert.deepEqual(house.states(), ['synced']);
  });

  it('pauses the whole queue when the NAS is full', async () => {
    await house.send('alice', 'a.txt', 'x');
    await house.send('alice', 'b.txt', 'y');
    house.nas.trouble = (call) => (call.startsWith('init') ? json(507, {}) : null);
    await house.deliver();
    assert.deepEqual(house.states(), ['waiting', 'queued']);
    assert.equal(house.nas.count('init'), 1);
    assert.match(listOf().at(-1)?.detail ?? '', /no room/);
  });

  it('tries at once what somebody wants tried, though the queue pauses', async () => {
    const { body } = await house.send('alice', 'a.txt', 'x');
    await house.send('alice', 'b.txt', 'y');
    house.nas.trouble = (call) => (call.startsWith('init') ? json(507, {}) : null);
    await house.deliver();
    assert.deepEqual(house.states(), ['waiting', 'queued']);
    house.nas.trouble = () => null;
    await house.flushed();
    assert.deepEqual(house.states(), ['waiting', 'queued']);
    assert.equal(house.upload.retry(ALICE, String(body['id'])).kind, 'done');
    await house.flushed();
    assert.deepEqual(house.states(), ['synced', 'synced']);
  });

  it('leaves a NAS alone that asks for it, whatever somebody wants tried', async () => {
    const { body } = await house.send('alice', 'a.txt', 'x');
    let busy = true;
    const answered = json(429, { detail: 'slow down', retry_after: 60 });
    house.nas.trouble = (call) => (busy && call.startsWith('init') ? answered : null);
    await house.deliver();
    busy = false;
    house.upload.retry(ALICE, String(body['id']));
    await house.flushed();
    assert.deepEqual(house.states(), ['queued']);
    await house.clock.advance(70_000);
    await house.flushed();
    assert.deepEqual(house.states(), ['synced']);
  });

  it('tries a row in trouble again after a backoff, and others meanwhile', async () => {
    await house.send('alice', 'a.txt', 'x');
    await house.send('alice', 'b.txt', 'y');
    let trouble = true;
    house.nas.trouble = (call) => (trouble && call === 'init alice/a.txt' ? json(500, {}) : null);
    await house.deliver();
    assert.deepEqual(house.states(), ['waiting', 'synced']);
    assert.notEqual(listOf().at(-1)?.next_attempt_at, null);
    trouble = false;
    await house.clock.advance(20_000);
    await house.flushed();
    assert.deepEqual(house.states(), ['synced', 'synced']);
  });

  it('lets no version overtake the one before it while that waits', async () => {
    await house.send('alice', 'a.txt', 'one');
    await house.send('alice', 'a.txt', 'two');
    await house.send('alice/v1.2', 'b.txt', 'undecided');
    await house.send('alice', 'v1.2', 'after it');
    await house.send('alice/v1.2', 'v1.2', 'free to go');
    let trouble = true;
    house.nas.trouble = (call) =>
      trouble && (call === 'init alice/a.txt' || call === 'init alice/v1.2') ? json(500, {}) : null;
    await house.deliver();
    await house.flushed();
    assert.deepEqual(house.states().slice(0, 4), ['waiting', 'queued', 'waiting', 'queued']);
    trouble = false;
    await house.clock.advance(30_000);
    await house.flushed();
    assert.deepEqual(house.nas.published.get('alice/a.txt'), ['one', 'two']);
    assert.equal(house.nas.text('alice/v1.2'), 'undecided');
  });

  it('waits for a credential of its own user, never using another’s', async () => {
    house.tokens.delete(2);
    house.who = BOB;
    await house.send('bob', 'b.txt', 'bobs');
    house.who = ALICE;
    await house.send('alice', 'a.txt', 'alices');
    await house.deliver();
    assert.equal(house.nas.files.has('bob/b.txt'), false);
    assert.deepEqual(house.states(BOB), ['waiting_for_credential']);
    assert.deepEqual(house.states(ALICE), ['synced']);
    const status = house.upload.view.status(BOB, false);
    assert.deepEqual(status.kind === 'status' && status.status.waiting_for_credential, ['bob']);
    house.tokens.set(2, 'token-bob');
    house.upload.credentialArrived(2);
    await house.flushed();
    assert.equal(house.nas.files.get('bob/b.txt')?.ownerId, 'bob');
  });

  it('gives a refused credential back and goes on with another', async () => {
    await house.send('alice', 'a.txt', 'x');
    house.nas.deadTokens.add('token-alice');
    await house.deliver();
    assert.deepEqual(house.refusedTokens, ['token-alice']);
    assert.deepEqual(house.states(), ['waiting_for_credential']);
    house.tokens.set(1, 'token-alice2');
    await house.flushed();
    assert.deepEqual(house.states(), ['synced']);
  });

  it('begins by itself when the NAS wakes, and when an upload comes while it is awake', async () => {
    await house.send('alice', 'a.txt', 'x');
    house.presence.set(true);
    await house.clock.advance(5_000);
    await house.flushed();
    await house.send('alice', 'b.txt', 'y');
    await house.flushed();
    assert.deepEqual(house.states(), ['synced', 'synced']);
  });

  it('says when it is of use, and delivers nothing that nobody asks it to', async () => {
    house.hasFlow = false;
    let due = 0;
    const stop = house.upload.onDue(() => {
      due += 1;
    });
    await house.send('alice', 'a.txt', 'x');
    assert.equal(due, 1, 'an upload came in');
    house.presence.set(true);
    assert.equal(due, 2, 'the NAS woke');
    await house.clock.advance(86_400_000);
    assert.deepEqual(house.states(), ['queued']);
    stop();
    await house.send('alice', 'b.txt', 'y');
    assert.equal(due, 2);
    await house.flushed();
    assert.deepEqual(house.states(), ['synced', 'synced']);
  });

  it('ends in the middle when the NAS goes, and loses nothing', async () => {
    await house.send('alice', 'a.txt', 'x'.repeat(300));
    await house.send('alice', 'b.txt', 'y');
    house.nas.trouble = (call) => {
      if (call === 'chunk 2') house.presence.set(false);
      return call === 'chunk 2' ? gone() : null;
    };
    await house.deliver();
    assert.deepEqual(house.states(), ['waiting', 'queued']);
    house.nas.trouble = () => null;
    await house.deliver();
    assert.deepEqual(house.states(), ['synced', 'synced']);
    assert.deepEqual([...house.nas.published.values()].flat().length, 2);
  });

  it('counts and tells of an upload whose file is lost', async () => {
    const { body } = await house.send('alice', 'a.txt', 'x');
    await house.parts.disk.remove(`${house.queueFolder}/${String(body['id'])}`);
    await house.deliver();
    assert.deepEqual(house.states(), ['failed']);
    assert.equal(house.upload.lostUploads(), 1);
    assert.equal(house.upload.retry(ALICE, String(body['id'])).kind, 'refused');
    assert.ok(house.log.lines.some((line) => /lost its file/.test(line)));
  });

  it('writes every attempt down and forgets it after 90 days', async () => {
    await house.send('alice', 'a.txt', 'x');
    let first = true;
    house.nas.trouble = (call) => {
      if (!first || !call.startsWith('init')) return null;
      first = false;
      return json(500, {});
    };
    await house.deliver();
    await house.clock.advance(20_000);
    await house.flushed();
    const outcomes = (): unknown[] =>
      house.data.queue
        .prepare('SELECT outcome FROM sync_log ORDER BY id')
        .all()
        .map((row) => row['outcome']);
    assert.deepEqual(outcomes(), ['waiting', 'synced']);
    await house.clock.advance(91 * 86_400_000);
    await house.flushed();
    assert.deepEqual(outcomes(), []);
    assert.deepEqual(house.states(), []);
  });

  it('forgets nothing for its age before the time is proved', async () => {
    house.isClockProved = false;
    await house.send('alice', 'a.txt', 'x');
    await house.deliver();
    for (let day = 0; day < 3; day += 1) {
      await house.clock.advance(91 * 86_400_000);
      await house.flushed();
    }
    const attempts = (): unknown =>
      house.data.queue.prepare('SELECT count(*) AS n FROM sync_log').get()?.['n'];
    assert.equal(attempts(), 1);
    house.isClockProved = true;
    await house.flushed();
    await house.clock.advance(86_400_000);
    await house.flushed();
    assert.equal(attempts(), 0);
  });

  function listOf(): readonly {
    id: string;
    state: string;
    detail: string | null;
    next_attempt_at: string | null;
  }[] {
    const listed = house.upload.view.list(ALICE, null);
    return listed.kind === 'uploads' ? listed.uploads : [];
  }

  function listFrom(path: string, listedAtMs = house.clock.nowMs()): void {
    const item = house.nas.item(path);
    assert.ok(item);
    house.listed.set(`1 ${path}`, {
      kind: 'file',
      sizeBytes: item.size,
      modifiedAt: item.modified_at,
      checksum: item.checksum,
      listedAtMs,
    });
  }
});
