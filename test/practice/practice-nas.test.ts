import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualClock } from '../fakes/manual-clock.ts';
import { callBy } from './contract/changes-contract.ts';
import { NasCaller, type Account, type Reply } from './contract/nas-under-test.ts';
import { PRACTICE_USERS, type PracticeNasOptions } from './nas/options.ts';
import { PracticeNas } from './nas/practice-nas.ts';
import { seedDemo } from './nas/seed-demo.ts';

const CHUNKED = '/api/files/upload/chunked';

function account(username: string): Account {
  const user = PRACTICE_USERS.find((one) => one.username === username);
  assert.ok(user);
  return { username, password: user.password };
}

function magicPacket(mac: string, password = ''): Buffer {
  const address = Buffer.from(mac.replaceAll(':', ''), 'hex');
  const sixteen = Array.from({ length: 16 }, () => address);
  return Buffer.concat([Buffer.alloc(6, 0xff), ...sixteen, Buffer.from(password, 'hex')]);
}

describe('the practice NAS', () => {
  let folder: string;
  let clock: ManualClock;
  let nas: PracticeNas;
  let caller: NasCaller;
  let alice: string;

  async function start(options: PracticeNasOptions = {}): Promise<void> {
    nas = new PracticeNas({ clock, storageFolder: folder, options });
    await nas.start();
    caller = new NasCaller({
      url: nas.url,
      admin: account('admin'),
      user: account('alice'),
      other: account('bob'),
    });
    alice = nas.accounts.accessToken('alice');
  }

  function get(path: string, headers: Record<string, string> = {}): Promise<Reply> {
    return caller.call(`GET ${path}`, { token: alice, headers });
  }

  async function sendPacket(payload: Buffer): Promise<void> {
    const socket = createSocket('udp4');
    const [host = '', port = ''] = nas.wakeAddress.split(':');
    const before = nas.magicPackets.length;
    await new Promise<void>((resolve, reject) => {
      socket.send(payload, Number(port), host, (error) => {
        if (error === null) resolve();
        else reject(error);
      });
    });
    socket.close();
    while (nas.magicPackets.length === before) await clock.advance(0);
    await clock.advance(0);
  }

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'practice-nas-'));
    clock = new ManualClock();
  });

  afterEach(async () => {
    await nas.stop();
    await rm(folder, { recursive: true, force: true });
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

  describe('sleep', () => {
    it('wakes from soft sleep for any request, even one it refuses, and for its health check', async () => {
      await start();
      for (const path of ['/api/health', '/api/files/list']) {
        await nas.sleep('soft');
        await caller.call(`GET ${path}`);
        assert.equal(nas.sleepState, 'awake', path);
      }
      assert.deepEqual(nas.wokenBy, ['GET /api/health', 'GET /api/files/list']);
    });

    it('sleeps on for preflight, status, info, and for what nobody waits for', async () => {
      await start();
      await nas.sleep('soft');
      const paths = ['/api/sync/preflight', '/api/system/sleep/status', '/api/system/info'];
      for (const path of paths) assert.equal((await get(path)).status, 200);
      for (const trigger of ['auto', 'scheduled', 'AUTO']) {
        assert.equal((await get('/api/auth/me', { 'x-sync-trigger': trigger })).status, 200);
      }
      assert.equal(nas.sleepState, 'soft_sleep');
      const preflight = (await get('/api/sync/preflight')).body as Record<string, unknown>;
      assert.equal(preflight['sync_allowed'], false);
      assert.equal(preflight['current_sleep_state'], 'soft_sleep');
      assert.equal(preflight['block_reason'], 'sleep_active');
    });

    it('refuses an automatic delta sync with 503 and without retry-after', async () => {
      await start();
      await nas.sleep('soft');
      const reply = await caller.call('POST /api/sync/changes', {
        token: alice,
        json: { device_id: 'x', file_list: [] },
        headers: { 'x-sync-trigger': 'auto' },
      });
      assert.equal(reply.status, 503);
      assert.equal(reply.headers.get('retry-after'), null);
      assert.deepEqual(reply.body, { detail: 'Internal server error' });
      assert.equal(nas.sleepState, 'soft_sleep');
    });

    it('answers nothing while suspended and wakes by a magic packet, with a password too', async () => {
      await start();
      for (const password of ['', '0102030405aa']) {
        await nas.sleep('suspend');
        await assert.rejects(get('/api/health'));
        await sendPacket(magicPacket('02:00:5e:00:53:99'));
        assert.equal(nas.sleepState, 'true_suspend');
        await sendPacket(magicPacket(nas.macAddress, password));
        assert.equal(nas.sleepState, 'awake');
        assert.equal((await get('/api/health')).status, 200);
      }
      assert.deepEqual(
        nas.magicPackets.map((packet) => packet.forUs),
        [false, true, false, true],
      );
    });

    it('takes its boot time before it answers again', async () => {
      await start({ bootMs: 20_000 });
      await nas.sleep('suspend');
      await sendPacket(magicPacket(nas.macAddress));
      await clock.advance(19_999);
      await assert.rejects(get('/api/health'));
      await clock.advance(1);
      assert.equal((await get('/api/health')).status, 200);
    });

    it('refuses connections or swallows requests when told so', async () => {
      await start({ silence: 'refused' });
      await nas.sleep('suspend');
      const socket = connect(Number(new URL(nas.url).port), '127.0.0.1');
      const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
      assert.equal(error.code, 'ECONNREFUSED');
      await nas.wake();
      assert.equal((await get('/api/health')).status, 200);
      await nas.stop();
      await start({ silence: 'blackholed' });
      await nas.sleep('suspend');
      await assert.rejects(
        fetch(`${nas.url}/api/health`, { signal: AbortSignal.timeout(50) }),
        /timeout/,
      );
    });

    it('keeps resumable uploads over a suspend and loses them in a restart', async () => {
      await start();
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      const body = { filename: 'a.bin', total_size: 2, target_path: 'alice' };
      const made = await callBy(agent, nas.url, alice, `POST ${CHUNKED}/init`, body);
      const id = (made.body as { upload_id: string }).upload_id;
      agent.destroy();
      await nas.sleep('suspend');
      await nas.wake();
      const chunk = (index: number): Promise<Reply> =>
        callBy(
          new Agent(),
          nas.url,
          alice,
          `POST ${CHUNKED}/${id}/chunk?chunk_index=${String(index)}`,
          Buffer.from('a'),
        );
      assert.equal((await chunk(0)).status, 200);
      nas.restart();
      assert.equal((await chunk(1)).status, 404);
    });
  });

  describe('workers and limits', () => {
    it('finds a resumable upload on its own connection and not on another', async () => {
      await start({ workers: 2 });
      const own = new Agent({ keepAlive: true, maxSockets: 1 });
      const second = new Agent({ keepAlive: true, maxSockets: 1 });
      const body = { filename: 'a.bin', total_size: 1, target_path: 'alice' };
      const made = await callBy(own, nas.url, alice, `POST ${CHUNKED}/init`, body);
      const id = (made.body as { upload_id: string }).upload_id;
      const line = `POST ${CHUNKED}/${id}/chunk?chunk_index=0`;
      const elsewhere = await callBy(second, nas.url, alice, line, Buffer.from('a'));
      assert.equal(elsewhere.status, 404);
      assert.equal((await callBy(own, nas.url, alice, line, Buffer.from('a'))).status, 200);
      own.destroy();
      second.destroy();
    });

    it('re-pools behind the proxy, whatever the connection', async () => {
      const picks = [0, 0.9];
      await start({ workers: 2, random: () => picks.shift() ?? 0 });
      const own = new Agent({ keepAlive: true, maxSockets: 1 });
      const body = { filename: 'a.bin', total_size: 1, target_path: 'alice' };
      const made = await callBy(own, nas.proxyUrl, alice, `POST ${CHUNKED}/init`, body);
      const id = (made.body as { upload_id: string }).upload_id;
      const line = `POST ${CHUNKED}/${id}/chunk?chunk_index=0`;
      assert.equal((await callBy(own, nas.proxyUrl, alice, line, Buffer.from('a'))).status, 404);
      assert.equal((await callBy(own, nas.proxyUrl, alice, line, Buffer.from('a'))).status, 200);
      own.destroy();
    });

    it('limits in production: users by their id, all API keys together by address', async () => {
      await start({ rateLimits: 'production' });
      const write = (token: string, path: string): Promise<Reply> =>
        caller.call('POST /api/files/mkdir', { token, json: { path } });
      const key = nas.accounts.apiKey('alice');
      const statuses: number[] = [];
      for (let time = 0; time < 32; time += 1) statuses.push((await write(key, 'alice/d')).status);
      assert.equal(statuses.filter((status) => status === 200).length, 30);
      const limited = await write(nas.accounts.apiKey('bob'), 'bob/d');
      assert.equal(limited.status, 429);
      assert.equal(limited.headers.get('retry-after'), '60');
      assert.equal(limited.headers.get('x-ratelimit-limit'), '<slowapi.wrappers.Limit object>');
      assert.deepEqual(limited.body, {
        error: 'Too Many Requests',
        detail: 'Rate limit exceeded. Please try again later.',
        retry_after: 60,
      });
      const own = await write(alice, 'alice/d');
      assert.equal(own.status, 200);
      assert.equal(own.headers.get('x-ratelimit-remaining'), '29');
      await clock.advance(60_000);
      assert.equal((await write(key, 'alice/d')).status, 200);
    });

    it('refuses with pages of its proxy when that limits', async () => {
      await start({ workers: 2, nginx: 'html_503' });
      const login = (): Promise<Response> =>
        fetch(`${nas.proxyUrl}/api/auth/login`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ username: 'alice', password: 'wrong' }),
        });
      const statuses: number[] = [];
      for (let time = 0; time < 7; time += 1) statuses.push((await login()).status);
      assert.deepEqual(statuses, [401, 401, 401, 401, 401, 401, 503]);
      nas.setNginxLimits('html_429');
      let page = await login();
      for (let time = 0; time < 3; time += 1) page = await login();
      assert.equal(page.status, 401);
      page = await login();
      assert.equal(page.status, 429);
      assert.equal(page.headers.get('content-type'), 'text/html');
      assert.match(await page.text(), /<center>nginx<\/center>/);
    });
  });

  describe('faults', () => {
    beforeEach(async () => {
      await start();
      await nas.putFile('alice/a.txt', Buffer.from('0123456789'), 'alice');
    });

    it('counts how often one strikes, on matching requests alone', async () => {
      nas.faults.set({ path: /^\/api\/files\//, status: 502, html: true, times: 1 });
      assert.equal((await get('/api/health')).status, 200);
      const broken = await get('/api/files/list?path=alice');
      assert.equal(broken.status, 502);
      assert.equal(broken.body, undefined);
      assert.equal((await get('/api/files/list?path=alice')).status, 200);
      assert.equal(nas.faults.pending, 0);
    });

    it('cuts an answer short although its length was promised', async () => {
      nas.faults.set({ cutAfterBytes: 4, times: 1 });
      await assert.rejects(get('/api/files/download/alice/a.txt'));
      assert.equal((await get('/api/files/download/alice/a.txt')).text, '0123456789');
    });

    it('does what it was asked and loses the answer', async () => {
      nas.faults.set({ path: /mkdir/, cutAfterBytes: 0, times: 1 });
      const json = { path: 'alice/made' };
      await assert.rejects(caller.call('POST /api/files/mkdir', { token: alice, json }));
      assert.ok(await caller.row(alice, 'alice/made'));
    });

    it('tears a read: right length, wrong second half', async () => {
      nas.faults.set({ tornRead: true, times: 1 });
      const reply = await get('/api/files/download/alice/a.txt');
      assert.equal(reply.status, 200);
      assert.equal(reply.bytes.length, 10);
      assert.equal(reply.text.slice(0, 5), '01234');
      assert.notEqual(reply.text.slice(5), '56789');
    });

    it('hides or falsifies checksums, and lies in preflight', async () => {
      const cancel = nas.faults.set({ missingChecksum: true });
      assert.equal((await caller.row(alice, 'alice/a.txt'))?.checksum, null);
      cancel();
      nas.faults.set({ staleChecksum: true });
      const hash = createHash('sha256').update('0123456789').digest('hex');
      const stale = (await caller.row(alice, 'alice/a.txt'))?.checksum ?? '';
      assert.match(stale, /^[0-9a-f]{64}$/);
      assert.notEqual(stale, hash);
      nas.faults.clear();
      nas.faults.set({ lyingPreflight: 'soft_sleep' });
      const told = (await get('/api/sync/preflight')).body as Record<string, unknown>;
      assert.equal(told['current_sleep_state'], 'soft_sleep');
    });

    it('waits and paces on its clock', async () => {
      nas.faults.set({ latencyMs: 1000, times: 1 });
      let done = false;
      const late = get('/api/health').then((reply) => {
        done = true;
        return reply;
      });
      while (nas.requests.length === 0) await clock.advance(0);
      await clock.advance(999);
      assert.equal(done, false);
      await clock.advance(1);
      assert.equal((await late).status, 200);
    });

    it('leaves half a file in place of the old one when an upload breaks off', async () => {
      const boundary = 'xyz';
      const half = Buffer.from(
        `--${boundary}\r\ncontent-disposition: form-data; name="path"\r\n\r\nalice\r\n` +
          `--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="a.txt"\r\n\r\nnew`,
      );
      const sent = request(`${nas.url}/api/files/upload`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${alice}`,
          'content-type': `multipart/form-data; boundary=${boundary}`,
          'content-length': String(half.length + 1000),
        },
      });
      sent.on('error', () => undefined);
      sent.write(half);
      while (nas.bytesReceived < half.length) await clock.advance(0);
      sent.destroy();
      let text = '0123456789';
      while (text === '0123456789' || text === '') {
        text = (await get('/api/files/download/alice/a.txt')).text;
      }
      assert.match('new', new RegExp(`^${text}`));
      const old = createHash('sha256').update('0123456789').digest('hex');
      assert.equal((await caller.row(alice, 'alice/a.txt'))?.checksum, old);
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
