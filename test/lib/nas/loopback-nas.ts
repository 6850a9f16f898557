import { createServer as createHttp, type RequestListener, type Server } from 'node:http';
import { createServer as createHttps, type ServerOptions } from 'node:https';
import { type AddressInfo, createServer as createTcp, type Socket } from 'node:net';

/** A small server on loopback that stands in for a NAS in one test. */
export interface LoopbackNas {
  readonly url: URL;
  /** Connections accepted so far. */
  readonly connections: () => number;
  readonly close: () => Promise<void>;
}

export function serveHttp(handler: RequestListener): Promise<LoopbackNas> {
  return listening(createHttp(handler), 'http');
}

export function serveHttps(options: ServerOptions, handler: RequestListener): Promise<LoopbackNas> {
  return listening(createHttps(options, handler), 'https');
}

/** Answers each request head with raw bytes. */
export function serveBytes(answer: (socket: Socket, head: string) => void): Promise<LoopbackNas> {
  const server = createTcp((socket) => {
    socket.on('error', () => socket.destroy());
    socket.on('data', (bytes) => {
      answer(socket, bytes.toString('latin1'));
    });
  });
  return listening(server as Server, 'http');
}

export function json(body: unknown, status = 200): RequestListener {
  return (_request, response) => {
    response.writeHead(status, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify(body));
  };
}

async function listening(server: Server, scheme: string): Promise<LoopbackNas> {
  const open = new Set<Socket>();
  let connections = 0;
  server.on('connection', (socket: Socket) => {
    connections += 1;
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: new URL(`${scheme}://127.0.0.1:${port}`),
    connections: () => connections,
    close: async () => {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}
