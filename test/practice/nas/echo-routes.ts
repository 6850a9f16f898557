import { createHash } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { signedIn, type Route } from './router.ts';
import type { Sender } from './sending.ts';
import type { NasUser } from './users.ts';
import { json, type Answer, type Exchange } from './wire.ts';

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];

/** Prefixes of BaluHost 1.38 that are otherwise missing here, from its OpenAPI document. */
const FAMILIES = [
  'admin',
  'backups',
  'cloud',
  'fans',
  'monitoring',
  'plugins',
  'power',
  'server-profiles',
  'updates',
  'vcl',
  'vpn',
  'webdav',
];

const BLOCK = Buffer.alloc(64 * 1024, 'practice ');

/**
 * The rest of BaluHost's routes, which echo the request: enough to see what arrives there and what
 * comes back. The query requests more: `echo_status`, `echo_type`, `echo_location`,
 * `echo_header=name:value`, `echo_bytes` (octets instead of JSON), `echo_chunked`, `echo_pause` (ms
 * between the blocks).
 */
export class EchoRoutes {
  readonly #sender: Sender;

  constructor(sender: Sender) {
    this.#sender = sender;
  }

  get routes(): readonly Route[] {
    return FAMILIES.flatMap((family) =>
      METHODS.flatMap((method) => [
        signedIn(`${method} /api/${family}`, {}, (exchange, user) => this.#echo(exchange, user)),
        signedIn(`${method} /api/${family}/{rest:path}`, {}, (exchange, user) =>
          this.#echo(exchange, user),
        ),
      ]),
    );
  }

  async #echo(exchange: Exchange, user: NasUser): Promise<Answer> {
    const { query } = exchange;
    const hash = createHash('sha256');
    let bodyBytes = 0;
    for await (const chunk of exchange.body() as AsyncIterable<Buffer>) {
      bodyBytes += chunk.length;
      hash.update(chunk);
    }
    const status = Number(query.get('echo_status') ?? 200);
    const headers = headersIn(query);
    const bytes = query.get('echo_bytes');
    if (bytes !== null) {
      await this.#stream(exchange, status, Number(bytes), headers);
      return { kind: 'sent' };
    }
    if (status === 204 || status === 304) return { kind: 'empty', status, headers };
    const type = query.get('echo_type');
    if (type !== null) return { kind: 'text', status, type, body: '<p>practice</p>', headers };
    const body = {
      ...(status < 400 ? {} : { detail: 'As it was asked.' }),
      method: exchange.method,
      url: exchange.request.url,
      user: user.username,
      headers: exchange.record.headers,
      body_bytes: bodyBytes,
      body_sha256: hash.digest('hex'),
    };
    return { ...json(body, status), headers } as Answer;
  }

  async #stream(
    exchange: Exchange,
    status: number,
    bytes: number,
    headers: Readonly<Record<string, string>>,
  ): Promise<void> {
    const { query } = exchange;
    const length: Record<string, string> =
      query.get('echo_chunked') === null ? { 'content-length': String(bytes) } : {};
    const type = { 'content-type': query.get('echo_type') ?? 'application/octet-stream' };
    const pauseMs = Number(query.get('echo_pause') ?? 0);
    const source = blocks(bytes, pauseMs);
    await this.#sender.stream(exchange, status, { ...type, ...length, ...headers }, source);
  }
}

async function* blocks(bytes: number, pauseMs: number): AsyncGenerator<Buffer> {
  for (let left = bytes; left > 0; left -= BLOCK.length) {
    yield left >= BLOCK.length ? BLOCK : BLOCK.subarray(0, left);
    if (pauseMs > 0) await wait(pauseMs);
  }
}

function headersIn(query: URLSearchParams): Record<string, string> {
  const headers: Record<string, string> = {};
  const location = query.get('echo_location');
  if (location !== null) headers['location'] = location;
  for (const header of query.getAll('echo_header')) {
    const [name = '', ...value] = header.split(':');
    headers[name.toLowerCase()] = value.join(':');
  }
  return headers;
}
