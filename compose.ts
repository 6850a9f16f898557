import { randomBytes } from 'node:crypto';
import { join, resolve } from 'node:path';
import { cache, files, prefetch, thumbnails, upload } from './compose/files.ts';
import {
  activity,
  beginActivity,
  energy,
  type HostState,
  notices,
  system,
  tapo,
} from './compose/meters.ts';
import { dns, handshake, nasService, passedServices } from './compose/nas.ts';
import { accounts, credentials } from './compose/people.ts';
import type { BuildContext } from './compose/build-context.ts';
import { SetupFile } from './host/setup/setup-file.ts';
import type { UpdateTrial } from './host/update-trial.ts';
import { NewestTimeRows } from './nodes/lib/accounts/accounts.ts';
import { hear } from './nodes/lib/events/events.ts';
import type { Log } from './nodes/lib/log/log.ts';
import type { Services } from './nodes/lib/services/services.ts';
import { Setup } from './nodes/lib/setup/setup.ts';
import { DataFolder } from './nodes/lib/store/data-folder.ts';
import { DiskRefusedError, faultOf, SideCopy } from './nodes/lib/store/store.ts';
import { DiskWatch, IntegrityWatch } from './nodes/lib/store/disk-watch.ts';
import { type Clock, Grid } from './nodes/lib/time/clock.ts';
import {
  ClockEvidence,
  type ClockMarks,
  type ClockProofs,
  type NewestTimeStore,
  readClockMarks,
  TrustedTime,
} from './nodes/lib/time/trusted-time.ts';
import { Viewers } from './nodes/lib/viewers/viewers.ts';
import type { Settings } from './settings.ts';

export interface ComposeDeps {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly log: Log;
  readonly version: string;
  /** When this program was built, epoch ms: a lower bound of the wall clock. */
  readonly buildDateMs: number;
  /** What the system knows of its clock; default: this machine's. */
  readonly readMarks?: () => ClockMarks;
  /** Whether this version is on trial after an update. */
  readonly trial: Pick<UpdateTrial, 'isOn' | 'isUndecided'>;
  /** For the health checks. */
  readonly host: HostState;
}

/**
 * Builds every service from the settings; the only place that knows them all. Services that need each
 * other get a function that looks the other one up when called, as some are built later.
 */
export class App {
  readonly data: DataFolder;
  readonly services: Services;
  /** The first start in a browser. */
  readonly setup: Setup;
  readonly #time: TrustedTime;
  readonly #disk: DiskWatch;
  readonly #integrity: IntegrityWatch;
  readonly #trial: Pick<UpdateTrial, 'isOn' | 'isUndecided'>;
  #stopTelling: () => void = () => undefined;
  #unhear: () => void = () => undefined;

  /** @throws DataFolderInUseError or SchemaVersionError when the data folder cannot be used */
  constructor(deps: ComposeDeps) {
    const { settings, clock, log, version, host, trial } = deps;
    this.data = DataFolder.open(settings.DATA_DIR, clock.nowMs());
    sayWhatIsSetAside(this.data, log);
    const { time, clockEvidence } = this.#clocks(deps);
    [this.#time, this.#trial] = [time, trial];
    const { data } = this;
    this.#disk = new DiskWatch({ clock, log, data, verify: () => time.keep() });
    this.#integrity = new IntegrityWatch({ clock, log, data });
    const ground = { settings, clock, log, data, disk: this.#disk, time, clockEvidence };
    const context = { ...ground, trial, services: (): Services => this.services };
    const nas = nasService(context);
    const filesService = files(context, nas);
    const cacheService = cache(context, nas, filesService);
    this.services = {
      clock,
      nas,
      accounts: accounts(context, nas),
      credentials: credentials(context, nas),
      handshake: handshake(context),
      ...passedServices(context, nas, filesService, cacheService),
      dns: dns(context),
      files: filesService,
      cache: cacheService,
      prefetch: prefetch(context, nas, filesService, cacheService),
      thumbnails: thumbnails(context, cacheService),
      upload: upload(context, nas),
      tapo: tapo(context),
      energy: energy(context),
      energyCopy: energyCopy(data),
      system: system(context, version, host),
      notices: notices(context),
      activity: activity(context),
      viewers: new Viewers(),
      missRule: { wakeOnMiss: settings.WAKE_ON_MISS, holdMs: settings.WAKE_HOLD_SECONDS * 1_000 },
      bootTimeoutSeconds: settings.NAS_BOOT_TIMEOUT_SECONDS,
      schedule: schedule(clock, settings),
    };
    this.setup = this.#setupOf(ground);
  }

  #setupOf({ clock, log, data, time }: Omit<BuildContext, 'trial' | 'services'>): Setup {
    return new Setup({
      ...{ clock, log, time, randomBytes },
      store: new SetupFile(data.path),
      knowsAdmin: () => this.services.accounts.known.knowsAdmin(),
    });
  }

  #clocks(deps: ComposeDeps): { time: TrustedTime; clockEvidence: ClockEvidence } {
    const { clock, log, settings, buildDateMs, readMarks = readClockMarks } = deps;
    const rows = new NewestTimeRows(this.data.queue, settings.OFFLINE_GRACE_HOURS * 3_600_000);
    const store: NewestTimeStore = {
      read: () => rows.read(),
      write: (newestMs, acceptedMs) => {
        const settle = this.data.queue.transaction(() => {
          rows.write(newestMs, acceptedMs);
          return this.services.activity.write();
        });
        settle();
      },
      putRight: (fromMs, toMs, refutedBuildMs) => {
        // Running twice, after a crash in between, only makes grants older: the safe direction.
        this.services.files.grants.clockPutRight(fromMs, toMs);
        rows.putRight(fromMs, toMs, refutedBuildMs);
        this.services.accounts.users.clockPutRight();
      },
    };
    const proofs = (): ClockProofs | null => clockEvidence.proofs;
    const time = new TrustedTime({ clock, log, store, buildDateMs, proofs });
    const isBehind = (): boolean => time.unsynced;
    const clockEvidence = new ClockEvidence({ clock, log, buildDateMs, isBehind, readMarks });
    return { time, clockEvidence };
  }

