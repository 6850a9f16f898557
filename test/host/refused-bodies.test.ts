import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setImmediate as immediately } from 'node:timers/promises';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';

const MB = 1_000_000;
const CHUNK = Buffer.alloc(64 * 1024, 'x');
const CHUNKS = 4_800;
const BODY_BYTES = CHUNKS * CHUNK.length;
/** How long a refused stranger may go on sending after the answer, in ms. */
const DISCARD_MS = 2_000;

/** How a body of 315 MB declares its length. */
type Form = 'octet-stream' | 'multipart' | 'chunked';

interface Seen {
  readonly status: number;
  readonly body: Record<string, unknown>;
  /** Bytes of the body sent by the time the whole answer had arrived. */
  readonly sentBefore: number;
  readonly closedAfterMs: number;
  readonly failures: readonly unknown[];
}

function headOf(path: string, form: Form): string {
  const type = form === 'multipart' ? 'multipart/form-data; boundary=b' : 'application/json';
  const length =
    form === 'chunked' ? 'Transfer-Encoding: chunked' : `Content-Length: ${BODY_BYTES}`;
  const shown = form === 'octet-stream' ? 'application/octet-stream' : type;
  return `POST ${path} HTTP/1.1\r\nHost: pi\r\nContent-Type: ${shown}\r\n${length}\r\n\r\n`;
}

function chunkOf(form: Form): Buffer {
  if (form !== 'chunked') return CHUNK;
  const size = `${CHUNK.length.toString(16)}\r\n`;
  return Buffer.concat([Buffer.from(size), CHUNK, Buffer.from('\r\n')]);
}

/** Sends on and on, as a client that reads the answer only once everything is sent. */
async function pour(socket: Socket, form: Form, sent: (bytes: number) => void): Promise<void> {
  const chunk = chunkOf(form);
  const cut = new AbortController();
  socket.once('close', () => {
    cut.abort();
  });
  for (let count = 0; count < CHUNKS && !socket.destroyed; count += 1) {
    sent(count * CHUNK.length);
    if (!socket.write(chunk)) await once(socket, 'drain', { signal: cut.signal });
    // A kernel that accepts every chunk at once would never let this process read the answer.
    if (count % 16 === 15) await immediately();
  }
}

async function send(port: number, path: string, form: Form): Promise<Seen> {
  const socket = connect(port, '127.0.0.1');
  const failures: unknown[] = [];
  let sent = 0;
  let sentBefore = Infinity;
  let answeredAtMs = 0;
  let text = '';
  socket.on('error', (error) => failures.push(error));
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString();
    if (sentBefore !== Infinity || !isWhole(text)) return;
    sentBefore = sent;
    answeredAtMs = performance.now();
  });
  const closed = once(socket, 'close');
  socket.write(headOf(path, form));
  await pour(socket, form, (bytes) => (sent = bytes)).catch((error: unknown) =>
    failures.push(error),
  );
  await closed;
  const [head = '', body = ''] = text.split('\r\n\r\n');
  return {
    status: Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1]),
    body: JSON.parse(body) as Record<string, unknown>,
    sentBefore,
    closedAfterMs: performance.now() - answeredAtMs,
    failures,
  };
}

function isWhole(text: string): boolean {
  const [head = '', body = ''] = text.split('\r\n\r\n');
  const length = /content-length: (\d+)/i.exec(head)?.[1];
  return length !== undefined && Buffer.byteLength(body) >= Number(length);
}

describe('A body that nobody asked for', function () {
  this.timeout(60_000);
  let pi: BootedBaluPi;

  before(async () => {
    pi = await BootedBaluPi.start();
    // The first requests load code, whose cost is not the body's.
    for (const form of ['octet-stream', 'chunked'] as const) {
      await send(pi.port, '/api/auth/login', form);
    }
  });

  after(async () => {
    await pi.stop();
  });

  const CASES: readonly (readonly [path: string, form: Form, status: number])[] = [
    ['/api/files/upload', 'multipart', 401],
    ['/api/files/upload', 'chunked', 401],
    ['/api/auth/login', 'octet-stream', 413],
    ['/api/auth/login', 'multipart', 413],
    ['/api/auth/login', 'chunked', 413],
    ['/api/tapo/devices', 'octet-stream', 401],
    ['/api/files/upload/chunked/init', 'multipart', 401],
    ['/api/no/such/route', 'chunked', 401],
    ['/flows', 'octet-stream', 401],
    ['/api/health', 'octet-stream', 405],
    ['/api/sync/upload/x', 'multipart', 401],
  ];

  CASES.forEach(([path, form, status]) => {
    it(`is answered ${status} on ${path} (${form}) at once, thrown away for 2 s and cut off`, async () => {
      const before = pi.residentBytes;
      const seen = await send(pi.port, path, form);
      const grown = pi.residentBytes - before;
      assert.equal(seen.status, status);
      assert.equal(typeof seen.body['detail'], 'string');
      // What the kernel buffered in both directions counts as sent, though nobody read it.
      assert.ok(seen.sentBefore < 8 * MB, `${seen.sentBefore} bytes`);
      assert.ok(seen.closedAfterMs < DISCARD_MS + 1_000, `${seen.closedAfterMs} ms`);
      assert.ok(grown <= 10 * MB, `${grown} bytes`);
    });
  });

  it('is answered although a single byte of it never comes', async () => {
    const socket = connect(pi.port, '127.0.0.1');
    socket.write(headOf('/api/files/upload', 'multipart'));
    let text = '';
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      text += chunk.toString();
      if (isWhole(text)) break;
    }
    assert.match(text, /^HTTP\/1\.1 401 /);
    assert.match(text, /connection: close/i);
  });
});
