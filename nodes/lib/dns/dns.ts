import { createHash } from 'node:crypto';
import type { Log } from '../log/log.ts';
import type { Cancel, Clock } from '../time/clock.ts';

interface Deps {
  readonly clock: Clock;
  readonly log: Log;
  readonly server: NameServer;
  readonly name: string;
  /** `sleep`: it points at the Pi while the NAS sleeps. `always`: at the Pi. */
  readonly mode: 'sleep' | 'always';
  /** IPv4; null while it has none. */
  readonly piAddress: () => string | null;
  /** IPv4; null while it is not known. */
  readonly nasAddress: () => Promise<string | null>;
  readonly isAwake: () => boolean;
  /** Calls back when that may have changed. */
  readonly onChange: (listener: () => void) => () => void;
}

/** No name is managed: because of the settings, or because it would mislead. */
export class NoDnsName {
  /** Null where none is configured. */
  readonly fault: string | null;

  constructor(fault: string | null) {
    this.fault = fault;
  }

  start(): void {
    // Nothing to keep.
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }

  isSwitched(): Promise<boolean> {
    return Promise.resolve(false);
  }
}

const WHO = { pi: 'Pi', nas: 'NAS' } as const;
const HOUR_MS = 3_600_000;
/** How soon, and at most how late, it is tried again where the name server did not answer. */
const RETRY_MS = 15_000;
const MOST_RETRY_MS = 10 * 60_000;

/**
 * Keeps one name of the home network pointing at whoever serves: the Pi while the NAS sleeps, else
 * the NAS. The new record is set before the old one is removed, so the name never vanishes. It is
 * checked at every start, every change and every hour, since a name server may be restored, too.
 */
export class DnsName {
  readonly #deps: Deps;
  #unlisten: () => void = () => undefined;
  #cancel: Cancel | null = null;
  #running: Promise<void> | null = null;
  #isWantedAgain = false;
  #retryMs = RETRY_MS;
  #pointsAt: 'pi' | 'nas' | null = null;
  #fault: string | null = null;
  #stopped = true;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  start(): void {
    this.#stopped = false;
    this.#unlisten = this.#deps.onChange(() => {
      this.#kick();
    });
    this.#kick();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#unlisten();
    this.#cancel?.();
    await this.#running;
  }

  /** Why it could not be set, in a sentence; null where it could. */
  get fault(): string | null {
    return this.#fault;
  }

  /** Whether the name points at the Pi, after waiting at most this long for it to be set. */
  async isSwitched(withinMs: number): Promise<boolean> {
    const waited = new AbortController();
    const over = this.#deps.clock.sleep(withinMs, waited.signal).catch(() => undefined);
    while (this.#running !== null) {
      const before = this.#running;
      const first = await Promise.race([before.then(() => 'done'), over.then(() => 'over')]);
      if (first === 'over') break;
      if (this.#running === before) break;
    }
    waited.abort();
    return this.#pointsAt === 'pi' && this.#running === null;
  }

  #kick(): void {
    if (this.#stopped) return;
    this.#cancel?.();
    this.#cancel = null;
    if (this.#running !== null) {
      this.#isWantedAgain = true;
      return;
    }
    this.#running = this.#set().then((nextMs) => {
      this.#running = null;
      if (this.#stopped) return;
      if (this.#isWantedAgain) {
        this.#isWantedAgain = false;
        this.#kick();
        return;
      }
      this.#cancel = this.#deps.clock.after(nextMs, () => {
        this.#kick();
      });
    });
  }

  /** @returns when to look again */
  async #set(): Promise<number> {
    const { log, name } = this.#deps;
    try {
      await this.#reconcile();
      if (this.#fault !== null) log.info(`The name ${name} could be set again.`);
      this.#fault = null;
      this.#retryMs = RETRY_MS;
      return HOUR_MS;
    } catch (error) {
      const words = error instanceof Error ? error.message : String(error);
      if (this.#fault !== words) log.warn(`The name ${name} could not be set: ${words}`);
      this.#fault = words;
      const nextMs = this.#retryMs;
      this.#retryMs = Math.min(MOST_RETRY_MS, nextMs * 2);
      return nextMs;
    }
  }

  async #reconcile(): Promise<void> {
    const { server, name, mode, log, isAwake, piAddress, nasAddress } = this.#deps;
    const target = mode === 'always' || !isAwake() ? 'pi' : 'nas';
    const wanted = target === 'pi' ? piAddress() : await nasAddress();
    if (wanted === null) throw new Error(`The ${WHO[target]} has no IPv4 address now.`);
    const before = await server.addresses(name);
    if (!before.includes(wanted)) await server.add(name, wanted);
    for (const address of before) if (address !== wanted) await server.remove(name, address);
    if (this.#pointsAt !== target || before.length !== 1 || before[0] !== wanted) {
      log.info(`The name ${name} points at the ${WHO[target]} (${wanted}).`);
    }
    this.#pointsAt = target;
  }
}

/** A name server whose own records can be set: IPv4 addresses of exactly one name. */
interface NameServer {
  /** @throws Error in words where it does not answer or refuses */
  addresses(name: string): Promise<readonly string[]>;
  add(name: string, address: string): Promise<void>;
  remove(name: string, address: string): Promise<void>;
}

const ANSWER_WITHIN_MS = 5_000;
const MOST_BYTES = 1024 * 1024;

interface PiHoleDeps {
  /** The address of Pi-hole's own page, such as `http://pi.hole`. */
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
 * The local records of a Pi-hole. Version 6 has a REST API (`/api/config/dns/hosts`, a session by
 * password, docs.pi-hole.net/api); version 5 has `admin/api.php?customdns` (from web 5.11 on,
 * pi-hole/web#2091). The sign-in shows which it is.
 */
export class PiHole implements NameServer {
  readonly #deps: PiHoleDeps;
  #session: string | null = null;
  #isOld = false;

  constructor(deps: PiHoleDeps) {
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
    // 400: it exists already, as wanted; if not, the next check notices.
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
      // It may have been replaced meanwhile.
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
