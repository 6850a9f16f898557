import { createSocket } from 'node:dgram';
import { type IncomingMessage, request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Clock } from '../../../../nodes/lib/time/clock.ts';

/** One POST to a plug; plugs take nothing else. */
interface PlugHttpRequest {
  readonly host: string;
  readonly port: number;
  /** Default: plain HTTP. Any certificate is accepted; what matters is sealed inside. */
  readonly isTls?: boolean;
  /** With its query, such as `/app/request?seq=5`. */
  readonly path: string;
  readonly body: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

export type PlugHttpOutcome =
  | {
      readonly kind: 'answer';
      readonly status: number;
      /** The `Set-Cookie` lines. */
      readonly cookies: readonly string[];
      readonly body: Buffer;
    }
  /** No connection, cut off, or no answer before the signal. */
  | { readonly kind: 'unreachable'; readonly detail: string }
  /** Not HTTP, cut short of its own length, or more than {@link LARGEST_ANSWER_BYTES}. */
  | { readonly kind: 'bad_answer'; readonly detail: string };

/** The network as drivers see it. Never rejects. */
export type PlugHttp = (request: PlugHttpRequest) => Promise<PlugHttpOutcome>;

/** Recorded answers are below 4 KB; anything far above that comes from no plug. */
const LARGEST_ANSWER_BYTES = 65_536;

/**
 * {@link PlugHttp} on `node:http`. Every call has its own connection: plugs drop idle ones without
 * notice, which would cost a sample. Redirects are not followed.
 */
export const nodePlugHttp: PlugHttp = async (request) => {
  const { promise, resolve } = Promise.withResolvers<PlugHttpOutcome>();
  if (request.signal.aborted) return { kind: 'unreachable', detail: 'The call was ended.' };
  const send = request.isTls === true ? httpsRequest : httpRequest;
  const outgoing = send({
    rejectUnauthorized: false,
    host: request.host,
    port: request.port,
    path: request.path,
    method: 'POST',
    agent: false,
    signal: request.signal,
    headers: { ...request.headers, 'Content-Length': request.body.byteLength },
  });
  outgoing.on('error', (error: NodeJS.ErrnoException) => {
    resolve(failure(error));
  });
  outgoing.on('response', (response) => {
    collect(response, resolve);
  });
  outgoing.end(request.body);
  try {
    return await promise;
  } finally {
    outgoing.destroy();
  }
};

function collect(response: IncomingMessage, resolve: (outcome: PlugHttpOutcome) => void): void {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  response.on('data', (chunk: Buffer) => {
    sizeBytes += chunk.length;
    if (sizeBytes > LARGEST_ANSWER_BYTES) {
      resolve({ kind: 'bad_answer', detail: 'The plug sent more than 64 KB.' });
      return;
    }
    chunks.push(chunk);
  });
  response.on('end', () => {
    resolve({
      kind: 'answer',
      status: response.statusCode ?? 0,
      cookies: response.headers['set-cookie'] ?? [],
      body: Buffer.concat(chunks),
    });
  });
  response.on('error', (error: NodeJS.ErrnoException) => {
    resolve(
      error.name === 'AbortError'
        ? failure(error)
        : { kind: 'bad_answer', detail: 'The plug cut its answer short.' },
    );
  });
}

function failure(error: NodeJS.ErrnoException): PlugHttpOutcome {
  const code = error.code ?? error.name;
  // HPE_… are the HTTP parser's own: something answers there, but not with HTTP.
  if (code.startsWith('HPE_')) return { kind: 'bad_answer', detail: `Not HTTP (${code}).` };
  if (code === 'ABORT_ERR') return { kind: 'unreachable', detail: 'No answer in time.' };
  return { kind: 'unreachable', detail: `No connection (${code}).` };
}

/**
 * Runs `work` with a signal that aborts after `limitMs` of the clock or with the first of `outer`,
 * and removes every listener and timer when it is done.
 */
export async function withTimeLimit<T>(
  clock: Clock,
  limitMs: number,
  outer: readonly (AbortSignal | undefined)[],
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const abort = (): void => {
    controller.abort();
  };
  for (const signal of outer) {
    if (signal?.aborted === true) abort();
    signal?.addEventListener('abort', abort, { once: true });
  }
  const cancel = clock.after(limitMs, abort);
  try {
    return await work(controller.signal);
  } finally {
    cancel();
    for (const signal of outer) signal?.removeEventListener('abort', abort);
  }
}

export interface UdpAddress {
  /** IPv4, also a broadcast address. */
  readonly host: string;
  readonly port: number;
}

/** An open socket that may broadcast. */
interface UdpSocket {
  /** Sends one packet. What the network does with it shows in `onFault`, if at all. */
  send(packet: Uint8Array, to: UdpAddress): void;
  close(): void;
}

export interface UdpListener {
  readonly onPacket: (packet: Buffer, from: UdpAddress) => void;
  /** A packet could not be sent, or the socket broke. */
  readonly onFault: (error: Error) => void;
}

/**
 * The network as discovery sees it.
 * @throws Error when no socket can be opened
 */
export type OpenUdp = (listener: UdpListener) => Promise<UdpSocket>;

/** {@link OpenUdp} on `node:dgram`, on a port the system chooses. */
export const openNodeUdp: OpenUdp = async (listener) => {
  const socket = createSocket('udp4');
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  socket.once('error', reject);
  socket.bind(0, () => {
    socket.off('error', reject);
    resolve(undefined);
  });
  await promise;
  socket.on('error', listener.onFault);
  socket.on('message', (packet, from) => {
    listener.onPacket(packet, { host: from.address, port: from.port });
  });
  socket.setBroadcast(true);
  let isOpen = true;
  return {
    send: (packet, to) => {
      if (!isOpen) return;
      socket.send(packet, to.port, to.host, (error) => {
        if (error !== null && isOpen) listener.onFault(error);
      });
    },
    close: () => {
      if (!isOpen) return;
      isOpen = false;
      socket.close();
    },
  };
};
