import assert from 'node:assert/strict';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';
import { RawClient } from '../fakes/raw-client.ts';
import { dashboardCookie } from '../fakes/raw-page.ts';

const API = '/dashboard/files/api';
const LIST = `${API}/files/list?path=alice`;

/** All that the page needs of the API, and nothing else of it. */
const REACHED = [
  'GET files/list?path=alice',
  'GET files/download/alice/a.txt',
  'HEAD files/download?path=alice/a.txt',
  'GET files/sync/status',
  'GET files/uploads',
  'GET files/conflicts',
  'GET cache/pins',
  'GET nas/status',
];
const SHUT = [
  'GET auth/me',
  'POST auth/logout',
  'GET users',
  'GET energy/current',
  'GET system/status',
  'GET health',
  'GET nas/credentials',
  'PUT nas/credentials/alice',
  'GET cache/stats',
  'DELETE cache/entries',
  'POST tapo/devices/1/toggle',
  'POST files/uploads/x/take-up',
  'POST sync/changes',
  'POST files/share',
  'PUT files/permissions',
  'POST sync/upload/x',
  'PATCH files/list',
  'OPTIONS files/list',
  'GET openapi.json',
  'GET notifications/ws?token=x',
  'GET ',
];

/** Each starts like an operation, and is none. */
const OTHER_SPELLINGS = [
  '/Dashboard/files/api/files/list',
  '/dashboard/FILES/api/files/list',
  '/dashboard/files/API/files/list',
  '/dashboard/files/api/Files/list',
  '/dashboard/files/api/files/LIST',
  '/dashboard/files%2Fapi/files/list',
  '/dashboard/files/api%2Ffiles/list',
  '/dashboard/files/api/files%2Flist',
  '/dashboard/files/api/files%252Flist',
  '/dashboard/files/api/files\\list',
  '/dashboard/files/api/./files/list',
  '/dashboard/files/api/x/../files/list',
  '/dashboard/files/api/%2e%2e/files/list',
  '/dashboard/files/api/files/list;x',
  '/dashboard/files/api/files/list%00',
  '/dashboard/files/api/files/list%23',
];
const SAME_SPELLINGS = [
  '//dashboard//files//api//files//list',
  '/dashboard/files/api/files/list/',
  '/dashboard/files/api/api/files/list',
  '/dashboard/f%69les/%61pi/files/lis%74',
  'http://elsewhere.example/dashboard/files/api/files/list',
];

