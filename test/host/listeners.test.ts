import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, request as httpRequest, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { ConnectionLimit } from '../../host/connection-limit.ts';
import { type ListenerDeps, Listeners } from '../../host/listeners.ts';
import { ManualClock } from '../fakes/manual-clock.ts';

describe('The listeners', () => {
  const opened: Listeners[] = [];
  const sockets: Socket[] = [];

  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    for (const listeners of opened.splice(0)) {
      listeners.cut();
      await listeners.close();
    }
  });

  function limitOf(most: number): ConnectionLimit {
    return new ConnectionLimit({ most, clock: new ManualClock() });
  }

  async function open(options: Partial<ListenerDeps> = {}): Promise<Listeners> {
    const listeners = new Listeners({
      host: '127.0.0.1',
      ports: [0],
      onRequest: (request, response) =>
        response.end(`${request.method ?? ''} ${request.url ?? ''}`),
      onUpgrade: null,
      connections: limitOf(400),
      ownerOf: (request) => request.socket.remoteAddress ?? '',
      ...options,
    });
    opened.push(listeners);
    await listeners.open();
    return listeners;
  }

  async function socketTo(listeners: Listeners, text = ''): Promise<Socket> {
    const socket = connect(listeners.firstPort, '127.0.0.1');
    socket.on('error', () => undefined);
    sockets.push(socket);
    await once(socket, 'connect');
    if (text !== '') socket.write(text);
    return socket;
  }

  async function answerOf(socket: Socket): Promise<string> {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    return chunk.toString();
  }

  it('open several ports, and answer on each', async () => {
    const ports = [await freePort(), await freePort()];
    await open({ ports });
    for (const port of ports) {
      const answered = await fetch(`http://127.0.0.1:${port}/x`);
      assert.equal(await answered.text(), 'GET /x');
    }
  });

  async function freePort(): Promise<number> {
    const taker: Server = createServer().listen(0, '127.0.0.1');
    await once(taker, 'listening');
    const { port } = taker.address() as AddressInfo;
    taker.close();
    await once(taker, 'close');
    return port;
  }

  it('say which port is taken', async () => {
    const taken: Server = createServer();
    taken.listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    await assert.rejects(open({ ports: [port] }), (error: Error) => {
      assert.match(error.message, new RegExp(`Port ${port} `));
      assert.match(error.message, /in use/);
      return true;
    });
    taken.close();
  });

  it('cap no request, give headers 10 s, and keep idle connections for the apps', async () => {
    const servers: Server[] = [];
    const listeners = await open({
      onRequest: ({ socket }, response) => {
        servers.push((socket as Socket & { readonly server: Server }).server);
        response.end();
      },
    });
    await fetch(`http://127.0.0.1:${listeners.firstPort}/x`);
    const [limits] = servers;
    assert.ok(limits);
    assert.equal(limits.requestTimeout, 0);
    assert.equal(limits.headersTimeout, 10_000);
    assert.ok(limits.keepAliveTimeout >= 300_000);
  });

  it('answer a request without a Host as HTTP/1.1 wants it', async () => {
    const socket = await socketTo(await open(), 'GET /x HTTP/1.1\r\n\r\n');
    assert.match(await answerOf(socket), /^HTTP\/1\.1 400 [^]*"code":"malformed"/);
  });

  it('go on in HTTP/1.1 with a client that offers another protocol', async () => {
    const socket = await socketTo(
      await open(),
      'GET /x HTTP/1.1\r\nHost: pi\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n',
    );
    assert.match(await answerOf(socket), /^HTTP\/1\.1 200 [^]*GET \/x/);
  });

  for (const [what, text] of [
    ['a request line that is none', 'nonsense\r\n\r\n'],
    ['raw UTF-8 bytes', 'GET /ü HTTP/1.1\r\nHost: pi\r\n\r\n'],
    ['headers beyond 16 KB', `GET / HTTP/1.1\r\nHost: pi\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`],
    [
      'two lengths',
      'POST / HTTP/1.1\r\nHost: pi\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
    ],
  ] as const) {
    it(`answer ${what} in JSON and close`, async () => {
      const told = await answerOf(await socketTo(await open(), text));
      assert.match(
        told,
        /^HTTP\/1\.1 400 Bad Request\r\n[^]*\r\n\r\n\{"detail":"[^"]+","code":"malformed"\}$/,
      );
      assert.match(told, /\r\nX-Request-Id: [0-9a-f-]{36}\r\n/);
      assert.match(told, /\r\nConnection: close\r\n/);
    });
  }

  it('open no way through to elsewhere, and say so as everything else is said', async () => {
    const words = 'CONNECT nas.local:443 HTTP/1.1\r\nHost: nas.local:443\r\n\r\n';
    const told = await answerOf(await socketTo(await open(), words));
    assert.match(
      told,
      /^HTTP\/1\.1 405 Method Not Allowed\r\n[^]*\r\n\r\n\{"detail":"[^"]+","code":"method_not_allowed"\}$/,
    );
    assert.match(told, /\r\nX-Request-Id: [0-9a-f-]{36}\r\n/);
    assert.match(told, /\r\nConnection: close\r\n/);
  });

  it('free a place for a newcomer by closing whoever has asked for nothing the longest', async () => {
    const limit = limitOf(20);
    const listeners = await open({ connections: limit });
    const first = await socketTo(listeners);
    const gone = once(first.resume(), 'close');
    for (let count = 0; count < 40; count += 1)
      await socketTo(listeners, 'GET / HTTP/1.1\r\nX-Slow');
    await gone;
    const answered = await fetch(`http://127.0.0.1:${listeners.firstPort}/x`);
    assert.equal(answered.status, 200);
    assert.ok(limit.size <= 20, String(limit.size));
  });

  it('never close a connection that is being served to make that place', async () => {
    const waiting = Promise.withResolvers<() => void>();
    const listeners = await open({
      connections: limitOf(5),
      onRequest: (request, response) => {
        if (request.url !== '/long') response.end('short');
        else waiting.resolve(() => response.end('long'));
      },
    });
    const long = fetch(`http://127.0.0.1:${listeners.firstPort}/long`);
    const finish = await waiting.promise;
    for (let count = 0; count < 20; count += 1) await socketTo(listeners);
    assert.equal(await (await fetch(`http://127.0.0.1:${listeners.firstPort}/x`)).text(), 'short');
    finish();
    assert.equal(await (await long).text(), 'long');
  });

  it('count a socket before it may leave HTTP, and let whoever has the most lose their slowest', async () => {
    const limit = limitOf(40);
    const upgraded: string[] = [];
    const listeners = await open({
      connections: limit,
      takesUpgrade: (request) => String(request.headers['x-user']),
      onUpgrade: (request, socket) => {
        upgraded.push(String(request.headers['x-user']));
        socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n');
      },
    });
    const upgrade = async (user: string): Promise<Socket> => {
      const words = `GET /x HTTP/1.1\r\nHost: pi\r\nX-User: ${user}\r\n`;
      const socket = await socketTo(
        listeners,
        `${words}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
      );
      assert.match(await answerOf(socket), /^HTTP\/1\.1 101 /);
      return socket.resume();
    };
    const family = await upgrade('family');
    const first = await upgrade('stranger');
    const gone = once(first, 'close');
    for (let count = 0; count < 20; count += 1) await upgrade('stranger');
    await gone;
    const another = await upgrade('family');
    assert.equal(family.destroyed || another.destroyed, false);
    assert.ok(limit.size <= 11, String(limit.size));
    assert.equal(upgraded.length, 23);
  });

  it('close at once when nobody is being served, whoever holds a connection', async () => {
    const listeners = await open();
    const { promise, resolve } = Promise.withResolvers<undefined>();
    httpRequest({ port: listeners.firstPort, host: '127.0.0.1' }, (response) => {
      response.resume().once('end', () => {
        resolve(undefined);
      });
    }).end();
    await promise;
    await socketTo(listeners);
    await listeners.close();
    opened.length = 0;
  });

  it('close a connection after the answer that was running when they closed', async () => {
    const waiting = Promise.withResolvers<() => void>();
    const listeners = await open({
      onRequest: (_request, response) => {
        waiting.resolve(() => response.end('done'));
      },
    });
    const socket = await socketTo(listeners, 'GET / HTTP/1.1\r\nHost: pi\r\n\r\n');
    const finish = await waiting.promise;
    const closed = listeners.close();
    finish();
    assert.match(await answerOf(socket), /done/);
    await closed;
    opened.length = 0;
  });
});
