import assert from 'node:assert/strict';
import type { ManualClock } from '../fakes/manual-clock.ts';
import type { NasCaller, Reply } from './contract/nas-under-test.ts';
import type { PracticeNasOptions } from './nas/options.ts';
import type { PracticeNas } from './nas/practice-nas.ts';
import { seedDemo } from './nas/seed-demo.ts';
import { account, PracticeBench } from './practice-bench.ts';

describe('the practice NAS', () => {
  let bench: PracticeBench | null = null;
  let clock: ManualClock;
  let nas: PracticeNas;
  let caller: NasCaller;
  let alice: string;

  async function start(options: PracticeNasOptions = {}): Promise<void> {
    bench = await PracticeBench.start(options);
    ({ clock, nas, caller, alice } = bench);
  }

  function get(path: string, headers: Record<string, string> = {}): Promise<Reply> {
    return bench?.get(path, headers) ?? assert.fail('not started');
  }

  afterEach(async () => {
    await bench?.stop();
  });

  describe('accounts', () => {
    it('lets an inactive user sign in, and refuses that token and key in two texts', async () => {
      await start();
      const key = nas.accounts.apiKey('bob');
      nas.deactivate('bob');
      const login = await caller.call('POST /api/auth/login', { json: account('bob') });
      assert.equal(login.status, 200);
      const body = login.body as { access_token: string; user: { is_active: boolean } };
      assert.equal(body.user.is_active, false);
      const me = await caller.call('GET /api/auth/me', { token: body.access_token });
      assert.equal(me.status, 401);
      assert.deepEqual(me.body, { detail: 'User account is inactive' });
      const byKey = await caller.call('GET /api/auth/me', { token: key });
      assert.deepEqual(byKey.body, { detail: 'API key target user inactive' });
    });

    it('answers a second factor with 200 and a pending token', async () => {
      await start();
      const login = await caller.call('POST /api/auth/login', { json: account('dora') });
      assert.equal(login.status, 200);
      const body = login.body as { requires_2fa: boolean; pending_token: string };
      assert.deepEqual(Object.keys(body), ['requires_2fa', 'pending_token', 'token_type']);
      const verify = (code: string): Promise<Reply> =>
        caller.call('POST /api/auth/verify-2fa', { json: { ...body, code } });
      assert.deepEqual((await verify('000000')).body, { detail: 'Invalid 2FA code' });
      assert.equal((await verify('246810')).status, 200);
      await clock.advance(5 * 60_000);
      assert.equal((await verify('246810')).status, 401);
    });

    it('ends an access token after 15 minutes of its clock', async () => {
      await start();
      await clock.advance(15 * 60_000 - 1000);
      assert.equal((await get('/api/auth/me')).status, 200);
      await clock.advance(1000);
      assert.deepEqual((await get('/api/auth/me')).body, {
        detail: 'Could not validate credentials',
      });
    });
  });

  describe('control', () => {
    it('says what it is and answers while it sleeps', async () => {
      await start();
      assert.match((await caller.call('GET /')).text, /practice NAS/);
      const asleep = await caller.call('POST /practice/sleep');
      assert.deepEqual([asleep.status, nas.sleepState], [200, 'true_suspend']);
      assert.equal((asleep.body as { practice: boolean }).practice, true);
      await assert.rejects(get('/api/health'));
      await caller.call('POST /practice/wake');
      assert.equal(nas.sleepState, 'awake');
      await caller.call('POST /practice/sleep', { json: { mode: 'soft' } });
      await caller.call('GET /practice/tree');
      assert.equal(nas.sleepState, 'soft_sleep');
    });

    it('shows requests without their tokens and counts nothing of its own', async () => {
      await start();
      await caller.call('POST /practice/requests/reset');
      await get('/api/auth/me', { 'x-sync-trigger': 'auto' });
      const shown = await caller.call('GET /practice/requests');
      const { requests } = shown.body as {
        requests: { url: string; user: string; headers: Record<string, string> }[];
      };
      assert.equal(requests.length, 1);
      assert.equal(requests[0]?.user, 'alice');
      assert.equal(requests[0].headers['x-sync-trigger'], 'auto');
      assert.ok(!shown.text.includes(alice));
    });

    it('has no control routes when told so', async () => {
      await start({ control: false });
      assert.equal((await caller.call('GET /practice/tree')).status, 404);
    });
  });

  it('shows a file that came over Samba without owner, id and checksum', async () => {
    await start();
    await nas.putFile('alice/samba.txt', Buffer.from('x'));
    const row = await caller.row(alice, 'alice/samba.txt');
    assert.deepEqual([row?.owner_id, row?.file_id, row?.checksum], [null, null, null]);
    assert.equal((await get('/api/files/download/alice/samba.txt')).status, 200);
  });

  it('lets a share end by its clock', async () => {
    await start();
    await nas.putFile('alice/docs/a.txt', Buffer.from('x'), 'alice');
    nas.share('alice/docs', 'bob', {}, clock.nowMs() + 60_000);
    const bob = nas.accounts.accessToken('bob');
    assert.equal((await caller.download(bob, 'alice/docs/a.txt')).status, 200);
    await clock.advance(60_000);
    assert.equal((await caller.download(bob, 'alice/docs/a.txt')).status, 403);
  });

  it('seeds the demo with the same valid files each time', async () => {
    await start();
    await seedDemo(nas);
    const first = await nas.tree();
    await seedDemo(nas);
    const second = await nas.tree();
    const hashes = (files: typeof first): string[] => files.map((file) => file.path + file.sha256);
    assert.deepEqual(hashes(second), hashes(first));
    assert.equal(first.find((file) => file.path.endsWith('.mp4'))?.size, 12 * 1024 * 1024);
    const photo = await get('/api/files/download/alice/Photos/IMG_0001.png');
    assert.equal(photo.bytes.subarray(1, 4).toString(), 'PNG');
    const photos = first.filter((file) => file.path.endsWith('.png'));
    assert.ok(photos.every((file) => file.size > 20_000 && file.size < 2.1e6));
    const bobs = await caller.list(nas.accounts.accessToken('bob'), 'Shared with me');
    assert.equal(bobs.length, 1);
  });
});