  /** Starts the services in the order of their dependencies. Makes no outgoing request yet. */
  async start(): Promise<void> {
    const { accounts, credentials, nas, cache, prefetch, upload } = this.services;
    const { tapo, energy, system } = this.services;
    this.#time.start();
    this.#disk.onChange(() => {
      cache.diskChanged();
    });
    this.#disk.start();
    this.#beginNotices();
    this.#unhear = beginActivity(this.services);
    nas.start();
    this.services.live.start();
    this.#followPeople();
    if (!this.#trial.isUndecided) credentials.start();
    accounts.start();
    this.setup.start();
    await cache.start();
    prefetch.start();
    if (!this.#trial.isUndecided) await upload.start();
    tapo.start();
    energy.start();
    await system.start();
    await this.#beginCopy();
    this.#integrity.start();
    this.services.dns.start();
  }

  /** Updates what is stored for a user when they sign in, sign out or are deleted. */
  #followPeople(): void {
    const { accounts, credentials, files, cache, prefetch, upload, kept } = this.services;
    accounts.onConfirmed((user, token) => {
      // Going back would lose the secret of a device registered at the NAS.
      if (this.#trial.isUndecided) return;
      credentials.confirmed(user, token);
      upload.credentialArrived(user.id);
      prefetch.credentialArrived(user.id);
    });
    accounts.onLogout((userId) => {
      credentials.loggedOut(userId);
    });
    accounts.onReplaced((userId) => {
      credentials.dropUser(userId);
      upload.held.hold(userId);
      files.dropUser(userId);
      cache.background.pins.dropUser(userId);
      kept.answers.dropUser(userId);
    });
  }

  /** Only the tab explore-energy needs it. */
  async #beginCopy(): Promise<void> {
    try {
      await this.services.energyCopy.begin();
    } catch (error) {
      if (!(error instanceof DiskRefusedError) && faultOf(error) === null) throw error;
    }
  }

  /** Begins what a version on trial holds back; called once the trial is over. */
  async takeUp(): Promise<void> {
    const { credentials, upload, energy } = this.services;
    energy.start();
    credentials.start();
    await upload.start();
  }

  /** Before anything can happen that is worth a notification. */
  #beginNotices(): void {
    const { accounts, notices } = this.services;
    notices.start();
    const stops = [
      hear(this.services, (told) => {
        notices.told(told);
      }),
      accounts.onLogout(() => {
        notices.loggedOut();
      }),
      accounts.onReplaced((userId) => {
        notices.dropUser(userId);
      }),
    ];
    this.#stopTelling = () => {
      for (const stop of stops) stop();
    };
  }

  /** Ends what runs, writes what is in memory, closes the databases. */
  async stop(): Promise<void> {
    const { accounts, credentials, nas, cache, prefetch, upload } = this.services;
    const { changes, kept, tapo, energy, system } = this.services;
    await this.#integrity.stop();
    this.#stopTelling();
    await this.services.notices.stop();
    this.setup.stop();
    await system.stop();
    this.services.live.stop();
    await this.services.dns.stop();
    await tapo.stop();
    await energy.stop();
    await changes.stop();
    kept.stop();
    await upload.stop();
    await prefetch.stop();
    this.services.thumbnails.stop();
    await cache.stop();
    await credentials.stop();
    await accounts.stop();
    await nas.stop();
    this.#unhear();
    this.services.activity.stop();
    this.#disk.stop();
    this.#time.stop();
    this.data.close();
  }
}

function energyCopy({ energy: store, path }: DataFolder): SideCopy {
  const folder = resolve(path);
  return new SideCopy({
    store,
    ...{ source: join(folder, 'energy.db'), file: join(folder, 'energy-copy.db') },
  });
}

function schedule(clock: Clock, settings: Settings): Services['schedule'] {
  return {
    sampling: new Grid(clock, settings.ENERGY_SAMPLE_INTERVAL_SECONDS),
    probe: new Grid(clock, settings.NAS_PROBE_INTERVAL_SECONDS),
  };
}

/** What still works without a database, by its name. */
const WITHOUT: Readonly<Record<string, string>> = {
  queue:
    'Accepted uploads are taken up from their intents; everybody signs in anew, and credentials ' +
    'are stored anew.',
  cache: 'The cache begins empty, and its old files are removed within the hour.',
  energy: 'Nothing of it could be taken over; metering goes on.',
};

function sayWhatIsSetAside({ setAside }: DataFolder, log: Log): void {
  for (const { database, name, salvagedRows } of setAside) {
    const goesOn =
      salvagedRows === null
        ? WITHOUT[database]
        : `${salvagedRows} rows of it were taken over; metering goes on.`;
    log.error(`The ${database} database was damaged and is now ${name}. ${String(goesOn)}`);
  }
}
