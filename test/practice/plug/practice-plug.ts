import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Clock } from '../../../nodes/lib/time/clock.ts';
import type { LoadCurve } from './load-curve.ts';
import { LocalTime } from './local-time.ts';
import { flipBit, PlugFaults, spoil, type PlugFault } from './plug-faults.ts';
import { PlugMeter } from './plug-meter.ts';
import { plugSample } from './plug-samples.ts';
import { PracticeAes } from './practice-aes.ts';
import { PracticeAnnouncer } from './practice-announcer.ts';
import { PracticeKlap } from './practice-klap.ts';
import { PracticeMethods, type PracticeIdentity } from './practice-methods.ts';
import { jsonAnswer, readBody, REFUSED, sessionIdOf } from './practice-wire.ts';
import type { PracticeAccess, PracticeAnswer, PracticeProtocol } from './practice-wire.ts';

export interface PracticePlugOptions {
  readonly clock: Clock;
  readonly load: LoadCurve;
  readonly username: string;
  readonly password: string;
  /** Which recorded plug it is like. */
  readonly sample?: string;
  /** Default: what the recorded plug speaks. */
  readonly protocol?: 'klap' | 'aes' | 'tpap';
  /** A number that its ids and its MAC are made of. */
  readonly serial?: number;
  readonly nickname?: string;
  /** IANA name of the zone its counters go by. */
  readonly timeZone?: string;
  /** What came before it counts for nothing. Default: now. */
  readonly pluggedInAtMs?: number;
  /** Default: the recorded one. */
  readonly firmware?: string;
  readonly sessionTimeoutSeconds?: number;
  readonly isSingleSession?: boolean;
  /** For the fault `slow`. */
  readonly slowMs?: number;
}

/**
 * A simulated Tapo plug on loopback: HTTP and discovery on ports of its own, an exactly known
 * load, and every misbehaviour that was seen in the field. Its clock runs on steadily however the
 * wall clock of the machine that reads it may jump.
 */
export class PracticePlug {
  readonly #options: PracticePlugOptions;
  readonly #startWallMs: number;
  readonly #startMonotonicMs: number;
  readonly #meter: PlugMeter;
  readonly #methods: PracticeMethods;
  readonly #faults = new PlugFaults();
  readonly #protocol: PracticeProtocol | null;
  readonly #announcer: PracticeAnnouncer;
  readonly #server: Server;
  readonly #name: 'klap' | 'aes' | 'tpap';
  #udpPort = 0;
  #inFlight = 0;
  /** `device_id` of `get_device_info`. */
  readonly deviceId: string;
  /** `AA:BB:CC:DD:EE:FF` */
  readonly mac: string;
  /** The most requests it ever had at once. */
  maxInFlight = 0;
  /** Bodies it was sent, oldest first. */
  readonly received: { readonly path: string; readonly body: Buffer }[] = [];

