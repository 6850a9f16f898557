import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';
import { type RawAnswer, RawClient } from '../fakes/raw-client.ts';

/** How a body's headers describe it on the wire. */
describe('A body', function () {
  this.timeout(30_000);
  let pi: BootedBaluPi;
  let client: RawClient;
  let bearer: string;

  before(async () => {
    pi = await BootedBaluPi.start();
    bearer = `Authorization: Bearer ${await pi.signIn('admin')}`;
    client = new RawClient(pi.port);
  });

  after(async () => {
    client.close();
    await pi.stop();
  });

  async function send(
    line: string,
    headers: readonly string[],
    body: string,
    isSent = true,
  ): Promise<RawAnswer & { readonly code: unknown }> {
    const head = [
      `${line} HTTP/1.1`,
      'Host: pi',
      bearer,
      ...headers,
      `Content-Length: ${body.length}`,
    ];
    const answer = await client.send(Buffer.from([...head, '', isSent ? body : ''].join('\r\n')));
    client.close();
    const { code } = JSON.parse(answer.text || '{}') as { readonly code?: unknown };
    return { ...answer, code };
  }

  const form = (boundary: string, ...parts: readonly string[]): string =>
    parts.map((part) => `--${boundary}\r\nContent-Disposition: form-data; ${part}\r\n`).join('') +
    `--${boundary}--\r\n`;
  const FILE = 'name="file"; filename="a.txt"\r\n\r\nhello';
  const MULTIPART = 'Content-Type: multipart/form-data; boundary=b';

  it('may end the list of its parameters with a semicolon, or leave one empty', async () => {
    const parts = [
      'name="path";\r\n\r\nalice',
      'name="file"; ; filename="semi.txt";;\r\n\r\nhello',
    ];
    for (const type of [`${MULTIPART};`, MULTIPART.replace(' boundary', ';  ; boundary')]) {
      const sent = await send('POST /api/files/upload', [type], form('b', ...parts));
      assert.equal(sent.status, 200, sent.text);
      assert.match(sent.text, /"path":"alice\/semi\.txt"/);
    }
    const login = JSON.stringify({ username: 'alice', password: 'Practice-alice-1' });
    const told = await send('POST /api/auth/login', ['Content-Type: application/json;'], login);
    assert.equal(told.status, 200);
  });

  const PACKED: readonly (readonly [what: string, line: string, type: string])[] = [
    ['an upload', 'POST /api/files/upload?path=alice', MULTIPART],
    [
      'a chunk',
      'POST /api/files/upload/chunked/7/chunk?chunk_index=0',
      'Content-Type: application/octet-stream',
    ],
    ['a delta', 'POST /api/sync/changes', 'Content-Type: application/json'],
    ['JSON', 'PUT /api/cache/pins', 'Content-Type: application/json'],
    ['a signed call', 'POST /api/handshake/nas-going-offline', 'Content-Type: application/json'],
  ];
  for (const [what, line, type] of PACKED) {
    it(`is refused with a content coding before it is read: ${what}`, async () => {
      for (const coding of ['gzip', 'identity, br']) {
        const headers = [type, `Content-Encoding: ${coding}`, 'Expect: 100-continue'];
        const told = await send(line, headers, form('b', FILE), false);
        assert.deepEqual([told.status, told.code], [415, 'wrong_body_type'], told.text);
      }
    });
  }

  it('with a content coding does not spoil the upload whose chunk it is', async () => {
    const json = ['Content-Type: application/json'];
    const input = JSON.stringify({ filename: 'c.bin', total_size: 5, target_path: 'alice' });
    const begun = await send('POST /api/files/upload/chunked/init', json, input);
    const { upload_id: id } = JSON.parse(begun.text) as { readonly upload_id: string };
    const line = `POST /api/files/upload/chunked/${id}/chunk?chunk_index=0`;
    const bytes = ['Content-Type: application/octet-stream'];
    const packed = await send(line, [...bytes, 'Content-Encoding: gzip'], 'longer than five');
    assert.equal(packed.status, 415);
    assert.equal((await send(line, [...bytes, 'Content-Encoding: identity'], 'hello')).status, 200);
  });

  it('is refused where it names another path than the query', async () => {
    const sent = async (query: string, ...parts: readonly string[]) => {
      const told = await send(
        `POST /api/files/upload?path=${query}`,
        [MULTIPART],
        form('b', ...parts),
      );
      return [told.status, told.code ?? null];
    };
    const field = 'name="path"\r\n\r\nalice/Two words';
    assert.deepEqual(await sent('alice', field, FILE), [422, 'invalid']);
    assert.deepEqual(await sent('alice', FILE, field), [422, 'invalid']);
    assert.deepEqual(await sent('/alice/Two+words', field, FILE), [200, null]);
    for (const line of ['DELETE /api/cache/entries', 'DELETE /api/cache/pins']) {
      const json = ['Content-Type: application/json'];
      const told = await send(`${line}?path=alice`, json, '{"path":"bob"}');
      assert.deepEqual([told.status, told.code], [422, 'invalid'], line);
      assert.match(told.text, /"loc":\["query","path"\]/);
      const same = await send(`${line}?path=alice/x`, json, '{"path":"/alice/x"}');
      assert.notEqual(same.status, 422, line);
    }
  });

  it('is refused naming the file whose name has a control character in it', async () => {
    for (const [name, told] of [
      ['a\u0001b.txt', 'a<U+0001>b.txt'],
      ['a\nb.txt', 'a<U+000A>b.txt'],
      ['x/a\u007fb.txt', 'a<U+007F>b.txt'],
    ] as const) {
      const part = `name="file"; filename="${name}"\r\n\r\nhello`;
      const sent = await send('POST /api/files/upload?path=alice', [MULTIPART], form('b', part));
      assert.deepEqual([sent.status, sent.code], [400, 'bad_path'], sent.text);
      assert.ok(sent.text.includes(told), sent.text);
    }
    for (const part of [
      'name="fi\u0001le"; filename="a.txt"\r\n\r\nhello',
      'name="file"; filename="\u0001/a.txt"\r\n\r\nhello',
      'name="file"; filename="a\u0001.txt"; filename*=UTF-8\'\'a.txt; x="\u0001"\r\n\r\nhello',
    ]) {
      const odd = await send('POST /api/files/upload?path=alice', [MULTIPART], form('b', part));
      assert.deepEqual([odd.status, odd.code], [400, 'malformed'], odd.text);
    }
  });

  it('belongs to a request of one caller', async () => {
    const twice = await send('GET /api/nas/credentials', [bearer], '');
    assert.deepEqual([twice.status, twice.code], [400, 'malformed']);
    assert.match(twice.text, /Authorization/);
  });

  it('tells the counters to nobody whom a proxy on this machine let in', async () => {
    const asked = async (...headers: readonly string[]): Promise<number> =>
      (await client.ask('GET', '/metrics', ['Connection: close', ...headers])).status;
    assert.equal(await asked(), 200);
    for (const header of ['Forwarded: for=10.0.0.7', 'X-Real-IP: 10.0.0.7', 'Via: 1.1 front']) {
      assert.equal(await asked(header), 401, header);
    }
  });

  it('belongs to a request that names its host once, in HTTP/1.1', async () => {
    const ask = async (...lines: readonly string[]): Promise<readonly [number, string]> => {
      const told = await client.send(Buffer.from([...lines, '', ''].join('\r\n')));
      client.close();
      return [told.status, /"code":"(\w+)"/.exec(told.text)?.[1] ?? ''];
    };
    const line = 'GET /api/ping HTTP/1.1';
    assert.deepEqual(await ask(line), [400, 'malformed']);
    assert.deepEqual(await ask(line, 'Host: pi', 'Host: pi'), [400, 'malformed']);
    assert.deepEqual(await ask(line, 'Host: pi', 'X: y', 'hOsT: elsewhere'), [400, 'malformed']);
    assert.deepEqual(await ask(line, 'Host: pi'), [200, '']);
    assert.deepEqual(await ask('GET /api/ping HTTP/1.0', 'Connection: close'), [200, '']);
  });

  it('leaves files that nobody else on the machine can read', async () => {
    const sent = await send('POST /api/files/upload?path=alice', [MULTIPART], form('b', FILE));
    assert.equal(sent.status, 200);
    const entries = readdirSync(pi.dataFolder, { recursive: true, encoding: 'utf8' });
    assert.ok(entries.length > 5);
    for (const entry of entries) {
      const { mode } = statSync(join(pi.dataFolder, entry));
      assert.equal(mode & 0o077, 0, `${entry} is ${(mode & 0o777).toString(8)}`);
    }
  });

  it('is waited for only once nothing speaks against it', async () => {
    const told = await send(
      'POST /api/files/upload?path=alice/x+y',
      [MULTIPART, 'Expect: 100-continue'],
      form('b', FILE),
    );
    assert.equal(told.status, 100);
  });
});
