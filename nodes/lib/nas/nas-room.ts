import type {
  MagicPacketPort,
  WakeTarget,
} from '../../../packages/node-red-contrib-balupi-wol/lib/wake.ts';
import { Listeners } from '../log/listeners.ts';
import type { Log } from '../log/log.ts';
import type { Store } from '../store/store.ts';
import type { Clock } from '../time/clock.ts';
import { Arrival } from './arrival.ts';
import { BackgroundBudget } from './background-budget.ts';
import { CallerNeed } from './caller-need.ts';
import { DirectAddress } from './direct-address.ts';
import { HttpNasClient } from './http-nas-client.ts';
import { readNasJson } from './json-answer.ts';
import { NasCalls } from './nas-calls.ts';
import type { NasJson } from './nas-client.ts';
import type { NasNews } from './nas-news.ts';
import { nasStatus, type NasPlug, type NasStatus } from './nas-status.ts';
import { NasTransport } from './nas-transport.ts';
import type { NasSocket } from './nas-upgrade.ts';
import { type IdentityCheck, identityCheck, NeighbourTable } from './neighbour-table.ts';
import { Presence } from './presence.ts';
import { NasProbe } from './probe.ts';
import { ServerProfileBook } from './server-profile.ts';
import { ServerRows } from './server-rows.ts';
import type { ChannelLink } from './upload-channel.ts';
import { NasWakes } from './wake.ts';

export interface NasRoomOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** The queue database. */
  readonly store: Store;
  readonly url: URL;
  /** NAS_DIRECT_URL; null lets the room find it. */
  readonly directUrl: URL | null;
  /** NAS_TLS_FINGERPRINT; null trusts the system's CAs. */
  readonly fingerprint: string | null;
  /** NAS_MAC_ADDRESS as `normaliseMac` gives it; null when not set. */
  readonly macAddress: string | null;
  /** The addresses a magic packet goes to, read anew at each wake. */
  readonly wakeTargets: () => readonly WakeTarget[];
  readonly packet: MagicPacketPort;
  /** The text of the neighbour table. */
  readonly readNeighbours: () => string;
  readonly probeIntervalSeconds: number;
  readonly powerThresholdWatts: number;
  readonly bootTimeoutSeconds: number;
  readonly plug: NasPlug;
  /** Some user's token that the NAS took lately; null when there is none. */
  readonly liveToken: () => string | null;
  readonly tokenRefused: (token: string) => void;
  /** Told the `Date` of every answer of the NAS. */
  readonly heardDate?: (date: string) => void;
}

/** A channel may pause between its chunks; what it loses by an idle cut is the whole session. */
const CHANNEL_IDLE_MS = 60_000;

/** The nas room put together: one client, one presence, one wake, one budget. */
export class NasRoom {
  readonly client: HttpNasClient;
  readonly presence: Presence;
  readonly wake: NasWakes;
  readonly budget: BackgroundBudget;
  readonly need: CallerNeed;
  readonly #options: NasRoomOptions;
  readonly #neighbours: NeighbourTable;
  readonly #identityOf: IdentityCheck | null;
  readonly #transport: NasTransport;
  readonly #direct: DirectAddress;
  readonly #book: ServerProfileBook;
  readonly #probe: NasProbe;
  readonly #arrival: Arrival;
  readonly #news: Listeners<NasNews>;
  /** What was told last. */
  #wasAwake = false;
  #unsubscribe: () => void = () => undefined;
  #asking: Promise<void> = Promise.resolve();

