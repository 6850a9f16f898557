import type { Log } from '../../../../nodes/lib/log/log.ts';
import type { Store } from '../../../../nodes/lib/store/store.ts';
import type { Clock } from '../../../../nodes/lib/time/clock.ts';
import { type HintLanguage, type Hints, stateOfFailure, topicOfFailure } from './device-states.ts';
import { type ForgottenPlug, viewDevice, type TapoDevice } from './device-view.ts';
import { type Device, Devices } from './devices.ts';
import { Discovery } from './discovery.ts';
import { Finder } from './finder.ts';
import { type DriverChoice, type OtherLogins, plugDriver } from './plug-driver.ts';
import { parsePlugAddress, type PlugAddress } from './plug-address.ts';
import { nodePlugHttp, type PlugHttp } from './plug-http.ts';
import type { OpenPlug, PlugCredentials, PlugHour, PlugReadOutcome } from './plug.ts';
import { type PlugNews, PlugWatch } from './plug-news.ts';
import { tellHours } from './plug-history.ts';
import { type JudgePlugClock, Poller, type OnPlugSample } from './poller.ts';
import { Switchboard, type ToggleOptions, type ToggleOutcome } from './switchboard.ts';
import type {
  AccountOutcome,
  AddOutcome,
  DeviceChange,
  DeviceWish,
  DiscoverOutcome,
  UpdateOutcome,
} from './tapo-outcomes.ts';
import { TapoRows, type DeviceRole } from './tapo-rows.ts';
import { openNodeUdp, type OpenUdp, type UdpAddress } from './udp.ts';
import { cleanText } from './wire-values.ts';

export type { Hints, HintTopic } from './device-states.ts';
export type { ForgottenPlug, TapoDevice } from './device-view.ts';
export type { DriverChoice } from './plug-driver.ts';
export { parseDiscoveryAddresses } from './plug-address.ts';
export type * from './plug.ts';
export type { PlugNews, SwitchedBy } from './plug-news.ts';
export type { PlugSample } from './poller.ts';
export type * from './tapo-outcomes.ts';

export interface TapoOptions {
  /** The energy database. */
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  /** Null without TAPO_USERNAME and TAPO_PASSWORD: no plug is contacted then but by discovery. */
  readonly credentials: PlugCredentials | null;
  readonly driver: DriverChoice;
  /** TAPO_DISCOVERY_ADDRESS; null for the directed broadcasts of our own interfaces. */
  readonly discoveryAddresses: readonly UdpAddress[] | null;
  /** TIMEZONE, an IANA name. */
  readonly timeZone: string;
  /** Whether a plug's own clock is right. */
  readonly judgeClock: JudgePlugClock;
  /** No HTTP answer and under 2 W for 60 s; unknown, standby and suspend are not off. */
  readonly isNasOff: () => boolean;
  /** Whether that is where the NAS answers: asked as a plug each round, it would never fall asleep. */
  readonly isNas?: (address: PlugAddress) => boolean;
  /** What a plug's state is told in; nothing where it is left out. */
  readonly hints?: Hints;
  /** Logins of another driver, where the plug takes ours not; see {@link DriverChoice}. */
  readonly otherLogins?: OtherLogins;
  /** Default: the real network. */
  readonly http?: PlugHttp;
  /** Default: the real network. */
  readonly openUdp?: OpenUdp;
  /** Another driver than our own. */
  readonly openPlug?: OpenPlug;
}

/** A wrong password goes to no more of them at a time: each counts it. */
const MOST_TRIED = 3;

/** The plugs: which there are, how they stand, reading and switching them. */
export class Tapo {
  readonly #log: Log;
  readonly #timeZone: string;
  readonly #hints: Hints;
  readonly #openWith: (credentials: PlugCredentials) => OpenPlug;
  #account: PlugCredentials | null;
  readonly #isNas: (address: PlugAddress) => boolean;
  readonly #discovery: Discovery;
  readonly #devices: Devices;
  readonly #poller: Poller;
  readonly #finder: Finder;
  readonly #switchboard: Switchboard;
  readonly #watch: PlugWatch;
  readonly #running = new Set<Promise<unknown>>();
  readonly #stopping = new AbortController();

