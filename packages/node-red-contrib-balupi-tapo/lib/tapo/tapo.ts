import type { Log } from '../../../../nodes/lib/log/log.ts';
import type { Store } from '../../../../nodes/lib/store/store.ts';
import type { Clock } from '../../../../nodes/lib/time/clock.ts';
import { type Device, Devices } from './devices.ts';
import {
  Discovery,
  formatPlugAddress,
  type FoundPlug,
  parsePlugAddress,
  type PlugAddress,
} from './discovery.ts';
import { type DriverChoice, type OtherLogins, plugDriver } from './plug-driver.ts';
import {
  nodePlugHttp,
  openNodeUdp,
  type OpenUdp,
  type PlugHttp,
  type UdpAddress,
} from './plug-http.ts';
import { cleanText } from './plug-protocol.ts';
import type {
  OpenPlug,
  Plug,
  PlugCredentials,
  PlugFailure,
  PlugHour,
  PlugReadOutcome,
  PlugRelayOutcome,
} from './plug.ts';
import {
  type JudgePlugClock,
  type OnPlugSample,
  type PlugNews,
  PlugWatch,
  Poller,
  type SwitchedBy,
} from './poller.ts';
import {
  type DeviceRole,
  type DeviceState,
  type HintLanguage,
  type Hints,
  stateOfFailure,
  TapoRows,
  topicOfFailure,
} from './tapo-rows.ts';

/** An address read within this time is the plug's, whatever an announcement says. */
const TRUSTED_MS = 90_000;
/** Reads in a row without an answer before a plug is searched elsewhere, and how often that is. */
const LOST_AFTER_MISSES = 2;
const LOOK_EVERY_MS = 300_000;

interface FindOutcome {
  /** How many answered. */
  readonly discovered: number;
  readonly added: readonly Device[];
  /** All that answered and are kept, in the order of their answers. */
  readonly devices: readonly Device[];
}

/** Keeps the registry in sync with what answers on the network. */
class Finder {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #devices: Devices;
  readonly #discovery: Discovery;
  #round: Promise<readonly FoundPlug[]> | null = null;
  #lookedAtMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, log: Log, devices: Devices, discovery: Discovery) {
    this.#clock = clock;
    this.#log = log;
    this.#devices = devices;
    this.#discovery = discovery;
  }

  /** One round of discovery; concurrent calls share it. */
  async find(signal: AbortSignal): Promise<FindOutcome> {
    const found = await this.#search(signal);
    const added: Device[] = [];
    const devices = new Set<Device>();
    for (const plug of found) {
      const known = this.place(plug);
      const device = known ?? this.#add(plug);
      if (device === null) continue;
      if (known === null) added.push(device);
      devices.add(device);
    }
    return { discovered: found.length, added, devices: [...devices] };
  }

  /** Searches known plugs that do not answer at their address; adds none. */
  async lookForLost(signal: AbortSignal): Promise<void> {
    const isLost = this.#devices.all().some(({ misses }) => misses >= LOST_AFTER_MISSES);
    const nowMs = this.#clock.monotonicMs();
    if (!isLost || nowMs - this.#lookedAtMs < LOOK_EVERY_MS) return;
    this.#lookedAtMs = nowMs;
    for (const plug of await this.#search(signal)) this.place(plug);
  }

  /** The known plug an announcement is of, at its new address if it has moved; null if unknown. */
  place(found: FoundPlug): Device | null {
    const outcome = this.#devices.place(found, (device) => this.#isTrusted(device));
    switch (outcome.kind) {
      case 'new':
        return null;
      case 'moved':
        this.#log.info(`Plug ${outcome.device.row.deviceNumber} has a new address.`);
        return outcome.device;
      case 'contradicted':
        this.#log.warn(
          `Something else announced itself as plug ${outcome.device.row.deviceNumber}, which still answers where it was.`,
        );
        return outcome.device;
      case 'known':
        return outcome.device;
    }
  }

  async #search(signal: AbortSignal): Promise<readonly FoundPlug[]> {
    this.#round ??= this.#discovery.search(signal).finally(() => {
      this.#round = null;
    });
    return await this.#round;
  }

  #add(found: FoundPlug): Device | null {
    if (this.#devices.isFull) {
      this.#log.warn('More plugs announced themselves than are kept; the rest are left out.');
      return null;
    }
    const { ip, port } = found;
    return this.#devices.insert({ ip, port, name: null, role: null, found });
  }

  #isTrusted(device: Device): boolean {
    const { isOnline, seenTickMs } = device;
    return isOnline && seenTickMs !== null && this.#clock.monotonicMs() - seenTickMs < TRUSTED_MS;
  }
}

