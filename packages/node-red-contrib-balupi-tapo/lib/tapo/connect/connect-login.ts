import { AsyncLocalStorage } from 'node:async_hooks';
import { createRequire } from 'node:module';
import { loginByAes } from '../aes/aes-protocol.ts';
import { HANDSHAKE1_PATH, readFirstStep, secondStepRefusal } from '../klap/klap-protocol.ts';
import type { OtherLogins } from '../plug-driver.ts';
import type { PlugHttp, PlugHttpOutcome } from '../plug-http.ts';
import {
  asRecord,
  badAnswer,
  EMETER,
  ERROR_CODE,
  HISTORY,
  INFO,
  type LoginRefusal,
  type PlugAnswer,
  type PlugChannel,
  type PlugEndpoint,
  type PlugRequest,
  readAnswer,
  readSessionCookie,
  requestRefusal,
  type SendOutcome,
  USAGE,
  type WireRecord,
} from '../plug-protocol.ts';
import type { PlugCredentials } from '../plug.ts';

/** A plug's own word for a method it does not know. */
const NO_SUCH_METHOD = -1002;
/** Stands for any refusal without a known code. */
const REFUSED = -1;
/** Used where a session names no expiry: an hour is well within every plug's day. */
const LIFETIME_MS = 3_600_000;

/** Logs in through the library. The end of a session and failures are inferred from its answers. */
export const libraryLogins: OtherLogins = (http) => {
  const library = new ConnectLibrary(http);
  return {
    klap: async (endpoint, credentials, signal) => {
      const { username, password } = credentials;
      const outcome = await library.run(signal, ({ klap }) =>
        klap(username, password, addressOf(endpoint)),
      );
      if (outcome.kind === 'failed') return klapRefusal(outcome, credentials);
      return { kind: 'channel', channel: channelOf(library, outcome.value, outcome.exchanges) };
    },
    aes: async (endpoint, credentials, level, signal) => {
      const { username, password } = credentials;
      const outcome = await library.run(signal, ({ aes }) =>
        aes(username, password, addressOf(endpoint)),
      );
      if (outcome.kind === 'done') {
        return { kind: 'channel', channel: channelOf(library, outcome.value, outcome.exchanges) };
      }
      // The plug's reason is encrypted for the library alone, so we ask in our own words.
      const probe = await loginByAes(endpoint, credentials, level, signal);
      if (probe.kind !== 'channel') return probe;
      return {
        kind: 'unsupported_protocol',
        detail: 'The library cannot log in to this firmware; our own driver can (auto).',
      };
    },
  };
};

function addressOf({ host, port }: PlugEndpoint): string {
  return port === 80 ? host : `${host}:${port}`;
}

function klapRefusal(
  { exchanges, error }: LibraryFailure,
  credentials: PlugCredentials,
): LoginRefusal {
  const unexplained = badAnswer(`The library could not log in (${error}).`);
  const last = exchanges.at(-1);
  if (last === undefined) return unexplained;
  const { path, body, outcome } = last;
  if (path !== HANDSHAKE1_PATH) return secondStepRefusal(outcome) ?? unexplained;
  const first = readFirstStep(body, outcome, credentials);
  return first.kind === 'proven' ? unexplained : first;
}

function channelOf(
  library: ConnectLibrary,
  device: LibraryDevice,
  exchanges: readonly LibraryExchange[],
): PlugChannel {
  const [first] = exchanges;
  const cookie = first?.outcome.kind === 'answer' ? readSessionCookie(first.outcome.cookies) : null;
  return new ConnectChannel(library, device, cookie?.lifetimeMs ?? LIFETIME_MS);
}

/** A session of the library, behind our own requests. */
class ConnectChannel implements PlugChannel {
  readonly lifetimeMs: number;
  readonly #library: ConnectLibrary;
  readonly #device: LibraryDevice;

  constructor(library: ConnectLibrary, device: LibraryDevice, lifetimeMs: number) {
    this.#library = library;
    this.#device = device;
    this.lifetimeMs = lifetimeMs;
  }

  async send(request: PlugRequest, signal: AbortSignal): Promise<SendOutcome> {
    return request.method === 'multipleRequest'
      ? await this.#batch(request.params?.['requests'], signal)
      : await this.#one(request, signal);
  }

