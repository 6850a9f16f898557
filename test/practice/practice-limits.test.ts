import assert from 'node:assert/strict';
import { Agent } from 'node:http';
import type { ManualClock } from '../fakes/manual-clock.ts';
import type { NasCaller, Reply } from './contract/nas-under-test.ts';
import { callBy } from './contract/one-socket.ts';
import type { PracticeNasOptions } from './nas/options.ts';
import type { PracticeNas } from './nas/practice-nas.ts';
import { PracticeBench } from './practice-bench.ts';

const CHUNKED = '/api/files/upload/chunked';

describe('the practice NAS under load', () => {
  let bench: PracticeBench | null = null;
  let clock: ManualClock;
  let nas: PracticeNas;
  let caller: NasCaller;
  let alice: string;

  async function start(options: PracticeNasOptions = {}): Promise<void> {
    bench = await PracticeBench.start(options);
    ({ clock, nas, caller, alice } = bench);
  }

  afterEach(async () => {
    await bench?.stop();
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
});