  constructor(options: NasRoomOptions) {
    const { clock, log, store, url, plug, macAddress } = options;
    this.#options = options;
    this.#news = new Listeners(log);
    this.#neighbours = new NeighbourTable(options.readNeighbours);
    // Over https the certificate tells who answers, and the MAC may be a router's.
    this.#identityOf =
      macAddress === null || url.protocol === 'https:'
        ? null
        : identityCheck(this.#neighbours, macAddress);
    this.#transport = this.#openTransport(url);
    this.#direct = new DirectAddress(url, options.directUrl, (at) => this.#askAt(at), clock);
    this.#book = new ServerProfileBook(new ServerRows(store), url.href, clock, log);
    this.need = new CallerNeed(clock);
    this.budget = new BackgroundBudget(clock, options.probeIntervalSeconds);
    this.presence = new Presence({
      clock,
      log,
      book: this.#book,
      nasPlugWatts: () => plug.watts(),
      powerThresholdWatts: options.powerThresholdWatts,
      onGoodbyeOver: () => void (this.#asking = this.#lookAfterGoodbye()),
    });
    const calls = new NasCalls(this.#transport, this.presence, clock);
    this.client = new HttpNasClient(calls, clock, () => this.#openLink());
    this.#probe = new NasProbe({
      client: this.client,
      presence: this.presence,
      budget: this.budget,
      liveToken: options.liveToken,
      tokenRefused: options.tokenRefused,
    });
    this.wake = this.#newWake();
    this.#arrival = new Arrival({
      clock,
      log,
      isAwake: () => this.presence.state.awake,
      probe: () => this.#probe.probe(true),
      bootTimeoutSeconds: options.bootTimeoutSeconds,
    });
  }

  /** Reads the kept profile. Asks nothing; the first probe is the caller's. */
  start(): void {
    this.#book.load();
    this.wake.start();
    this.#unsubscribe = this.presence.onChange((state) => {
      this.#tellOf(state.awake);
      if (state.reachable) this.#learnMac();
      if (!state.awake) return;
      // It is up for somebody, whoever that is.
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

  /** Tells what becomes of the NAS from now on. @returns how to stop that */
  onNews(listener: (news: NasNews) => void): () => void {
    return this.#news.listen(listener);
  }

  /** The NAS said that it goes: asleep at once. */
  goodbye(): void {
    this.#arrival.end();
    this.#tell('nas_goodbye');
    this.presence.goodbye();
  }

  /** The NAS said that it comes: looked for until it answers. */
  hello(): void {
    this.presence.hello();
    this.#arrival.begin();
  }

  status(): NasStatus {
    const { plug, url } = this.#options;
    return nasStatus(this.presence.state, this.wake.status, plug, url);
  }

  /** Opens a websocket to the NAS, which proves nothing of it but that it is there. */
  openSocket(path: string, headers: Readonly<Record<string, string>>): Promise<NasSocket> {
    return this.#transport.upgrade(path, headers);
  }

  /** When the NAS sleeps by its own clock, as its preflight last told it; null when it told none. */
  get sleepSchedule(): unknown {
    const text = this.#book.profile.sleepSchedule;
    return text === null ? null : (JSON.parse(text) as unknown);
  }

  /** From the settings, else as last seen in the neighbour table. */
  get macAddress(): string | null {
    return this.#options.macAddress ?? this.#book.profile.macAddress;
  }

  #newWake(): NasWakes {
    const { clock, log, packet, wakeTargets, bootTimeoutSeconds } = this.#options;
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
    const { clock, fingerprint, heardDate } = this.#options;
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
    const sameAddress = url.host === this.#options.url.host;
    const calls = new NasCalls(transport, this.presence, this.#options.clock, sameAddress);
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
      return await readNasJson(exchange, this.#options.clock);
    } finally {
      transport.close();
    }
  }

  /**
   * Asked once each time the NAS wakes, as it may have been updated meanwhile. With the trigger
   * `auto` the question leaves a NAS asleep that falls asleep just now (measured on 1.38).
   */
  async #learnVersion(): Promise<void> {
    if (!this.budget.take('probe')) return;
    await this.client.call({ method: 'GET', path: '/api/health', auto: true });
  }

  /** What said goodbye and answers again, as after a deploy, is seen now and not by some probe later. */
  async #lookAfterGoodbye(): Promise<void> {
    await this.#probe.probe(true);
  }

  #learnMac(): void {
    const address = this.#transport.address;
    if (this.#options.macAddress !== null || address === null) return;
    const [mac, ...others] = this.#neighbours.macsOf(address);
    if (mac !== undefined && others.length === 0) this.#book.learnMac(mac);
  }
}
