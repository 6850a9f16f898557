import assert from 'node:assert/strict';
import {
  wireListing,
  listingHeaders,
  nameOf,
  type Listing,
} from '../../../nodes/lib/files/files.ts';
import type { Caller } from '../../../nodes/lib/accounts/caller.ts';
import type { NasFileItem } from '../../../nodes/lib/nas/nas-client.ts';
import { FilesBench } from './files-bench.ts';

/** A file as the NAS describes it when asked for that name alone. */
function delivered(path: string, size: number): NasFileItem {
  return {
    name: nameOf(path),
    path,
    size,
    type: 'file',
    modified_at: '2026-11-24T09:10:00Z',
    owner_id: null,
    owner_name: null,
    mime_type: null,
    file_id: null,
    checksum: null,
    can_read: null,
    can_write: null,
    can_delete: null,
  };
}

describe('Files', () => {
  let bench: FilesBench;

  beforeEach(() => {
    bench = new FilesBench();
    bench.nas.put('alice/a.txt', 'hello');
    bench.nas.put('alice/docs/b.txt', 'bye');
    bench.nas.put('Shared/s.txt', 'all');
    bench.nas.put('bob/secret.txt', 'mine');
  });

  afterEach(() => {
    bench.close();
  });

  async function listing(caller: Caller, path: string): Promise<Listing> {
    const outcome = await bench.files.list(caller, path);
    assert.equal(outcome.kind, 'listing');
    return outcome.listing;
  }

  async function names(caller: Caller, path: string): Promise<string[]> {
    return (await listing(caller, path)).items.map((item) => item.name);
  }

  async function located(caller: Caller, raw: string): Promise<string> {
    const outcome = await bench.files.locate(caller, raw);
    return outcome.kind === 'located' ? `${outcome.file.known} ${outcome.file.path}` : outcome.kind;
  }

  it('asks the NAS once in 10 s for one user and folder, and once for callers at a time', async () => {
    await Promise.all([names(bench.alice, 'alice'), names(bench.alice, '/alice/')]);
    assert.deepEqual(await names(bench.alice, 'alice'), ['docs', 'a.txt']);
    assert.equal(bench.nas.count('list token-4 alice'), 1);
    await bench.nextListing();
    await names(bench.alice, 'alice');
    assert.equal(bench.nas.count('list token-4 alice'), 2);
  });

  it('serves the stored listing with its age while the NAS sleeps, over a restart too', async () => {
    await names(bench.alice, 'alice');
    await bench.clock.advance(125_000);
    bench.awake = false;
    bench.reopened();
    const stored = await listing(bench.alice, 'alice');
    assert.equal(stored.source, 'stored');
    assert.deepEqual(listingHeaders(stored), { 'X-Balupi-Cache': 'stale', Age: '125' });
    assert.deepEqual(
      stored.items.map((item) => item.name),
      ['docs', 'a.txt'],
    );
  });

  it('shows what was delivered since a folder was listed, before the NAS lists it again', async () => {
    await names(bench.alice, 'alice');
    bench.files.delivered(4, delivered('alice/new.txt', 5));
    bench.files.delivered(4, delivered('alice/a.txt', 9));
    assert.deepEqual(await names(bench.alice, 'alice'), ['docs', 'a.txt', 'new.txt']);
    bench.awake = false;
    bench.reopened();
    const { items, source } = await listing(bench.alice, 'alice');
    assert.equal(source, 'stored');
    assert.deepEqual(
      items.map(({ name, sizeBytes }) => [name, sizeBytes]),
      [
        ['docs', 0],
        ['a.txt', 9],
        ['new.txt', 5],
      ],
    );
    assert.equal(await located(bench.alice, 'alice/new.txt'), 'stored alice/new.txt');
    assert.equal(await located(bench.bob, 'alice/new.txt'), 'not_found');
  });

  it('takes the next answer of the NAS over what it was told of deliveries', async () => {
    await names(bench.alice, 'alice');
    bench.files.delivered(4, delivered('alice/new.txt', 5));
    await bench.nextListing();
    assert.deepEqual(await names(bench.alice, 'alice'), ['docs', 'a.txt']);
  });

  it('does not lose a delivery to an answer that was asked for before it', async () => {
    bench.nas.beforeListing = () => {
      bench.nas.beforeListing = () => Promise.resolve();
      bench.files.delivered(4, delivered('alice/new.txt', 5));
      bench.files.delivered(5, delivered('alice/foreign.txt', 5));
      return Promise.resolve();
    };
    assert.deepEqual(await names(bench.alice, 'alice'), ['docs', 'a.txt', 'new.txt']);
    bench.awake = false;
    assert.equal(await located(bench.alice, 'alice/new.txt'), 'stored alice/new.txt');
    bench.awake = true;
    await names(bench.alice, 'alice');
    assert.equal(bench.nas.count('list token-4 alice'), 2);
  });

  it('knows a folder that a delivery made, and does not invent what else is in it', async () => {
    await names(bench.alice, 'alice');
    bench.files.delivered(4, delivered('alice/docs/2026/11/new.txt', 5));
    bench.files.delivered(4, delivered('alice/phone/11/new.txt', 5));
    bench.awake = false;
    assert.deepEqual(await names(bench.alice, 'alice'), ['docs', 'phone', 'a.txt']);
    assert.deepEqual(await names(bench.alice, 'alice/phone'), ['11']);
    assert.deepEqual(await names(bench.alice, 'alice/phone/11'), ['new.txt']);
    assert.equal((await bench.files.list(bench.alice, 'alice/docs')).kind, 'asleep');
    const inside = 'alice/docs/2026/11/new.txt';
    assert.equal(await located(bench.alice, inside), `unlisted ${inside}`);
    const wanted = 'alice/phone/11/new.txt';
    assert.equal(await located(bench.alice, wanted), `stored ${wanted}`);
    assert.equal(await located(bench.alice, 'alice/fax/new.txt'), 'not_found');
  });

  it('shows a delivery to all who may see it, and takes nothing of it for what they had', async () => {
    for (const who of [bench.alice, bench.bob]) await names(who, 'Shared');
    bench.files.delivered(4, delivered('Shared/s.txt', 7));
    bench.files.delivered(4, delivered('Shared/new/t.txt', 8));
    bench.awake = false;
    const shown = (path: string): string => bench.files.entryShown(5, path).kind;
    assert.deepEqual(['Shared/s.txt', 'Shared/new/t.txt'].map(shown), ['absent', 'absent']);
    assert.equal(bench.files.entryShown(4, 'Shared/s.txt').kind, 'item');
    assert.equal(await located(bench.bob, 'Shared/s.txt'), 'stored Shared/s.txt');
    assert.deepEqual(await names(bench.bob, 'Shared'), ['new', 's.txt']);
    assert.deepEqual(await names(bench.bob, 'Shared/new'), ['t.txt']);
    assert.deepEqual(['Shared/s.txt', 'Shared/new/t.txt'].map(shown), ['item', 'item']);
  });

  it('asks again for a folder listed as empty once something was delivered into it', async () => {
    assert.deepEqual(await names(bench.alice, 'alice/made/deep'), []);
    bench.nas.put('alice/made/deep/new.txt', 'there');
    bench.files.delivered(4, delivered('alice/made/deep/new.txt', 5));
    assert.deepEqual(await names(bench.alice, 'alice/made/deep'), ['new.txt']);
    assert.equal(
      await located(bench.alice, 'alice/made/deep/new.txt'),
      'fresh alice/made/deep/new.txt',
    );
  });

  it('puts no stranger into the root, which is the NAS to fill', async () => {
    await names(bench.alice, '');
    bench.files.delivered(4, delivered('bob/lent/new.txt', 5));
    bench.awake = false;
    assert.deepEqual(await names(bench.alice, ''), ['alice', 'Shared']);
  });

  it('goes on as asleep when a call finds the NAS gone', async () => {
    await names(bench.alice, 'alice');
    await bench.nextListing();
    bench.nas.gone = true;
    assert.equal((await listing(bench.alice, 'alice')).source, 'stored');
    assert.equal((await bench.files.list(bench.alice, 'alice/docs')).kind, 'asleep');
  });

  it('finds a file by what is kept when the NAS takes the question and does not answer', async () => {
    await names(bench.alice, 'alice');
    await bench.nextListing();
    const answer = Promise.withResolvers<undefined>();
    bench.nas.beforeListing = () => answer.promise;
    const first = located(bench.alice, 'alice/a.txt');
    await bench.clock.advance(2_000);
    assert.equal(await first, 'stored alice/a.txt');
    const next = located(bench.alice, 'alice/a.txt');
    await bench.clock.advance(200);
    assert.equal(await next, 'stored alice/a.txt');
    assert.equal(bench.nas.count('list token-4 alice'), 2);
    answer.resolve(undefined);
    assert.equal(await located(bench.alice, 'alice/a.txt'), 'fresh alice/a.txt');
  });

  it('finds a kept file of a folder never listed when the NAS does not answer', async () => {
    const answer = Promise.withResolvers<undefined>();
    bench.nas.beforeListing = () => answer.promise;
    bench.kept.add('alice/docs/b.txt');
    const file = located(bench.alice, 'alice/docs/b.txt');
    await bench.clock.advance(2_000);
    assert.equal(await file, 'unlisted alice/docs/b.txt');
    answer.resolve(undefined);
    assert.equal(await located(bench.alice, 'alice/docs/b.txt'), 'fresh alice/docs/b.txt');
  });

  it('goes on as asleep when the NAS takes long to give a token and the file is kept', async () => {
    await names(bench.alice, 'alice');
    await bench.nextListing();
    const given = Promise.withResolvers<string | null>();
    bench.tokenOf = () => given.promise;
    const away = { ...bench.alice, nasToken: null };
    bench.kept.add('alice/a.txt');
    const kept = located(away, 'alice/a.txt');
    const other = located(away, 'alice/docs/b.txt');
    await bench.clock.advance(2_000);
    assert.equal(await kept, 'stored alice/a.txt');
    given.resolve('token-4');
    assert.equal(await other, 'fresh alice/docs/b.txt');
  });

  it('waits for the NAS where it kept nothing, and for the folder somebody opens', async () => {
    await names(bench.alice, 'alice');
    await bench.nextListing();
    const answer = Promise.withResolvers<undefined>();
    bench.nas.beforeListing = () => answer.promise;
    const file = located(bench.alice, 'alice/docs/b.txt');
    const folder = listing(bench.alice, 'alice');
    await bench.clock.advance(5_000);
    answer.resolve(undefined);
    assert.equal(await file, 'fresh alice/docs/b.txt');
    assert.equal((await folder).source, 'fresh');
  });

  it('goes on as asleep when the NAS goes while it is asked for a token', async () => {
    await names(bench.alice, 'alice');
    bench.tokenOf = () => {
      bench.awake = false;
      return Promise.resolve(null);
    };
    assert.equal(await located(bench.alice, 'alice/a.txt'), 'stored alice/a.txt');
  });

  it('goes on as asleep when a stored credential gives no token now, and asks for one where there is none', async () => {
    await names(bench.alice, 'alice');
    await bench.nextListing();
    bench.tokenOf = () => Promise.resolve(null);
    const away = { ...bench.alice, nasToken: null };
    assert.equal(await located(away, 'alice/a.txt'), 'needs_nas_token');
    bench.holdsCredential = true;
    assert.equal(await located(away, 'alice/a.txt'), 'stored alice/a.txt');
    assert.equal((await listing(away, 'alice')).source, 'stored');
  });

  it('tells never listed from not there while the NAS sleeps', async () => {
    await names(bench.alice, 'alice');
    bench.awake = false;
    assert.equal((await bench.files.list(bench.alice, 'alice/docs')).kind, 'asleep');
    assert.equal((await bench.files.list(bench.alice, 'alice/nope')).kind, 'not_found');
    assert.equal((await bench.files.list(bench.alice, 'alice/nope/deep')).kind, 'not_found');
    assert.equal((await bench.files.list(bench.alice, 'Shared')).kind, 'asleep');
    assert.equal(await located(bench.alice, 'alice/nope.txt'), 'not_found');
    assert.equal(await located(bench.alice, 'alice/a.txt'), 'stored alice/a.txt');
    assert.equal(await located(bench.alice, 'alice/docs/b.txt'), 'unlisted alice/docs/b.txt');
  });

  it('gives an unknown folder as empty while awake and does not store it', async () => {
    assert.deepEqual(await names(bench.alice, 'alice/nope'), []);
    bench.nas.folders.add('alice/empty');
    await bench.nextListing();
    assert.deepEqual(await names(bench.alice, 'alice/empty'), []);
    bench.awake = false;
    assert.equal((await bench.files.list(bench.alice, 'alice/nope')).kind, 'not_found');
    assert.equal((await bench.files.list(bench.alice, 'alice/empty')).kind, 'listing');
  });

  it('answers not_found outside, awake and asleep, without asking for the path', async () => {
    for (const awake of [true, false]) {
      bench.awake = awake;
      for (const path of ['bob', 'bob/secret.txt', 'carol', 'Alice', 'sharedx']) {
        assert.equal((await bench.files.list(bench.alice, path)).kind, 'not_found', path);
        assert.equal(await located(bench.alice, path), 'not_found');
      }
    }
    assert.equal(bench.nas.count('list'), 0);
    assert.equal(bench.nas.count('download'), 0);
  });

  it('hides what belongs to somebody else in one’s own home', async () => {
    bench.nas.put('alice/foreign.txt', 'x', { ownerId: '1' });
    assert.deepEqual(await names(bench.alice, 'alice'), ['docs', 'a.txt']);
    assert.equal(await located(bench.alice, 'alice/foreign.txt'), 'not_found');
    assert.equal(await located(bench.admin, 'alice/foreign.txt'), 'fresh alice/foreign.txt');
  });

  it('refuses bad paths before anything else', async () => {
    assert.equal((await bench.files.list(bench.alice, 'alice/../bob')).kind, 'bad_path');
    assert.equal((await bench.files.locate(bench.alice, 'alice/..%2fbob')).kind, 'bad_path');
    assert.deepEqual(bench.nas.calls, []);
  });

  it('tells accounts of a refused token, once and with no stored answer', async () => {
    bench.nas.users.delete('token-4');
    assert.equal((await bench.files.list(bench.alice, 'alice')).kind, 'token_refused');
    assert.ok(bench.refused.includes('token-4'));
  });

  it('wants a NAS token from a Pi session once the NAS is awake', async () => {
    const pi: Caller = { ...bench.alice, kind: 'pi', nasToken: null };
    assert.equal((await bench.files.list(pi, 'alice')).kind, 'needs_nas_token');
    assert.equal((await bench.files.list(pi, 'bob')).kind, 'not_found');
    assert.equal((await bench.files.locate(pi, 'alice/a.txt')).kind, 'needs_nas_token');
  });

  it('reports nonsense and a busy NAS as such, but keeps serving what it has when busy', async () => {
    for (const status of [200, 204]) {
      bench.nas.listings.push({ kind: 'bad_answer', status });
      assert.equal((await bench.files.list(bench.alice, 'alice')).kind, 'nas_bad_answer');
    }
    bench.nas.listings.push({ kind: 'refused', status: 429 });
    assert.equal((await bench.files.list(bench.alice, 'alice')).kind, 'nas_busy');
    await names(bench.alice, 'alice');
    await bench.nextListing();
    bench.nas.listings.push({ kind: 'refused', status: 429 });
    assert.equal((await listing(bench.alice, 'alice')).source, 'stored');
  });

  it('knows a busy NAS by the page of its proxy too', async () => {
    const page = { kind: 'bad_answer', status: 429 } as const;
    bench.nas.listings.push(page);
    assert.equal((await bench.files.list(bench.alice, 'alice')).kind, 'nas_busy');
    await names(bench.alice, 'alice');
    await bench.nextListing();
    bench.nas.listings.push(page);
    assert.equal((await listing(bench.alice, 'alice')).source, 'stored');
  });

  it('opens a shared folder to its user for 24 h without the NAS', async () => {
    bench.nas.shares.push({ path: 'alice/docs', isDirectory: true, toUserId: 5 });
    assert.deepEqual(await names(bench.bob, 'alice/docs'), ['b.txt']);
    assert.equal((await bench.files.list(bench.bob, 'alice')).kind, 'not_found');
    assert.equal(bench.files.grants.mayWrite(bench.bob.user, 'alice/docs/new.txt'), false);
    bench.awake = false;
    assert.deepEqual(await names(bench.bob, 'alice/docs'), ['b.txt']);
    await bench.clock.advance(24 * 3_600_000 + 1_000);
    assert.equal((await bench.files.list(bench.bob, 'alice/docs')).kind, 'not_found');
    assert.equal(await located(bench.bob, 'alice/docs/b.txt'), 'not_found');
  });

  it('ends a share at its own end, and a withdrawn one at the next refresh', async () => {
    bench.nas.shares.push(
      { path: 'alice/docs', isDirectory: true, toUserId: 5, canWrite: true },
      { path: 'alice/a.txt', isDirectory: false, toUserId: 5, expiresAt: '2026-02-22T15:00:00' },
    );
    assert.equal(await located(bench.bob, 'alice/a.txt'), 'fresh alice/a.txt');
    assert.equal(bench.files.grants.mayWrite(bench.bob.user, 'alice/docs/x'), true);
    bench.nas.shares = [];
    await bench.clock.advance(10 * 60_000 + 1);
    assert.equal(await located(bench.bob, 'alice/docs/b.txt'), 'not_found');
    assert.equal(bench.files.grants.mayWrite(bench.bob.user, 'alice/docs/x'), false);
    assert.equal(bench.nas.count('shares token-5'), 2);
  });

  it('knows a single shared file by a one-byte read, at most every 10 s', async () => {
    bench.nas.shares.push({ path: 'alice/a.txt', isDirectory: false, toUserId: 5 });
    const outcome = await bench.files.locate(bench.bob, 'alice/a.txt');
    assert.equal(outcome.kind, 'located');
    assert.equal(outcome.file.version?.sizeBytes, 5);
    assert.match(outcome.file.version.etag ?? '', /^"/);
    await located(bench.bob, 'alice/a.txt');
    assert.equal(bench.nas.count('download'), 1);
    assert.equal(bench.nas.count('list token-5 alice'), 0);
  });

  it('finds a file by the Pi’s id, the NAS’s id and each spelling of its path', async () => {
    bench.nas.put('alice/My Photos/a+b 1.jpg', 'x');
    bench.nas.put('alice/100%.txt', 'x');
    const [item] = (await listing(bench.alice, 'alice/docs')).items;
    assert.ok(item !== undefined && item.piId >= 1_000_000_000);
    assert.equal(await located(bench.alice, String(item.piId)), 'fresh alice/docs/b.txt');
    assert.equal(await located(bench.alice, '7'), 'fresh alice/docs/b.txt');
    assert.equal(await located(bench.bob, String(item.piId)), 'not_found');
    assert.equal(await located(bench.bob, '7'), 'not_found');
    const photo = 'fresh alice/My Photos/a+b 1.jpg';
    assert.equal(await located(bench.alice, 'alice%2FMy%20Photos%2Fa%2Bb%201.jpg'), photo);
    assert.equal(await located(bench.alice, 'alice/My Photos/a+b 1.jpg'), photo);
    assert.equal(await located(bench.alice, 'alice/100%.txt'), 'fresh alice/100%.txt');
  });

  it('takes + for a space only where no file has the plus in its name', async () => {
    bench.nas.put('alice/a b.txt', 'space');
    assert.equal(await located(bench.alice, 'alice%2Fa+b.txt'), 'fresh alice/a b.txt');
    bench.nas.put('alice/a+b.txt', 'plus');
    await bench.nextListing();
    assert.equal(await located(bench.alice, 'alice%2Fa+b.txt'), 'fresh alice/a+b.txt');
  });

  it('keeps a path’s id when the file changes, goes and comes back', async () => {
    const first = (await listing(bench.alice, 'alice')).items.at(-1)?.piId;
    bench.nas.files.delete('alice/a.txt');
    await bench.nextListing();
    assert.deepEqual(await names(bench.alice, 'alice'), ['docs']);
    bench.nas.put('alice/a.txt', 'again');
    await bench.nextListing();
    assert.equal((await listing(bench.alice, 'alice')).items.at(-1)?.piId, first);
  });

  it('forgets what a delete or a rename touched, for every user', async () => {
    await names(bench.alice, 'alice');
    await names(bench.alice, 'alice/docs');
    await names(bench.admin, 'alice');
    bench.nas.files.delete('alice/docs/b.txt');
    bench.nas.folders.delete('alice/docs');
    bench.files.forget('alice/docs');
    assert.deepEqual(await names(bench.alice, 'alice'), ['a.txt']);
    bench.awake = false;
    assert.deepEqual(await names(bench.admin, 'alice'), ['a.txt']);
    assert.equal((await bench.files.list(bench.alice, 'alice/docs')).kind, 'not_found');
  });

  it('does not take an answer from before a delete for a fresh one', async () => {
    bench.nas.beforeListing = () => {
      bench.nas.beforeListing = () => Promise.resolve();
      bench.nas.files.delete('alice/a.txt');
      bench.files.forget('alice/a.txt');
      return Promise.resolve();
    };
    await names(bench.alice, 'alice');
    assert.deepEqual(await names(bench.alice, 'alice'), ['docs']);
  });

  it('shows the folders that only the caller’s queue will make, level by level', async () => {
    await names(bench.alice, 'alice');
    const about = {
      uploadId: 'u1',
      seq: 1,
      sizeBytes: 9,
      sha256: 'c'.repeat(64),
      mimeType: null,
      file: '',
    };
    for (const [path, acceptedAtMs] of [
      ['alice/docs/c.txt', 1_000],
      ['alice/phone/2026/11/a.jpg', 2_000],
      ['alice/phone/2026/12/b.jpg', 3_000],
      ['alicette/x.txt', 4_000],
    ] as const) {
      bench.queued.push({ ...about, userId: 4, path, acceptedAtMs });
    }
    const shown = async (folder: string): Promise<unknown[]> =>
      wireListing(await listing(bench.alice, folder), () => false).files.map((file) => [
        file.name,
        file.type,
        file.sync_state ?? file.size,
      ]);
    for (const awake of [true, false]) {
      bench.awake = awake;
      assert.deepEqual(await shown('alice'), [
        ['docs', 'directory', 0],
        ['a.txt', 'file', 5],
        ['phone', 'directory', 'queued'],
      ]);
      assert.deepEqual(await shown('alice/phone'), [['2026', 'directory', 'queued']]);
      assert.deepEqual(await shown('alice/phone/2026'), [
        ['11', 'directory', 'queued'],
        ['12', 'directory', 'queued'],
      ]);
      assert.deepEqual(await shown('alice/phone/2026/12'), [['b.jpg', 'file', 'queued']]);
    }
    const { queued } = await listing(bench.alice, 'alice');
    assert.equal(queued[0]?.acceptedAtMs, 3_000);
    assert.equal((await bench.files.list(bench.bob, 'alice/phone')).kind, 'not_found');
    assert.equal((await bench.files.list(bench.alice, 'alice/fax')).kind, 'not_found');
  });

  it('shows the caller’s queued uploads, and nobody else’s, before the NAS has them', async () => {
    bench.queued.push({
      userId: 4,
      uploadId: 'u1',
      seq: 1,
      path: 'alice/a.txt',
      sizeBytes: 9,
      acceptedAtMs: Date.parse('2026-02-22T14:00:00Z'),
      sha256: 'f'.repeat(64),
      mimeType: null,
      file: 'x',
    });
    const wire = wireListing(await listing(bench.alice, 'alice'), () => false);
    const [, queued] = wire.files;
    assert.equal(wire.files.length, 2);
    assert.equal(queued?.sync_state, 'queued');
    assert.equal(queued.is_cached, true);
    assert.equal(queued.size, 9);
    assert.equal(queued.modified_at, '2026-02-22T14:00:00Z');
    assert.equal((await bench.files.locate(bench.alice, 'alice/a.txt')).kind, 'queued');
    assert.equal(await located(bench.admin, 'alice/a.txt'), 'fresh alice/a.txt');
  });

  it('shows checksums for all files of an answer or for none, and no null the apps choke on', async () => {
    const all = wireListing(await listing(bench.alice, 'alice'), (path) => path === 'alice/a.txt');
    const file = all.files.find((item) => item.type === 'file');
    assert.equal(file?.checksum?.length, 64);
    assert.equal(file.is_cached, true);
    assert.equal(file.relative_path, 'alice/a.txt');
    bench.nas.put('alice/samba.txt', 'x', { checksum: null, modifiedAt: '2026-01-01T00:00:00' });
    await bench.nextListing();
    const none = wireListing(await listing(bench.alice, 'alice'), () => false);
    for (const item of none.files) {
      assert.equal(item.checksum, null);
      assert.match(item.modified_at, /Z$/);
      for (const key of ['name', 'path', 'size', 'type', 'modified_at', 'owner_id'] as const) {
        assert.notEqual(item[key], null);
      }
    }
  });

  it('stores 10,000 items, writes only what changed, and pages through all of them', async () => {
    for (let index = 0; index < 10_000; index += 1) bench.nas.put(`alice/big/${index}.jpg`, 'x');
    assert.equal((await names(bench.alice, 'alice/big')).length, 10_000);
    bench.nas.files.delete('alice/big/17.jpg');
    bench.nas.put('alice/big/18.jpg', 'longer');
    await bench.nextListing();
    const items = (await listing(bench.alice, 'alice/big')).items;
    assert.equal(new Set(items.map((item) => item.path)).size, 9_999);
    assert.equal(items.find((item) => item.name === '18.jpg')?.sizeBytes, 6);
  });

  it('keeps names that differ in case, or only in normal form, apart', async () => {
    for (const name of ['A.txt', 'ä.txt', 'a\u0308.txt']) bench.nas.put(`alice/${name}`, name);
    const seen = await names(bench.alice, 'alice');
    for (const name of ['A.txt', 'a.txt', 'ä.txt', 'a\u0308.txt']) assert.ok(seen.includes(name));
  });

  it('looks again with a question begun after the call', async () => {
    await names(bench.alice, 'alice');
    bench.nas.put('alice/a.txt', 'changed!');
    const lazy = await bench.files.locator.relist(bench.alice, 'alice/a.txt', false);
    const forced = await bench.files.locator.relist(bench.alice, 'alice/a.txt', true);
    assert.equal(lazy.kind === 'version' ? lazy.version.sizeBytes : lazy.kind, 5);
    assert.equal(forced.kind === 'version' ? forced.version.sizeBytes : forced.kind, 8);
    bench.nas.files.delete('alice/a.txt');
    assert.equal((await bench.files.locator.relist(bench.alice, 'alice/a.txt', true)).kind, 'gone');
    bench.awake = false;
    assert.equal(
      (await bench.files.locator.relist(bench.alice, 'alice/a.txt', true)).kind,
      'unknown',
    );
  });
});
