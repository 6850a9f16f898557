import { loginByAes } from '../aes/aes-protocol.ts';
import {
  ConnectLibrary,
  type LibraryDevice,
  type LibraryExchange,
  type LibraryFailure,
} from './connect-library.ts';
import { HANDSHAKE1_PATH, readFirstStep, secondStepRefusal } from '../klap/klap-protocol.ts';
import { EMETER, HISTORY, INFO, USAGE } from '../plug-answers.ts';
import {
  badAnswer,
  ERROR_CODE,
  type LoginRefusal,
  type PlugAnswer,
  type PlugChannel,
  type PlugEndpoint,
  type PlugRequest,
  readAnswer,
  readSessionCookie,
  requestRefusal,
  type SendOutcome,
} from '../plug-protocol.ts';
import type { OtherLogins } from '../plug-driver.ts';
import type { PlugCredentials } from '../plug.ts';
import { asRecord, type WireRecord } from '../wire-values.ts';

/** A plug's own word for a method it does not know. */
const NO_SUCH_METHOD = -1002;
/** Stands for any refusal whose code nobody told. */
const REFUSED = -1;
/** Used where a session names no end of its own: an hour is well within every plug's day. */
const LIFETIME_MS = 3_600_000;

/** Logs in through the library. The session's end and every failure are told by what was answered. */
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

  /** One after the other, and none after the first that fails, as a plug does it. */
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
      // The library has no way to ask for these, whatever the plug knows.
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
  // The library keeps the plug's own code to itself.
  return isRefusal ? { kind: 'answer', errorCode: REFUSED, result: {} } : unread;
}