/** A plug reports at most eight days at once; a week keeps clear of the limit. */
const PAGE_S = 7 * 86_400;
/** A plug keeps about a month of hours; more pages would ask for what is not there. */
const MOST_PAGES = 6;

/**
 * Asks a plug for its own hours, page by page.
 * @param fromS a local midnight, epoch seconds
 * @returns null when it has none or does not answer; the newest pages when there are too many
 */
async function tellHours(
  plug: Plug,
  fromS: number,
  toS: number,
  signal: AbortSignal,
): Promise<readonly PlugHour[] | null> {
  const hours: PlugHour[] = [];
  const pages = Math.ceil((toS - fromS) / PAGE_S);
  for (let page = Math.max(0, pages - MOST_PAGES); page < pages; page += 1) {
    const pageS = fromS + page * PAGE_S;
    const outcome = await plug.hours(pageS, Math.min(toS, pageS + PAGE_S), signal);
    if (outcome.kind !== 'hours') return null;
    hours.push(...outcome.hours);
  }
  return hours;
}

export interface DiscoverOutcome {
  /** How many plugs answered. */
  readonly discovered: number;
  readonly newDevices: number;
  /** Those that answered. */
  readonly devices: readonly TapoDevice[];
}

export interface DeviceInput {
  /** `192.168.178.60`, a port may follow. IPv4 of a local network only. */
  readonly address?: string;
  /** Cleaned and cut to 64 characters; an empty one changes nothing. */
  readonly name?: string;
  /** `nas` is taken from the plug that has it, which becomes `generic`. */
  readonly role?: DeviceRole;
}

export interface DeviceChange extends DeviceInput {
  /**
   * True: this plug may get the password by the old protocol. Ends when another device answers
   * there or the plug moves. False ends it.
   */
  readonly confirmOldProtocol?: boolean;
}

export type AddOutcome =
  | { readonly kind: 'added' | 'known'; readonly device: TapoDevice }
  | { readonly kind: 'bad_address' }
  /** 64 plugs are kept already. */
  | { readonly kind: 'full' };

export type UpdateOutcome =
  | { readonly kind: 'updated'; readonly device: TapoDevice }
  | { readonly kind: 'unknown_device' }
  | { readonly kind: 'bad_address' }
  /** It has not asked for the old protocol at this address, or speaks a better one. */
  | { readonly kind: 'old_protocol_not_asked' };

/** The outcome of trying an account on the plugs that answer. */
export type AccountOutcome =
  /** A plug accepted it, so it is used from now on. */
  | { readonly kind: 'taken'; readonly plug: string }
  /** No plug answered, so it is used untested. */
  | { readonly kind: 'untried' }
  /** A plug refused it, so the account before stays. */
  | { readonly kind: 'refused'; readonly state: DeviceState; readonly stateHint: string };

interface ToggleOptions {
  /** The state to switch to; left out: the opposite of the present one. */
  readonly to?: 'on' | 'off';
  /** Cuts the plug of the NAS although the NAS is not known to be off. */
  readonly force?: boolean;
  /** Who wants it; a flow where left out. */
  readonly by?: SwitchedBy;
  /** Language of the hint. */
  readonly language?: HintLanguage;
}

type ToggleOutcome =
  | { readonly kind: 'switched'; readonly id: string; readonly isOn: boolean }
  | { readonly kind: 'unknown_device' }
  /** It feeds the NAS, which is not known to be off, and `force` was not given. */
  | { readonly kind: 'guarded' }
  /** `hint` says what to do, in the caller's language. */
  | { readonly kind: 'failed'; readonly failure: PlugFailure; readonly hint: string };

interface SwitchboardDeps {
  readonly devices: Devices;
  readonly poller: Poller;
  readonly watch: PlugWatch;
  readonly isNasOff: () => boolean;
  readonly hints: Hints;
}

/** Switches plugs, and makes sure that the NAS is not cut off by mistake. */
class Switchboard {
  readonly #devices: Devices;
  readonly #poller: Poller;
  readonly #isNasOff: () => boolean;
  readonly #watch: PlugWatch;
  readonly #hints: Hints;
  readonly #last = new Map<string, Promise<unknown>>();

  constructor(deps: SwitchboardDeps) {
    this.#devices = deps.devices;
    this.#watch = deps.watch;
    this.#poller = deps.poller;
    this.#isNasOff = deps.isNasOff;
    this.#hints = deps.hints;
  }

