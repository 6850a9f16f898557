import { createHash } from 'node:crypto';
import type { NameServer } from './name-server.ts';

const ANSWER_WITHIN_MS = 5_000;
const MOST_BYTES = 1024 * 1024;

interface Deps {
  /** Of Pi-hole's own page, such as `http://pi.hole`. */
  readonly url: URL;
  readonly password: string;
  readonly fetch: typeof globalThis.fetch;
}

interface Answered {
  readonly status: number;
  /** Undefined where it was no JSON. */
  readonly body: unknown;
}

/**
 * The local records of a Pi-hole. Version 6 is a REST API of its own (`/api/config/dns/hosts`, a
 * session by the password, docs.pi-hole.net/api); version 5 is `admin/api.php?customdns` (from web
 * 5.11 on, pi-hole/web#2091). Which it is shows at the sign-in.
 */
export class PiHole implements NameServer {
  readonly #deps: Deps;
  #session: string | null = null;
  #isOld = false;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  async addresses(name: string): Promise<readonly string[]> {
    await this.#signIn();
    if (this.#isOld) {
      const { data } = (await this.#old('get')) as { data?: unknown };
      if (!Array.isArray(data)) throw new Error('Pi-hole gave no list of its records.');
      return data.flatMap((row: unknown) =>
        Array.isArray(row) && row[0] === name && typeof row[1] === 'string' && isIpv4(row[1])
          ? [row[1]]
          : [],
      );
    }
    const { status, body } = await this.#new('GET', '');
    const hosts = (body as { config?: { dns?: { hosts?: unknown } } } | undefined)?.config?.dns
      ?.hosts;
    if (status !== 200 || !Array.isArray(hosts)) throw refused('list its records', status);
    return hosts.flatMap((line: unknown) => {
      const [address = '', ...names] = String(line).trim().split(/\s+/);
      return names.length === 1 && names[0] === name && isIpv4(address) ? [address] : [];
    });
  }

  async add(name: string, address: string): Promise<void> {
    await this.#signIn();
    if (this.#isOld) {
      await this.#old('add', name, address);
      return;
    }
    const { status } = await this.#new('PUT', `/${encodeURIComponent(`${address} ${name}`)}`);
    // 400: it is there already, which is what was wanted; the next look tells if it is not.
    if (status !== 201 && status !== 200 && status !== 400) throw refused('set a record', status);
  }

  async remove(name: string, address: string): Promise<void> {
    await this.#signIn();
    if (this.#isOld) {
      await this.#old('delete', name, address);
      return;
    }
    const { status } = await this.#new('DELETE', `/${encodeURIComponent(`${address} ${name}`)}`);
    if (status !== 204 && status !== 200 && status !== 404)
      throw refused('remove a record', status);
  }

  /** Once, and again after Pi-hole forgot the session. @throws Error where the password is wrong */
  async #signIn(): Promise<void> {
    if (this.#session !== null || this.#isOld) return;
    const { status, body } = await this.#ask('POST', 'api/auth', {
      body: JSON.stringify({ password: this.#deps.password }),
      headers: { 'Content-Type': 'application/json' },
    });
    const session = (body as { session?: { valid?: unknown; sid?: unknown } } | undefined)?.session;
    if (session === undefined && status !== 401 && status !== 429) {
      this.#isOld = true;
      return;
    }
    if (status === 429) throw new Error('Pi-hole has no session free now.');
    if (session?.valid !== true) throw new Error('Pi-hole refuses BALUPI_PIHOLE_PASSWORD.');
    this.#session = typeof session.sid === 'string' ? session.sid : '';
  }

  async #new(method: string, path: string): Promise<Answered> {
    for (let isFirst = true; ; isFirst = false) {
      const headers = { 'X-FTL-SID': this.#session ?? '' };
      const answered = await this.#ask(method, `api/config/dns/hosts${path}`, { headers });
      if (answered.status !== 401 || !isFirst) return answered;
      this.#session = null;
      await this.#signIn();
      if (this.#isOld) return answered;
    }
  }

  async #old(action: 'get' | 'add' | 'delete', name = '', address = ''): Promise<unknown> {
    const asked = new URLSearchParams({
      customdns: '',
      action,
      auth: oldToken(this.#deps.password),
    });
    if (action !== 'get') {
      asked.set('ip', address);
      asked.set('domain', name);
    }
    const { status, body } = await this.#ask('GET', `admin/api.php?${asked.toString()}`);
    if (Array.isArray(body)) throw new Error('Pi-hole refuses BALUPI_PIHOLE_PASSWORD.');
    if (status !== 200 || typeof body !== 'object' || body === null) {
      // It may have become a new one meanwhile.
      this.#isOld = false;
      throw refused('answer', status);
    }
    const { success, message } = body as { success?: unknown; message?: unknown };
    const isThere = typeof message === 'string' && /already|does not exist/i.test(message);
    if (success === false && !isThere) throw refused(`${action} a record`, status);
    return body;
  }

  async #ask(method: string, path: string, init: RequestInit = {}): Promise<Answered> {
    const { url, fetch } = this.#deps;
    const base = url.href.replace(/\/*$/, '/');
    let answered: Response;
    try {
      answered = await fetch(base + path, {
        ...init,
        method,
        redirect: 'manual',
        signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
      });
    } catch (cause) {
      throw new Error('Pi-hole does not answer at BALUPI_PIHOLE_URL.', { cause });
    }
    return { status: answered.status, body: await jsonOf(answered) };
  }
}

async function jsonOf(answered: Response): Promise<unknown> {
  const blocks: Uint8Array[] = [];
  let sizeBytes = 0;
  try {
    for await (const block of answered.body ?? []) {
      sizeBytes += (block as Uint8Array).length;
      if (sizeBytes > MOST_BYTES) throw new Error('Pi-hole gave an answer that is too long.');
      blocks.push(block);
    }
    return JSON.parse(Buffer.concat(blocks).toString('utf8')) as unknown;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw new Error('Pi-hole cut its answer off.', { cause: error });
  }
}

/** As Pi-hole 5 keeps it in setupVars.conf: the hash of the hash, in hex. */
function oldToken(password: string): string {
  const hash = (text: string): string => createHash('sha256').update(text).digest('hex');
  return hash(hash(password));
}

function refused(what: string, status: number): Error {
  return new Error(`Pi-hole did not ${what} (status ${status}).`);
}

function isIpv4(text: string): boolean {
  return /^\d{1,3}(?:\.\d{1,3}){3}$/.test(text);
}
