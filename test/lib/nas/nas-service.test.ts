import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import type { NasServiceDeps } from '../../../nodes/lib/nas/nas-service.ts';
import { NasService } from '../../../nodes/lib/nas/nas.ts';
import { QUEUE_MIGRATIONS } from '../../../nodes/lib/store/databases.ts';
import { Store } from '../../../nodes/lib/store/store.ts';
import { KeptLog } from '../../fakes/kept-log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { json, type LoopbackNas, serveHttp } from './loopback-nas.ts';
import { until } from '../../fakes/until.ts';

describe('The nas module', () => {
  let nas: LoopbackNas;
  let service: NasService;
  let store: Store;
  let clock: ManualClock;
  let answer: RequestListener;
  let asked: string[];
  let packets: string[];
  let neighbours: string;

  async function open(changes: Partial<NasServiceDeps> = {}): Promise<void> {
    clock = new ManualClock();
    service = new NasService({
      clock,
      log: new KeptLog(),
      store,
      url: nas.url,
      directUrl: nas.url,
      fingerprint: null,
      macAddress: null,
      wakeTargets: () => [{ address: '127.0.0.1', port: 9 }],
      packet: {
        send: (mac) => {
          packets.push(mac);
          return Promise.resolve();
        },
      },
      readNeighbours: () => neighbours,
      probeIntervalSeconds: 30,
      powerThresholdWatts: 30,
      bootTimeoutSeconds: 5,
      plug: { watts: () => 42.5, powerState: () => 'active' },
      liveToken: () => null,
      tokenRefused: () => undefined,
      ...changes,
    });
    service.start();
    await Promise.resolve();
  }

  beforeEach(async () => {
    asked = [];
    packets = [];
    neighbours = '';
    answer = json({ detail: 'No authentication token provided' }, 401);
    nas = await serveHttp((request, response) => {
      asked.push(`${request.method} ${request.url}`);
      answer(request, response);
    });
    store = Store.open({
      file: ':memory:',
      name: 'queue',
      synchronous: 'FULL',
      migrations: QUEUE_MIGRATIONS,
    });
  });

  afterEach(async () => {
    await service.stop();
    store.close();
    await nas.close();
  });

  it('sees a NAS that answers two minutes after its goodbye, however seldom it is probed', async () => {
    await open({ probeIntervalSeconds: 3_600 });
    service.goodbye();
    assert.equal(service.status().sleepState, 'going_offline');
    await clock.advance(119_000);
    assert.equal(service.status().online, false);
    await clock.advance(1_000);
    await until('the NAS to be online', () => service.status().online);
    assert.equal(service.status().sleepState, 'awake');
  });

  it('does not show a NAS that answers as off by a reading from before it woke', async () => {
    await open({ plug: { watts: () => 0.4, powerState: () => 'off' } });
    assert.deepEqual([service.status().powerState, service.status().powerW], ['off', 0.4]);
    await service.probe();
    assert.deepEqual([service.status().powerState, service.status().powerW], ['unknown', null]);
  });

  describe('tells', () => {
    const told: string[] = [];

    async function hearing(): Promise<void> {
      told.length = 0;
      await open();
      service.onNews(({ kind }) => told.push(kind));
    }

    it('that the NAS fell asleep and woke, and not what the first look after a start finds', async () => {
      await hearing();
      await service.probe();
      assert.deepEqual(told, []);
      service.presence.silent();
      assert.deepEqual(told, ['nas_asleep']);
      service.presence.heard();
      assert.deepEqual(told, ['nas_asleep', 'nas_awake']);
    });

    it('that it says goodbye, and then sleeps', async () => {
      await hearing();
      await service.probe();
      service.goodbye();
      assert.deepEqual(told, ['nas_goodbye', 'nas_asleep']);
    });

    it('that a NAS which was asleep at the start woke', async () => {
      await hearing();
      service.presence.silent();
      service.presence.heard();
      assert.deepEqual(told, ['nas_awake']);
    });
  });

  it('tells what time the NAS says it is, with every answer', async () => {
    const dates: string[] = [];
    answer = (_request, response) => {
      response.setHeader('Date', 'Sun, 22 Feb 2026 14:30:05 GMT');
      response.end('{}');
    };
    await open({ heardDate: (date) => dates.push(date) });
    await service.client.call({ method: 'GET', path: '/api/health', auto: true });
    assert.equal(dates[0], 'Sun, 22 Feb 2026 14:30:05 GMT');
  });

  it('asks nothing when it starts, and shows what it knows', async () => {
    const url = new URL(nas.url);
    url.username = 'someone';
    url.password = 'secret';
    await open({ url });
    assert.deepEqual(service.status(), {
      online: false,
      version: null,
      url: nas.url.origin,
      powerState: 'active',
      sleepState: 'unknown',
      reachableBy: 'power',
      powerW: 42.5,
      sinceMs: clock.nowMs(),
      lastSeenMs: null,
      nextWakeAt: null,
      everSeen: false,
      fault: null,
      wake: { state: 'idle', startedAtMs: null, attempts: 0, cause: null },
    });
    assert.deepEqual(asked, []);
  });

  it('learns by a probe that the NAS lives, and keeps that over a restart', async () => {
    await open();
    assert.equal(await service.probe(), 'alive');
    assert.equal(asked[0], 'GET /api/system/info');
    assert.equal(service.status().online, true);
    await service.stop();
    await open();
    assert.deepEqual([service.status().everSeen, service.status().online], [true, false]);
  });

  it('follows the sleep that preflight tells', async () => {
    await open({ liveToken: () => 'live' });
    answer = json({ current_sleep_state: 'soft_sleep', next_wake_at: '2026-02-23T06:00:00' });
    assert.equal(await service.probe(), 'told');
    assert.equal(service.presence.state.sleepState, 'soft_sleep');
    assert.equal(service.status().nextWakeAt, '2026-02-23T06:00:00');
    answer = json({ current_sleep_state: 'awake' });
    await service.probe();
    assert.equal(service.presence.state.awake, true);
  });

  it('wakes a soft-sleeping NAS by a plain request and learns its version from it', async () => {
    let sleepState = 'soft_sleep';
    answer = (request, response) => {
      if (request.url === '/api/health') {
        if (request.headers['x-sync-trigger'] === undefined) sleepState = 'awake';
        json({ status: 'ok', version: '1.38.0', api_version: '1' })(request, response);
      } else json({ current_sleep_state: sleepState })(request, response);
    };
    await open({ liveToken: () => 'live' });
    await service.probe();
    const outcome = service.wake.wake({ kind: 'call', by: null });
    assert.equal('done' in outcome && (await outcome.done), 'awake');
    assert.deepEqual(packets, []);
    assert.equal(service.status().version, '1.38.0');
  });

  it('learns the version each time the NAS wakes, in a way that keeps nobody awake', async () => {
    const triggers: unknown[] = [];
    answer = (request, response) => {
      if (request.url !== '/api/health')
        return json({ current_sleep_state: 'awake' })(request, response);
      triggers.push(request.headers['x-sync-trigger']);
      json({ status: 'ok', version: '1.39.0', api_version: '1' })(request, response);
    };
    await open({ liveToken: () => 'live' });
    await service.probe();
    await until('the new version', () => service.status().version === '1.39.0');
    assert.deepEqual(triggers, ['auto']);
    await service.probe();
    assert.equal(triggers.length, 1);
  });

  it('learns the MAC address from the neighbour table and wakes by it after a restart', async () => {
    neighbours = 'head\n127.0.0.1  0x1  0x2  AA:BB:CC:DD:EE:FF  *  eth0\n';
    await open();
    await service.probe();
    await service.stop();
    await nas.close();
    await open();
    const outcome = service.wake.wake({ kind: 'call', by: null });
    assert.equal('packetSent' in outcome && outcome.packetSent, true);
    assert.deepEqual(packets, ['aa:bb:cc:dd:ee:ff']);
  });

  it('shows another machine at the address of the NAS and sends it nothing', async () => {
    neighbours = 'head\n127.0.0.1  0x1  0x2  02:00:00:00:00:01  *  eth0\n';
    await open({ macAddress: 'aa:bb:cc:dd:ee:ff' });
    assert.equal((await service.client.login('alice', 'secret')).kind, 'unreachable');
    const { online, sleepState, fault } = service.status();
    assert.deepEqual([online, sleepState, fault], [false, 'nas_mismatch', 'nas_mismatch']);
    assert.deepEqual(asked, []);
  });

  it('uploads to the direct address, whose silence says nothing of the NAS', async () => {
    const direct = await serveHttp(json({ upload_id: 'u', chunk_size: 4 }));
    await open({ directUrl: direct.url });
    const target = { folder: 'alice', filename: 'a', sizeBytes: 1 };
    const first = service.client.openUpload('token');
    assert.equal((await first.init(target)).kind, 'answer');
    first.close();
    assert.deepEqual(asked, []);
    assert.equal(service.presence.state.awake, true);
    await direct.close();
    const second = service.client.openUpload('token');
    assert.equal((await second.init(target)).kind, 'unreachable');
    second.close();
    assert.equal(service.presence.state.awake, true);
  });

  it('lets go of what runs when it stops', async () => {
    let hanging = false;
    answer = () => {
      hanging = true;
    };
    await open();
    const call = service.client.me('token');
    await until('the call that hangs', () => hanging);
    await service.stop();
    assert.equal((await call).kind, 'unreachable');
  });
});