  /** One after the other for each plug, so that two calls do not both see it on. */
  async toggle(id: string, options: ToggleOptions): Promise<ToggleOutcome> {
    const before = this.#last.get(id);
    const turn = Promise.withResolvers<undefined>();
    this.#last.set(id, turn.promise);
    try {
      await before;
      return await this.#toggleNow(id, options);
    } finally {
      turn.resolve(undefined);
      if (this.#last.get(id) === turn.promise) this.#last.delete(id);
    }
  }

  async #toggleNow(id: string, options: ToggleOptions): Promise<ToggleOutcome> {
    const device = this.#devices.get(id);
    if (device === undefined) return { kind: 'unknown_device' };
    const fresh = await this.#poller.poll(device);
    // Void, or the reading showed it to be a duplicate of a known plug.
    if (fresh === null || this.#devices.get(id) !== device) return { kind: 'unknown_device' };
    const language = options.language ?? 'en';
    if (fresh.kind !== 'reading') return this.#failed(fresh, language);
    // The last known state, in case this reading has none.
    const { isOn } = device;
    if (isOn === null) return this.#failed(RELAY_UNKNOWN, language);
    const wanted = wantedOf(options, isOn);
    if (wanted === isOn) return { kind: 'switched', id, isOn };
    // Checked at the last moment: the NAS may have come up while the plug was read.
    if (!wanted && options.force !== true && this.#feedsNas(device)) return { kind: 'guarded' };
    const outcome = await this.#setRelay(device, wanted, options.by);
    return outcome.kind === 'switched' ? { ...outcome, id } : this.#failed(outcome, language);
  }

  async #setRelay(
    device: Device,
    wanted: boolean,
    by: SwitchedBy = { how: 'flow' },
  ): Promise<PlugRelayOutcome> {
    const { id } = device.row;
    this.#watch.switching(id, by);
    const outcome = await device.plug.setRelay(wanted);
    if (outcome.kind === 'switched') device.isOn = outcome.isOn;
    this.#watch.switched(id, outcome.kind === 'switched' ? outcome.isOn : null);
    return outcome;
  }

  #failed(failure: PlugFailure, language: HintLanguage): ToggleOutcome {
    return { kind: 'failed', failure, hint: this.#hints(topicOfFailure(failure), language) };
  }

  #feedsNas({ row }: Device): boolean {
    return row.role === 'nas' && !this.#isNasOff();
  }
}

function wantedOf({ to }: ToggleOptions, isOn: boolean): boolean {
  return to === undefined ? !isOn : to === 'on';
}

const RELAY_UNKNOWN: PlugFailure = {
  kind: 'bad_answer',
  detail: 'The plug did not say how its relay stands.',
};

/** A plug as callers see it (contract 5). */
export interface TapoDevice {
  readonly id: string;
  readonly name: string;
  /** With `:port` when it is not 80. */
  readonly ipAddress: string;
  /** `AA:BB:CC:DD:EE:FF`; null until learned. */
  readonly macAddress: string | null;
  readonly model: string;
  readonly role: DeviceRole;
  /** The last read succeeded. */
  readonly isOnline: boolean;
  /** Null until read, and while it cannot be read. */
  readonly isOn: boolean | null;
  readonly firmware: string;
  /** Epoch ms of the last reading. */
  readonly lastSeenMs: number | null;
  readonly state: DeviceState;
  /** What to do about the state; empty when `ok`. */
  readonly stateHint: string;
  /**
   * Whether it asks for the old protocol, which hands over the password, or an admin confirmed it
   * for this plug; null for all others.
   */
  readonly oldProtocol: 'asked' | 'confirmed' | null;
  /** Short number for apps that want one; never given twice. */
  readonly deviceNumber: number;
  /** Epoch ms. */
  readonly addedAtMs: number;
}

/** A plug that an admin forgot; its history is kept under its id. */
export interface ForgottenPlug {
  readonly id: string;
  readonly name: string;
  readonly macAddress: string | null;
  readonly model: string;
  readonly deviceNumber: number;
  /** Epoch ms. */
  readonly forgottenMs: number;
}

/** @param timeZone IANA name, in which a hint names a time */
function viewDevice(
  device: Device,
  hints: Hints,
  language: HintLanguage,
  timeZone: string,
): TapoDevice {
  const { row } = device;
  return {
    id: row.id,
    name: row.name,
    ipAddress: formatPlugAddress(row),
    macAddress: row.mac,
    model: row.model,
    role: row.role,
    isOnline: device.isOnline,
    isOn: device.isOn,
    firmware: row.firmware,
    lastSeenMs: row.lastSeenMs,
    state: row.state,
    stateHint: hints(device.topic, language, untilOf(device, language, timeZone)),
    oldProtocol: oldProtocolOf(device),
    deviceNumber: row.deviceNumber,
    addedAtMs: row.createdMs,
  };
}

