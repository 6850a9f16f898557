import assert from 'node:assert/strict';
import { NasCallError, type NasDownload } from '../../../nodes/lib/nas/nas-client.ts';
import { clientFor, type ClientRig } from './client-rig.ts';
import { type LoopbackNas, serveBytes, serveHttp } from './loopback-nas.ts';
import { until } from '../../fakes/until.ts';

const CONTENT = 'hello world 1\n';
const WHOLE =
  'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nETag: "8b93"\r\n' +
  `Last-Modified: Mon, 23 Nov 2026 15:58:15 GMT\r\nContent-Length: ${CONTENT.length}\r\n\r\n`;

async function read(download: NasDownload): Promise<string> {
  assert.equal(download.kind, 'stream');
  if (download.kind !== 'stream') return '';
  let text = '';
  for await (const block of download.body) text += String(block);
  return text;
}

describe('A download from the NAS', () => {
  let nas: LoopbackNas | undefined;
  let rig: ClientRig | undefined;

  async function against(...answer: Parameters<typeof serveBytes>): Promise<ClientRig> {
    nas = await serveBytes(...answer);
    rig = clientFor(nas.url);
    return rig;
  }

  afterEach(async () => {
    rig?.close();
    await nas?.close();
  });

  it('gives the bytes with what tells their version', async () => {
    const { client } = await against((socket) => {
      socket.write(WHOLE + CONTENT);
    });
    const file = await client.download('token', 'alice/hello.txt');
    assert.equal(file.kind, 'stream');
    if (file.kind !== 'stream') return;
    assert.deepEqual(
      { ...file, body: null },
      {
        kind: 'stream',
        status: 200,
        lengthBytes: 14,
        sizeBytes: 14,
        etag: '"8b93"',
        lastModified: 'Mon, 23 Nov 2026 15:58:15 GMT',
        contentType: 'text/plain',
        body: null,
      },
    );
    assert.equal(await read(file), CONTENT);
  });

  for (const keptBytes of [0, 1, 13]) {
    it(`never ends cleanly when the NAS dies after ${keptBytes} of 14 bytes`, async () => {
      const { client } = await against((socket) => {
        socket.end(WHOLE + CONTENT.slice(0, keptBytes));
      });
      const file = await client.download('token', 'alice/hello.txt');
      await assert.rejects(read(file), (error) => error instanceof NasCallError);
    });
  }

  for (const keptBytes of [0, 8, 60, WHOLE.length - 1]) {
    it(`is unreachable when the head is cut after ${keptBytes} bytes`, async () => {
      const { client, presence } = await against((socket) => {
        socket.end(WHOLE.slice(0, keptBytes));
      });
      const file = await client.download('token', 'alice/hello.txt');
      assert.equal(file.kind, 'unreachable');
      assert.deepEqual(presence.news, ['silent']);
    });
  }

  it('is a bad answer without a length, as nobody could tell it whole', async () => {
    const { client } = await against((socket) => {
      socket.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n');
    });
    const file = await client.download('token', 'a');
    assert.deepEqual(file, { kind: 'bad_answer', status: 200 });
  });

  it('breaks off as an error when a chunked answer is cut', async () => {
    const { client } = await against((socket) => {
      socket.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n');
    });
    const exchange = await client.relay({ method: 'GET', path: '/api/x' });
    assert.equal(exchange.kind, 'response');
    if (exchange.kind !== 'response') return;
    const { body } = exchange;
    await assert.rejects(body.toArray(), (error) => error instanceof NasCallError);
  });

  it('takes the part that was asked for and no other', async () => {
    const parts = ['6-10/14', '5-10/14', '6-9/14', '6-10/*'];
    let asked = '';
    const { client } = await against((socket, head) => {
      asked = head;
      const part = parts.shift() ?? '';
      const text = part.startsWith('5') ? ' world' : 'world'.slice(0, part === '6-9/14' ? 4 : 5);
      socket.end(
        `HTTP/1.1 206 Partial Content\r\nContent-Range: bytes ${part}\r\n` +
          `Connection: close\r\nContent-Length: ${text.length}\r\n\r\n${text}`,
      );
    });
    const range = { firstByte: 6, lastByte: 10, ifRange: '"8b93"' };
    const part = await client.download('token', 'a', range);
    assert.match(asked, /\r\nRange: bytes=6-10\r\n/);
    assert.match(asked, /\r\nIf-Range: "8b93"\r\n/);
    assert.equal(part.kind === 'stream' && part.sizeBytes, 14);
    assert.equal(await read(part), 'world');
    for (let turn = 0; turn < 3; turn += 1) {
      assert.equal((await client.download('token', 'a', range)).kind, 'bad_answer');
    }
  });

  it('reports a range beyond the end, which the NAS refuses with an empty body', async () => {
    const { client } = await against((socket) => {
      socket.end('HTTP/1.1 416 X\r\nContent-Range: bytes */14\r\nContent-Length: 0\r\n\r\n');
    });
    const part = await client.download('token', 'a', { firstByte: 9999 });
    assert.deepEqual(part, { kind: 'refused', status: 416 });
  });

  it('tells a refusal in JSON from a page of the proxy', async () => {
    const pages = ['{"detail":"Access denied"}', '<html></html>'];
    const { client } = await against((socket) => {
      const page = pages.shift() ?? '';
      socket.end(
        `HTTP/1.1 403 X\r\nConnection: close\r\nContent-Length: ${page.length}\r\n\r\n${page}`,
      );
    });
    assert.deepEqual(await client.download('t', 'a'), { kind: 'refused', status: 403 });
    assert.deepEqual(await client.download('t', 'a'), { kind: 'bad_answer', status: 403 });
  });

  it('errors after 15 s of silence in the middle, and tells presence', async () => {
    const { client, clock, presence } = await against((socket) => {
      socket.write(WHOLE + CONTENT.slice(0, 5));
    });
    const file = await client.download('token', 'a');
    assert.equal(file.kind, 'stream');
    if (file.kind !== 'stream') return;
    let received = '';
    const failures: unknown[] = [];
    file.body.on('data', (block) => (received += String(block)));
    file.body.on('error', (error) => failures.push(error));
    await until('the bytes', () => received === 'hello');
    await clock.advance(14_000);
    assert.deepEqual(failures, []);
    await clock.advance(2_000);
    assert.deepEqual(failures, [new NasCallError('timeout')]);
    assert.deepEqual(presence.news, ['heard', 'silent']);
  });

  it('waits without end for a reader that is slow', async () => {
    nas = await serveHttp((_request, response) => {
      response.setHeader('Content-Length', 4_000_000);
      response.end(Buffer.alloc(4_000_000));
    });
    rig = clientFor(nas.url);
    const file = await rig.client.download('token', 'a');
    assert.equal(file.kind, 'stream');
    if (file.kind !== 'stream') return;
    file.body.once('readable', () => undefined);
    await until('bytes to read', () => file.body.readableLength > 0);
    await until('the timer to be gone', () => rig?.clock.pending === 0);
    await rig.clock.advance(60_000);
    assert.ok(file.body.readableLength < 500_000, `${file.body.readableLength} bytes were held`);
    const blocks = (await file.body.toArray()) as Buffer[];
    assert.equal(Buffer.concat(blocks).length, 4_000_000);
  });

  it('stops the NAS when its reader goes', async () => {
    let gone = false;
    const { client } = await against((socket) => {
      socket.write(WHOLE + 'he');
      socket.once('close', () => (gone = true));
    });
    const aborter = new AbortController();
    const file = await client.download('token', 'a', undefined, { signal: aborter.signal });
    const reading = read(file);
    aborter.abort();
    await assert.rejects(reading, (error) => error instanceof NasCallError);
    await until('the reader to be gone', () => gone);
  });
});
