import { request, type Agent } from 'node:http';
import type { Reply } from './nas-under-test.ts';

/** Calls through this agent, which decides on the connection. The reply has no headers. */
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