  async #one(request: PlugRequest, signal: AbortSignal): Promise<SendOutcome> {
    const outcome = await this.#library.run(signal, () => this.#ask(request));
    if (outcome.kind === 'done') return outcome.value;
    return refusalOf(outcome);
  }

  /** One after the other, and none after the first failure, as a plug does it. */
  async #batch(requests: unknown, signal: AbortSignal): Promise<SendOutcome> {
    const responses: WireRecord[] = [];
    for (const request of Array.isArray(requests) ? requests : []) {
      const method = String(asRecord(request)?.['method']);
      const answer = await this.#one({ method }, signal);
      if (answer.kind !== 'answer') return answer;
      const { errorCode, result } = answer;
      responses.push({ method, error_code: errorCode, result });
      if (errorCode !== ERROR_CODE.ok) break;
    }
    return answered({ responses });
  }

  async #ask({ method, params }: PlugRequest): Promise<PlugAnswer> {
    switch (method) {
      case 'set_device_info':
        await (params?.['device_on'] === true ? this.#device.turnOn() : this.#device.turnOff());
        return answered({});
      case INFO:
        return answered(withWireName(await this.#device.getDeviceInfo()));
      case USAGE:
        return answered(await this.#device.getEnergyUsage());
      // The library cannot ask for these, whatever the plug supports.
      case EMETER:
      case HISTORY:
      default:
        return { kind: 'answer', errorCode: NO_SUCH_METHOD, result: {} };
    }
  }
}

/** The library decodes the name, which the wire has in base64. */
function withWireName(info: unknown): unknown {
  const record = asRecord(info);
  const nickname = record?.['nickname'];
  if (record === null || typeof nickname !== 'string') return info;
  return { ...record, nickname: Buffer.from(nickname, 'utf8').toString('base64') };
}

function answered(result: unknown): PlugAnswer {
  return { kind: 'answer', errorCode: ERROR_CODE.ok, result: asRecord(result) ?? {} };
}

function refusalOf({ exchanges, error, isRefusal }: LibraryFailure): SendOutcome {
  const unread = badAnswer(`The library could not read the answer (${error}).`);
  const outcome = exchanges.at(-1)?.outcome;
  if (outcome === undefined) return unread;
  if (outcome.kind !== 'answer') return outcome;
  if (outcome.status !== 200) return requestRefusal(outcome);
  const code = readAnswer(outcome.body)?.errorCode;
  if (code === ERROR_CODE.sessionTimeout) return { kind: 'session_gone' };
  // The library does not expose the plug's own code.
  return isRefusal ? { kind: 'answer', errorCode: REFUSED, result: {} } : unread;
}

/** The part of the library's device object that plugs have. */
interface LibraryDevice {
  getDeviceInfo(): Promise<unknown>;
  getEnergyUsage(): Promise<unknown>;
  turnOn(): Promise<void>;
  turnOff(): Promise<void>;
}

type LibraryLogin = (username: string, password: string, address: string) => Promise<LibraryDevice>;

/**
 * The library's two ways to log in. Its own entry point tries one after the other and hides why
 * the first failed, and would send the password by AES to whatever refused KLAP; so they are taken
 * apart.
 */
interface LibraryLogins {
  readonly klap: LibraryLogin;
  readonly aes: LibraryLogin;
}

/** One request of the library and what came of it. */
interface LibraryExchange {
  readonly path: string;
  readonly body: Buffer;
  readonly outcome: PlugHttpOutcome;
}

/** The library threw; the exchange tells more than its message. */
interface LibraryFailure {
  readonly kind: 'failed';
  readonly exchanges: readonly LibraryExchange[];
  /** The name of what it threw; its words may quote the plug. */
  readonly error: string;
  /** It understood the answer, and the answer was a refusal of what was asked. */
  readonly isRefusal: boolean;
}

type LibraryOutcome<T> =
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
 * `tp-link-tapo-connect` 2.0.15, loaded when first used. The library has no time limit and no limit
 * on the size of an answer, and follows redirects; so its requests go through our own {@link
 * PlugHttp}, which has all three, and end with the signal of the call they belong to. The
 * asynchronous context identifies that call: other users of the same axios are left alone.
 */
class ConnectLibrary {
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
