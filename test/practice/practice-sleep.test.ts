import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent } from 'node:http';
import { connect } from 'node:net';
import type { ManualClock } from '../fakes/manual-clock.ts';
import type { NasCaller, Reply } from './contract/nas-under-test.ts';
import { callBy } from './contract/one-socket.ts';
import type { PracticeNasOptions } from './nas/options.ts';
import type { PracticeNas } from './nas/practice-nas.ts';
import { PracticeBench } from './practice-bench.ts';

const CHUNKED = '/api/files/upload/chunked';

function magicPacket(mac: string, password = ''): Buffer {
  const address = Buffer.from(mac.replaceAll(':', ''), 'hex');
  const sixteen = Array.from({ length: 16 }, () => address);
  return Buffer.concat([Buffer.alloc(6, 0xff), ...sixteen, Buffer.from(password, 'hex')]);
}

describe('the practice NAS asleep', () => {
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
        await bench?.sendPacket(magicPacket('02:00:5e:00:53:99'));
        assert.equal(nas.sleepState, 'true_suspend');
        await bench?.sendPacket(magicPacket(nas.macAddress, password));
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
      await bench?.sendPacket(magicPacket(nas.macAddress));
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
      await bench?.stop();
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
});
