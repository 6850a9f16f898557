import type {
  MagicPacketPort,
  WakeTarget,
} from '../../../packages/node-red-contrib-balupi-wol/lib/wake.ts';
import { Listeners, type Log } from '../log/log.ts';
import type { Store } from '../store/store.ts';
import type { Clock } from '../time/clock.ts';
import { failureOf, isGood } from './failure.ts';
import { type ChannelLink, HttpNasClient } from './http-nas-client.ts';
import { NasCalls, readNasJson } from './nas-calls.ts';
import type { NasJson } from './nas-client.ts';
import { type NasSocket, NasTransport } from './nas-transport.ts';
import { type NasFault, type NasNews, type NasState, type NasWake, Presence } from './presence.ts';
import { BackgroundBudget, NasProbe } from './probe.ts';
import {
  type IdentityCheck,
  identityCheck,
  NeighbourTable,
  ServerProfileBook,
} from './server-profile.ts';
import { ServerRows } from './server-rows.ts';
import { NasWakes } from './wake.ts';

export interface NasServiceDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** The queue database. */
  readonly store: Store;
  readonly url: URL;
  /** NAS_DIRECT_URL; null lets the service find it. */
  readonly directUrl: URL | null;
  /** NAS_TLS_FINGERPRINT; null trusts the system's CAs. */
  readonly fingerprint: string | null;
  /** NAS_MAC_ADDRESS as `normaliseMac` gives it; null when not set. */
  readonly macAddress: string | null;
  /** The addresses for a magic packet, read again at each wake. */
  readonly wakeTargets: () => readonly WakeTarget[];
  readonly packet: MagicPacketPort;
  /** The text of the neighbour table. */
  readonly readNeighbours: () => string;
  readonly probeIntervalSeconds: number;
  readonly powerThresholdWatts: number;
  readonly bootTimeoutSeconds: number;
  readonly plug: NasPlug;
  /** Some user's token that the NAS accepted recently; null when there is none. */
  readonly liveToken: () => string | null;
  readonly tokenRefused: (token: string) => void;
  /** Called with the `Date` of every answer of the NAS. */
  readonly heardDate?: (date: string) => void;
}

/** A channel may pause between its chunks; an idle timeout would cost it the whole session. */
const CHANNEL_IDLE_MS = 60_000;

/** The nas module assembled: one client, one presence, one wake, one budget. */
export class NasService {
  readonly client: HttpNasClient;
  readonly presence: Presence;
  readonly wake: NasWakes;
  readonly budget: BackgroundBudget;
  readonly need: CallerNeed;
  readonly #deps: NasServiceDeps;
  readonly #neighbours: NeighbourTable;
  readonly #identityOf: IdentityCheck | null;
  readonly #transport: NasTransport;
  readonly #direct: DirectAddress;
  readonly #book: ServerProfileBook;
  readonly #probe: NasProbe;
  readonly #arrival: Arrival;
  readonly #news: Listeners<NasNews>;
  /** The state last reported. */
  #wasAwake = false;
  #unsubscribe: () => void = () => undefined;
  #asking: Promise<void> = Promise.resolve();

  constructor(deps: NasServiceDeps) {
    const { clock, log, store, url, plug, macAddress } = deps;
    this.#deps = deps;
    this.#news = new Listeners(log);
    this.#neighbours = new NeighbourTable(deps.readNeighbours);
    // Over https the certificate tells who answers, and the MAC may be a router's.
    this.#identityOf =
      macAddress === null || url.protocol === 'https:'
        ? null
        : identityCheck(this.#neighbours, macAddress);
    this.#transport = this.#openTransport(url);
    this.#direct = new DirectAddress(url, deps.directUrl, (at) => this.#askAt(at), clock);
    this.#book = new ServerProfileBook(new ServerRows(store), url.href, clock, log);
    this.need = new CallerNeed(clock);
    this.budget = new BackgroundBudget(clock, deps.probeIntervalSeconds);
    this.presence = new Presence({
      clock,
      log,
      book: this.#book,
      nasPlugWatts: () => plug.watts(),
      powerThresholdWatts: deps.powerThresholdWatts,
      onGoodbyeOver: () => void (this.#asking = this.#lookAfterGoodbye()),
    });
    const calls = new NasCalls(this.#transport, this.presence, clock);
    this.client = new HttpNasClient(calls, clock, () => this.#openLink());
    this.#probe = new NasProbe({
      client: this.client,
      presence: this.presence,
      budget: this.budget,
      liveToken: deps.liveToken,
      tokenRefused: deps.tokenRefused,
    });
    this.wake = this.#newWake();
    this.#arrival = new Arrival({
      clock,
      log,
      isAwake: () => this.presence.state.awake,
      probe: () => this.#probe.probe(true),
      bootTimeoutSeconds: deps.bootTimeoutSeconds,
    });
  }

