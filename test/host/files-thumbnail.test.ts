import assert from 'node:assert/strict';
import sharp from 'sharp';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';
import { RawClient } from '../fakes/raw-client.ts';
import { dashboardCookie } from '../fakes/raw-page.ts';

const API = '/dashboard/files/api';
const THUMBNAIL = '/dashboard/files/thumbnail';

describe('Small pictures on the page Files', function () {
  this.timeout(60_000);
  let pi: BootedBaluPi;
  let alice = '';
  let bob = '';

  before(async () => {
    pi = await BootedBaluPi.start({
      environment: { BALUPI_NAS_PROBE_INTERVAL_SECONDS: '1' },
    });
    const create = { width: 800, height: 400, channels: 3, background: '#208040' } as const;
    const photo = await sharp({ create }).jpeg().toBuffer();
    for (const path of ['Photos/kept.jpg', 'Photos/plus +&#.jpg', 'Far/far.jpg']) {
      await pi.nas.putFile(`alice/${path}`, photo, 'alice');
    }
    await pi.nas.putFile('alice/Photos/page.jpg', Buffer.from('<script>1</script>'), 'alice');
    await pi.nas.putFile('alice/Photos/note.txt', Buffer.from('text'), 'alice');
    await pi.nas.putFile('bob/b.jpg', photo, 'bob');
    [alice, bob] = [await signedIn('alice'), await signedIn('bob')];
    const names = ['kept.jpg', 'plus +&#.jpg', 'page.jpg', 'note.txt'];
    for (const path of names.map((name) => `alice/Photos/${name}`)) {
      const read = await ask(`${API}/files/download?path=${encodeURIComponent(path)}`);
      assert.equal(read.status, 200);
      await read.arrayBuffer();
    }
  });

  after(async () => {
    await pi.stop();
  });

  /** Waits for the credential by which a page acts; it is stored a moment after the sign-in. */
  async function signedIn(name: string): Promise<string> {
    const cookie = await dashboardCookie(pi.url, name);
    await pi.until(`${name} to be listed`, async () => {
      return (await ask(`${API}/files/list?path=${name}`, { Cookie: cookie })).status === 200;
    });
    return cookie;
  }

  const ask = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${pi.url}${path}`, { headers: { Cookie: alice, ...headers }, redirect: 'manual' });
  const thumbnail = (
    path: string,
    more = '',
    headers: Record<string, string> = {},
  ): Promise<Response> => ask(`${THUMBNAIL}?path=${encodeURIComponent(path)}${more}`, headers);
  const codeOf = async (answered: Response): Promise<unknown> =>
    ((await answered.json()) as { code?: unknown }).code;

  it('are made of what is kept, and of any name', async () => {
    for (const name of ['kept.jpg', 'plus +&#.jpg']) {
      const answered = await thumbnail(`alice/Photos/${name}`);
      assert.equal(answered.status, 200, name);
      assert.equal(answered.headers.get('content-type'), 'image/webp');
      const { width, height } = await sharp(await answered.arrayBuffer()).metadata();
      assert.deepEqual([width, height], [320, 160]);
    }
    const large = await thumbnail('alice/Photos/kept.jpg', '&width=640');
    assert.equal((await sharp(await large.arrayBuffer()).metadata()).width, 640);
  });

  it('are asked for again each time, and cost nothing where nothing changed', async () => {
    const first = await thumbnail('alice/Photos/kept.jpg');
    assert.equal(first.headers.get('cache-control'), 'private, no-cache');
    assert.equal(first.headers.get('vary'), 'Cookie');
    const etag = first.headers.get('etag') ?? '';
    const again = await thumbnail('alice/Photos/kept.jpg', '', { 'If-None-Match': etag });
    assert.equal(again.status, 304);
    const other = await thumbnail('alice/Photos/kept.jpg', '&width=160', { 'If-None-Match': etag });
    assert.equal(other.status, 200);
  });

  it('run nothing, wherever they are opened', async () => {
    const { headers } = await thumbnail('alice/Photos/kept.jpg');
    assert.equal(headers.get('content-security-policy'), "default-src 'none'; sandbox");
    assert.equal(headers.get('x-content-type-options'), 'nosniff');
    assert.equal(headers.get('cross-origin-resource-policy'), 'same-origin');
  });

  it('are of nothing that has to be fetched, and fetch it not', async () => {
    const answered = await thumbnail('alice/Far/far.jpg');
    assert.equal(answered.status, 404);
    assert.equal(await codeOf(answered), 'no_thumbnail');
    const downloads = pi.nas.requests.filter(({ path }) => path.includes('far.jpg'));
    assert.deepEqual(downloads, []);
  });

  it('are none of what is no picture, whatever its name says', async () => {
    for (const name of ['page.jpg', 'note.txt']) {
      const answered = await thumbnail(`alice/Photos/${name}`);
      assert.equal(answered.status, 404);
      assert.equal(await codeOf(answered), 'no_thumbnail');
    }
  });

  it('are for whom the file is, in any spelling', async () => {
    const raw = new RawClient(pi.port);
    const theirs = [
      'path=alice/Photos/kept.jpg',
      'path=/alice/Photos/kept.jpg',
      'path=alice%2FPhotos%2Fkept.jpg',
      'path=bob/x&path=alice/Photos/kept.jpg',
      'path=al%69ce/Photos/kept.jpg&width=640',
    ];
    for (const query of theirs) {
      const answered = await raw.ask('GET', `${THUMBNAIL}?${query}`, [`Cookie: ${bob}`]);
      assert.equal(answered.status, 404, query);
      assert.match(answered.text, /"not_found"/);
    }
    const astray = 'path=bob/../alice/Photos/kept.jpg';
    assert.equal((await raw.ask('GET', `${THUMBNAIL}?${astray}`, [`Cookie: ${bob}`])).status, 400);
    for (const place of [
      '/dashboard/files/Thumbnail',
      '/dashboard/files/thumbnail/x',
      '/dashboard/files%2Fthumbnail',
      '/DASHBOARD/files/thumbnail',
    ]) {
      const query = '?path=alice/Photos/kept.jpg';
      assert.equal((await raw.ask('GET', place + query, [`Cookie: ${alice}`])).status, 404, place);
    }
    assert.equal((await raw.ask('GET', `${THUMBNAIL}?${theirs[0]}`)).status, 401);
    raw.close();
  });

  it('are for the page itself', async () => {
    for (const headers of [
      { 'Sec-Fetch-Site': 'cross-site' },
      { 'Sec-Fetch-Site': 'same-site' },
      { Origin: 'http://evil.example' },
    ]) {
      const path = 'alice/Photos/kept.jpg';
      const answered = await thumbnail(path, '', headers);
      assert.equal(answered.status, 403);
    }
    const changed = await fetch(`${pi.url}${THUMBNAIL}?path=alice/Photos/kept.jpg`, {
      ...{ method: 'POST', headers: { Cookie: alice, Origin: pi.url } },
    });
    assert.equal(changed.status, 404);
  });

  it('come in three widths', async () => {
    for (const width of ['1', '100000', '-320', 'x', '320.5', '']) {
      const answered = await thumbnail('alice/Photos/kept.jpg', `&width=${width}`);
      assert.equal(answered.status, 422, width);
      assert.equal(await codeOf(answered), 'invalid');
    }
  });

  it('take space of the cache, and go with what they are of', async () => {
    const token = await pi.signIn('admin');
    const headers = { Authorization: `Bearer ${token}` };
    const emptied = await fetch(`${pi.url}/api/cache/entries?path=alice`, {
      ...{ method: 'DELETE', headers },
    });
    assert.equal(emptied.status, 200);
    const stats = await fetch(`${pi.url}/api/cache/stats`, { headers });
    assert.equal(((await stats.json()) as { total_size_mb: number }).total_size_mb, 0);
    assert.equal(await codeOf(await thumbnail('alice/Photos/kept.jpg')), 'no_thumbnail');
  });

  it('are there while the NAS sleeps, which sleeps on', async () => {
    const path = 'alice/Photos/kept.jpg';
    await (await ask(`${API}/files/download?path=${path}`)).arrayBuffer();
    await (await ask(`${API}/files/list?path=alice/Photos`)).arrayBuffer();
    await pi.nas.sleep('suspend');
    const packets = pi.nas.magicPackets.length;
    await pi.until('the NAS to be seen asleep', async () => {
      const status = await ask(`${API}/nas/status`);
      return !((await status.json()) as { online: boolean }).online;
    });
    assert.equal((await thumbnail(path)).status, 200);
    assert.equal(await codeOf(await thumbnail('alice/Far/far.jpg')), 'no_thumbnail');
    assert.equal(pi.nas.magicPackets.length, packets);
  });
});
