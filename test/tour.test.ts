import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { inAHurry } from './fakes/in-a-hurry.ts';
import { until } from './fakes/until.ts';

/** The README's five-minute tour, against the demo as a user starts it. */

const DEMO = resolve('dist', 'test', 'practice', 'demo.js');
const PHOTO = 'alice/Photos/Über den Dächern.png';
const UPLOAD = 'alice/Phone backup/night shot.jpg';

interface Demo {
  readonly process: ChildProcess;
  readonly url: string;
  readonly nas: string;
  readonly login: { readonly username: string; readonly password: string };
  readonly lines: string[];
}

interface TreeFile {
  readonly path: string;
  readonly owner: string;
  readonly sha256: string;
}

async function startDemo(): Promise<Demo> {
  const { args, env } = inAHurry(5);
  const child = spawn(process.execPath, [...args, DEMO], {
    env: { ...process.env, ...env, BALUPI_PORT: '0', BALUPI_HOST: '127.0.0.1' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines: string[] = [];
  const { promise, resolve: found, reject } = Promise.withResolvers<Demo>();
  child.once('exit', (code) => {
    reject(new Error(`The demo ended with ${String(code)}: ${lines.join('\n')}`));
  });
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    const text = lines.join('\n');
    const url = /^BaluPi ready on (\S+)/m.exec(text)?.[1];
    const nas = /^practice NAS: (\S+)/m.exec(text)?.[1];
    const login = /^login: (\S+) \/ (\S+)/m.exec(text);
    if (url === undefined || nas === undefined || login === null) return;
    const [, username = '', password = ''] = login;
    found({ process: child, url, nas, login: { username, password }, lines });
  });
  return await promise;
}

describe('The five-minute tour', function () {
  this.timeout(60_000);
  let demo: Demo;
  let token = '';
  let photo: Buffer;
  const bytes = Buffer.from('taken at three in the morning');
  const sha256 = createHash('sha256').update(bytes).digest('hex');

  const get = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${demo.url}${path}`, { headers: { Authorization: `Bearer ${token}`, ...headers } });
  const json = async (path: string): Promise<Record<string, unknown>> =>
    (await (await get(path)).json()) as Record<string, unknown>;
  const practice = async (path: string, method = 'POST'): Promise<Record<string, unknown>> =>
    (await (await fetch(`${demo.nas}/practice/${path}`, { method })).json()) as Record<
      string,
      unknown
    >;
  const download = (path: string): string => `/api/files/download/${encodeURI(path)}`;

  before(async function () {
    if (!existsSync(DEMO)) throw new Error('Build first: npm run build');
    demo = await startDemo();
  });

  after(async () => {
    if (demo.process.exitCode === null) {
      demo.process.kill('SIGINT');
      await new Promise((ended) => demo.process.once('exit', ended));
    }
  });

  it('starts by saying that nothing of it is real', () => {
    assert.match(
      demo.lines.join('\n'),
      /practice NAS and two practice plugs: nothing of it is real/,
    );
  });

  it('signs in with a NAS account', async () => {
    const answered = await fetch(`${demo.url}/api/auth/login`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(demo.login),
    });
    assert.equal(answered.status, 200);
    const body = (await answered.json()) as { access_token: string; user: { username: string } };
    assert.equal(body.user.username, demo.login.username);
    token = body.access_token;
  });

  it('shows the folders the NAS shows this user, and no other', async () => {
    const root = (await json('/api/files/list?path=')) as { files: { path: string }[] };
    assert.deepEqual(root.files.map(({ path }) => path).sort(), ['Shared', 'alice']);
    assert.equal((await get('/api/files/list?path=bob')).status, 404);
    const photos = (await json('/api/files/list?path=alice/Photos')) as {
      files: { path: string }[];
    };
    assert.ok(photos.files.some(({ path }) => path === PHOTO));
  });

  it('reads a photo from the NAS and keeps it on the way', async () => {
    const first = await get(download(PHOTO));
    assert.equal(first.status, 200);
    assert.equal(first.headers.get('x-balupi-cache'), 'miss');
    photo = Buffer.from(await first.arrayBuffer());
    assert.ok(photo.length > 1_000_000);
  });

  it('reads it again from the Pi', async () => {
    const again = await get(download(PHOTO));
    assert.equal(again.headers.get('x-balupi-cache'), 'hit');
    assert.ok(photo.equals(Buffer.from(await again.arrayBuffer())));
  });

  it('notices that the NAS went to sleep', async () => {
    assert.equal((await practice('sleep'))['state'], 'true_suspend');
    await until('the NAS is known to sleep', async () =>
      (await json('/api/nas/status'))['online'] === false ? true : null,
    );
  });

  it('still reads the photo, whole and in parts, without asking the NAS for anything', async () => {
    await practice('requests/reset');
    const asleep = await get(download(PHOTO));
    assert.equal(asleep.status, 200);
    assert.equal(asleep.headers.get('x-balupi-cache'), 'stale');
    assert.match(asleep.headers.get('age') ?? '', /^\d+$/);
    assert.ok(photo.equals(Buffer.from(await asleep.arrayBuffer())));
    const part = await get(download(PHOTO), { Range: 'bytes=1000-1999' });
    assert.equal(part.status, 206);
    assert.ok(photo.subarray(1_000, 2_000).equals(Buffer.from(await part.arrayBuffer())));
    const { requests } = (await practice('requests', 'GET')) as { requests: { path: string }[] };
    // The probe may pass by; it requests no file.
    assert.deepEqual(
      requests.filter(({ path }) => path.startsWith('/api/files')),
      [],
    );
  });

  it('lists a folder as it was last seen', async () => {
    const listed = await get('/api/files/list?path=alice/Photos');
    assert.equal(listed.headers.get('x-balupi-cache'), 'stale');
    assert.equal(((await listed.json()) as { files: unknown[] }).files.length, 5);
  });

  it('takes an upload while the NAS sleeps', async () => {
    const form = new FormData();
    form.set('path', 'alice/Phone backup');
    form.set('file', new Blob([bytes]), 'night shot.jpg');
    const answered = await fetch(`${demo.url}/api/files/upload`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${token}` },
      body: form,
    });
    assert.equal(answered.status, 200);
    const body = (await answered.json()) as { status: string; files: { sha256: string }[] };
    assert.equal(body.status, 'queued');
    assert.equal(body.files[0]?.sha256, sha256);
    const status = await json('/api/files/sync/status');
    assert.equal(status['pending_uploads'], 1);
  });

  it('gives the queued file back before the NAS has it', async () => {
    const queued = await get(download(UPLOAD));
    assert.equal(queued.headers.get('x-balupi-cache'), 'queued');
    assert.equal(await queued.text(), bytes.toString());
  });

  it('wakes the NAS with a real magic packet', async () => {
    const woken = await fetch(`${demo.url}/api/nas/wol`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${token}` },
    });
    assert.equal(woken.status, 200);
    assert.equal(((await woken.json()) as { wol_sent: boolean }).wol_sent, true);
    await until('the NAS is awake', async () =>
      (await json('/api/nas/status'))['sleep_state'] === 'awake' ? true : null,
    );
  });

  it('delivers the upload to its owner, with the right checksum', async () => {
    const delivered = await until('the upload is on the NAS', async () => {
      const { files } = (await practice('tree', 'GET')) as { files: TreeFile[] };
      return files.find(({ path }) => path === UPLOAD) ?? null;
    });
    assert.equal(delivered.owner, demo.login.username);
    assert.equal(delivered.sha256, sha256);
    await until('the queue is empty', async () =>
      (await json('/api/files/sync/status'))['pending_uploads'] === 0 ? true : null,
    );
  });

  it("shows the plugs' watts", async () => {
    const current = (await json('/api/energy/current')) as {
      devices: { device_name: string; power_w: number | null }[];
      total_power_w: number | null;
    };
    assert.deepEqual(current.devices.map(({ device_name }) => device_name).sort(), [
      'Fridge',
      'NAS',
    ]);
    for (const { power_w } of current.devices) assert.ok(power_w !== null);
    assert.ok((current.total_power_w ?? 0) > 0);
  });

  it('ends cleanly on Ctrl-C', async () => {
    const ended = new Promise<number | null>((done) => {
      demo.process.once('exit', done);
    });
    demo.process.kill('SIGINT');
    assert.equal(await ended, 0);
    await assert.rejects(fetch(`${demo.url}/api/ping`));
  });
});