  constructor(options: PracticePlugOptions) {
    this.#options = options;
    this.#startWallMs = options.clock.nowMs();
    this.#startMonotonicMs = options.clock.monotonicMs();
    const sample = plugSample(options.sample ?? 'P110M(EU)_1.0_1.2.3');
    const local = new LocalTime(options.timeZone ?? 'Europe/Berlin');
    this.#meter = new PlugMeter(options.load, local, options.pluggedInAtMs ?? this.nowMs());
    const identity = practiceIdentity(options);
    this.#methods = new PracticeMethods(sample, identity, this.#meter, local);
    const scheme = sample.discovery['mgt_encrypt_schm'] as { encrypt_type: string; lv?: number };
    this.#name = options.protocol ?? (scheme.encrypt_type.toLowerCase() as 'klap' | 'aes');
    this.#protocol = this.#makeProtocol(scheme.lv ?? 0);
    this.#announcer = new PracticeAnnouncer(() => ({
      error_code: 0,
      result: {
        ...sample.discovery,
        device_id: identity.discoveryId,
        mac: identity.mac,
        ip: '127.0.0.1',
        mgt_encrypt_schm: {
          ...scheme,
          encrypt_type: this.#name.toUpperCase(),
          http_port: this.port,
        },
      },
    }));
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch((error: unknown) => {
        response.destroy(error instanceof Error ? error : new Error('Practice plug failed.'));
      });
    });
    this.deviceId = identity.deviceId;
    this.mac = identity.mac.replaceAll('-', ':');
  }

  /** @param ports default: any free ones */
  async start(ports: { readonly http?: number; readonly udp?: number } = {}): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    this.#server.once('error', reject);
    this.#server.listen(ports.http ?? 0, '127.0.0.1', () => {
      resolve(undefined);
    });
    await promise;
    this.#udpPort = await this.#announcer.start('127.0.0.1', ports.udp ?? 0);
  }

  /** Unplugs it; harmless when it is not running. It can be started again, as the same plug. */
  async stop(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#server.close(() => {
      resolve(undefined);
    });
    this.#server.closeAllConnections();
    await promise;
    await this.#announcer.stop();
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get udpPort(): number {
    return this.#udpPort;
  }

  /** `127.0.0.1:port`, as a device is added by hand. */
  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  get isOn(): boolean {
    return this.#meter.isOn;
  }

  get logins(): number {
    return this.#protocol?.logins ?? 0;
  }

  get queries(): number {
    return this.#announcer.queries;
  }

  /** How often a method was called. */
  calls(method: string): number {
    return this.#methods.calls.get(method) ?? 0;
  }

  /** The plug's own time, epoch ms. */
  nowMs(): number {
    return this.#startWallMs + this.#options.clock.monotonicMs() - this.#startMonotonicMs;
  }

  /** By hand, at its button. */
  setRelay(isOn: boolean): void {
    this.#meter.setRelay(isOn, this.nowMs());
  }

  /** What really went through the plug, exactly; times as of {@link nowMs}. */
  energyWhBetween(fromMs: number, toMs: number): number {
    return this.#meter.energyWhBetween(fromMs, toMs);
  }

  /** Puts a fault on for the next `requests`, or off with null. */
  setFault(fault: PlugFault | null, requests: number = Number.POSITIVE_INFINITY): void {
    this.#faults.set(fault, requests);
  }

  /** Refuses a method with an error, says other values in its answer, or, with null, neither. */
  setAnswer(method: string, instead: Readonly<Record<string, unknown>> | number | null): void {
    if (instead === null) this.#methods.instead.delete(method);
    else this.#methods.instead.set(method, instead);
  }

  /** Its own clock goes wrong; its load and its history do not. */
  setClockAhead(aheadMs: number): void {
    this.#methods.clockAheadMs = aheadMs;
  }

  /** Stays silent on UDP. */
  setQuiet(isQuiet: boolean): void {
    this.#announcer.isSilent = isQuiet;
  }

  /** Another client logs in, or the plug restarts: every session is void. */
  stealSession(): void {
    this.#protocol?.forget();
  }

  wipeCounters(): void {
    this.#meter.wipe(this.nowMs());
  }

  freezeCounters(isFrozen: boolean): void {
    this.#meter.freeze(isFrozen ? this.nowMs() : null);
  }

  #makeProtocol(level: number): PracticeProtocol | null {
    const { username, password, sessionTimeoutSeconds, isSingleSession } = this.#options;
    const access: PracticeAccess = {
      username,
      password,
      timeoutSeconds: sessionTimeoutSeconds ?? 86_400,
      isSingleSession: isSingleSession ?? true,
      nowMs: () => this.nowMs(),
      call: (request) => this.#methods.call(request, this.nowMs()),
    };
    if (this.#name === 'tpap') return null;
    return this.#name === 'klap' ? new PracticeKlap(access) : new PracticeAes(access, level);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#inFlight += 1;
    this.maxInFlight = Math.max(this.maxInFlight, this.#inFlight);
    response.once('close', () => {
      this.#inFlight -= 1;
    });
    const url = new URL(request.url ?? '/', 'http://plug');
    const body = await readBody(request);
    this.received.push({ path: url.pathname, body });
    const fault = this.#faults.take();
    if (fault === 'slow') await this.#options.clock.sleep(this.#options.slowMs ?? 1_000);
    if (fault !== null && spoil(fault, response)) return;
    this.#methods.isAbsurd = fault === 'absurd';
    const isHandshake = url.pathname === '/app/handshake1';
    const answer =
      fault === 'third_party_off' && isHandshake ? REFUSED : this.#answer(request, url, body);
    const bytes = Buffer.from(answer.body);
    if (fault === 'tampered' && answer.isSealed === true) flipBit(bytes);
    response.writeHead(answer.status, { ...answer.headers, 'Content-Length': bytes.length });
    response.end(bytes);
  }

  #answer(request: IncomingMessage, url: URL, body: Buffer): PracticeAnswer {
    const sessionId = sessionIdOf(request);
    const own = this.#protocol?.answer({
      path: url.pathname,
      query: url.searchParams,
      sessionId,
      body,
    });
    if (own !== null && own !== undefined) return own;
    // A plug that speaks another protocol says so on `/app`, and knows no other path.
    if (url.pathname === '/app') return jsonAnswer({ error_code: 1003 });
    return { status: 404, body: Buffer.alloc(0) };
  }
}

function practiceIdentity(options: PracticePlugOptions): PracticeIdentity {
  const serial = (options.serial ?? 1).toString(16).toUpperCase();
  return {
    deviceId: serial.padStart(40, '8022000000000000000000000000000000000000'),
    discoveryId: serial.padStart(32, 'D15C0000000000000000000000000000'),
    mac: serial.padStart(6, '0').replace(/(..)(..)(..)/, '02-50-4C-$1-$2-$3'),
    nickname: options.nickname ?? `Practice ${serial}`,
    firmware: options.firmware ?? null,
  };
}