  constructor(options: TapoOptions) {
    const { clock, log, driver } = options;
    const openUdp = options.openUdp ?? openNodeUdp;
    const discovery = new Discovery({ clock, log, openUdp, addresses: options.discoveryAddresses });
    const driving = {
      clock,
      choice: driver,
      http: options.http ?? nodePlugHttp,
      ...(options.otherLogins && { otherLogins: options.otherLogins }),
      identify: (ip: string, port: number, signal: AbortSignal) =>
        discovery.identify(ip, port, signal),
    };
    this.#account = options.credentials;
    const openChosen = plugDriver({ ...driving, credentials: () => this.#account });
    this.#openWith = (credentials) =>
      options.openPlug ?? plugDriver({ ...driving, credentials: () => credentials });
    this.#log = log;
    this.#timeZone = options.timeZone;
    this.#hints = options.hints ?? (() => '');
    this.#isNas = options.isNas ?? (() => false);
    this.#discovery = discovery;
    const rows = new TapoRows(options.store);
    this.#devices = new Devices(rows, options.openPlug ?? openChosen, () => clock.nowMs());
    this.#poller = new Poller(clock, log, this.#devices, options.judgeClock);
    this.#finder = new Finder(clock, log, this.#devices, discovery);
    this.#watch = new PlugWatch(clock, log, (id) => this.#devices.get(id)?.row.name ?? '');
    this.#poller.listen((sample) => {
      this.#watch.heard(sample);
    });
    this.#switchboard = new Switchboard({
      ...{ devices: this.#devices, poller: this.#poller, watch: this.#watch },
      ...{ isNasOff: options.isNasOff, hints: this.#hints },
    });
  }

  /** Reads the registry. No plug is contacted. */
  start(): void {
    this.#devices.load();
  }

  /** Ends what runs and writes what is not yet written. Nothing is read afterwards. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    for (const device of this.#devices.all()) device.plug.close();
    await Promise.allSettled(this.#running);
    this.#devices.flush(true)();
  }

  /** All plugs in the order they were added, from memory. */
  list(language: HintLanguage = 'en'): readonly TapoDevice[] {
    return this.#devices.all().map((device) => this.#view(device, language));
  }

  /** Gives every outcome of every read from now on; the returned function ends that. */
  onSample(listener: OnPlugSample): () => void {
    return this.#poller.listen(listener);
  }

  /** Tells what becomes of the plugs from now on. @returns how to stop that */
  onNews(listener: (news: PlugNews) => void): () => void {
    return this.#watch.listen(listener);
  }

