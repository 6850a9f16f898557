import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import type { Clock } from '../../../nodes/lib/time/clock.ts';
import { ApiKeys } from './api-keys.ts';
import { ControlRoutes, type TreeFile } from './control-routes.ts';
import { Dispatcher } from './dispatcher.ts';
import { FaultSwitches } from './faults.ts';
import { Gate } from './gate.ts';
import { Listeners } from './listeners.ts';
import { MetadataRows } from './metadata-rows.ts';
import { Nginx } from './nginx.ts';
import {
  PRACTICE_MAC_ADDRESS,
  PRACTICE_QUOTA_BYTES,
  PRACTICE_USERS,
  type NginxLimits,
  type PracticeNasOptions,
  type PracticeUser,
} from './options.ts';
import { PracticeAccounts } from './practice-accounts.ts';
import { PracticeFiles } from './practice-files.ts';
import type { LimitMode } from './rate-limits.ts';
import { RequestLog, type RequestRecord } from './request-log.ts';
import { Router } from './router.ts';
import { nasRoutes } from './routes.ts';
import { Sender } from './sending.ts';
import { Shares, type ShareRights } from './shares.ts';
import { SignIn } from './sign-in.ts';
import { Sleep, type SleepState } from './sleep.ts';
import { Space } from './space.ts';
import { normal, Storage } from './storage.ts';
import { TokenMint } from './tokens.ts';
import { UserDirectory } from './users.ts';
import { WakeListener, type MagicPacket } from './wake-listener.ts';
import { WorkerPool } from './workers.ts';

/** What every answer of BaluHost carries, shown once in nas-recorded.md. */
const COMMON_HEADERS = {
  server: 'uvicorn',
  'x-api-version': '1',
  'x-api-min-version': '1',
  vary: 'Origin',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'strict-no-referrer',
};

/** uvicorn's own. */
const KEEP_ALIVE_MS = 5000;

export interface PracticeNasSetup {
  readonly clock: Clock;
  /** Files lie in `<storageFolder>/<user>/…` and `<storageFolder>/Shared/…`. */
  readonly storageFolder: string;
  readonly options?: PracticeNasOptions;
}

/**
 * A NAS that behaves as BaluHost 1.38 does, traps included, for the demo and for tests. Its files
 * are on disk; what BaluHost keeps in a database (owners, ids, checksums, tokens) is in memory.
 */
export class PracticeNas {
  readonly faults = new FaultSwitches();
  readonly accounts: PracticeAccounts;
  readonly macAddress: string;
  /** What went wrong inside and was answered with 500. Some traps do that. */
  readonly surprises: unknown[] = [];
  readonly #clock: Clock;
  readonly #options: PracticeNasOptions;
  readonly #users: UserDirectory;
  readonly #tokens: TokenMint;
  readonly #keys: ApiKeys;
  readonly #rows: MetadataRows;
  readonly #shares: Shares;
  readonly #storage: Storage;
  readonly #space: Space;
  readonly #sleep: Sleep;
  readonly #files: PracticeFiles;
  readonly #log = new RequestLog();
  readonly #workers: WorkerPool;
  readonly #nginx: Nginx;
  readonly #listeners: Listeners;
  readonly #wakeListener: WakeListener;
  #url = '';
  #proxyUrl: string | null = null;
  #wakeAddress = '';

