import { once } from 'node:events';
import { Agent, request, type IncomingMessage } from 'node:http';
import type { Reply } from './nas-under-test.ts';

/** Sends a request through this agent, which chooses the connection. The reply has no headers. */
export function callBy(
  agent: Agent,
  base: string,
  token: string,
  line: string,
  body?: object | Uint8Array,
): Promise<Reply> {
  const [method = 'GET', path = '/'] = line.split(' ');
  const { promise, resolve, reject } = Promise.withResolvers<Reply>();
  const sent = request(
    `${base}${path}`,
    {
      method,
      agent,
      headers: {
        authorization: `Bearer ${token}`,
        'content-type':
          body instanceof Uint8Array ? 'application/octet-stream' : 'application/json',
      },
    },
    (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.once('error', reject);
      response.once('end', () => {
        const bytes = Buffer.concat(parts);
        const text = bytes.toString('utf8');
        const json = (response.headers['content-type'] ?? '').includes('json');
        resolve({
          status: response.statusCode ?? 0,
          headers: new Headers(),
          bytes,
          text,
          body: json ? (JSON.parse(text) as unknown) : undefined,
        });
      });
    },
  );
  sent.once('error', reject);
  if (body === undefined) sent.end();
  else sent.end(body instanceof Uint8Array ? body : JSON.stringify(body));
  return promise;
}

interface Parting {
  readonly status: number;
  /** Whether the answer said `Connection: close`. */
  readonly announced: boolean;
  readonly hungUp: boolean;
}

/** Shorter than the 5 s after which uvicorn closes an idle connection. */
const PATIENCE_MS = 1000;

/**
 * Sends a request on a connection of its own. @returns whether and how the NAS closes it afterwards
 */
export async function hangsUp(
  base: string,
  token: string,
  line: string,
  body?: object,
): Promise<Parting> {
  const [method = 'GET', path = '/'] = line.split(' ');
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const sent = request(`${base}${path}`, { method, agent, headers });
  sent.end(body === undefined ? undefined : JSON.stringify(body));
  try {
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    const closed = once(response.socket, 'close', { signal: AbortSignal.timeout(PATIENCE_MS) });
    response.resume();
    const hungUp = await closed.then(
      () => true,
      () => false,
    );
    const announced = response.headers.connection === 'close';
    return { status: response.statusCode ?? 0, announced, hungUp };
  } finally {
    agent.destroy();
  }
}
