import { randomUUID } from 'node:crypto';
import { formatPlugAddress, type FoundPlug, type PlugAddress } from './discovery.ts';
import { cleanText } from './plug-protocol.ts';
import type { OpenPlug, Plug, PlugInfo } from './plug.ts';
import type { DeviceRole, DeviceRow, ForgottenRow, HintTopic, TapoRows } from './tapo-rows.ts';

/** What identifies a plug at its address. */
const KEYS_OF_PLACE = ['ip', 'port', 'mac'] as const;

/** Nobody has more plugs, but a forger may announce any number. */
const MOST_DEVICES = 64;

/** A plug and its current state. */
export interface Device {
  row: DeviceRow;
  plug: Plug;
  isOnline: boolean;
  isOn: boolean | null;
  topic: HintTopic | 'ok';
  /** When a locked plug takes a password again, epoch ms. */
  lockedUntilMs: number | null;
  /** When it was last read in this run, by the monotonic clock. */
  seenTickMs: number | null;
  /** It is being read right now. */
  isBusy: boolean;
  /** How many reads in a row got no answer. */
  misses: number;
  /** The state differs from the table. */
  isStateDirty: boolean;
  /** It was seen since its state was last written. */
  isSeenDirty: boolean;
}

export interface NewDevice extends PlugAddress {
  readonly name: string | null;
  /** Null: its former role where that is known, else `generic`. */
  readonly role: DeviceRole | null;
  readonly found: FoundPlug | null;
}

export type PlaceOutcome =
  | { readonly kind: 'known' | 'moved' | 'contradicted'; readonly device: Device }
  | { readonly kind: 'new' };

/**
 * The plugs by what identifies them: our id, then their device id, their MAC and the id they use by
 * UDP. An address identifies nothing; a plug with a new one is the same plug.
 */
export class Devices {
  readonly #rows: TapoRows;
  readonly #openPlug: OpenPlug;
  readonly #nowMs: () => number;
  readonly #byId = new Map<string, Device>();

  constructor(rows: TapoRows, openPlug: OpenPlug, nowMs: () => number) {
    this.#rows = rows;
    this.#openPlug = openPlug;
    this.#nowMs = nowMs;
  }