function oldProtocolOf({ row, topic }: Device): TapoDevice['oldProtocol'] {
  if (row.oldProtocolMac !== null && row.oldProtocolMac === row.mac) return 'confirmed';
  return topic === 'old_protocol' ? 'asked' : null;
}

function untilOf(
  { lockedUntilMs }: Device,
  language: HintLanguage,
  timeZone: string,
): string | undefined {
  if (lockedUntilMs === null) return undefined;
  const style = { dateStyle: 'medium', timeStyle: 'short', timeZone } as const;
  // Plain `en` would be read as American, with the month first.
  return new Intl.DateTimeFormat(language === 'en' ? 'en-GB' : language, style).format(
    lockedUntilMs,
  );
}

export type { Hints } from './tapo-rows.ts';
export type { DriverChoice } from './plug-driver.ts';
export { parseDiscoveryAddresses } from './discovery.ts';
export type * from './plug.ts';
export type { PlugNews, SwitchedBy } from './poller.ts';
export type { PlugSample } from './poller.ts';
export interface TapoDeps {
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
  /** Whether that is the NAS's own address: probed as a plug each round, it would never sleep. */
  readonly isNas?: (address: PlugAddress) => boolean;
  /** The language of a plug's state; nothing where it is left out. */
  readonly hints?: Hints;
  /** Logins of another driver, where the plug does not accept ours; see {@link DriverChoice}. */
  readonly otherLogins?: OtherLogins;
  /** Default: the real network. */
  readonly http?: PlugHttp;
  /** Default: the real network. */
  readonly openUdp?: OpenUdp;
  /** Another driver than our own. */
  readonly openPlug?: OpenPlug;
}

/** A wrong password is sent to at most this many at a time: each plug counts it. */
const MOST_TRIED = 3;

/** The plugs: their list, their states, reading and switching them. */
export class Tapo {
  readonly #log: Log;
  readonly #timeZone: string;
  readonly #hints: Hints;
  readonly #openWith: (credentials: PlugCredentials) => OpenPlug;
  #account: PlugCredentials | null;
  readonly #isNas: (address: PlugAddress) => boolean;
  readonly #discovery: Discovery;
  /** What plugs' histories and states depend on. */
  readonly devices: Pick<Devices, 'erase' | 'goneIds' | 'flush'>;
  readonly #devices: Devices;
  readonly #poller: Poller;
  readonly #finder: Finder;
  readonly #switchboard: Switchboard;
  readonly #watch: PlugWatch;
  readonly #running = new Set<Promise<unknown>>();
  readonly #stopping = new AbortController();

