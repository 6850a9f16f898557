import { randomBytes } from 'node:crypto';
import { statfsSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { healthChecks } from './host/health-checks.ts';
import { keepDelivered, pendingUploads, shownEntry } from './host/room-ports.ts';
import {
  Accounts,
  type Caller,
  Credentials,
  NewestTimeRows,
} from './nodes/lib/accounts/accounts.ts';
import { Cache, type DiskSpace } from './nodes/lib/cache/cache.ts';
import { Energy, type EnergyDevice } from './nodes/lib/energy/energy.ts';
import { Files } from './nodes/lib/files/files.ts';
import { Handshake } from './nodes/lib/handshake/handshake.ts';
import type { Log } from './nodes/lib/log/log.ts';
import {
  NasRoom,
  normaliseMac,
  parseWakeAddress,
  readNeighbourFile,
  udpMagicPacket,
  wakeTargets,
} from './nodes/lib/nas/nas.ts';
import { Prefetch } from './nodes/lib/prefetch/prefetch.ts';
import type { Rooms } from './nodes/lib/rooms/rooms.ts';
import { DataFolder } from './nodes/lib/store/data-folder.ts';
import { PiLoadSampler, readPiLoad, System } from './nodes/lib/system/system.ts';
import { parseDiscoveryAddresses, Tapo, type TapoDevice } from './nodes/lib/tapo/tapo.ts';
import type { Clock } from './nodes/lib/time/clock.ts';
import { Grid } from './nodes/lib/time/grid.ts';
import { ClockEvidence } from './nodes/lib/time/clock-evidence.ts';
import { readClockMarks } from './nodes/lib/time/clock-marks.ts';
import { TrustedTime } from './nodes/lib/time/trusted-time.ts';
import {
  HashThread,
  NodeDisk,
  PlainSend,
  Upload,
  type UploadParts,
} from './nodes/lib/upload/upload.ts';
import { Viewers } from './nodes/lib/viewers/viewers.ts';
import type { Settings } from './settings.ts';

export interface ComposeParts {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly log: Log;
  readonly version: string;
  /** When this program was built, epoch ms: it was never earlier than that. */
  readonly buildDateMs: number;
  /** Labels of the tabs that were left out of the flows, for the health check. */
  readonly leftOutTabs: () => readonly string[];
}

const GB = 1_000_000_000;
/** A NAS counts as off when it was silent and without power for so long (contract 5, toggle). */
const OFF_MS = 60_000;

/**
 * Every room of a BaluPi, built from its settings: the one place that knows them all. Rooms that
 * need each other get a function that asks when it is called, as some are built later.
 */
export class House {
  readonly data: DataFolder;
  readonly rooms: Rooms;
  readonly #time: TrustedTime;
  readonly #clockEvidence: ClockEvidence;
  readonly #nasRoom: NasRoom;
  readonly #filesRoom: Files;
  readonly #cacheRoom: Cache;
  readonly #parts: ComposeParts;

  /** @throws DataFolderInUseError or SchemaTooNewError when the data folder cannot be used */
  constructor(parts: ComposeParts) {
    const { settings, clock, log } = parts;
    this.#parts = parts;
    this.data = DataFolder.open(settings.DATA_DIR);
    const store = new NewestTimeRows(this.data.queue);
    this.#time = new TrustedTime({ clock, log, store, buildDateMs: parts.buildDateMs });
    this.#clockEvidence = new ClockEvidence({
      clock,
      log,
      isBehind: () => this.#time.unsynced,
      readMarks: readClockMarks,
    });
    this.#nasRoom = this.#nas();
    this.#filesRoom = this.#files();
    this.#cacheRoom = this.#cache();
    this.rooms = {
      clock,
      nas: this.#nasRoom,
      accounts: this.#accounts(),
      credentials: this.#credentials(),
      handshake: this.#handshake(),
      files: this.#filesRoom,
      cache: this.#cacheRoom,
      prefetch: this.#prefetch(),
      upload: this.#upload(),
      tapo: this.#tapo(),
      energy: this.#energy(),
      system: this.#system(),
      viewers: new Viewers(),
      missRule: { wakeOnMiss: settings.WAKE_ON_MISS, holdMs: settings.WAKE_HOLD_SECONDS * 1_000 },
      bootTimeoutSeconds: settings.NAS_BOOT_TIMEOUT_SECONDS,
      schedule: {
        sampling: new Grid(clock, settings.ENERGY_SAMPLE_INTERVAL_SECONDS),
        probe: new Grid(clock, settings.NAS_PROBE_INTERVAL_SECONDS),
      },
    };
  }

  /** Starts the rooms in the order they lean on each other. Asks nobody outside yet. */
  async start(): Promise<void> {
    const { accounts, credentials, nas, cache, prefetch, upload, tapo, energy, system } =
      this.rooms;
    this.#time.start();
    nas.start();
    accounts.onConfirmed((user, token) => {
      credentials.confirmed(user, token);
      upload.credentialArrived(user.id);
      prefetch.credentialArrived(user.id);
    });
    accounts.onLogout((userId) => {
      credentials.loggedOut(userId);
    });
    credentials.start();
    await cache.start();
    prefetch.start();
    await upload.start();
    tapo.start();
    energy.start();
    await system.start();
  }

  /** Ends what runs, writes what is in memory, closes the databases. */
  async stop(): Promise<void> {
    const { accounts, credentials, nas, cache, prefetch, upload, tapo, energy, system } =
      this.rooms;
    system.stop();
    await tapo.stop();
    await energy.stop();
    await upload.stop();
    await prefetch.stop();
    await cache.stop();
    await credentials.stop();
    await accounts.stop();
    await nas.stop();
    this.#time.stop();
    this.data.close();
  }

  #accounts(): Accounts {
    const { settings, clock, log } = this.#parts;
    return new Accounts({
      store: this.data.queue,
      clock,
      log,
      time: this.#time,
      nas: this.#nasRoom.client,
      presence: this.#nasRoom.presence,
      budget: this.#nasRoom.budget,
      secretKey: settings.SECRET_KEY,
      offlineGraceHours: settings.OFFLINE_GRACE_HOURS,
    });
  }

  #credentials(): Credentials {
    const { settings, clock, log } = this.#parts;
    return new Credentials({
      store: this.data.queue,
      clock,
      log,
      time: this.#time,
      nas: this.#nasRoom.client,
      presence: this.#nasRoom.presence,
      secretKey: settings.SECRET_KEY,
      enrol: settings.ENROL,
      randomBytes,
      userOf: (userId) => this.rooms.accounts.userOf(userId),
      liveToken: (userId) => this.rooms.accounts.liveTokenOf(userId)?.token ?? null,
      refusedElsewhere: (token) => {
        this.rooms.accounts.refusedByNas(token);
      },
      onReady: (userId) => {
        this.rooms.upload.credentialArrived(userId);
        this.rooms.prefetch.credentialArrived(userId);
      },
    });
  }

  #nas(): NasRoom {
    const { settings, clock, log } = this.#parts;
    const wakeTo = settings.NAS_WAKE_ADDRESS;
    const target = wakeTo === null ? null : parseWakeAddress(wakeTo);
    return new NasRoom({
      clock,
      log,
      store: this.data.queue,
      url: new URL(settings.NAS_URL),
      directUrl: settings.NAS_DIRECT_URL === null ? null : new URL(settings.NAS_DIRECT_URL),
      fingerprint: settings.NAS_TLS_FINGERPRINT,
      macAddress: settings.NAS_MAC_ADDRESS === null ? null : normaliseMac(settings.NAS_MAC_ADDRESS),
      wakeTargets: () => wakeTargets(target, networkInterfaces()),
      packet: udpMagicPacket,
      readNeighbours: readNeighbourFile,
      probeIntervalSeconds: settings.NAS_PROBE_INTERVAL_SECONDS,
      powerThresholdWatts: settings.NAS_POWER_THRESHOLD_WATTS,
      bootTimeoutSeconds: settings.NAS_BOOT_TIMEOUT_SECONDS,
      plug: {
        watts: () => this.#nasWatts(),
        powerState: () => this.rooms.energy.nasState() ?? 'unknown',
      },
      liveToken: () => this.rooms.accounts.anyLiveToken()?.token ?? null,
      tokenRefused: (token) => {
        this.rooms.accounts.refusedByNas(token);
      },
      heardDate: (date) => {
        this.#clockEvidence.heardFromNas(date);
      },
    });
  }

  #handshake(): Handshake {
    const { settings, clock } = this.#parts;
    const secret = settings.HANDSHAKE_SECRET;
    return new Handshake({ store: this.data.queue, clock, time: this.#time, secret });
  }

  #files(): Files {
    const { clock } = this.#parts;
    return new Files({
      store: this.data.cache,
      nas: this.#nasRoom.client,
      presence: this.#nasRoom.presence,
      clock,
      trustedNowMs: () => this.#time.nowMs(),
      tokenOf: (caller) => this.#tokenOf(caller),
      tokenRefused: (token) => {
        this.#refused(token);
      },
      pending: pendingUploads(() => this.rooms.upload),
      isKept: (path) => this.#cacheRoom.isKept(path),
    });
  }

  #cache(): Cache {
    const { settings, clock, log } = this.#parts;
    return new Cache({
      store: this.data.cache,
      folder: this.data.folder('cache'),
      clock,
      log,
      nas: this.#nasRoom.client,
      files: this.#filesRoom,
      tokenRefused: (token) => {
        this.#refused(token);
      },
      disk: () => this.#disk(),
      maxBytes: settings.CACHE_MAX_SIZE_GB * GB,
      minFreeBytes: settings.CACHE_MIN_FREE_GB * GB,
      evictionThreshold: settings.CACHE_EVICTION_THRESHOLD,
      queuedBytes: () => this.rooms.upload.queuedBytes(),
      timeZone: settings.TIMEZONE,
    });
  }

  #prefetch(): Prefetch {
    return new Prefetch({
      store: this.data.cache,
      clock: this.#parts.clock,
      presence: this.#nasRoom.presence,
      need: this.#nasRoom.need,
      files: this.#filesRoom,
      background: this.#cacheRoom.background,
      userOf: (userId) => this.rooms.accounts.userOf(userId),
      // The one they just came with costs the NAS no sign-in; a stored one serves those away.
      tokenOf: async (userId) =>
        this.rooms.accounts.liveTokenOf(userId)?.token ??
        (await this.rooms.credentials.credentialFor(userId)),
    });
  }

  #upload(): Upload {
    const { settings, clock, log } = this.#parts;
    const disk = new NodeDisk();
    return new Upload({
      store: this.data.queue,
      folder: this.data.folder('queue'),
      disk,
      hashing: new HashThread(),
      nas: this.#nasRoom.client,
      api: this.#nasRoom.client,
      presence: this.#nasRoom.presence,
      credentials: {
        credentialFor: (userId) => this.rooms.credentials.credentialFor(userId),
        refused: (_userId, token) => this.rooms.credentials.refused(token),
      },
      listings: { shows: (userId, path) => shownEntry(this.rooms.files, userId, path) },
      mayWrite: (caller, path) => this.rooms.files.mayWrite(caller.user, path),
      makeRoom: async (bytes) => {
        await this.rooms.cache.makeRoom(bytes);
      },
      keep: (delivered) => keepDelivered(this.rooms, delivered),
      pendingDownloads: (userId) => this.rooms.prefetch.pendingDownloads(userId),
      fallback: new PlainSend(this.#nasRoom.client, disk),
      touched: (paths) => this.#touched(paths),
      flushWake: this.#flushWake(),
      clock,
      log,
      random: Math.random,
      randomBytes,
      maxFileBytes: settings.UPLOAD_MAX_FILE_GB * GB,
      minFreeBytes: settings.CACHE_MIN_FREE_GB * GB,
      timezone: settings.TIMEZONE,
    });
  }

  #flushWake(): UploadParts['flushWake'] {
    return {
      rule: this.#parts.settings.FLUSH_WAKE ?? { kind: 'never' },
      wake: this.#nasRoom.wake,
      sinceGoodbyeMs: () => this.#nasRoom.presence.sinceGoodbyeMs,
      isClockTrusted: () => !this.#time.unsynced,
    };
  }

  async #touched(paths: readonly string[]): Promise<void> {
    for (const path of paths) {
      this.#filesRoom.forget(path);
      await this.rooms.cache.drop(path);
    }
  }

  #tapo(): Tapo {
    const { settings, clock, log } = this.#parts;
    const { TAPO_USERNAME: username, TAPO_PASSWORD: password } = settings;
    const search = settings.TAPO_DISCOVERY_ADDRESS;
    return new Tapo({
      store: this.data.energy,
      clock,
      log,
      credentials: username === null || password === null ? null : { username, password },
      driver: settings.TAPO_DRIVER,
      discoveryAddresses: search === null ? null : parseDiscoveryAddresses(search.join(',')),
      isNasOff: () => this.#isNasOff(),
    });
  }

  #energy(): Energy {
    const { settings, clock, log } = this.#parts;
    return new Energy({
      store: this.data.energy,
      clock,
      log,
      settings: {
        timeZone: settings.TIMEZONE,
        sampleIntervalSeconds: settings.ENERGY_SAMPLE_INTERVAL_SECONDS,
        rawRetentionDays: settings.ENERGY_RAW_RETENTION_DAYS,
        hourlyRetentionDays: settings.ENERGY_HOURLY_RETENTION_DAYS,
        defaultPriceCents: settings.ENERGY_DEFAULT_PRICE_CENTS,
        commitSeconds: settings.ENERGY_COMMIT_SECONDS,
        nasPowerThresholdWatts: settings.NAS_POWER_THRESHOLD_WATTS,
      },
      devices: { list: () => this.rooms.tapo.list().map(energyDevice) },
      isClockTrusted: () => this.#clockEvidence.isTrusted,
      history: {
        hours: (number, fromMs, toMs, signal) =>
          this.rooms.tapo.hours(number, fromMs, toMs, signal),
      },
    });
  }

  #system(): System {
    const { settings, clock, log, version, leftOutTabs } = this.#parts;
    const checks = healthChecks({
      data: this.data,
      nas: () => this.rooms.nas.presence.state,
      isClockUnsynced: () => this.#time.unsynced,
      freeBytes: () => this.#disk().freeBytes,
      minFreeBytes: settings.CACHE_MIN_FREE_GB * GB,
      lostUploads: () => this.rooms.upload.lostUploads(),
      leftOutTabs,
    });
    const sampler = new PiLoadSampler(clock, () => readPiLoad(this.data.path), log);
    return new System(version, checks, sampler);
  }

  /** Their own token, else one the Pi may show for them. */
  async #tokenOf(caller: Caller): Promise<string | null> {
    return caller.nasToken ?? (await this.rooms.credentials.credentialFor(caller.user.id));
  }

  #refused(token: string): void {
    this.rooms.credentials.refused(token).catch((error: unknown) => {
      this.#parts.log.error(`A refused token could not be put away: ${String(error)}`);
    });
  }

  #disk(): DiskSpace {
    const { blocks, bavail, bsize } = statfsSync(this.data.path);
    return { totalBytes: blocks * bsize, freeBytes: bavail * bsize };
  }

  #nasWatts(): number | null {
    const plug = this.rooms.tapo.list().find(({ role }) => role === 'nas');
    if (plug === undefined) return null;
    const { devices } = this.rooms.energy.current();
    const shown = devices.find(({ deviceId }) => deviceId === plug.id);
    return shown === undefined || shown.isStale ? null : shown.powerW;
  }

  #isNasOff(): boolean {
    const { reachable, sinceMs } = this.rooms.nas.presence.state;
    const silentMs = this.#parts.clock.nowMs() - sinceMs;
    const unpoweredMs = this.rooms.energy.nasUnpoweredMs() ?? 0;
    return !reachable && silentMs >= OFF_MS && unpoweredMs >= OFF_MS;
  }
}

function energyDevice(plug: TapoDevice): EnergyDevice {
  const { id, name, role, isOnline, deviceNumber } = plug;
  return { id, name, role, isOnline, number: deviceNumber, addedAtMs: plug.addedAtMs };
}
