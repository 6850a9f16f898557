import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { answerNow, refuse } from '../../../nodes/lib/http/http.ts';

const BODY_BYTES = 4 * 1024 * 1024;

describe('An answer past Node-RED', () => {
  let server: Server;
  let received = 0;

  beforeEach(async () => {
    received = 0;
    server = createServer((request, response) => {
      request.on('data', (chunk: Buffer) => (received += chunk.length)).pause();
      answerNow(request, response, refuse('no_token'));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });

  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  function open(head: string): Socket {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    socket.write(head);
    return socket;
  }

  async function answerOf(socket: Socket): Promise<string> {
    let text = '';
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      text += chunk.toString();
      const [head = '', body = ''] = text.split('\r\n\r\n');
      const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? Number.NaN);
      if (Buffer.byteLength(body) >= length) return text;
    }
    return text;
  }

  it('is whole at once although the body of the request is still under way', async () => {
    const socket = open(`POST / HTTP/1.1\r\nHost: pi\r\nContent-Length: ${BODY_BYTES}\r\n\r\n`);
    const text = await answerOf(socket);
    assert.match(text, /^HTTP\/1\.1 401 /);
    assert.match(text, /connection: close/i);
    assert.match(text, /"code":"no_token"}$/);
    socket.destroy();
  });

  it('takes the rest of the body and throws it away, so that nobody reads a reset', async () => {
    const socket = open(`POST / HTTP/1.1\r\nHost: pi\r\nContent-Length: ${BODY_BYTES}\r\n\r\n`);
    const failures: unknown[] = [];
    socket.on('error', (error) => failures.push(error));
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    const chunk = Buffer.alloc(256 * 1024);
    for (let sent = 0; sent < BODY_BYTES; sent += chunk.length) {
      if (!socket.write(chunk)) await once(socket, 'drain');
    }
    await once(socket, 'end');
    assert.deepEqual(failures, []);
    assert.match(text, /"code":"no_token"}$/);
    assert.equal(received, BODY_BYTES);
  });

  it('keeps the connection where no body waits', async () => {
    const socket = open('GET / HTTP/1.1\r\nHost: pi\r\n\r\n');
    const text = await answerOf(socket);
    assert.doesNotMatch(text, /connection: close/i);
    socket.destroy();
  });

  it('has no body for HEAD', async () => {
    const socket = open('HEAD / HTTP/1.1\r\nHost: pi\r\nConnection: close\r\n\r\n');
    let text = '';
    for await (const chunk of socket as AsyncIterable<Buffer>) text += chunk.toString();
    assert.match(text, /^HTTP\/1\.1 401 /);
    assert.match(text, /\r\n\r\n$/);
  });
});
