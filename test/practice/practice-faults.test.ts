import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { request } from 'node:http';
import type { ManualClock } from '../fakes/manual-clock.ts';
import type { NasCaller, Reply } from './contract/nas-under-test.ts';
import type { PracticeNasOptions } from './nas/options.ts';
import type { PracticeNas } from './nas/practice-nas.ts';
import { PracticeBench } from './practice-bench.ts';

describe('the practice NAS out of order', () => {
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
      // A concurrent download may be cut, as the file shrinks under it.
      for (let size = 10; size === 10 || size === 0;) {
        size = (await nas.tree()).find(({ path }) => path === 'alice/a.txt')?.size ?? 0;
      }
      const { text } = await get('/api/files/download/alice/a.txt');
      assert.match('new', new RegExp(`^${text}`));
      const old = createHash('sha256').update('0123456789').digest('hex');
      assert.equal((await caller.row(alice, 'alice/a.txt'))?.checksum, old);
    });
  });
});
