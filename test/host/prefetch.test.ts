import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';

const SETTINGS = { BALUPI_NAS_PROBE_INTERVAL_SECONDS: '1', BALUPI_TIMEZONE: 'Europe/Berlin' };

interface Pins {
  readonly pins: readonly {
    readonly path: string;
    readonly state: string;
    readonly files: number;
    readonly kept_files: number;
  }[];
}

interface Days {
  readonly days: readonly {
    readonly prefetched_files: number;
    readonly nas_wakes_avoided: number;
  }[];
}

describe('Fetching while the NAS is awake anyway, through a whole BaluPi', function () {
  this.timeout(60_000);
  let booted: BootedBaluPi;
  let token: string;

  afterEach(async () => {
    await booted.stop();
  });

  async function boot(prepare?: (folders: { readonly flows: string }) => void): Promise<void> {
    booted = await BootedBaluPi.start({
      hurry: 5,
      environment: SETTINGS,
      ...(prepare === undefined ? {} : { prepare }),
    });
    for (let index = 1; index <= 12; index += 1) {
      await booted.nas.putFile(photo(index), Buffer.from(`photo ${index}`), 'alice');
    }
    await booted.nas.putFile('alice/Docs/a.txt', Buffer.from('a'), 'alice');
    await booted.nas.putFile('alice/Docs/deep/b.txt', Buffer.from('b'), 'alice');
    token = await booted.signIn('alice');
  }

  function photo(index: number): string {
    return `alice/Photos/${String(index).padStart(2, '0')}.jpg`;
  }

  async function call(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' };
    return await fetch(`${booted.url}${path}`, { ...init, headers });
  }

  async function json<T>(path: string, init: RequestInit = {}): Promise<T> {
    return (await (await call(path, init)).json()) as T;
  }

  /** Reads a file. @returns where it came from */
  async function read(path: string): Promise<string> {
    const answered = await call(`/api/files/download/${encodeURIComponent(path)}`);
    const text = await answered.text();
    return `${answered.status} ${answered.headers.get('x-balupi-cache') ?? ''} ${text}`;
  }

  async function asleep(isAsleep: boolean): Promise<void> {
    await (isAsleep ? booted.nas.sleep('suspend') : booted.nas.wake());
    await booted.until(isAsleep ? 'asleep' : 'awake', async () => {
      const { online } = await json<{ online: boolean }>('/api/nas/status');
      return online !== isAsleep;
    });
    booted.nas.resetCounters();
  }

  async function prefetched(): Promise<number> {
    const { days } = await json<Days>('/api/cache/days?days=2');
    return days.reduce((sum, day) => sum + day.prefetched_files, 0);
  }

  function downloads(): string[] {
    return booted.nas.requests
      .filter(({ path }) => path.startsWith('/api/files/download/'))
      .map(({ path }) => decodeURIComponent(path.slice('/api/files/download/'.length)));
  }

  it('keeps the neighbours of a photo, which are read asleep without a wake', async () => {
    await boot();
    await booted.nas.putFile('alice/Photos/03-not-hers.jpg', Buffer.from('private'), 'admin');
    assert.equal(await read(photo(1)), '200 miss photo 1');
    await booted.until('eight files kept', async () => (await prefetched()) >= 8);
    assert.ok(!downloads().some((path) => path.includes('not-hers')));
    await asleep(true);
    for (let index = 2; index <= 9; index += 1) {
      assert.equal(await read(photo(index)), `200 stale photo ${index}`);
    }
    assert.deepEqual(downloads(), []);
    assert.deepEqual(booted.nas.magicPackets, []);
    const stats = await json<{ nas_wakes_avoided: number }>('/api/cache/stats');
    assert.equal(stats.nas_wakes_avoided, 1);
    const text = await (await call('/metrics')).text();
    assert.match(text, /^balupi_cache_prefetched_used_files_total 8$/m);
    assert.match(text, /^balupi_nas_wakes_avoided_total 1$/m);
  });

  it('fetches a pinned folder with all below it, and what changed in it at the next waking', async () => {
    await boot();
    const put = { method: 'PUT', body: JSON.stringify({ path: '/alice/Docs' }) };
    const pinned = await call('/api/cache/pins', put);
    assert.equal(pinned.status, 200, await pinned.text());
    const kept = async (files: number): Promise<boolean> => {
      const { pins } = await json<Pins>('/api/cache/pins');
      return pins[0]?.state === 'kept' && pins[0].kept_files === files;
    };
    await booted.until('two files kept', () => kept(2));
    await asleep(true);
    assert.equal(await read('alice/Docs/deep/b.txt'), '200 stale b');
    await booted.nas.putFile('alice/Docs/a.txt', Buffer.from('a, but another'), 'alice');
    await booted.nas.putFile('alice/Docs/new/c.txt', Buffer.from('c'), 'alice');
    await asleep(false);
    await booted.until('three files kept', () => kept(3));
    const status = await json<{ pending_downloads: number }>('/api/files/sync/status');
    assert.equal(status.pending_downloads, 0);
    await asleep(true);
    assert.equal(await read('alice/Docs/a.txt'), '200 stale a, but another');
    assert.equal(await read('alice/Docs/new/c.txt'), '200 stale c');
    assert.deepEqual(booted.nas.magicPackets, []);
  });

  it('takes a pin while the NAS sleeps, and tells nobody else of it', async () => {
    await boot();
    await json('/api/files/list?path=alice');
    await asleep(true);
    const body = JSON.stringify({ path: 'alice/Docs' });
    assert.equal((await call('/api/cache/pins', { method: 'PUT', body })).status, 200);
    const alices = token;
    await asleep(false);
    token = await booted.signIn('maria');
    assert.deepEqual((await json<Pins>('/api/cache/pins')).pins, []);
    const [pin, unpin] = await Promise.all(
      ['PUT', 'DELETE'].map(
        async (method) => (await call('/api/cache/pins', { method, body })).status,
      ),
    );
    assert.deepEqual([pin, unpin], [404, 404]);
    token = alices;
    await booted.until('two files kept', async () => {
      const { pins } = await json<Pins>('/api/cache/pins');
      return pins[0]?.kept_files === 2;
    });
    const gone = await call('/api/cache/pins?path=alice/Docs', { method: 'DELETE' });
    assert.equal(gone.status, 200, await gone.text());
    assert.deepEqual((await json<Pins>('/api/cache/pins')).pins, []);
  });

  it('does nothing of it once its flow is taken out', async () => {
    await boot(({ flows }) => {
      rmSync(join(flows, 'schedule-cache.json'));
      const order = join(flows, '_order.json');
      const tabs = JSON.parse(readFileSync(order, 'utf8')) as string[];
      writeFileSync(order, JSON.stringify(tabs.filter((tab) => tab !== 'schedule-cache')));
    });
    const body = JSON.stringify({ path: 'alice/Docs' });
    await call('/api/cache/pins', { method: 'PUT', body });
    await read(photo(1));
    // The remaining schedules have ticked meanwhile.
    booted.nas.resetCounters();
    await booted.until('three probes', () => booted.nas.requests.length >= 3);
    assert.deepEqual(downloads(), []);
  });
});