  constructor({ clock, storageFolder, options = {} }: PracticeNasSetup) {
    this.#clock = clock;
    this.#options = options;
    this.macAddress = options.macAddress ?? PRACTICE_MAC_ADDRESS;
    this.#users = new UserDirectory(options.users ?? PRACTICE_USERS, clock);
    this.#tokens = new TokenMint(randomBytes(32).toString('hex'), clock);
    this.#keys = new ApiKeys(clock);
    this.#rows = new MetadataRows(clock);
    this.#shares = new Shares(this.#rows, clock);
    this.#storage = new Storage(resolve(storageFolder), clock);
    this.#space = new Space(options.quotaBytes ?? PRACTICE_QUOTA_BYTES);
    this.#files = new PracticeFiles(this.#storage, this.#rows, this.#users, this.#space);
    this.accounts = new PracticeAccounts(this.#users, this.#tokens, this.#keys, (username) =>
      this.#files.putFolder(username, username),
    );
    this.#sleep = new Sleep(clock, options.bootMs ?? 0, (state) => this.#listeners.become(state));
    this.#workers = new WorkerPool(
      options.workers ?? 1,
      options.rateLimits ?? 'mild',
      clock,
      options.random ?? Math.random,
    );
    this.#nginx = new Nginx(options.nginx ?? 'off', clock);
    this.#wakeListener = new WakeListener(
      this.macAddress,
      () => clock.nowMs(),
      () => {
        if (this.#sleep.state === 'true_suspend') void this.wake();
      },
    );
    this.#listeners = this.#listen();
  }

  /** The direct port, where a connection stays with one worker. */
  get url(): string {
    return this.#url;
  }

  /** The port that stands for nginx. @throws Error when the options did not ask for it */
  get proxyUrl(): string {
    if (this.#proxyUrl === null) throw new Error('this practice NAS has no proxy');
    return this.#proxyUrl;
  }

  /** `host:port` where magic packets are heard, over UDP. */
  get wakeAddress(): string {
    return this.#wakeAddress;
  }

  get sleepState(): SleepState {
    return this.#sleep.state;
  }

  /** The requests that woke it from soft sleep, as `METHOD /path`. */
  get wokenBy(): readonly string[] {
    return this.#sleep.wokenBy;
  }

  /** Since the last reset, the latest 2000, without the control routes. */
  get requests(): readonly RequestRecord[] {
    return this.#log.requests;
  }

  get connections(): number {
    return this.#log.connections;
  }

  /** Bytes of bodies that were answered. */
  get bytesSent(): number {
    return this.#log.bytesSent;
  }

  get bytesReceived(): number {
    return this.#log.bytesReceived;
  }

  get magicPackets(): readonly MagicPacket[] {
    return this.#wakeListener.packets;
  }

  async start({ port = 0, host = '127.0.0.1', wakePort = 0 } = {}): Promise<void> {
    await this.#storage.open(this.#users.all.map((user) => user.username));
    for (const { username } of this.#users.all) await this.#files.putFolder(username, username);
    await this.#space.measure(this.#storage);
    this.#url = await this.#listeners.open('direct', port, host);
    if (this.#options.proxy ?? (this.#options.workers ?? 1) > 1) {
      this.#proxyUrl = await this.#listeners.open('proxy', 0, host);
    }
    this.#wakeAddress = `${host}:${String(await this.#wakeListener.start(wakePort, host))}`;
  }

  async stop(): Promise<void> {
    this.#sleep.stop();
    await this.#wakeListener.stop();
    await this.#listeners.close();
  }

  /** New worker processes: upload sessions, counted limits and connections are gone. */
  restart(): void {
    this.#workers.restart();
    this.#listeners.cut();
  }

  async sleep(mode: 'soft' | 'suspend'): Promise<void> {
    await this.#sleep.fallAsleep(mode);
  }

  /** From suspend after the boot time, on the clock. */
  async wake(): Promise<void> {
    await this.#sleep.wake();
  }

  resetCounters(): void {
    this.#log.reset();
    this.#wakeListener.reset();
  }

  setRateLimits(mode: LimitMode): void {
    this.#workers.mode = mode;
  }

  setNginxLimits(limits: NginxLimits): void {
    this.#nginx.limits = limits;
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

  /** Shares what has an owner, in place of an earlier share with that user. @returns its id */
  share(path: string, withUser: string, rights: ShareRights = {}, expiresAtMs?: number): number {
    const row = this.#rows.get(normal(path));
    if (row === undefined) throw new Error(`${path} has no owner who could share it`);
    const { id } = this.#users.mustFind(withUser);
    for (const share of this.#shares.ofFile(row.fileId)) {
      if (share.withUserId === id) this.#shares.remove(share.id);
    }
    return this.#shares.create(row, id, rights, expiresAtMs).id;
  }

  unshare(shareId: number): void {
    this.#shares.remove(shareId);
  }

  /** Makes a folder. With an owner it and those above it have rows, as after an upload. */
  async putFolder(path: string, owner?: string): Promise<void> {
    await this.#files.putFolder(path, owner);
  }

  /** Writes a file past the API. Without an owner as over Samba: no row, no id, no checksum. */
  async putFile(
    path: string,
    bytes: Uint8Array | AsyncIterable<Uint8Array>,
    owner?: string,
  ): Promise<void> {
    await this.#files.putFile(path, bytes, owner);
  }

  /** Removes a file past the API; its row stays. */
  async removeFile(path: string): Promise<void> {
    await this.#files.removeFile(path);
  }

  /** Every file there is, with its true hash. */
  async tree(): Promise<readonly TreeFile[]> {
    return this.#files.tree();
  }

  #listen(): Listeners {
    const sender = new Sender(this.#clock, COMMON_HEADERS);
    const gate = this.#gate(sender);
    const listeners: Listeners = new Listeners(
      this.#options.silence ?? 'reset',
      this.#options.keepAliveMs ?? KEEP_ALIVE_MS,
      (request, response, via) => gate.take(request, response, via, listeners),
      () => {
        this.#log.connections += 1;
      },
    );
    return listeners;
  }

  #gate(sender: Sender): Gate {
    const sleep = this.#sleep;
    const surprises = this.surprises;
    const signIn = new SignIn(this.#users, this.#tokens, this.#keys);
    const dispatcher = (router: Router): Dispatcher =>
      new Dispatcher(router, signIn, sleep, sender, surprises);
    const routes = nasRoutes({
      clock: this.#clock,
      users: this.#users,
      tokens: this.#tokens,
      keys: this.#keys,
      rows: this.#rows,
      shares: this.#shares,
      storage: this.#storage,
      space: this.#space,
      sleep,
      sender,
      schedule: this.#options.schedule ?? null,
      macAddress: this.macAddress,
      version: this.#options.version ?? '1.38.0',
    });
    const control = new ControlRoutes(sleep, this.#log, this.#wakeListener, () => this.tree());
    return new Gate({
      clock: this.#clock,
      sleep,
      log: this.#log,
      faults: this.faults,
      workers: this.#workers,
      nginx: this.#nginx,
      sender,
      nas: dispatcher(new Router(routes)),
      control: (this.#options.control ?? true) ? dispatcher(new Router(control.routes)) : null,
      surprises,
    });
  }
}