  load(): void {
    for (const row of this.#rows.all()) this.#hold(row);
  }

  /** In the order they were added. */
  all(): readonly Device[] {
    return [...this.#byId.values()];
  }

  get isFull(): boolean {
    return this.#byId.size >= MOST_DEVICES;
  }

  get(id: string): Device | undefined {
    return this.#byId.get(id);
  }

  at({ ip, port }: PlugAddress): Device | undefined {
    return this.all().find(({ row }) => row.ip === ip && row.port === port);
  }

  /** Forgotten plugs, which may come back. */
  forgotten(): readonly ForgottenRow[] {
    return this.#rows.forgotten();
  }

  /** Ids no longer in use: of forgotten plugs, and of those gone for good. */
  goneIds(): readonly string[] {
    return [...this.forgotten().map(({ row }) => row.id), ...this.#rows.gone()];
  }

  isForgotten(mac: string): boolean {
    return this.#forgottenAs(mac) !== undefined;
  }

  /** A new plug, or a forgotten one that is back, recognised by its MAC. */
  insert(input: NewDevice): Device {
    const { found } = input;
    const known = found === null ? undefined : this.#forgottenAs(found.mac);
    if (known !== undefined) return this.#recall(known, input, null);
    const row = this.#rows.insert({
      id: randomUUID(),
      name: input.name ?? defaultName(found, input),
      isNamed: input.name !== null,
      role: input.role ?? 'generic',
      ip: input.ip,
      port: input.port,
      deviceId: null,
      discoveryId: found === null || this.#isTaken(found.discoveryId) ? null : found.discoveryId,
      mac: found?.mac ?? null,
      model: found?.model ?? '',
      firmware: '',
      protocol: null,
      oldProtocolMac: null,
      state: 'unreachable',
      lastSeenMs: null,
      createdMs: this.#nowMs(),
    });
    this.#followNasRole(row);
    return this.#hold(row);
  }

  /**
   * Writes changes; a new address or MAC gets a new driver, which identifies the plug again. The
   * old protocol's confirmation does not carry over to another address or device.
   */
  change(device: Device, changes: Partial<DeviceRow>): void {
    const before = device.row;
    const wanted = { ...before, ...changes };
    const isElsewhere = KEYS_OF_PLACE.some((key) => wanted[key] !== before[key]);
    const isUpgraded = wanted.protocol === 'klap' || wanted.protocol === 'tpap';
    const row = isElsewhere || isUpgraded ? { ...wanted, oldProtocolMac: null } : wanted;
    this.#rows.update(row);
    device.row = row;
    this.#followNasRole(row);
    const isReallowed = row.oldProtocolMac !== before.oldProtocolMac;
    if (isElsewhere && device.topic === 'old_protocol') device.topic = 'not_read_yet';
    if (isElsewhere || (isReallowed && !isUpgraded)) this.#reopen(device);
  }

  /** Reopens every plug, as the account changed; earlier faults are unknown now. */
  reopenAll(): void {
    for (const device of this.#byId.values()) {
      device.topic = 'not_read_yet';
      device.lockedUntilMs = null;
      this.#reopen(device);
    }
  }

  /**
   * Allows the old protocol with the plug at its present address, which has asked for it; any
   * change there ends it.
   * @returns false when it has not asked, or has spoken a better protocol
   */
  confirmOldProtocol(device: Device): boolean {
    const { mac, protocol, oldProtocolMac } = device.row;
    if (mac === null || protocol === 'klap' || protocol === 'tpap') return false;
    if (oldProtocolMac === mac) return true;
    if (device.topic !== 'old_protocol') return false;
    device.topic = 'not_read_yet';
    this.change(device, { oldProtocolMac: mac, state: 'unreachable' });
    return true;
  }

  /** The device there, or an admin, says that it is not the confirmed plug. */
  withdrawOldProtocol(device: Device): void {
    if (device.row.oldProtocolMac !== null) this.change(device, { oldProtocolMac: null });
  }

  /** Removes a plug, kept or forgotten, whose history was transferred. */
  erase(id: string): void {
    const device = this.#byId.get(id);
    device?.plug.close();
    this.#byId.delete(id);
    this.#rows.delete(id, this.#nowMs());
  }

  /** Forgets a plug. Its history waits for its MAC; without one it never had any. */
  remove(device: Device): void {
    const { id, mac } = device.row;
    if (mac === null) this.#rows.delete(id, this.#nowMs());
    else this.#rows.forget(id, this.#nowMs());
    device.plug.close();
    this.#byId.delete(device.row.id);
  }

  /**
   * Finds the plug of an announcement, and moves it to a new address.
   * @param isTrusted whether a plug's present address is beyond doubt; a contradicting announcement
   *   is then ignored, as it may be forged to divert the plug's traffic
   */
  place(found: FoundPlug, isTrusted: (device: Device) => boolean): PlaceOutcome {
    const device = this.#announcedAs(found);
    if (device === undefined) return { kind: 'new' };
    const { row } = device;
    if (row.ip === found.ip && row.port === found.port) {
      this.#learn(device, found);
      return { kind: 'known', device };
    }
    if (isTrusted(device)) return { kind: 'contradicted', device };
    this.change(device, { ip: found.ip, port: found.port });
    this.#learn(device, found);
    return { kind: 'moved', device };
  }

  /**
   * Takes over what a plug told in a reading. Returns whose reading it is: a plug added by hand
   * may turn out to be one we have, which then gets its address.
   */
  bind(device: Device, info: PlugInfo): Device {
    const twin = this.all().find(
      (other) =>
        other !== device && (other.row.deviceId === info.deviceId || other.row.mac === info.mac),
    );
    if (device.row.deviceId === null && twin !== undefined) return this.#merge(device, twin);
    const { row } = device;
    const past = row.deviceId === null ? this.#forgottenAs(info.mac) : undefined;
    if (past !== undefined) {
      const { ip, port, isNamed } = row;
      const [name, role] = [isNamed ? row.name : null, row.role === 'generic' ? null : row.role];
      const input = { ip, port, name, role, found: null };
      return this.bind(this.#recall(past, input, device), info);
    }
    const wanted = {
      deviceId: info.deviceId,
      mac: twin?.row.mac === info.mac ? row.mac : info.mac,
      model: info.model,
      firmware: info.firmware,
      name: row.isNamed || info.nickname === '' ? row.name : info.nickname,
    };
    const keys = Object.keys(wanted) as (keyof typeof wanted)[];
    if (keys.some((key) => row[key] !== wanted[key])) this.change(device, wanted);
    return device;
  }

  /**
   * Writes the plugs whose state changed, or all that were seen since.
   * @returns called once the surrounding transaction is through
   */
  flush(isFull: boolean): () => void {
    const written = this.all().filter(
      ({ isStateDirty, isSeenDirty }) => isStateDirty || (isFull && isSeenDirty),
    );
    const rows = written.map((device) => ({ device, row: device.row }));
    for (const { row } of rows) this.#rows.markSeen(row);
    return () => {
      for (const { device, row } of rows) {
        device.isStateDirty = device.row.state !== row.state;
        device.isSeenDirty = device.row.lastSeenMs !== row.lastSeenMs;
      }
    };
  }

  #forgottenAs(mac: string): ForgottenRow | undefined {
    return this.forgotten().find(({ row }) => row.mac === mac);
  }

  /**
   * Takes a forgotten plug up again: id, number and name as they were, the role where it is free.
   * @param byHand the entry that turned out to be it
   */
  #recall(forgotten: ForgottenRow, input: NewDevice, byHand: Device | null): Device {
    const { ip, port, found } = input;
    const { row: past, roleBeforeNas } = forgotten;
    const isNasTaken = this.all().some(({ row }) => row.role === 'nas' && row !== byHand?.row);
    const role = past.role === 'nas' && isNasTaken ? (roleBeforeNas ?? 'generic') : past.role;
    const row: DeviceRow = {
      ...past,
      ...{ ip, port, state: 'unreachable' },
      ...(input.name === null ? {} : { name: input.name, isNamed: true }),
      role: input.role ?? role,
      discoveryId: found === null || this.#isTaken(found.discoveryId) ? null : found.discoveryId,
    };
    this.#rows.recall(row, byHand?.row.id ?? null, this.#nowMs());
    if (byHand !== null) {
      byHand.plug.close();
      this.#byId.delete(byHand.row.id);
    }
    this.#followNasRole(row);
    return this.#hold(row);
  }