  /** Reads the stored profile. Asks nothing; the first probe is the caller's. */
  start(): void {
    this.#book.load();
    this.wake.start();
    this.#unsubscribe = this.presence.onChange((state) => {
      this.#tellOf(state.awake);
      if (state.reachable) this.#learnMac();
      if (!state.awake) return;
      // Somebody is using it, whoever that is.
      this.need.needed();
      this.#asking = this.#learnVersion();
    });
  }

  async stop(): Promise<void> {
    this.#unsubscribe();
    await this.wake.stop();
    await this.#arrival.stop();
    this.presence.stop();
    this.#transport.close();
    await this.#asking;
    this.#book.flush();
  }

  /** One background probe, for the schedule; within the budget. */
  probe(): ReturnType<NasProbe['probe']> {
    return this.#probe.probe();
  }

  /** Subscribes to changes of the NAS. @returns how to unsubscribe */
  onNews(listener: (news: NasNews) => void): () => void {
    return this.#news.listen(listener);
  }

  /** The NAS said goodbye: asleep at once. */
  goodbye(): void {
    this.#arrival.end();
    this.#tell('nas_goodbye');
    this.presence.goodbye();
  }

  /** The NAS said hello: probed until it answers. */
  hello(): void {
    this.presence.hello();
    this.#arrival.begin();
  }

  status(): NasStatus {
    const { plug, url } = this.#deps;
    return nasStatus(this.presence.state, this.wake.status, plug, url);
  }

  /** Opens a websocket to the NAS, which only proves that it is up. */
  openSocket(path: string, headers: Readonly<Record<string, string>>): Promise<NasSocket> {
    return this.#transport.upgrade(path, headers);
  }

  /**
   * When the NAS sleeps by its own schedule, as its preflight last told; null when it told none.
   */
  get sleepSchedule(): unknown {
    const text = this.#book.profile.sleepSchedule;
    return text === null ? null : (JSON.parse(text) as unknown);
  }

  /** From the settings, else as last seen in the neighbour table. */
  get macAddress(): string | null {
    return this.#deps.macAddress ?? this.#book.profile.macAddress;
  }

  #newWake(): NasWakes {
    const { clock, log, packet, wakeTargets, bootTimeoutSeconds } = this.#deps;
    return new NasWakes({
      clock,
      log,
      presence: this.presence,
      probe: () => this.#probe.probe(true),
      nudge: () => this.client.nudge(),
      packet,
      targets: wakeTargets,
      macAddress: () => this.macAddress,
      bootTimeoutSeconds,
      onFailed: () => {
        this.#tell('wake_failed');
      },
    });
  }

  #tellOf(isAwake: boolean): void {
    const isNews = isAwake !== this.#wasAwake && this.presence.wasKnown;
    this.#wasAwake = isAwake;
    if (isNews) this.#tell(isAwake ? 'nas_awake' : 'nas_asleep');
  }

  #tell(kind: NasNews['kind']): void {
    this.#news.tell({ kind, sleepState: this.presence.state.sleepState });
  }

  #openTransport(url: URL, maxSockets?: number): NasTransport {
    const { clock, fingerprint, heardDate } = this.#deps;
    return new NasTransport({
      url,
      clock,
      fingerprint,
      heardDate,
      identityOf: this.#identityOf,
      ...(maxSockets === undefined ? {} : { maxSockets, idleSocketMs: CHANNEL_IDLE_MS }),
    });
  }

  async #openLink(): Promise<ChannelLink> {
    const url = await this.#direct.resolve();
    const transport = this.#openTransport(url, 1);
    const sameAddress = url.host === this.#deps.url.host;
    const calls = new NasCalls(transport, this.presence, this.#deps.clock, sameAddress);
    return {
      json: (wanted) => calls.json(wanted),
      close: () => {
        transport.close();
      },
    };
  }

  async #askAt(url: URL): Promise<NasJson> {
    const transport = this.#openTransport(url);
    try {
      const headers = { 'X-Sync-Trigger': 'auto' };
      const exchange = await transport.send({ method: 'GET', path: '/api/system/info', headers });
      return await readNasJson(exchange, this.#deps.clock);
    } finally {
      transport.close();
    }
  }

  /**
   * Asked once each time the NAS wakes, as it may have been updated meanwhile. With the trigger
   * `auto` the question does not wake a NAS that is just falling asleep (measured on 1.38).
   */
  async #learnVersion(): Promise<void> {
    if (!this.budget.take('probe')) return;
    await this.client.call({ method: 'GET', path: '/api/health', auto: true });
  }

  /** A NAS that answers again after a goodbye is noticed now, not by some later probe. */
  async #lookAfterGoodbye(): Promise<void> {
    await this.#probe.probe(true);
  }

  #learnMac(): void {
    const address = this.#transport.address;
    if (this.#deps.macAddress !== null || address === null) return;
    const [mac, ...others] = this.#neighbours.macsOf(address);
    if (mac !== undefined && others.length === 0) this.#book.learnMac(mac);
  }
}

