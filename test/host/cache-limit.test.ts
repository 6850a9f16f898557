import assert from 'node:assert/strict';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';

const FILES = 6;
const FILE_BYTES = 1_500_000;

describe('A cache that holds more than it may', function () {
  this.timeout(60_000);
  let booted: BootedBaluPi;
  let token: string;

  before(async () => {
    booted = await BootedBaluPi.start({
      hurry: 5,
      environment: { BALUPI_CACHE_MAX_SIZE_GB: '0.02' },
    });
    for (let number = 0; number < FILES; number += 1) {
      await booted.nas.putFile(`alice/${number}.bin`, Buffer.alloc(FILE_BYTES, number), 'alice');
    }
    token = await booted.signIn('alice');
  });

  after(async () => {
    await booted.stop();
  });

  async function call(path: string): Promise<Response> {
    return await fetch(`${booted.url}/api${path}`, {
      headers: { Authorization: `Bearer ${token}` },
    });
  }

  async function keptMegabytes(): Promise<number> {
    const told = (await (await call('/cache/stats')).json()) as { total_size_mb: number };
    return told.total_size_mb;
  }

  it('gives up the rest by itself, though nothing is fetched', async () => {
    for (let number = 0; number < FILES; number += 1) {
      const read = await call(`/files/download/alice/${number}.bin`);
      assert.equal((await read.arrayBuffer()).byteLength, FILE_BYTES);
    }
    assert.ok((await keptMegabytes()) > 8);
    await booted.restart({ BALUPI_CACHE_MAX_SIZE_GB: '0.005' });
    await booted.until('space', async () => (await keptMegabytes()) <= 4.25);
  });
});

describe('A cache that is emptied while somebody reads', function () {
  this.timeout(60_000);
  const SIZE = 80_000_000;
  let booted: BootedBaluPi;

  before(async () => {
    booted = await BootedBaluPi.start();
    await booted.nas.putFile('alice/film.bin', Buffer.alloc(SIZE, 'film'), 'alice');
  });

  after(async () => {
    await booted.stop();
  });

  it('is not emptied by a field or parameter that is misspelt', async () => {
    await booted.nas.putFile('alice/a.txt', Buffer.from('a'), 'alice');
    const token = await booted.signIn('admin');
    const asked = async (path: string, method = 'GET', body?: object): Promise<Response> => {
      const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' };
      const sent = body === undefined ? {} : { body: JSON.stringify(body) };
      return await fetch(`${booted.url}/api${path}`, { method, headers, ...sent });
    };
    await (await asked('/files/download/alice/a.txt')).arrayBuffer();
    for (const [query, body, loc] of [
      ['', { pth: 'alice/nothing' }, ['body', 'pth']],
      ['', { path: 'alice/nothing', folder: 'alice' }, ['body', 'folder']],
      ['?pth=alice/nothing', undefined, ['query', 'pth']],
    ] as const) {
      const refused = await asked(`/cache/entries${query}`, 'DELETE', body);
      const told = (await refused.json()) as { code: string; errors: { loc: string[] }[] };
      assert.deepEqual([refused.status, told.code, told.errors[0]?.loc], [422, 'invalid', loc]);
    }
    const { total_files: kept } = (await (await asked('/cache/stats')).json()) as {
      total_files: number;
    };
    assert.equal(kept, 1);
    assert.equal((await asked('/cache/entries', 'DELETE', { path: 'alice' })).status, 200);
    // With a field of a newer app, which older servers have to ignore.
    const login = { username: 'alice', password: 'Practice-alice-1', device_name: 'Pixel' };
    assert.equal((await asked('/auth/login', 'POST', login)).status, 200);
  });

  it('lets the reader of a large file come to its end, and is empty then', async () => {
    const tokens: Record<string, string> = {};
    for (const user of ['alice', 'admin']) tokens[user] = await booted.signIn(user);
    const asked = async (path: string, user: string, method = 'GET'): Promise<Response> => {
      const headers = { Authorization: `Bearer ${tokens[user] ?? ''}` };
      return await fetch(`${booted.url}/api${path}`, { method, headers });
    };
    const film = '/files/download/alice/film.bin';
    const first = await asked(film, 'alice');
    assert.equal((await first.arrayBuffer()).byteLength, SIZE);
    // The last segments are still being stored.
    const again = await booted.until('the film to be kept', async () => {
      const read = await asked(film, 'alice');
      if (read.headers.get('x-balupi-cache') === 'hit') return read;
      await read.body?.cancel();
      return null;
    });
    const emptied = await asked('/cache/entries', 'admin', 'DELETE');
    assert.equal(emptied.status, 200);
    assert.equal((await again.arrayBuffer()).byteLength, SIZE);
    await booted.until('an empty cache', async () => {
      const told = (await (await asked('/cache/stats', 'admin')).json()) as {
        total_size_mb: number;
      };
      return told.total_size_mb === 0;
    });
  });
});
