import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';
import { until } from '../fakes/until.ts';

const MB = 1_000_000;
const BYTES = Buffer.alloc(3 * MB, 'kept for the night ');

describe('A BaluPi that is short of memory', function () {
  this.timeout(60_000);
  const folder = mkdtempSync(join(tmpdir(), 'balupi-memory-'));
  const told = join(folder, 'rss');
  let pi: BootedBaluPi;
  let token: string;

  const hold = (mb: number): void => {
    writeFileSync(told, String(mb * MB));
  };

  before(async () => {
    hold(300);
    pi = await BootedBaluPi.start({
      environment: {
        TOLD_MEMORY_FILE: told,
        BALUPI_MEMORY_HIGH_MB: '500',
        BALUPI_LOG_LEVEL: 'info',
      },
      preload: [resolve('dist', 'test', 'fakes', 'told-memory.js')],
    });
    await pi.nas.putFile('alice/film.bin', BYTES, 'alice');
    token = await pi.signIn();
  });

  after(async () => {
    await pi.stop();
    rmSync(folder, { recursive: true });
  });

  const ask = (path: string, more: RequestInit = {}): Promise<Response> =>
    fetch(`${pi.url}/api/${path}`, { ...more, headers: { Authorization: `Bearer ${token}` } });
  const health = async (): Promise<{ status: string; checks: Record<string, string> }> =>
    (await (await ask('health')).json()) as { status: string; checks: Record<string, string> };
  const memoryIs = (word: string): Promise<boolean> =>
    until(`memory to be ${word}`, async () => (await health()).checks['memory'] === word);

  const READS = [
    'files/list?path=alice',
    'files/download/alice/film.bin',
    'files/download?path=alice%2Ffilm.bin',
  ];

  it('serves everything while there is enough', async () => {
    assert.equal((await health()).checks['memory'], 'ok');
    for (const path of READS) {
      const answered = await ask(path);
      assert.equal(answered.status, 200, path);
      await answered.arrayBuffer();
    }
  });

  it('begins no download and no listing, says when to come again, and ends what runs', async () => {
    const running = await ask('files/download/alice/film.bin');
    hold(490);
    await memoryIs('busy');
    for (const path of READS) {
      const refused = await ask(path);
      assert.equal(refused.status, 503, path);
      assert.match(refused.headers.get('retry-after') ?? '', /^[1-9]\d*$/);
      const { code, detail } = (await refused.json()) as { code: string; detail: string };
      assert.equal(code, 'busy');
      assert.match(detail, /memory/);
    }
    const head = await ask('files/download/alice/film.bin', { method: 'HEAD' });
    assert.equal(head.status, 503);
    assert.ok(Buffer.from(await running.arrayBuffer()).equals(BYTES));
    assert.equal((await health()).status, 'degraded');
  });

  it('still lets people in, takes uploads, and shows what it metered', async () => {
    const form = new FormData();
    form.append('path', 'alice');
    form.append('file', new Blob(['taken while memory was short']), 'night.txt');
    const sent = await ask('files/upload', { method: 'POST', body: form });
    assert.equal(sent.status, 200, await sent.text());
    const login = await fetch(`${pi.url}/api/auth/login`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ username: 'bob', password: 'Practice-bob-1' }),
    });
    assert.equal(login.status, 200);
    await login.arrayBuffer();
    for (const path of ['energy/current', 'files/sync/status', 'nas/status', 'ping']) {
      const answered = await ask(path);
      assert.equal(answered.status, 200, path);
      await answered.arrayBuffer();
    }
    // Callers who are not signed in do not learn of it.
    const stranger = await fetch(`${pi.url}/api/files/list?path=alice`);
    assert.equal(stranger.status, 401);
    await stranger.arrayBuffer();
  });

  it('goes on by itself once there is memory, and not at the first file that ended', async () => {
    hold(450);
    // Longer than one measurement is reused.
    const from = performance.now();
    await until('another look', () => performance.now() - from > 700);
    assert.equal((await health()).checks['memory'], 'busy');
    hold(400);
    await memoryIs('ok');
    for (const path of READS) {
      const answered = await ask(path);
      assert.equal(answered.status, 200, path);
      await answered.arrayBuffer();
    }
    assert.match(pi.output, /^\[warn\] Memory is short \(490 MB of 500 MB\)/m);
    assert.match(pi.output, /^\[info\] There is memory again \(400 MB of 500 MB\)/m);
  });
});
