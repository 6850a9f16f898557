import assert from 'node:assert/strict';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';

/** `curl --data-urlencode` and URLSearchParams write a space this way. */
describe('A + in the path of a query', function () {
  this.timeout(30_000);
  let pi: BootedBaluPi;
  let headers: Readonly<Record<string, string>>;

  before(async () => {
    pi = await BootedBaluPi.start();
    headers = { Authorization: `Bearer ${await pi.signIn()}` };
    await pi.nas.putFile('alice/My Photos/spaced.txt', Buffer.from('a space'), 'alice');
    await pi.nas.putFile('alice/C++/plus.txt', Buffer.from('a plus'), 'alice');
    await pi.nas.putFile('alice/both+ways/plus.txt', Buffer.from('a plus'), 'alice');
    await pi.nas.putFile('alice/both ways/spaced.txt', Buffer.from('a space'), 'alice');
    await pi.nas.putFile('alice/a;b#c.jpg', Buffer.from('a name'), 'alice');
  });

  after(async () => {
    await pi.stop();
  });

  async function namesIn(path: string): Promise<readonly string[]> {
    const answered = await fetch(`${pi.url}/api/files/list?path=${path}`, { headers });
    assert.equal(answered.status, 200);
    const { files } = (await answered.json()) as { readonly files: readonly { name: string }[] };
    return files.map(({ name }) => name);
  }

  async function textOf(path: string): Promise<string> {
    const answered = await fetch(`${pi.url}/api/files/download${path}`, { headers });
    return `${answered.status} ${answered.status === 200 ? await answered.text() : ''}`;
  }

  async function send(method: string, path: string): Promise<readonly [number, unknown]> {
    const form = new FormData();
    form.append('file', new Blob(['new']), 'new.txt');
    const body = method === 'POST' ? { body: form } : {};
    const answered = await fetch(`${pi.url}${path}`, { method, headers, ...body });
    return [answered.status, await answered.json()];
  }

  it('is a plus to a read where there is such a name, else a space', async () => {
    assert.deepEqual(await namesIn('alice/My+Photos'), ['spaced.txt']);
    assert.deepEqual(await namesIn('alice/C++'), ['plus.txt']);
    assert.deepEqual(await namesIn('alice/both+ways'), ['plus.txt']);
    assert.deepEqual(await namesIn('alice/both%20ways'), ['spaced.txt']);
    assert.equal(await textOf('?path=alice/My+Photos/spaced.txt'), '200 a space');
    assert.equal(await textOf('?path=alice/C++/plus.txt'), '200 a plus');
    assert.equal(await textOf('/alice/My+Photos/spaced.txt'), '200 a space');
  });

  it('is always a plus as %2B', async () => {
    assert.deepEqual(await namesIn('alice/both%2Bways'), ['plus.txt']);
    assert.deepEqual(await namesIn('alice/C%2B%2B'), ['plus.txt']);
    assert.deepEqual(await namesIn('alice/My%2BPhotos'), []);
    assert.equal((await textOf('?path=alice/My%2BPhotos/spaced.txt')).slice(0, 3), '404');
  });

  it('is a space to an upload, whatever is there', async () => {
    for (const [asked, wanted] of [
      ['alice/My+Photos/', 'alice/My Photos/new.txt'],
      ['alice/both+ways/', 'alice/both ways/new.txt'],
      ['alice/both%2Bways/', 'alice/both+ways/new.txt'],
    ]) {
      const [status, body] = await send('POST', `/api/files/upload?path=${asked}`);
      assert.equal(status, 200, JSON.stringify(body));
      assert.match(JSON.stringify(body), new RegExp(`"${wanted?.replaceAll('+', '\\+')}"`));
    }
  });

  it('is a plus to a pin where such a folder is pinned, else a space', async () => {
    for (const path of ['alice/My Photos', 'alice/C++']) {
      const pinned = await fetch(`${pi.url}/api/cache/pins`, {
        method: 'PUT',
        headers: { ...headers, 'Content-Type': 'application/json' },
        body: JSON.stringify({ path }),
      });
      assert.equal(pinned.status, 200);
      const asked = path.replace(' ', '+');
      assert.equal((await send('DELETE', `/api/cache/pins?path=${asked}`))[0], 200, asked);
    }
  });

  it('leaves ; and an escaped # to the name of a file', async () => {
    assert.equal(await textOf('/alice/a;b%23c.jpg'), '200 a name');
    assert.equal(await textOf('/alice%2Fa%3Bb%23c.jpg'), '200 a name');
    assert.equal(await textOf('?path=alice/a;b%23c.jpg'), '200 a name');
  });
});
