import type { Clock } from '../../../nodes/lib/time/clock.ts';
import { composeNas, type ComposedNas } from './compose-nas.ts';
import type { TreeFile } from './control-routes.ts';
import type { FaultSwitches } from './faults.ts';
import type { Notifications } from './notifications.ts';
import type { NginxLimits, PracticeNasOptions, PracticeUser } from './options.ts';
import type { PracticeAccounts } from './practice-accounts.ts';
import type { StoredContent } from './metadata-rows.ts';
import type { LimitMode } from './rate-limits.ts';
import type { RequestRecord } from './request-log.ts';
import type { ShareRights } from './shares.ts';
import type { SleepState } from './sleep.ts';
import { normal } from './storage.ts';
import type { MagicPacket } from './wake-listener.ts';

export interface PracticeNasSetup {
  readonly clock: Clock;
  /** Files are in `<storageFolder>/<user>/…` and `<storageFolder>/Shared/…`. */
  readonly storageFolder: string;
  readonly options?: PracticeNasOptions;
}

/**
 * A NAS that behaves as BaluHost 1.38 does, traps included, for the demo and for tests. Its files
 * are on disk; what BaluHost keeps in a database (owners, ids, checksums, tokens) is in memory.
 */
export class PracticeNas {
  readonly #composed: ComposedNas;
  readonly #withProxy: boolean;
  #url = '';
  #proxyUrl: string | null = null;
  #wakeAddress = '';

  constructor({ clock, storageFolder, options = {} }: PracticeNasSetup) {
    this.#composed = composeNas(clock, storageFolder, options);
    this.#withProxy = options.proxy ?? (options.workers ?? 1) > 1;
  }

  get faults(): FaultSwitches {
    return this.#composed.faults;
  }

  get accounts(): PracticeAccounts {
    return this.#composed.accounts;
  }

  get macAddress(): string {
    return this.#composed.nas.macAddress;
  }

  /** Internal errors that were answered with 500. Some traps cause them. */
  get surprises(): readonly unknown[] {
    return this.#composed.surprises;
  }

  /** The direct port, where a connection stays with one worker. */
  get url(): string {
    return this.#url;
  }

