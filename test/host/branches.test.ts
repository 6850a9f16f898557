import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';

const DESK = 'BaluDesk/1.4';
const PHONE = 'okhttp/4.12';

interface Item {
  readonly name: string;
  readonly path: string;
  readonly type: string;
}

describe('Two devices of one user through the Pi', function () {
  this.timeout(60_000);
  let pi: BootedBaluPi;
  let token: string;

  before(async () => {
    pi = await BootedBaluPi.start({
      hurry: 5,
      environment: { BALUPI_NAS_PROBE_INTERVAL_SECONDS: '1', BALUPI_WAKE_ON_MISS: 'false' },
    });
    token = await pi.signIn('alice');
  });

  after(async () => {
    await pi.stop();
  });

  async function get<T>(origin: string, path: string, agent = DESK): Promise<T> {
    const answered = await fetch(`${origin}${path}`, {
      headers: { Authorization: `Bearer ${token}`, 'User-Agent': agent },
    });
    return (await answered.json()) as T;
  }

  async function send(
    path: string,
    files: readonly (readonly [string, string])[],
    headers: Readonly<Record<string, string>> = {},
  ): Promise<{ status: number; body: Record<string, unknown> }> {
    const form = new FormData();
    form.append('path', path);
    for (const [name, content] of files) form.append('files', new Blob([content]), name);
    const answered = await fetch(`${pi.url}/api/files/upload`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${token}`, 'User-Agent': DESK, ...headers },
      body: form,
    });
    return { status: answered.status, body: (await answered.json()) as Record<string, unknown> };
  }

  const status = (): Promise<Record<string, unknown>> => get(pi.url, '/api/files/sync/status');

  async function asleep(): Promise<void> {
    await pi.nas.sleep('suspend');
    await pi.until(
      'the NAS to be seen asleep',
      async () => (await status())['nas_online'] === false,
    );
  }

  async function delivered(): Promise<void> {
    await pi.nas.wake();
    await pi.until('the NAS to be awake and the queue empty', async () => {
      const { nas_online: online, pending_uploads: pending } = await status();
      return online === true && pending === 0;
    });
  }

  /** Contents of all files at and below a folder of the NAS, by path. */
  async function onNas(folder: string): Promise<Record<string, string>> {
    const listed = await get<{ files: readonly Item[] }>(
      pi.nas.url,
      `/api/files/list?path=${encodeURIComponent(folder)}`,
    );
    const found: Record<string, string> = {};
    for (const { path, type } of listed.files) {
      if (type === 'directory') Object.assign(found, await onNas(path));
      else {
        const address = `${pi.nas.url}/api/files/download/${encodeURIComponent(path)}`;
        const answered = await fetch(address, { headers: { Authorization: `Bearer ${token}` } });
        found[path] = await answered.text();
      }
    }
    return found;
  }

  /** Creates a version that both devices know. */
  async function begun(folder: string): Promise<string> {
    assert.equal((await send(`alice/${folder}/a.txt`, [['a.txt', 'v0']])).status, 200);
    await delivered();
    for (const agent of [DESK, PHONE]) {
      await get(pi.url, `/api/files/list?path=alice/${folder}`, agent);
    }
    return createHash('sha256').update('v0').digest('hex');
  }

  function sorted(found: Record<string, string>): string[] {
    return Object.values(found).sort();
  }

  it('both keep what they made from one version while the NAS slept, by header or without', async () => {
    for (const folder of ['named', 'unnamed']) {
      const base = await begun(folder);
      const headers = folder === 'named' ? { 'X-Base-Checksum': base } : {};
      await asleep();
      const target = `alice/${folder}/a.txt`;
      assert.equal((await send(target, [['a.txt', 'desk']], headers)).status, 200);
      for (let index = 1; index <= 5; index += 1) {
        const phone = { ...headers, 'User-Agent': PHONE };
        assert.equal((await send(target, [['a.txt', `phone ${index}`]], phone)).status, 200);
      }
      await delivered();
      const found = await onNas(`alice/${folder}`);
      assert.equal(found[target], 'desk');
      assert.deepEqual(sorted(found), ['desk', 'phone 5']);
    }
    assert.equal((await status())['conflicts'], 2);
  });

  it('follow each other where the second listed the folder in between', async () => {
    await begun('listed');
    await asleep();
    await send('alice/listed/a.txt', [['a.txt', 'desk']]);
    await get(pi.url, '/api/files/list?path=alice/listed', PHONE);
    await send('alice/listed/a.txt', [['a.txt', 'phone']], { 'User-Agent': PHONE });
    await delivered();
    assert.deepEqual(await onNas('alice/listed'), { 'alice/listed/a.txt': 'phone' });
  });

  it('lose nothing to a delivery that the other was not shown', async () => {
    await begun('later');
    await send('alice/later/a.txt', [['a.txt', 'desk']]);
    await delivered();
    await get(pi.url, '/api/files/list?path=alice/later', DESK);
    await send('alice/later/a.txt', [['a.txt', 'phone']], { 'User-Agent': PHONE });
    await delivered();
    assert.deepEqual(sorted(await onNas('alice/later')), ['desk', 'phone']);
  });

  it('have two different files of one name in one request refused, and nothing of it taken', async () => {
    const { status: code, body } = await send('alice/twice', [
      ['Rome/IMG_1.jpg', 'rome'],
      ['Oslo/IMG_1.jpg', 'oslo'],
    ]);
    assert.deepEqual([code, body['code']], [422, 'invalid']);
    assert.match(String(body['detail']), /alice\/twice\/IMG_1\.jpg/);
    await delivered();
    assert.deepEqual(await onNas('alice/twice'), {});
  });

  it('keep both of two files sent one by one to a name with a dot that nobody listed', async () => {
    await asleep();
    await send('alice/2026.11.29', [['a.jpg', 'one']]);
    await send('alice/2026.11.29', [['b.jpg', 'two']]);
    await delivered();
    assert.deepEqual(await onNas('alice/2026.11.29'), {
      'alice/2026.11.29/a.jpg': 'one',
      'alice/2026.11.29/b.jpg': 'two',
    });
    await send('alice/2026.11.30', [['a.jpg', 'three']]);
    await delivered();
    await get(pi.url, '/api/files/list?path=alice');
    await send('alice/2026.11.30', [['b.jpg', 'four']]);
    await delivered();
    const found = await onNas('alice');
    assert.ok(['three', 'four'].every((content) => Object.values(found).includes(content)));
  });

  it('reach a folder that was laid down past the API, and are told of a file in the way', async () => {
    // Written to the NAS's disk as Samba would, without the NAS's knowledge.
    const laid = join(pi.folder, 'nas', 'alice', 'laid', 'down');
    mkdirSync(laid, { recursive: true });
    writeFileSync(join(laid, 'old.txt'), 'old');
    writeFileSync(join(pi.folder, 'nas', 'alice', 'plain'), 'a file');
    await asleep();
    assert.equal((await send('alice/laid/down', [['new.txt', 'new']])).status, 200);
    assert.equal((await send('alice/plain/sub', [['a.txt', 'x']])).status, 200);
    await delivered();
    assert.equal((await onNas('alice/laid'))['alice/laid/down/new.txt'], 'new');
    const { uploads } = await get<{ uploads: readonly { path: string; detail: string }[] }>(
      pi.url,
      '/api/files/uploads?state=failed',
    );
    assert.deepEqual(
      uploads.map(({ path, detail }) => [path, detail]),
      [
        [
          'alice/plain/sub/a.txt',
          'alice/plain is a file on the NAS, so nothing can be put into it.',
        ],
      ],
    );
    // A listing is reused for 10 s.
    await pi.until('the listing of the NAS', async () => {
      const listed = await get<{ files: readonly Item[] }>(pi.url, '/api/files/list?path=alice');
      return listed.files.some(({ name }) => name === 'plain');
    });
    const { status: code, body } = await send('alice/plain/sub', [['b.txt', 'x']]);
    assert.deepEqual([code, body['code']], [409, 'conflict']);
  });
});
