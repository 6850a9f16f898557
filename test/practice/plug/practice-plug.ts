import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
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
import { PracticeTpap } from './practice-tpap.ts';
import { jsonAnswer, readBody, REFUSED, sessionIdOf } from './practice-wire.ts';
import type {
  PracticeAccess,
  PracticeAnswer,
  PracticeProtocol,
  PracticeRequest,
} from './practice-wire.ts';

export interface PracticePlugOptions {
  readonly clock: Clock;
  readonly load: LoadCurve;
  readonly username: string;
  readonly password: string;
  /** The recorded plug it is like. */
  readonly sample?: string;
  /** Default: the recorded plug's. */
  readonly protocol?: 'klap' | 'aes' | 'tpap';
  /** The number from which its ids and MAC are made. */
  readonly serial?: number;
  readonly nickname?: string;
  /** IANA name of the zone its counters follow. */
  readonly timeZone?: string;
  /** Nothing before it is counted. Default: now. */
  readonly pluggedInAtMs?: number;
  /** Default: the recorded one. */
  readonly firmware?: string;
  readonly sessionTimeoutSeconds?: number;
  readonly isSingleSession?: boolean;
  /** Makes it reachable by TLS only, with this certificate. */
  readonly tls?: { readonly key: Buffer; readonly cert: Buffer };
  /** For the fault `slow`. */
  readonly slowMs?: number;
}

/**
 * A simulated Tapo plug on loopback: HTTP and discovery on ports of its own, an exactly known load,
 * and every misbehaviour seen in the field. Its clock runs steadily, however the wall clock of the
 * machine that reads it jumps.
 */
export class PracticePlug {
  readonly #options: PracticePlugOptions;
  readonly #startWallMs: number;
  readonly #startMonotonicMs: number;
  readonly #meter: PlugMeter;
  readonly #methods: PracticeMethods;
  readonly #faults = new PlugFaults();
  readonly #protocol: PracticeProtocol;
  /**
   * With firmware from 1.4.0 on, which speaks KLAP while its owner allows it, and otherwise this.
   */
  readonly tpap: PracticeTpap | null;
  readonly #announcer: PracticeAnnouncer;
  readonly #server: Server;
  #name: 'klap' | 'aes' | 'tpap';
  #httpPort = 0;
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
    const access = this.#access();
    this.tpap = this.#name === 'tpap' ? new PracticeTpap(access) : null;
    this.#protocol =
      this.#name === 'aes' ? new PracticeAes(access, scheme.lv ?? 0) : new PracticeKlap(access);
    this.#announcer = new PracticeAnnouncer(() => ({
      error_code: 0,
      result: {
        ...sample.discovery,
        device_id: identity.discoveryId,
        mac: identity.mac,
        ip: '127.0.0.1',
        ...(this.#isTold ? this.#offer() : {}),
        mgt_encrypt_schm: {
          ...scheme,
          encrypt_type: this.#name.toUpperCase(),
          http_port: this.port,
        },
      },
    }));
    const serve = (request: IncomingMessage, response: ServerResponse): void => {
      this.#serve(request, response).catch((error: unknown) => {
        response.destroy(error instanceof Error ? error : new Error('Practice plug failed.'));
      });
    };
    const { tls } = options;
    this.#server = tls === undefined ? createServer(serve) : createTlsServer(tls, serve);
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
    this.#httpPort = this.port;
    this.#udpPort = await this.#announcer.start('127.0.0.1', ports.udp ?? 0);
  }

  /**
   * Without power for a moment: its sessions are gone, and as some firmware does it opens its port
   * again only when somebody asks by UDP who it is.
   */
  async cutPower(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#server.close(() => {
      resolve(undefined);
    });
    this.#server.closeAllConnections();
    await promise;
    this.stealSession();
    this.#announcer.onQuery = () => {
      if (!this.#server.listening) this.#server.listen(this.#httpPort, '127.0.0.1');
    };
  }

  /** Third-Party Compatibility is switched, and taken in, which ends all sessions. */
  setCompatibility(isOn: boolean): void {
    this.#name = isOn ? 'klap' : 'tpap';
    this.stealSession();
  }

  /** Says by UDP that it speaks TPAP, and not how. */
  tellNoDetails(): void {
    this.#isTold = false;
  }

  /** Unplugs it; harmless when it is not running. It can be started again, as the same plug. */
  async stop(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    // A server that is closed already says so, and is closed.
    this.#server.close(() => {
      resolve(undefined);
    });
    this.#server.closeAllConnections();
    await promise;
    await this.#announcer.stop();
  }

  get port(): number {
    return (this.#server.address() as AddressInfo | null)?.port ?? this.#httpPort;
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
    return this.#protocol.logins + (this.tpap?.logins ?? 0);
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
    this.#protocol.forget();
    this.tpap?.forget();
  }

  wipeCounters(): void {
    this.#meter.wipe(this.nowMs());
  }

  freezeCounters(isFrozen: boolean): void {
    this.#meter.freeze(isFrozen ? this.nowMs() : null);
  }

  #isTold = true;

  #access(): PracticeAccess {
    const { username, password, sessionTimeoutSeconds, isSingleSession } = this.#options;
    return {
      username,
      password,
      timeoutSeconds: sessionTimeoutSeconds ?? 86_400,
      isSingleSession: isSingleSession ?? true,
      nowMs: () => this.nowMs(),
      call: (request) => this.#methods.call(request, this.nowMs()),
      tpapOffer: () => ({
        sub_method: 'discover',
        ...this.#offer(),
        ...(this.#name === 'tpap' ? { mac: this.mac.replaceAll(':', '') } : {}),
      }),
    };
  }

  #offer(): object {
    if (this.#name !== 'tpap') return this.tpap === null ? {} : { tpap_preferred: false };
    const tpap = { tls: 0, port: this.#httpPort, pake: [2], dac: 0, noc: 0, ...this.offered };
    return { tpap_preferred: true, tpap };
  }

  /** What it says of its TPAP instead of what a plug says. */
  offered: Readonly<Record<string, unknown>> = {};

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
    // The web server of these plugs compares the names of headers by case.
    const isStrict = this.tpap !== null && !request.rawHeaders.includes('Content-Length');
    if (isStrict || request.method !== 'POST') return STOCK_PAGE;
    const sessionId = sessionIdOf(request);
    const asked = { path: url.pathname, query: url.searchParams, sessionId, body };
    const own = this.#spoken(asked);
    if (own !== null) return own;
    // A plug that speaks another protocol says so where that is spoken, and knows no other path.
    if (url.pathname === '/app' || url.pathname === '/') return jsonAnswer({ error_code: 1003 });
    return { status: 404, body: Buffer.alloc(0) };
  }

  #spoken(asked: PracticeRequest): PracticeAnswer | null {
    if (this.#name !== 'tpap') {
      const isDiscovery = asked.path === '/' && asked.body.includes('"discover"');
      const byTpap = isDiscovery ? this.tpap?.answer(asked) : undefined;
      return byTpap ?? this.#protocol.answer(asked);
    }
    return asked.path.startsWith('/app/') ? REFUSED : (this.tpap?.answer(asked) ?? null);
  }
}

const STOCK_PAGE: PracticeAnswer = { status: 200, body: Buffer.from('<html>200 OK</html>') };

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