describe('What the page Files asks of the API', function () {
  this.timeout(60_000);
  let pi: BootedBaluPi;
  let cookie = '';

  before(async () => {
    pi = await BootedBaluPi.start({
      environment: { BALUPI_NAS_PROBE_INTERVAL_SECONDS: '1', BALUPI_WAKE_ON_MISS: 'false' },
    });
    for (const [path, text] of [
      ['alice/a.txt', 'hello'],
      ['alice/Photos/a b.JPG', 'jpeg'],
      ['alice/Photos/film.mp4', 'a long film'],
      ['alice/page.html', '<script>alert(1)</script>'],
      ['alice/drawing.svg', '<svg xmlns="http://www.w3.org/2000/svg"/>'],
      ['alice/paper.pdf', '%PDF-1.7'],
      ['alice/evil.jpg.html', 'x'],
      ['alice/none', 'x'],
      ['alice/odd/a;b#c\\d.txt', 'odd'],
    ] as const) {
      await pi.nas.putFile(path, Buffer.from(text), 'alice');
    }
    await pi.nas.putFile('bob/secret.txt', Buffer.from('of bob'), 'bob');
    cookie = await dashboardCookie(pi.url, 'alice');
    await ready(cookie, 'alice');
  });

  after(async () => {
    await pi.stop();
  });

  /** Waits for the credential by which a page acts; it is stored a moment after the sign-in. */
  async function ready(whose: string, home: string): Promise<void> {
    await pi.until(`${home} to be listed`, async () => {
      const listed = await fetch(`${pi.url}${API}/files/list?path=${home}`, {
        headers: { Cookie: whose },
      });
      return listed.status === 200;
    });
  }

  async function ask(
    line: string,
    headers: Record<string, string> = {},
    body?: object,
  ): Promise<Response> {
    const [method = 'GET', path = ''] = line.split(' ');
    const sent: Record<string, string> = { Cookie: cookie, ...headers };
    if (method !== 'GET' && method !== 'HEAD') sent['Origin'] ??= pi.url;
    if (body !== undefined) sent['Content-Type'] = 'application/json';
    return await fetch(`${pi.url}${path.startsWith('/') ? path : `${API}/${path}`}`, {
      method,
      headers: sent,
      redirect: 'manual',
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  const tree = async (): Promise<readonly string[]> =>
    (await pi.nas.tree()).map(({ path }) => path);

  const codeOf = async (answered: Response): Promise<unknown> =>
    ((await answered.json()) as { code?: unknown }).code;

  describe('is let on', () => {
    for (const line of REACHED) {
      it(`for ${line}`, async () => {
        assert.equal((await ask(line)).status, 200);
      });
    }

    for (const line of SHUT) {
      it(`not for ${line}, which the page does not need`, async () => {
        const answered = await ask(line);
        assert.equal(answered.status, 404);
        assert.equal(await codeOf(answered), 'not_found');
      });
    }

    it('in each spelling that is the same address, and in no other', async () => {
      const raw = new RawClient(pi.port);
      const lines = [`Cookie: ${cookie}`];
      for (const path of SAME_SPELLINGS) {
        assert.equal((await raw.ask('GET', `${path}?path=alice`, lines)).status, 200, path);
      }
      for (const path of OTHER_SPELLINGS) {
        assert.equal((await raw.ask('GET', `${path}?path=alice`, lines)).status, 404, path);
      }
      raw.close();
    });

    it('with a file’s path of any characters', async () => {
      const path = 'alice/odd/a;b#c\\d.txt';
      for (const way of [
        `files/download/${encodeURIComponent(path)}`,
        `files/download/${path.split('/').map(encodeURIComponent).join('/')}`,
        `files/download?path=${encodeURIComponent(path)}`,
      ]) {
        const answered = await ask(`GET ${way}`);
        assert.equal(answered.status, 200, way);
        assert.equal(await answered.text(), 'odd');
      }
    });
  });

  describe('belongs to the person whose cookie it is', () => {
    const BOBS = [
      'files/list?path=bob',
      'files/list?path=bob/',
      'files/list?path=/bob',
      'files/list?path=%62ob',
      'files/download/bob/secret.txt',
      'files/download/bob%2Fsecret.txt',
      'files/download//bob/secret.txt',
      'files/download?path=bob/secret.txt',
      'files/download?path=/bob/secret.txt',
      'files/download?path=alice&path=bob/secret.txt',
    ];
    const ASTRAY = ['files/download/alice/..%2Fbob/secret.txt', 'files/list?path=alice/../bob'];

    it('who reads nothing of another, in any spelling', async () => {
      for (const path of BOBS) {
        const answered = await ask(`GET ${path}`);
        assert.ok([404, 422].includes(answered.status), `${path} ${answered.status}`);
        assert.ok(!(await answered.text()).includes('of bob'));
      }
      for (const path of ASTRAY) assert.equal((await ask(`GET ${path}`)).status, 400, path);
    });

    it('who changes nothing of another', async () => {
      for (const [line, body] of [
        ['DELETE files/bob/secret.txt', undefined],
        ['PUT files/rename', { old_path: 'bob/secret.txt', new_name: 'mine.txt' }],
        ['PUT files/move', { source_path: 'bob/secret.txt', target_path: 'alice/mine.txt' }],
        ['POST files/folder', { path: 'bob', name: 'mine' }],
        ['POST files/upload/chunked/init', { filename: 'x', total_size: 1, target_path: 'bob' }],
      ] as const) {
        const answered = await ask(line, {}, body);
        assert.ok([403, 404].includes(answered.status), `${line} ${answered.status}`);
      }
      assert.deepEqual(
        (await tree()).filter((path) => path.startsWith('bob')),
        ['bob/secret.txt'],
      );
    });

    it('whose role decides as it does for a token', async () => {
      assert.equal(await codeOf(await ask('GET files/sync/status?all=true')), 'admin_only');
      const woken = await ask('POST nas/wol');
      assert.equal(await codeOf(woken), 'not_allowed');
    });

    it('is told 401 when it is over, and a person who came by a link is sent to sign in', async () => {
      for (const line of ['GET files/list?path=alice', 'DELETE files/alice/a.txt']) {
        const answered = await ask(line, { Cookie: 'balupi_dashboard=x' });
        assert.equal(answered.status, 401);
        assert.equal(await codeOf(answered), 'no_token');
      }
      const opened = await ask('GET files/download/alice/a.txt', {
        ...{ Cookie: '', Accept: 'text/html', 'Sec-Fetch-Dest': 'document' },
      });
      assert.equal(opened.status, 303);
      const place = `/dashboard/sign-in?next=${encodeURIComponent('/dashboard/files')}`;
      assert.equal(opened.headers.get('location'), place);
    });

    it('opens nothing of the API itself, and a token opens nothing here', async () => {
      const bearer = { Cookie: '', Authorization: `Bearer ${await pi.signIn('alice')}` };
      assert.equal((await ask(`GET ${LIST}`, bearer)).status, 401);
      for (const path of ['/api/files/list?path=alice', '/api/files/download/alice/a.txt']) {
        assert.equal((await ask(`GET ${path}`)).status, 401, path);
      }
    });
  });

  describe('comes from the page itself', () => {
    it('or changes nothing: another origin, another port, a form, a missing origin', async () => {
      const form = { 'Content-Type': 'text/plain' };
      for (const headers of [
        { Origin: 'http://evil.example' },
        { Origin: 'null' },
        { Origin: pi.url.replace(/\d+$/, '1') },
        { Origin: pi.url, 'Sec-Fetch-Site': 'same-site' },
        { Origin: pi.url, 'Sec-Fetch-Site': 'cross-site' },
        { Origin: pi.url, 'Sec-Fetch-Site': 'none' },
      ]) {
        for (const line of ['DELETE files/alice/a.txt', 'POST files/folder', 'POST nas/wol']) {
          const answered = await ask(line, { ...form, ...headers });
          assert.equal(answered.status, 403, `${line} ${JSON.stringify(headers)}`);
          assert.equal(await codeOf(answered), 'not_allowed');
        }
      }
      const raw = new RawClient(pi.port);
      const silent = await raw.ask('DELETE', `${API}/files/alice/a.txt`, [`Cookie: ${cookie}`]);
      assert.equal(silent.status, 403);
      raw.close();
      assert.ok((await tree()).includes('alice/a.txt'));
    });

    it('or reads nothing: another site, another port of this one', async () => {
      for (const headers of [
        { 'Sec-Fetch-Site': 'cross-site' },
        { 'Sec-Fetch-Site': 'same-site' },
        { Origin: 'http://evil.example' },
      ]) {
        for (const path of ['files/list?path=alice', 'files/download/alice/a.txt']) {
          const answered = await ask(`GET ${path}`, headers);
          assert.equal(answered.status, 403, `${path} ${JSON.stringify(headers)}`);
        }
      }
      for (const site of ['same-origin', 'none']) {
        const answered = await ask('GET files/download/alice/a.txt', { 'Sec-Fetch-Site': site });
        assert.equal(answered.status, 200);
      }
    });
  });

  describe('is a file', () => {
    const said = async (path: string): Promise<readonly (string | null)[]> => {
      const { headers } = await ask(`HEAD files/download?path=${encodeURIComponent(path)}`);
      const [how = ''] = (headers.get('content-disposition') ?? '').split(';');
      return [headers.get('content-type'), how];
    };

    it('shown beside the page where it is a picture of pixels, sound or video', async () => {
      assert.deepEqual(await said('alice/Photos/a b.JPG'), ['image/jpeg', 'inline']);
      assert.deepEqual(await said('alice/Photos/film.mp4'), ['video/mp4', 'inline']);
    });

    it('saved where it is anything else, whatever the NAS says that it is', async () => {
      for (const name of [
        'a.txt',
        'page.html',
        'drawing.svg',
        'paper.pdf',
        'evil.jpg.html',
        'none',
      ]) {
        const bytes = ['application/octet-stream', 'attachment'];
        assert.deepEqual(await said(`alice/${name}`), bytes, name);
      }
    });

    it('that runs nothing and fetches nothing, from the NAS and from here', async () => {
      for (const path of ['alice/page.html', 'alice/Photos/film.mp4']) {
        for (const headers of [{}, {}, { Range: 'bytes=1-3' }, { Range: 'bytes=0-1,3-4' }]) {
          const answered = await ask(`GET files/download/${path}`, headers);
          assert.ok([200, 206].includes(answered.status));
          const policy = answered.headers.get('content-security-policy') ?? '';
          assert.match(policy, /(^|; )sandbox(;|$)/);
          assert.match(policy, /^default-src 'none'/);
          assert.equal(answered.headers.get('x-content-type-options'), 'nosniff');
          assert.equal(answered.headers.get('cross-origin-resource-policy'), 'same-origin');
          assert.ok(!(await answered.text()).includes('text/html'));
        }
      }
    });

    it('of which a part is played', async () => {
      const answered = await ask('GET files/download/alice/Photos/film.mp4', {
        Range: 'bytes=2-5',
      });
      assert.equal(answered.status, 206);
      assert.equal(answered.headers.get('content-type'), 'video/mp4');
      assert.equal(await answered.text(), 'long');
    });
  });

  describe('changes what is the reader’s own', () => {
    it('a folder, a rename, a move, a delete, as the API does', async () => {
      const made = await ask('POST files/folder', {}, { path: 'alice', name: 'New' });
      assert.equal(made.status, 200);
      await pi.nas.putFile('alice/New/one.txt', Buffer.from('1'), 'alice');
      const renamed = { old_path: 'alice/New/one.txt', new_name: 'two.txt' };
      assert.equal((await ask('PUT files/rename', {}, renamed)).status, 200);
      const moved = { source_path: 'alice/New/two.txt', target_path: 'alice/two.txt' };
      assert.equal((await ask('PUT files/move', {}, moved)).status, 200);
      assert.ok((await tree()).includes('alice/two.txt'));
      assert.equal((await ask('DELETE files/alice/two.txt')).status, 200);
      assert.ok(!(await tree()).includes('alice/two.txt'));
    });

    it('a pin, and its end', async () => {
      assert.equal((await ask('PUT cache/pins', {}, { path: 'alice/Photos' })).status, 200);
      const { pins } = (await (await ask('GET cache/pins')).json()) as {
        pins: { path: string }[];
      };
      assert.deepEqual(
        pins.map(({ path }) => path),
        ['alice/Photos'],
      );
      assert.equal((await ask('DELETE cache/pins', {}, { path: 'alice/Photos' })).status, 200);
    });

    it('an upload by form and one in chunks, as large as the API takes them', async () => {
      const form = new FormData();
      form.set('path', 'alice');
      form.set('file', new Blob([Buffer.alloc(300_000, 'x')]), 'form.bin');
      const headers = { Cookie: cookie, Origin: pi.url };
      const url = `${pi.url}${API}/files/upload`;
      const sent = await fetch(url, { method: 'POST', headers, body: form });
      assert.equal(sent.status, 200);
      const input = { filename: 'parts.bin', total_size: 200_000, target_path: 'alice' };
      const begun = await ask('POST files/upload/chunked/init', {}, input);
      const { upload_id: id } = (await begun.json()) as { upload_id: string };
      for (const index of [0, 1]) {
        const chunk = await fetch(`${url}/chunked/${id}/chunk?chunk_index=${index}`, {
          ...{ method: 'POST', headers, body: Buffer.alloc(100_000, 'y') },
        });
        assert.equal(chunk.status, 200);
      }
      assert.equal((await ask(`POST files/upload/chunked/${id}/complete`)).status, 200);
      const listed = await ask('GET files/list?path=alice');
      const { files } = (await listed.json()) as { files: { name: string }[] };
      const names = files.map(({ name }) => name);
      assert.ok(names.includes('form.bin') && names.includes('parts.bin'));
    });
  });
});
