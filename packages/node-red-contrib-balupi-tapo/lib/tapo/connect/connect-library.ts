import { AsyncLocalStorage } from 'node:async_hooks';
import { createRequire } from 'node:module';
import type { PlugHttp, PlugHttpOutcome } from '../plug-http.ts';

/** The part of the library's device object that plugs have. */
export interface LibraryDevice {
  getDeviceInfo(): Promise<unknown>;
  getEnergyUsage(): Promise<unknown>;
  turnOn(): Promise<void>;
  turnOff(): Promise<void>;
}

type LibraryLogin = (username: string, password: string, address: string) => Promise<LibraryDevice>;

/**
 * The library's two ways to log in. Its own door tries one after the other and hides why the first
 * failed, and would send the password by AES to whatever refused KLAP; so they are taken apart.
 */
export interface LibraryLogins {
  readonly klap: LibraryLogin;
  readonly aes: LibraryLogin;
}

/** One request of the library and what came of it. */
export interface LibraryExchange {
  readonly path: string;
  readonly body: Buffer;
  readonly outcome: PlugHttpOutcome;
}

/** The library threw; what was asked and answered tells more than its words. */
export interface LibraryFailure {
  readonly kind: 'failed';
  readonly exchanges: readonly LibraryExchange[];
  /** The name of what it threw; its words may quote the plug. */
  readonly error: string;
  /** It understood the answer, and the answer was a refusal of what was asked. */
  readonly isRefusal: boolean;
}

export type LibraryOutcome<T> =
  | { readonly kind: 'done'; readonly value: T; readonly exchanges: readonly LibraryExchange[] }
  | LibraryFailure;

interface Call {
  readonly signal: AbortSignal;
  readonly exchanges: LibraryExchange[];
}

/** As much of axios as is used here; the library brings it. */
interface AxiosConfig {
  readonly data?: unknown;
  readonly responseType?: string;
  readonly headers: { toJSON(): Readonly<Record<string, unknown>> };
  adapter?: unknown;
}

interface Axios {
  readonly interceptors: {
    readonly request: { use(intercept: (config: AxiosConfig) => AxiosConfig): number };
  };
  getUri(config: AxiosConfig): string;
}

const PACKAGE = 'tp-link-tapo-connect';

/**
 * `tp-link-tapo-connect` 2.0.15, loaded when first used. The library has no time limit, no limit on
 * the size of an answer, and follows redirects; so its requests go out through our own
 * {@link PlugHttp}, which has all three, and end with the signal of the call they belong to. Which
 * call that is, is told by the asynchronous context: other users of the same axios are left alone.
 */
export class ConnectLibrary {
  readonly #http: PlugHttp;
  readonly #calls = new AsyncLocalStorage<Call>();
  #loading: Promise<LibraryLogins> | null = null;

  constructor(http: PlugHttp) {
    this.#http = http;
  }

  /** Runs `work`, whose requests end with `signal`. Never rejects for what the library throws. */
  async run<T>(
    signal: AbortSignal,
    work: (logins: LibraryLogins) => Promise<T>,
  ): Promise<LibraryOutcome<T>> {
    const logins = await (this.#loading ??= this.#load());
    const call: Call = { signal, exchanges: [] };
    const { exchanges } = call;
    return await this.#calls.run(call, async () => {
      try {
        return { kind: 'done', value: await work(logins), exchanges };
      } catch (error) {
        // It throws plain errors for everything; the last exchange says what it was about.
        const name = error instanceof Error ? error.name : 'unknown';
        return { kind: 'failed', exchanges, error: name, isRefusal: isRefusal(error) };
      }
    });
  }

  async #load(): Promise<LibraryLogins> {
    const here = createRequire(import.meta.url);
    const axios = createRequire(here.resolve(PACKAGE))('axios') as Axios;
    axios.interceptors.request.use((config) => {
      const call = this.#calls.getStore();
      if (call !== undefined) config.adapter = (sent: AxiosConfig) => this.#send(axios, sent, call);
      return config;
    });
    const [klap, aes] = await Promise.all([
      import('tp-link-tapo-connect/dist/klap-transport.js'),
      import('tp-link-tapo-connect/dist/secure-passthrough-transport.js'),
    ]);
    return { klap: klap.loginDeviceByIp, aes: aes.loginDeviceByIp };
  }

  async #send(axios: Axios, config: AxiosConfig, call: Call): Promise<object> {
    const url = new URL(axios.getUri(config));
    const path = `${url.pathname}${url.search}`;
    const body = bytesOf(config.data);
    const outcome = await this.#http({
      host: url.hostname,
      port: url.port === '' ? 80 : Number(url.port),
      path,
      body,
      headers: headersOf(config),
      signal: call.signal,
    });
    call.exchanges.push({ path, body, outcome });
    if (outcome.kind !== 'answer') throw new Error(outcome.detail);
    const { status, cookies } = outcome;
    if (status !== 200) throw new Error(`The plug answered with status ${status}.`);
    const data = config.responseType === 'arraybuffer' ? outcome.body : outcome.body.toString();
    return { data, status, statusText: '', headers: { 'set-cookie': cookies }, config };
  }
}

/**
 * The library throws plain errors for the `error_code` of an answer it could open, and system errors
 * or those of a parser for one it could not. A session that ended is no refusal.
 */
function isRefusal(error: unknown): boolean {
  if (!(error instanceof Error) || error.name !== 'Error' || 'code' in error) return false;
  return !error.message.includes('Session Timeout');
}

function bytesOf(data: unknown): Buffer {
  if (typeof data === 'string') return Buffer.from(data, 'utf8');
  return data instanceof Uint8Array ? Buffer.from(data) : Buffer.alloc(0);
}

/** What node:http sets itself is left to it. */
function headersOf(config: AxiosConfig): Readonly<Record<string, string>> {
  const headers = Object.entries(config.headers.toJSON())
    .filter(([name]) => !/^(content-length|host|connection)$/i.test(name))
    .map(([name, value]) => [name, String(value)] as const);
  return Object.fromEntries(headers);
}