  /**
   * Reads all plugs at the same time. Call it at every tick of the sampling grid without waiting
   * for the last call: a plug that is still being read is left out, so one that hangs holds up
   * neither itself nor another. Also looks for plugs that have gone missing, at most every 5 min.
   */
  async pollAll(signal?: AbortSignal): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    const idle = this.#devices.all().filter((device) => !device.isBusy);
    await this.#track(
      Promise.all([
        ...idle.map((device) => this.#poller.poll(device, signal)),
        this.#finder.lookForLost(this.#stopping.signal),
      ]),
    );
  }

  /** Reads one plug now. Null when there is none of that id, or it went away meanwhile. */
  async read(id: string): Promise<PlugReadOutcome | null> {
    const device = this.#devices.get(id);
    return device === undefined ? null : await this.#track(this.#poller.poll(device));
  }

  /** Whether there is an account to read plugs with, right or wrong. */
  get hasAccount(): boolean {
    return this.#account !== null;
  }

  /**
   * Tries an account on the plugs that answer, one after the other until one says yes or no, and uses
   * it from now on unless one says no. A plug locks after some 15 wrong ones, so call it seldom.
   */
  async tryAccount(
    credentials: PlugCredentials,
    language: HintLanguage = 'en',
  ): Promise<AccountOutcome> {
    return await this.#track(this.#tryNow(credentials, language));
  }

  /** Searches for about 3 s, adds what is new and reads it once. */
  async discover(language: HintLanguage = 'en'): Promise<DiscoverOutcome> {
    return await this.#track(this.#discoverNow(language));
  }

  /**
   * Adds a plug by its address and reads it once. One that cannot be read is added all the same,
   * and its state says why. A plug that is known already is updated, also with a new address.
   */
  async add(
    wish: DeviceWish & { readonly address: string },
    language: HintLanguage = 'en',
  ): Promise<AddOutcome> {
    const address = this.#plugAddress(wish.address);
    if (address === null) return { kind: 'bad_address' };
    return await this.#track(this.#addAt(address, wish, language));
  }

  /**
   * Changes name, role, address, or whether the old protocol is confirmed. A new address is asked
   * again who it is before it is read, so it cannot be confirmed in the same change.
   */
  update(id: string, wish: DeviceChange, language: HintLanguage = 'en'): UpdateOutcome {
    const device = this.#devices.get(id);
    if (device === undefined) return { kind: 'unknown_device' };
    const address = wish.address === undefined ? undefined : this.#plugAddress(wish.address);
    if (address === null) return { kind: 'bad_address' };
    if (!this.#settleOldProtocol(device, wish)) return { kind: 'old_protocol_not_asked' };
    this.#devices.change(device, { ...changesOf(wish), ...address });
    return { kind: 'updated', device: this.#view(device, language) };
  }

  async #tryNow(credentials: PlugCredentials, language: HintLanguage): Promise<AccountOutcome> {
    const { signal } = this.#stopping;
    const found = (await this.#discovery.search(signal)).filter((plug) => !this.#isNas(plug));
    const open = this.#openWith(credentials);
    for (const { ip, port, mac } of found.slice(0, MOST_TRIED)) {
      const target = { ip, port, mac, deviceId: null, protocol: null, oldProtocolMac: null };
      const plug = open(target);
      const outcome = await plug.read(signal);
      plug.close();
      if (outcome.kind === 'reading') {
        this.#use(credentials);
        return { kind: 'taken', plug: outcome.reading.info.nickname };
      }
      const state = stateOfFailure(outcome);
      if (state === 'unreachable') continue;
      const hint = this.#hints(topicOfFailure(outcome), language);
      return { kind: 'refused', state, stateHint: hint };
    }
    this.#use(credentials);
    return { kind: 'untried' };
  }

  #use(credentials: PlugCredentials): void {
    this.#account = credentials;
    this.#devices.reopenAll();
  }

  #plugAddress(text: string): PlugAddress | null {
    const address = parsePlugAddress(text);
    return address !== null && this.#isNas(address) ? null : address;
  }

  /** Forgets a plug; its history waits for its MAC to come back. False when it is not known. */
  remove(id: string): boolean {
    const device = this.#devices.get(id);
    if (device === undefined) return false;
    this.#devices.remove(device);
    this.#watch.forget(id);
    return true;
  }

  /** Lets go of a plug, kept or forgotten, for good: its history is its successor's now. */
  erase(id: string): void {
    this.#devices.erase(id);
  }

  /** Ids that were given once and are no plug's that is kept: others may know of them. */
  goneIds(): readonly string[] {
    return this.#devices.goneIds();
  }

  /** Plugs that were forgotten and have a history, in the order they were added. */
  forgotten(): readonly ForgottenPlug[] {
    return this.#devices.forgotten().map(({ row, forgottenMs }) => {
      const { id, name, mac, model, deviceNumber } = row;
      return { id, name, macAddress: mac, model, deviceNumber, forgottenMs };
    });
  }

  /**
   * Switches a plug to the other side of what it says at this moment, unless that would cut the
   * NAS. Calls for one plug follow one another.
   */
  async toggle(id: string, options: ToggleOptions = {}): Promise<ToggleOutcome> {
    return await this.#track(this.#switchboard.toggle(id, options));
  }

  /**
   * The hours a plug counted itself, to fill the time nobody read it.
   * @param fromMs a local midnight, epoch ms
   * @returns null when the plug is not known, does not answer or offers none
   */
  async hours(
    deviceNumber: number,
    fromMs: number,
    toMs: number,
    signal: AbortSignal,
  ): Promise<readonly PlugHour[] | null> {
    const device = this.#devices.all().find(({ row }) => row.deviceNumber === deviceNumber);
    if (device === undefined) return null;
    return await this.#track(tellHours(device.plug, fromMs / 1_000, toMs / 1_000, signal));
  }

  /**
   * Writes how the plugs stand. Has no transaction of its own; called within the one that commits
   * the samples.
   * @param isFull also when each was seen last, not only what changed of its state
   * @returns to be called once that transaction is through
   */
  flushSeen(isFull: boolean): () => void {
    return this.#devices.flush(isFull);
  }

  async #discoverNow(language: HintLanguage): Promise<DiscoverOutcome> {
    const { discovered, added, devices } = await this.#finder.find(this.#stopping.signal);
    await Promise.all(added.map((device) => this.#poller.poll(device)));
    return {
      discovered,
      newDevices: added.length,
      devices: devices.map((device) => this.#view(device, language)),
    };
  }

  async #addAt(
    address: PlugAddress,
    wish: DeviceWish,
    language: HintLanguage,
  ): Promise<AddOutcome> {
    const { ip, port } = address;
    const found = await this.#discovery.identify(ip, port, this.#stopping.signal);
    // Looked up after the wait, so that two calls for one plug do not add it twice.
    const known = (found === null ? null : this.#finder.place(found)) ?? this.#devices.at(address);
    if (known !== undefined) {
      this.#devices.change(known, changesOf(wish));
      return { kind: 'known', device: this.#view(known, language) };
    }
    if (this.#devices.isFull) return { kind: 'full' };
    const name = changesOf(wish).name ?? null;
    const isBack = found !== null && this.#devices.isForgotten(found.mac);
    const role = wish.role ?? null;
    const added = this.#devices.insert({ ip, port, name, role, found });
    await this.#poller.poll(added);
    // The reading may have shown that it is a plug we had at another address.
    const owner = this.#devices.get(added.row.id) ?? this.#devices.at(address) ?? added;
    const kind = owner === added && !isBack ? 'added' : 'known';
    return { kind, device: this.#view(owner, language) };
  }

  /** False when it was to be confirmed and could not be. */
  #settleOldProtocol(device: Device, { address, confirmOldProtocol }: DeviceChange): boolean {
    if (confirmOldProtocol === undefined) return true;
    const { deviceNumber, oldProtocolMac } = device.row;
    if (!confirmOldProtocol) {
      this.#devices.withdrawOldProtocol(device);
      return true;
    }
    if (address !== undefined || !this.#devices.confirmOldProtocol(device)) return false;
    if (oldProtocolMac === null) {
      this.#log.warn(`An admin confirmed that plug ${deviceNumber} gets the password by AES.`);
    }
    return true;
  }

  #view(device: Device, language: HintLanguage): TapoDevice {
    return viewDevice(device, this.#hints, language, this.#timeZone);
  }

  async #track<T>(work: Promise<T>): Promise<T> {
    this.#running.add(work);
    try {
      return await work;
    } finally {
      this.#running.delete(work);
    }
  }
}

/** What the API takes. */
const LONGEST_NAME = 100;

function changesOf(wish: DeviceWish): { name?: string; isNamed?: true; role?: DeviceRole } {
  const name = cleanText(wish.name, LONGEST_NAME);
  return {
    ...(name === '' ? {} : { name, isNamed: true }),
    ...(wish.role === undefined ? {} : { role: wish.role }),
  };
}
