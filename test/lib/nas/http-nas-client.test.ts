import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { NasCallError } from '../../../nodes/lib/nas/nas-client.ts';
import { clientFor, type ClientRig } from './client-rig.ts';
import { json, type LoopbackNas, serveBytes, serveHttp } from './loopback-nas.ts';
import { until } from '../../fakes/until.ts';

const ITEM = {
  name: 'a.jpg',
  path: 'alice/a.jpg',
  size: 7,
  type: 'file',
  modified_at: '2026-11-23T15:58:16.726483Z',
  owner_id: '4',
  owner_name: 'alice',
  mime_type: 'image/jpeg',
  file_id: 19,
  checksum: '91d3beb88a9b2f778a6c44a1c53b63d3c79931845a9aef84b3fb414610bd1938',
  can_read: null,
  can_write: null,
  can_delete: null,
};

function codeOf(outcome: { readonly kind: string; readonly cause?: Error }): string {
  return outcome.cause instanceof NasCallError ? outcome.cause.code : outcome.kind;
}

describe('The NAS client', () => {
  let nas: LoopbackNas | undefined;
  let rig: ClientRig | undefined;

  async function against(handler: RequestListener): Promise<ClientRig> {
    nas = await serveHttp(handler);
    rig = clientFor(nas.url);
    return rig;
  }

  async function againstBytes(...answers: Parameters<typeof serveBytes>): Promise<ClientRig> {
    nas = await serveBytes(...answers);
    rig = clientFor(nas.url);
    return rig;
  }

  afterEach(async () => {
    rig?.close();
    await nas?.close();
  });

  it('hands a refusal of the NAS on as an answer with its status', async () => {
    const { client, presence } = await against(json({ detail: 'Invalid credentials' }, 401));
    const result = await client.login('alice', 'wrong');
    assert.deepEqual(result, {
      kind: 'answer',
      status: 401,
      body: { detail: 'Invalid credentials' },
    });
    assert.deepEqual(presence.news, ['heard']);
  });

  it('sends the sign-in as JSON, packed by nobody, and without waking the NAS', async () => {
    let seen: unknown;
    const { client } = await against((request, response) => {
      request.setEncoding('utf8').on('data', (body: string) => {
        const { headers } = request;
        seen = [
          request.url,
          headers['accept-encoding'],
          headers['x-sync-trigger'],
          headers.authorization,
          JSON.parse(body),
        ];
        json({})(request, response);
      });
    });
    await client.login('ä', 'pass word');
    assert.deepEqual(seen, [
      '/api/auth/login',
      'identity',
      'auto',
      undefined,
      { username: 'ä', password: 'pass word' },
    ]);
  });

  it('reads a 5xx in JSON as an answer', async () => {
    const { client } = await against(json({ detail: 'Internal server error' }, 503));
    const result = await client.me('token');
    assert.equal(result.kind === 'answer' && result.status, 503);
  });

  for (const status of [200, 429, 502, 503]) {
    it(`calls an HTML page with status ${status} a bad answer`, async () => {
      const { client, presence } = await against((_request, response) => {
        response.writeHead(status, { 'Content-Type': 'text/html' }).end('<html>busy</html>');
      });
      assert.deepEqual(await client.refresh('token'), { kind: 'bad_answer', status });
      const proxyRefused = status === 429 || status === 503;
      assert.deepEqual(presence.news, proxyRefused ? ['heard'] : []);
    });
  }

  it('calls an empty 204 a bad answer where JSON was due', async () => {
    const { client } = await against((_request, response) => {
      response.writeHead(204).end();
    });
    assert.deepEqual(await client.me('token'), { kind: 'bad_answer', status: 204 });
    assert.deepEqual(await client.list('token', 'alice'), { kind: 'bad_answer', status: 204 });
    assert.deepEqual(await client.download('token', 'a'), { kind: 'bad_answer', status: 204 });
  });

  it('follows no redirect', async () => {
    let calls = 0;
    const { client } = await against((_request, response) => {
      calls += 1;
      response.writeHead(307, { Location: '/elsewhere' }).end('{}');
    });
    assert.deepEqual(await client.me('token'), { kind: 'bad_answer', status: 307 });
    assert.equal((await client.download('token', 'a')).kind, 'bad_answer');
    assert.equal(calls, 2);
  });

  it('gives up JSON that is announced or turns out larger than 8 MB', async () => {
    const block = Buffer.alloc(1024 * 1024, 0x20);
    let blocks = 0;
    const { client } = await against((request, response) => {
      if (request.url?.includes('announced') === true) {
        response.writeHead(200, { 'Content-Length': '9000000' }).write('{');
        return;
      }
      const more = (): void => {
        blocks += 1;
        if (!response.destroyed) response.write(block, more);
      };
      more();
    });
    for (const path of ['/api/announced', '/api/chunked']) {
      assert.equal((await client.call({ method: 'GET', path })).kind, 'bad_answer');
    }
    assert.equal((await client.list('token', 'chunked')).kind, 'bad_answer');
    assert.ok(blocks < 40, `${blocks} MB were taken`);
  });

  it('gives up JSON that is nested deeper than any real answer, at once', async () => {
    const deep = '['.repeat(200_000);
    const { client } = await against((request, response) => {
      response.setHeader('Content-Type', 'application/json');
      const list = `{"files":[${deep}${']'.repeat(200_000)}]}`;
      response.end(request.url?.includes('list') === true ? list : deep.replaceAll('[', '{"a":'));
    });
    assert.deepEqual(await client.list('token', 'alice'), { kind: 'bad_answer', status: 200 });
    assert.deepEqual(await client.me('token'), { kind: 'bad_answer', status: 200 });
    assert.deepEqual(await client.preflight('token'), { kind: 'bad_answer', status: 200 });
  });

  it('hands the rows of a listing out as they come, in any blocks, and knows half a one', async () => {
    const rows = Array.from({ length: 700 }, (_, index) => ({
      name: `"${index}],[{}\\ü.jpg`,
      path: `alice/"${index}],[{}\\ü.jpg`,
      size: index,
      type: 'file',
      modified_at: '2026-02-20T10:00:00Z',
    }));
    const text = Buffer.from(JSON.stringify({ total: 700, files: rows, rest: { files: [1, 2] } }));
    let end = text.length;
    const { client } = await against((_request, response) => {
      let at = 0;
      const more = (): void => {
        if (at >= end) {
          if (end === text.length) response.end();
          else response.destroy();
          return;
        }
        const next = text.subarray(at, Math.min(end, at + 997));
        at += next.length;
        response.write(next, more);
      };
      more();
    });
    const seen: string[] = [];
    let most = 0;
    const each = (items: readonly { readonly name: string }[]): Promise<void> => {
      most = Math.max(most, items.length);
      seen.push(...items.map(({ name }) => name));
      return Promise.resolve();
    };
    const whole = await client.list('token', 'alice', { each });
    assert.deepEqual(whole, { kind: 'listing', items: [] });
    assert.deepEqual(
      seen,
      rows.map(({ name }) => name),
    );
    assert.ok(most < 700, 'they come in more than one chunk');
    end = 30_000;
    assert.equal((await client.list('token', 'alice')).kind, 'unreachable');
  });

  it('takes what is no listing for none, wherever it is wrong', async () => {
    let text = '';
    const { client } = await against((_request, response) => response.end(text));
    const wrong = [
      '',
      '[]',
      '{}',
      '{"files":{}}',
      '{"files":[1,]}',
      '{"files":[,1]}',
      '{"files":[1}',
    ];
    for (text of [
      ...wrong,
      '{"files":[1]',
      '{"files":[{"a":1}}',
      '{"files":[]}x',
      '{"a":["files":[]]}',
    ]) {
      assert.equal((await client.list('token', 'a')).kind, 'bad_answer', text);
    }
    for (text of [
      '{"files":[]}',
      ' { "files" : [ ] , "a": [[]] }',
      '{"a":{"files":[1]},"files":[2]}',
    ]) {
      assert.deepEqual(await client.list('token', 'a'), { kind: 'listing', items: [] }, text);
    }
  });

  it('refuses an answer packed although nobody asked for it', async () => {
    const { client } = await against((_request, response) => {
      response.writeHead(200, { 'Content-Encoding': 'gzip', 'Content-Length': '2' }).end('{}');
    });
    assert.equal((await client.me('token')).kind, 'bad_answer');
    assert.equal((await client.download('token', 'a')).kind, 'bad_answer');
  });

  it('takes a head of megabytes and bytes that are no HTTP for a bad answer', async () => {
    const { client } = await againstBytes((socket, head) => {
      const huge = `HTTP/1.1 200 OK\r\nX-Long: ${'x'.repeat(100_000)}\r\n\r\n`;
      socket.end(head.includes('/me') ? huge : 'SSH-2.0-OpenSSH_9.2\r\n');
    });
    assert.deepEqual(await client.me('token'), { kind: 'bad_answer', status: 502 });
    assert.deepEqual(await client.preflight('token'), { kind: 'bad_answer', status: 502 });
  });

  it('calls a NAS unreachable that takes no connection, and tells presence', async () => {
    const { client, presence } = await against(json({}));
    await nas?.close();
    const result = await client.me('token');
    assert.equal(codeOf(result), 'refused');
    assert.deepEqual(presence.news, ['silent']);
  });

  it('gives a silent NAS ten seconds for its first byte', async () => {
    let asked = false;
    const { client, clock, presence } = await against(() => {
      asked = true;
    });
    let ended = false;
    const call = client.me('token').finally(() => {
      ended = true;
    });
    await until('the question', () => asked);
    await clock.advance(9_900);
    assert.equal(ended, false);
    await clock.advance(200);
    assert.equal(codeOf(await call), 'timeout');
    assert.deepEqual(presence.news, ['silent']);
  });

  it('does not take a head that comes letter by letter for an answer', async () => {
    let asked = false;
    const { client, clock } = await againstBytes((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Le');
      asked = true;
    });
    const call = client.me('token');
    await until('the question', () => asked);
    await clock.advance(10_000);
    assert.equal(codeOf(await call), 'timeout');
  });

  it('does not call the NAS gone for one slow answer among quick ones', async () => {
    let slowAsked = false;
    const { client, clock, presence } = await against((request, response) => {
      if (request.url === '/api/auth/me') slowAsked = true;
      else json({})(request, response);
    });
    const slow = client.me('token');
    await until('the slow question', () => slowAsked);
    await clock.advance(5_000);
    await client.systemInfo();
    await clock.advance(5_000);
    assert.equal(codeOf(await slow), 'timeout');
    assert.deepEqual(presence.news, ['heard']);
  });

  it('ends a call whose caller gave up, and blames nobody', async () => {
    let asked = false;
    const { client, presence } = await against(() => {
      asked = true;
    });
    const aborter = new AbortController();
    const call = client.me('token', { signal: aborter.signal });
    await until('the question', () => asked);
    aborter.abort();
    assert.equal(codeOf(await call), 'aborted');
    assert.equal(codeOf(await client.me('token', { signal: aborter.signal })), 'aborted');
    assert.deepEqual(presence.news, []);
  });

  it('asks once more when it met a connection that was just being closed', async () => {
    let requests = 0;
    const { client, presence } = await against((request, response) => {
      requests += 1;
      if (requests === 2) request.socket.destroy();
      else json({ n: requests })(request, response);
    });
    await client.me('token');
    const second = await client.me('token');
    assert.deepEqual(second, { kind: 'answer', status: 200, body: { n: 3 } });
    assert.deepEqual(presence.news, ['heard', 'heard']);
  });

  it('uses no connection again on which the NAS broke, as that one closes it unsaid', async () => {
    let calls = 0;
    const { client, presence } = await against((request, response) => {
      calls += 1;
      if (calls % 2 === 0) {
        json({ access_token: 'x' })(request, response);
        return;
      }
      response.once('finish', () => request.socket.destroySoon());
      json({ detail: 'Internal server error' }, 500)(request, response);
    });
    for (let round = 0; round < 20; round += 1) {
      assert.equal(codeOf(await client.login('alice', 'secret')), 'answer');
      const second = await client.login('alice', 'secret');
      assert.equal(second.kind === 'answer' ? second.status : codeOf(second), 200);
    }
    assert.ok(!presence.news.includes('silent'));
  });

  it('drops an idle connection before the NAS does', async () => {
    const { client, clock } = await against(json({}));
    await client.me('token');
    await client.me('token');
    assert.equal(nas?.connections(), 1);
    await clock.advance(4_000);
    await client.me('token');
    assert.equal(nas?.connections(), 2);
  });

  it('answers 401 itself for a token that fits in no header', async () => {
    let calls = 0;
    const { client } = await against(() => {
      calls += 1;
    });
    const result = await client.me('a\r\nX-Evil: 1');
    assert.equal(result.kind === 'answer' && result.status, 401);
    assert.deepEqual(await client.download('ö', 'a'), { kind: 'refused', status: 401 });
    assert.equal(calls, 0);
  });

  it('passes on how the NAS says it sleeps', async () => {
    const { client, presence } = await against(
      json({ sync_allowed: false, current_sleep_state: 'soft_sleep', next_wake_at: null }),
    );
    await client.preflight('token', { auto: true });
    assert.deepEqual(presence.news, ['heard soft_sleep']);
  });

  it('writes odd names into the address so that the NAS reads them back', async () => {
    const odd = 'alice/100% #1? ä/+&=;:@.txt';
    const seen: string[] = [];
    const { client } = await against((request, response) => {
      const url = request.url ?? '';
      const query = new URL(url, 'http://nas').searchParams.get('path');
      seen.push(query ?? decodeURIComponent(url.replace('/api/files/download/', '')));
      json({ files: [] })(request, response);
    });
    await client.list('token', odd);
    const file = await client.download('token', odd);
    if (file.kind === 'stream') file.body.destroy();
    assert.deepEqual(seen, [odd, odd]);
  });

  it('reads a listing row by row and leaves out what is no row', async () => {
    const shared = { ...ITEM, path: 'bob/ü (1).txt', modified_at: '2026-11-23T15:58:15' };
    const { client } = await against(
      json({
        files: [
          ITEM,
          shared,
          null,
          { ...ITEM, path: '../etc/passwd' },
          { ...ITEM, path: '/alice/a.jpg' },
          { ...ITEM, path: 'alice/a\u0000' },
          { ...ITEM, path: 'alice/\ud800' },
          { ...ITEM, size: -1 },
          { ...ITEM, size: '7' },
          { ...ITEM, type: 'socket' },
          { ...ITEM, name: null },
          { ...ITEM, modified_at: 'yesterday' },
          { ...ITEM, owner_id: 4, file_id: 'x', checksum: 'no', can_read: 'yes' },
        ],
      }),
    );
    const listing = await client.list('token', 'alice');
    assert.deepEqual(listing, {
      kind: 'listing',
      items: [
        ITEM,
        { ...shared, modified_at: '2026-11-23T15:58:15Z' },
        { ...ITEM, file_id: null, checksum: null },
      ],
    });
  });

  it('tells a refused listing from a nonsensical one', async () => {
    const answers = [json({ detail: 'Access denied' }, 403), json({ rows: [] }), json([])];
    const { client } = await against((request, response) => {
      answers.shift()?.(request, response);
    });
    assert.deepEqual(await client.list('token', 'bob'), { kind: 'refused', status: 403 });
    assert.deepEqual(await client.list('token', 'bob'), { kind: 'bad_answer', status: 200 });
    assert.deepEqual(await client.list('token', 'bob'), { kind: 'bad_answer', status: 200 });
  });

  it('survives JSON nested without end', async () => {
    const { client } = await against((_request, response) => {
      response.end('['.repeat(1_000_000));
    });
    assert.equal((await client.me('token')).kind, 'bad_answer');
  });
});
