import { createHash, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

const sha256 = (given: string): string => createHash('sha256').update(given).digest('hex');

/** Local DNS records of a Pi-hole 6 or 5, by its published API. */
export class PracticePiHole {
  /** `address name`, as version 6 keeps them. */
  readonly records: string[] = [];
  /** Changes in order: `+192.168.1.2 name` or `-…`. */
  readonly changes: string[] = [];
  password = 'practice-pi-hole';
  /** Answers everything with 503. */
  isIll = false;
  signIns = 0;
  readonly #version: 5 | 6;
  readonly #server: Server;
  readonly #sessions = new Set<string>();

  constructor(version: 5 | 6) {
    this.#version = version;
    this.#server = createServer((request, response) => {
      void this.#answer(request, response);
    });
  }

  async start(): Promise<URL> {
    await new Promise<void>((done) => this.#server.listen(0, '127.0.0.1', done));
    return new URL(`http://127.0.0.1:${String((this.#server.address() as AddressInfo).port)}`);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }

  /** As a restart of Pi-hole does. */
  forgetSessions(): void {
    this.#sessions.clear();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const say = (status: number, body?: unknown): void => {
      response.writeHead(status, { 'Content-Type': 'application/json' });
      response.end(body === undefined ? undefined : JSON.stringify(body));
    };
    const url = new URL(request.url ?? '/', 'http://pi.hole');
    if (this.isIll) say(503, { error: { key: 'internal' } });
    else if (this.#version === 5) this.#answerOld(url, say, response);
    else await this.#answerNew(request, url, say);
  }

  async #answerNew(
    request: IncomingMessage,
    url: URL,
    say: (status: number, body?: unknown) => void,
  ): Promise<void> {
    if (url.pathname === '/api/auth' && request.method === 'POST') {
      this.signIns += 1;
      const { password } = JSON.parse(await text(request)) as { password?: string };
      if (password !== this.password) {
        say(401, { session: { valid: false, sid: null, validity: -1 } });
        return;
      }
      const sid = randomBytes(8).toString('base64');
      this.#sessions.add(sid);
      say(200, { session: { valid: true, sid, validity: 1800, totp: false } });
      return;
    }
    if (!this.#sessions.has(String(request.headers['x-ftl-sid']))) {
      say(401, { error: { key: 'unauthorized', message: 'Unauthorized', hint: null } });
      return;
    }
    const prefix = '/api/config/dns/hosts';
    if (url.pathname === prefix && request.method === 'GET') {
      say(200, { config: { dns: { hosts: this.records } }, took: 0.001 });
      return;
    }
    const record = decodeURIComponent(url.pathname.slice(prefix.length + 1));
    if (request.method === 'PUT') {
      if (this.records.includes(record)) say(400, { error: { key: 'bad_request' } });
      else {
        this.#add(record);
        say(201, { took: 0.001 });
      }
    } else if (request.method === 'DELETE') say(this.#remove(record) ? 204 : 404);
    else say(404, { error: { key: 'not_found' } });
  }

  #answerOld(
    url: URL,
    say: (status: number, body?: unknown) => void,
    response: ServerResponse,
  ): void {
    if (url.pathname !== '/admin/api.php') {
      response.writeHead(404, { 'Content-Type': 'text/html' }).end('<h1>404</h1>');
      return;
    }
    const asked = url.searchParams;
    if (asked.get('auth') !== sha256(sha256(this.password))) {
      say(200, []);
      return;
    }
    const record = `${asked.get('ip') ?? ''} ${asked.get('domain') ?? ''}`;
    if (asked.get('action') === 'get') {
      say(200, { data: this.records.map((one) => one.split(' ').reverse()) });
    } else if (asked.get('action') === 'add') {
      const isThere = this.records.includes(record);
      if (!isThere) this.#add(record);
      say(200, {
        success: !isThere,
        message: isThere ? 'This domain already has a custom DNS entry for an IPv4' : '',
      });
    } else {
      const wasThere = this.#remove(record);
      say(200, {
        success: wasThere,
        message: wasThere ? '' : 'This domain/ip association does not exist',
      });
    }
  }

  #add(record: string): void {
    this.records.push(record);
    this.changes.push(`+${record}`);
  }

  #remove(record: string): boolean {
    const at = this.records.indexOf(record);
    if (at < 0) return false;
    this.records.splice(at, 1);
    this.changes.push(`-${record}`);
    return true;
  }
}
