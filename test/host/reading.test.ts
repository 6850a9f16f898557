import assert from 'node:assert/strict';
import { utimesSync } from 'node:fs';
import { join } from 'node:path';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';

/**
 * C0, DEL, C1, a backslash, combining marks and overrides: what names on a Linux disk may contain.
 */
const ODD_NAMES = [
  'a\nb.txt',
  'c\u007f.txt',
  'd\u0085e.txt',
  'f\\g.txt',
  'h\u202ei.txt',
  '\u200fj',
];

describe('Reading through a whole BaluPi', function () {
  this.timeout(60_000);
  let booted: BootedBaluPi;
  let token: string;

  before(async () => {
    booted = await BootedBaluPi.start({
      environment: { BALUPI_NAS_PROBE_INTERVAL_SECONDS: '1', BALUPI_WAKE_HOLD_SECONDS: '1' },
    });
    for (const name of ['a.txt', 'b.txt', 'c.txt']) {
      await booted.nas.putFile(`alice/v/${name}`, Buffer.from(`this is ${name}`), 'alice');
    }
    for (const name of ODD_NAMES) {
      await booted.nas.putFile(`alice/odd/${name}`, Buffer.from(name), 'alice');
    }
    token = await booted.signIn('alice');
  });

  after(async () => {
    await booted.stop();
  });

  async function call(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = { Authorization: `Bearer ${token}`, ...init.headers };
    return await fetch(`${booted.url}/api/files/${path}`, { ...init, headers });
  }

  interface Item {
    readonly id: number;
    readonly name: string;
    readonly modified_at: string;
  }

  async function items(folder: string): Promise<readonly Item[]> {
    const answered = await call(`list?path=${folder}`);
    return ((await answered.json()) as { files: Item[] }).files;
  }

  it('shows and hands out what the NAS lists, whatever its name', async () => {
    const listed = await items('alice/odd');
    assert.deepEqual(listed.map(({ name }) => name).sort(), [...ODD_NAMES].sort());
    for (const { id, name } of listed) {
      const raw = encodeURIComponent(name);
      for (const path of [`download/alice/odd/${raw}`, `download/${id}`]) {
        const read = await call(path);
        assert.equal(read.status, 200, path);
        assert.equal(await read.text(), name);
      }
    }
  });

  it('tells times in whole seconds, and none that lies ahead', async () => {
    const ahead = new Date(Date.now() + 86_400_000);
    utimesSync(join(booted.folder, 'nas', 'alice', 'v', 'c.txt'), ahead, ahead);
    for (const { modified_at: at } of await items('alice/v')) {
      assert.match(at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    }
    for (let count = 0; count < 2; count += 1) {
      const read = await call('download/alice/v/c.txt');
      await read.arrayBuffer();
      const date = (name: string): number => Date.parse(read.headers.get(name) ?? '');
      assert.ok(date('last-modified') <= date('date') + 1_000, 'no file is newer than its answer');
    }
  });

  it('answers only for the version that was asked for', async () => {
    const read = await call('download/alice/v/a.txt');
    const etag = read.headers.get('etag') ?? '';
    await read.arrayBuffer();
    const statusFor = async (headers: Record<string, string>): Promise<number> => {
      const answered = await call('download/alice/v/a.txt', { headers });
      const text = await answered.text();
      if (answered.status === 412) {
        assert.equal((JSON.parse(text) as { code: string }).code, 'precondition_failed');
      }
      return answered.status;
    };
    assert.equal(await statusFor({ 'If-Match': etag }), 200);
    assert.equal(await statusFor({ 'If-Match': '"another"' }), 412);
    assert.equal(await statusFor({ 'If-Match': `W/${etag}` }), 412);
    const longAgo = 'Thu, 01 Jan 1998 00:00:00 GMT';
    assert.equal(await statusFor({ 'If-Unmodified-Since': longAgo }), 412);
    assert.equal(await statusFor({ 'If-Match': etag, 'If-Unmodified-Since': longAgo }), 200);
    assert.equal(await statusFor({ 'If-Match': etag, 'If-None-Match': etag }), 304);
  });

  it('says whether there is more than a page', async () => {
    const asked = async (query: string): Promise<{ next?: string | null; files: Item[] }> =>
      (await (await call(`list?path=alice/v&${query}`)).json()) as never;
    const first = await asked('limit=2');
    assert.equal(first.files.length, 2);
    const last = await asked(`limit=2&cursor=${first.next ?? ''}`);
    assert.deepEqual([last.files.length, last.next], [1, null]);
  });

  it('answers HEAD of what was listed from the listing, awake and asleep, and wakes nobody', async () => {
    await booted.nas.putFile('alice/late/e.txt', Buffer.from('never read'), 'alice');
    await items('alice/v');
    await items('alice/late');
    booted.nas.resetCounters();
    const sizes = async (): Promise<void> => {
      const head = await call('download/alice/v/b.txt', { method: 'HEAD' });
      assert.equal(head.status, 200);
      assert.equal(head.headers.get('content-length'), '13');
      assert.match(head.headers.get('last-modified') ?? '', / GMT$/);
      // No listing gives the tag that a GET has, and a different one would look like a change.
      assert.equal(head.headers.get('etag'), null);
      const since = head.headers.get('last-modified') ?? '';
      const same = await call('download/alice/v/b.txt', {
        method: 'HEAD',
        headers: { 'If-Modified-Since': since },
      });
      assert.equal(same.status, 304);
    };
    await sizes();
    // Listed files may be prefetched meanwhile, which is marked as automatic.
    const downloads = booted.nas.requests.filter(
      ({ path, headers }) => path.includes('/download/') && headers['x-sync-trigger'] !== 'auto',
    );
    assert.deepEqual(downloads, []);
    await (await call('download/alice/v/a.txt')).arrayBuffer();
    await booted.nas.sleep('suspend');
    await asleep();
    booted.nas.resetCounters();
    const kept = await call('download/alice/v/a.txt', { method: 'HEAD' });
    assert.equal(kept.headers.get('content-length'), '13');
    const listed = await call('download/alice/late/e.txt', { method: 'HEAD' });
    assert.equal(listed.status, 200);
    assert.equal(listed.headers.get('content-length'), '10');
    assert.equal(listed.headers.get('x-balupi-cache'), 'stale');
    assert.equal(booted.nas.magicPackets.length, 0);
    assert.equal((await call('download/alice/late/none.txt', { method: 'HEAD' })).status, 404);
  });

  it('gives one tag by GET and HEAD, and 304 to whoever shows it, kept or not', async () => {
    await booted.nas.wake();
    await online(true);
    const path = 'download/alice/tags/t.bin';
    await booted.nas.putFile('alice/tags/t.bin', Buffer.alloc(70_000, 7), 'alice');
    await items('alice/tags');
    const nasTag = await fetch(`${booted.nas.url}/api/files/${path}`, {
      headers: { Authorization: `Bearer ${token}`, Range: 'bytes=0-0' },
    });
    const tag = nasTag.headers.get('etag') ?? '';
    const head = async (headers: Record<string, string> = {}): Promise<Response> =>
      await call(path, { method: 'HEAD', headers });
    const asked = async (): Promise<void> => {
      for (const [headers, status] of [
        [{ 'If-None-Match': tag }, 304],
        [{ 'If-None-Match': `"other", W/${tag}` }, 304],
        [{ 'If-None-Match': '"other"' }, 200],
        [{ 'If-Match': tag }, 200],
        [{ 'If-Match': '"other"' }, 412],
      ] as const) {
        const told = await head(headers);
        assert.equal(told.status, status, JSON.stringify(headers));
        assert.equal(told.headers.get('etag'), tag);
      }
    };
    assert.equal((await head()).headers.get('etag'), null);
    booted.nas.resetCounters();
    await asked();
    const bytes = booted.nas.requests.filter(({ path: asked }) => asked.includes('/download/'));
    assert.ok(bytes.every(({ status }) => status === 206));
    const read = await call(path);
    await read.arrayBuffer();
    assert.equal(read.headers.get('etag'), tag);
    assert.equal((await head()).headers.get('etag'), tag);
    await asked();
  });

  async function asleep(): Promise<void> {
    await online(false);
  }

  async function online(is: boolean): Promise<void> {
    await booted.until(`the NAS to be seen ${is ? 'awake' : 'asleep'}`, async () => {
      const headers = { Authorization: `Bearer ${token}` };
      const told = await fetch(`${booted.url}/api/nas/status`, { headers });
      return ((await told.json()) as { online: boolean }).online === is;
    });
  }
});