  constructor(deps: TapoDeps) {
    const { clock, log, driver } = deps;
    const openUdp = deps.openUdp ?? openNodeUdp;
    const discovery = new Discovery({ clock, log, openUdp, addresses: deps.discoveryAddresses });
    const driving = {
      clock,
      choice: driver,
      http: deps.http ?? nodePlugHttp,
      ...(deps.otherLogins && { otherLogins: deps.otherLogins }),
      identify: (ip: string, port: number, signal: AbortSignal) =>
        discovery.identify(ip, port, signal),
    };
    this.#account = deps.credentials;
    const openChosen = plugDriver({ ...driving, credentials: () => this.#account });
    this.#openWith = (credentials) =>
      deps.openPlug ?? plugDriver({ ...driving, credentials: () => credentials });
    this.#log = log;
    this.#timeZone = deps.timeZone;
    this.#hints = deps.hints ?? (() => '');
    this.#isNas = deps.isNas ?? (() => false);
    this.#discovery = discovery;
    const rows = new TapoRows(deps.store);
    const devices = new Devices(rows, deps.openPlug ?? openChosen, () => clock.nowMs());
    [this.#devices, this.devices] = [devices, devices];
    this.#poller = new Poller(clock, log, this.#devices, deps.judgeClock);
    this.#finder = new Finder(clock, log, this.#devices, discovery);
    this.#watch = new PlugWatch(clock, log, (id) => this.#devices.get(id)?.row.name ?? '');
    this.#poller.listen((sample) => {
      this.#watch.heard(sample);
    });
    this.#switchboard = new Switchboard({
      ...{ devices: this.#devices, poller: this.#poller, watch: this.#watch },
      ...{ isNasOff: deps.isNasOff, hints: this.#hints },
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

  /** Subscribes to every outcome of every read from now on; the returned function unsubscribes. */
  onSample(listener: OnPlugSample): () => void {
    return this.#poller.listen(listener);
  }

  /**
   * Subscribes to what happens to plugs from now on.
   * @returns how to unsubscribe
   */
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
    input: DeviceInput & { readonly address: string },
    language: HintLanguage = 'en',
  ): Promise<AddOutcome> {
    const address = this.#plugAddress(input.address);
    if (address === null) return { kind: 'bad_address' };
    return await this.#track(this.#addAt(address, input, language));
  }

  /**
   * Changes name, role, address, or whether the old protocol is confirmed. A new address is asked
   * again who it is before it is read, so it cannot be confirmed in the same change.
   */
  update(id: string, input: DeviceChange, language: HintLanguage = 'en'): UpdateOutcome {
    const device = this.#devices.get(id);
    if (device === undefined) return { kind: 'unknown_device' };
    const address = input.address === undefined ? undefined : this.#plugAddress(input.address);
    if (address === null) return { kind: 'bad_address' };
    if (!this.#settleOldProtocol(device, input)) return { kind: 'old_protocol_not_asked' };
    this.#devices.change(device, { ...changesOf(input), ...address });
    return { kind: 'updated', device: this.#view(device, language) };
  }

  async #tryNow(credentials: PlugCredentials, language: HintLanguage): Promise<AccountOutcome> {
    const { signal } = this.#stopping;
    const isPlug = (plug: FoundPlug): boolean => !this.#isNas(plug);
    // The first that answers decides, so that nobody waits for the others.
    const first = (await this.#discovery.search(signal, isPlug)).filter(isPlug);
    let outcome = await this.#tryAt(first, credentials, language);
    if (outcome === null && first.length > 0) {
      const tried = new Set(first.map(({ mac }) => mac));
      const all = (await this.#discovery.search(signal)).filter(isPlug);
      const others = all.filter(({ mac }) => !tried.has(mac)).slice(0, MOST_TRIED - tried.size);
      outcome = await this.#tryAt(others, credentials, language);
    }
    if (outcome?.kind !== 'refused') this.#use(credentials);
    return outcome ?? { kind: 'untried' };
  }

  /** @returns null when none of them can be reached */
  async #tryAt(
    plugs: readonly FoundPlug[],
    credentials: PlugCredentials,
    language: HintLanguage,
  ): Promise<AccountOutcome | null> {
    const open = this.#openWith(credentials);
    for (const { ip, port, mac } of plugs.slice(0, MOST_TRIED)) {
      const target = { ip, port, mac, deviceId: null, protocol: null, oldProtocolMac: null };
      const plug = open(target);
      const outcome = await plug.read(this.#stopping.signal);
      plug.close();
      if (outcome.kind === 'reading') return { kind: 'taken', plug: outcome.reading.info.nickname };
      const state = stateOfFailure(outcome);
      if (state === 'unreachable') continue;
      const hint = this.#hints(topicOfFailure(outcome), language);
      return { kind: 'refused', state, stateHint: hint };
    }
    return null;
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

  /** Forgotten plugs that have a history, in the order they were added. */
  forgotten(): readonly ForgottenPlug[] {
    return this.#devices.forgotten().map(({ row, forgottenMs }) => {
      const { id, name, mac, model, deviceNumber } = row;
      return { id, name, macAddress: mac, model, deviceNumber, forgottenMs };
    });
  }

  /**
   * Switches a plug to the opposite of its present state, unless that would cut off the NAS. Calls
   * for one plug are serialised.
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
    input: DeviceInput,
    language: HintLanguage,
  ): Promise<AddOutcome> {
    const { ip, port } = address;
    const found = await this.#discovery.identify(ip, port, this.#stopping.signal);
    // Looked up after the wait, so that two calls for one plug do not add it twice.
    const known = (found === null ? null : this.#finder.place(found)) ?? this.#devices.at(address);
    if (known !== undefined) {
      this.#devices.change(known, changesOf(input));
      return { kind: 'known', device: this.#view(known, language) };
    }
    if (this.#devices.isFull) return { kind: 'full' };
    const name = changesOf(input).name ?? null;
    const isBack = found !== null && this.#devices.isForgotten(found.mac);
    const role = input.role ?? null;
    const added = this.#devices.insert({ ip, port, name, role, found });
    await this.#poller.poll(added);
    // The reading may have identified it as a known plug at another address.
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

function changesOf(input: DeviceInput): { name?: string; isNamed?: true; role?: DeviceRole } {
  const name = cleanText(input.name, LONGEST_NAME);
  return {
    ...(name === '' ? {} : { name, isNamed: true }),
    ...(input.role === undefined ? {} : { role: input.role }),
  };
}