const PROBE_EVERY_MS = 1_000;

interface ArrivalDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly isAwake: () => boolean;
  /** Asks the NAS now, outside the background budget. */
  readonly probe: () => Promise<unknown>;
  readonly bootTimeoutSeconds: number;
}

/**
 * A NAS that said hello does not serve yet: it first waits for the answer to its hello (read in its
 * code). So it is probed once a second, until it is awake or a boot would be over.
 */
export class Arrival {
  readonly #deps: ArrivalDeps;
  #turn = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(deps: ArrivalDeps) {
    this.#deps = deps;
  }

  /** Starts probing; another hello restarts the time. */
  begin(): void {
    if (this.#stopped) return;
    this.end();
    this.#turn = new AbortController();
    const { signal } = this.#turn;
    this.#running = Promise.all([this.#running, this.#look(signal)]).then(
      () => undefined,
      (error: unknown) => {
        const reason = error instanceof Error ? error.message : String(error);
        this.#deps.log.error(`Looking for the NAS broke off: ${reason}`);
      },
    );
  }

  /** Stops probing, as the NAS said goodbye. */
  end(): void {
    this.#turn.abort();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.end();
    await this.#running;
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { clock, isAwake, probe, bootTimeoutSeconds } = this.#deps;
    const deadlineMs = clock.monotonicMs() + bootTimeoutSeconds * 1_000;
    while (!signal.aborted) {
      await probe();
      if (isAwake() || clock.monotonicMs() >= deadlineMs) return;
      await clock.sleep(PROBE_EVERY_MS, signal).catch((error: unknown) => {
        if (!signal.aborted) throw error;
      });
    }
  }
}

/** Where the NAS's own server listens behind its proxy. */
const DIRECT_PORT = '8000';

/** How long "does not answer there" is believed, ms. */
const RECHECK_MS = 10 * 60_000;

/**
 * Which address chunked uploads go to: NAS_DIRECT_URL, else NAS_URL's host at port 8000 when the
 * NAS answers there, else NAS_URL itself. An https NAS_URL is never traded for plain http.
 */
export class DirectAddress {
  readonly #nasUrl: URL;
  readonly #candidate: URL | null;
  readonly #ask: (url: URL) => Promise<NasJson>;
  readonly #clock: Clock;
  #known: URL | null;
  #askedAtMs: number | null = null;
  #asking: Promise<URL> | null = null;

  /**
   * @param setUrl NAS_DIRECT_URL, null when not set
   * @param ask `GET /api/system/info` at another address, which wakes nothing
   */
  constructor(nasUrl: URL, setUrl: URL | null, ask: (url: URL) => Promise<NasJson>, clock: Clock) {
    this.#nasUrl = nasUrl;
    this.#candidate = candidateFor(nasUrl);
    this.#known = setUrl ?? (this.#candidate === null ? nasUrl : null);
    this.#ask = ask;
    this.#clock = clock;
  }