  /** The port that stands in for nginx. @throws Error unless the options asked for it */
  get proxyUrl(): string {
    if (this.#proxyUrl === null) throw new Error('this practice NAS has no proxy');
    return this.#proxyUrl;
  }

  /** `host:port` of the UDP socket for magic packets. */
  get wakeAddress(): string {
    return this.#wakeAddress;
  }

  get sleepState(): SleepState {
    return this.#composed.nas.sleep.state;
  }

  /** The requests that woke it from soft sleep, as `METHOD /path`. */
  get wokenBy(): readonly string[] {
    return this.#composed.nas.sleep.wokenBy;
  }

  /** Since the last reset, the latest 2000, without the control routes. */
  get notifications(): Notifications {
    return this.#composed.nas.notifications;
  }

  /** Changes a password on the NAS's own page, unseen by the Pi. */
  changePassword(username: string, password: string): void {
    const { users } = this.#composed.nas;
    users.setPassword(users.mustFind(username), password);
  }

  /** Removes a desktop from the list of syncing devices. */
  removeDesktop(username: string, deviceId: string): void {
    const { users, sync } = this.#composed.nas;
    sync.remove(users.mustFind(username), deviceId);
  }

  /** Sends that user a notification, as the bell shows it. */
  notify(username: string, title: string): void {
    const { users, notifications } = this.#composed.nas;
    notifications.tell(users.mustFind(username), title);
  }

  get requests(): readonly RequestRecord[] {
    return this.#composed.log.requests;
  }

  get connections(): number {
    return this.#composed.log.connections;
  }

  /** Body bytes of answers. */
  get bytesSent(): number {
    return this.#composed.log.bytesSent;
  }

  get bytesReceived(): number {
    return this.#composed.log.bytesReceived;
  }

  /** Everything ever stored through the API or put here, oldest first. */
  get contents(): readonly StoredContent[] {
    return this.#composed.nas.rows.contents;
  }

  get magicPackets(): readonly MagicPacket[] {
    return this.#composed.wakeListener.packets;
  }

  /** @returns the URL of the direct port */
  async start({ port = 0, host = '127.0.0.1', wakePort = 0 } = {}): Promise<string> {
    await this.#composed.nas.storage.open(
      this.#composed.nas.users.all.map((user) => user.username),
    );
    for (const { username } of this.#composed.nas.users.all)
      await this.#composed.files.putFolder(username, username);
    await this.#composed.nas.space.measure(this.#composed.nas.storage);
    this.#url = await this.#composed.listeners.open('direct', port, host);
    if (this.#withProxy) {
      this.#proxyUrl = await this.#composed.listeners.open('proxy', 0, host);
    }
    this.#wakeAddress = `${host}:${String(await this.#composed.wakeListener.start(wakePort, host))}`;
    return this.#url;
  }

  async stop(): Promise<void> {
    this.#composed.nas.sleep.stop();
    await this.#composed.wakeListener.stop();
    await this.#composed.listeners.close();
  }

  /** New worker processes: upload sessions, counted limits and connections are gone. */
  restart(): void {
    this.#composed.workers.restart();
    this.#composed.listeners.cut();
  }

  async sleep(mode: 'soft' | 'suspend'): Promise<void> {
    await this.#composed.nas.sleep.fallAsleep(mode);
  }

  /** From suspend after the boot time, on the clock. */
  async wake(): Promise<void> {
    await this.#composed.nas.sleep.wake();
  }

  resetCounters(): void {
    this.#composed.log.reset();
    this.#composed.wakeListener.reset();
  }

  setRateLimits(mode: LimitMode): void {
    this.#composed.workers.mode = mode;
  }

  setNginxLimits(limits: NginxLimits): void {
    this.#composed.nginx.limits = limits;
  }

  async addUser(user: PracticeUser): Promise<void> {
    await this.accounts.add(user);
  }

  deactivate(username: string): void {
    this.accounts.setActive(username, false);
  }

  revokeRefreshTokens(username: string): void {
    this.accounts.revokeRefreshTokens(username);
  }

  /** Shares an owned path, replacing an earlier share with that user. @returns its id */
  share(path: string, withUser: string, rights: ShareRights = {}, expiresAtMs?: number): number {
    const row = this.#composed.nas.rows.get(normal(path));
    if (row === undefined) throw new Error(`${path} has no owner who could share it`);
    const { id } = this.#composed.nas.users.mustFind(withUser);
    for (const share of this.#composed.nas.shares.ofFile(row.fileId)) {
      if (share.withUserId === id) this.#composed.nas.shares.remove(share.id);
    }
    return this.#composed.nas.shares.create(row, id, rights, expiresAtMs).id;
  }

  unshare(shareId: number): void {
    this.#composed.nas.shares.remove(shareId);
  }

  /** Makes a folder. With an owner it and its parents have rows, as after an upload. */
  async putFolder(path: string, owner?: string): Promise<void> {
    await this.#composed.files.putFolder(path, owner);
  }

  /**
   * Writes a file behind the API's back. Without an owner as over Samba: no row, no id, no
   * checksum.
   */
  async putFile(
    path: string,
    bytes: Uint8Array | AsyncIterable<Uint8Array>,
    owner?: string,
  ): Promise<void> {
    await this.#composed.files.putFile(path, bytes, owner);
  }

  /** Removes a file behind the API's back; its row stays. */
  async removeFile(path: string): Promise<void> {
    await this.#composed.files.removeFile(path);
  }

  /** Unmounts its disk: an empty storage remains, in which listing creates a home again. */
  async unmountStorage(): Promise<void> {
    await this.#composed.nas.storage.unmount();
  }

  async mountStorage(): Promise<void> {
    await this.#composed.nas.storage.mount();
  }

  /** All files, with their true hashes. */
  async tree(): Promise<readonly TreeFile[]> {
    return this.#composed.files.tree();
  }
}