  #merge(byHand: Device, twin: Device): Device {
    const { ip, port, protocol } = byHand.row;
    // The best protocol at either address counts: a plug that spoke better never gets AES.
    const spoken = protocol === 'aes' ? twin.row.protocol : protocol;
    const row = {
      ...twin.row,
      ...{ ip, port, protocol: spoken ?? protocol ?? twin.row.protocol },
      oldProtocolMac: null,
    };
    this.#rows.merge(byHand.row.id, row, this.#nowMs());
    byHand.plug.close();
    this.#byId.delete(byHand.row.id);
    twin.row = row;
    this.#reopen(twin);
    return twin;
  }

  #announcedAs(found: FoundPlug): Device | undefined {
    const devices = this.all();
    return (
      devices.find(({ row }) => row.mac === found.mac) ??
      devices.find(({ row }) => row.mac === null && row.discoveryId === found.discoveryId) ??
      devices.find(({ row }) => row.mac === null && row.ip === found.ip && row.port === found.port)
    );
  }

  #learn(device: Device, found: FoundPlug): void {
    const { row } = device;
    const learned = {
      mac: row.mac ?? found.mac,
      discoveryId: row.discoveryId ?? (this.#isTaken(found.discoveryId) ? null : found.discoveryId),
      model: row.model === '' ? found.model : row.model,
    };
    if (learned.mac !== row.mac || learned.discoveryId !== row.discoveryId) {
      this.change(device, learned);
    }
  }

  #isTaken(discoveryId: string): boolean {
    return this.all().some(({ row }) => row.discoveryId === discoveryId);
  }

  #hold(row: DeviceRow): Device {
    // The state from before a restart may not hold any more.
    const state = row.state === 'ok' ? 'unreachable' : row.state;
    const topic = state === 'unreachable' ? 'not_read_yet' : state;
    const offline = { isOnline: false, isOn: null, topic, isBusy: false, misses: 0 } as const;
    const held = { row: { ...row, state }, plug: this.#open(row) };
    const device: Device = {
      ...held,
      ...offline,
      lockedUntilMs: null,
      seenTickMs: null,
      isStateDirty: false,
      isSeenDirty: false,
    };
    this.#byId.set(row.id, device);
    return device;
  }

  #reopen(device: Device): void {
    device.plug.close();
    device.plug = this.#open(device.row);
    device.isBusy = false;
    device.misses = 0;
  }

  #open(row: DeviceRow): Plug {
    const { id, ip, port, deviceId, mac, protocol, oldProtocolMac } = row;
    return this.#openPlug({
      ip,
      port,
      deviceId,
      mac,
      protocol,
      oldProtocolMac,
      onProtocol: (spoken) => {
        const device = this.#byId.get(id);
        if (device !== undefined) this.change(device, { protocol: spoken });
      },
    });
  }

  /** The table has taken the role from whoever had it, so memory does the same. */
  #followNasRole(row: DeviceRow): void {
    if (row.role !== 'nas') return;
    for (const other of this.#byId.values()) {
      if (other.row.id === row.id || other.row.role !== 'nas') continue;
      other.row = { ...other.row, role: this.#rows.role(other.row.id) };
    }
  }
}

function defaultName(found: FoundPlug | null, address: PlugAddress): string {
  if (found === null) return formatPlugAddress(address);
  return cleanText(`${found.model} ${found.mac.slice(-5)}`);
}