  resolve(): Promise<URL> {
    if (this.#known !== null) return Promise.resolve(this.#known);
    this.#asking ??= this.#find().finally(() => {
      this.#asking = null;
    });
    return this.#asking;
  }

  async #find(): Promise<URL> {
    const candidate = this.#candidate;
    if (candidate === null || this.#askedRecently()) return this.#nasUrl;
    const result = await this.#ask(candidate);
    if (isNas(result)) {
      this.#known = candidate;
      return candidate;
    }
    this.#askedAtMs = this.#clock.monotonicMs();
    return this.#nasUrl;
  }

  #askedRecently(): boolean {
    if (this.#askedAtMs === null) return false;
    return this.#clock.monotonicMs() - this.#askedAtMs < RECHECK_MS;
  }
}

/**
 * A 401 in JSON is what the NAS says there without a token (measured). On one machine that port may
 * be a BaluPi's, whose refusals carry a `code`; the NAS's do not.
 */
function isNas(result: NasJson): boolean {
  if (result.kind !== 'answer') return false;
  const isOurs = typeof result.body === 'object' && result.body !== null && 'code' in result.body;
  return !isOurs && (isGood(result) || failureOf(result)?.kind === 'token_refused');
}

function candidateFor(nasUrl: URL): URL | null {
  if (nasUrl.protocol !== 'http:' || nasUrl.port === DIRECT_PORT) return null;
  const candidate = new URL('/', nasUrl);
  candidate.port = DIRECT_PORT;
  return candidate;
}

/** How the NAS runs, as its plug measures it (contract 6). */
type NasPowerState = 'off' | 'standby' | 'idle' | 'active' | 'unknown';

/** What the plug with role `nas` reports, from memory. */
interface NasPlug {
  /** Watts of a fresh sample; null without one. */
  watts(): number | null;
  powerState(): NasPowerState;
}

/** The NAS as `GET /api/nas/status` shows it. Answered from memory. */
export interface NasStatus {
  /** Whether it answered recently over HTTP. */
  readonly online: boolean;
  readonly version: string | null;
  /** NAS_URL without a user or password. */
  readonly url: string;
  readonly powerState: NasPowerState;
  readonly sleepState: string;
  readonly reachableBy: NasState['reachableBy'];
  readonly powerW: number | null;
  /** Epoch ms. */
  readonly sinceMs: number;
  /** Epoch ms. */
  readonly lastSeenMs: number | null;
  readonly nextWakeAt: string | null;
  readonly everSeen: boolean;
  readonly fault: NasFault | null;
  readonly wake: NasWake['status'];
}

function nasStatus(state: NasState, wake: NasWake['status'], plug: NasPlug, url: URL): NasStatus {
  // What answers is not off: the reading predates its wake, and the next is not there yet.
  const isOld = state.reachable && plug.powerState() === 'off';
  return {
    online: state.reachable,
    version: state.version,
    url: withoutUser(url),
    powerState: isOld ? 'unknown' : plug.powerState(),
    sleepState: state.sleepState,
    reachableBy: state.reachableBy,
    powerW: isOld ? null : plug.watts(),
    sinceMs: state.sinceMs,
    lastSeenMs: state.lastSeenMs,
    nextWakeAt: state.nextWakeAt,
    everSeen: state.everSeen,
    fault: state.fault ?? null,
    wake,
  };
}

function withoutUser(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname.replace(/\/+$/, '')}`;
}

/**
 * When somebody last needed the NAS: a caller whose request went to it, or whoever woke it.
 * Background work starts no later than a few minutes after that, so that it never keeps an unused
 * NAS awake (contract 6).
 */
export class CallerNeed {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  #neededAtMs: number | null = null;

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#clock = clock;
  }

  /** A caller needs the NAS now. Not called for requests that ask to leave it asleep. */
  needed(): void {
    this.#neededAtMs = this.#clock.monotonicMs();
  }

  /** Time since a caller last needed it, ms; null when none did since the start. */
  get idleMs(): number | null {
    return this.#neededAtMs === null ? null : this.#clock.monotonicMs() - this.#neededAtMs;
  }
}
