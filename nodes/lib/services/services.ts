import type { Accounts, Credentials } from '../accounts/accounts.ts';
import type { Activity } from '../activity/activity.ts';
import type { Cache } from '../cache/cache.ts';
import type { Changes } from '../changes/changes.ts';
import type { DnsName, NoDnsName } from '../dns/dns.ts';
import type { Energy } from '../../../packages/node-red-contrib-balupi-tapo/lib/energy/energy.ts';
import type { Files } from '../files/files.ts';
import type { Handshake } from '../handshake/handshake.ts';
import type { Kept } from '../kept/kept.ts';
import type { NasService } from '../nas/nas.ts';
import type { Notices } from '../notices/notices.ts';
import type { LiveSockets, PassThrough, WebPages } from '../pass/pass.ts';
import type { Prefetch } from '../prefetch/prefetch.ts';
import type { SideCopy } from '../store/store.ts';
import type { System } from '../system/system.ts';
import type { Tapo } from '../../../packages/node-red-contrib-balupi-tapo/lib/tapo/tapo.ts';
import type { Thumbnails } from '../thumbnails/thumbnails.ts';
import type { Clock, Grid } from '../time/clock.ts';
import type { Upload } from '../upload/upload.ts';
import type { Viewers } from '../viewers/viewers.ts';

/** What a reader of a missing file may expect while the NAS sleeps (contract 3). */
export interface MissRule {
  readonly wakeOnMiss: boolean;
  readonly holdMs: number;
}

/** When scheduled work is due: the flows tick, these say whether it is time. */
export interface Schedule {
  readonly sampling: Grid;
  readonly probe: Grid;
}

/**
 * Every service of a running BaluPi. They live as long as the process, so that a deploy of the
 * flows interrupts no transfer, no delivery and no sampling.
 */
export interface Services {
  readonly clock: Clock;
  readonly accounts: Accounts;
  readonly credentials: Credentials;
  readonly nas: NasService;
  readonly handshake: Handshake;
  /** What goes to the NAS as it comes. */
  readonly pass: PassThrough;
  /** The websocket of the NAS's notifications. */
  readonly live: LiveSockets;
  /** The NAS's web pages. */
  readonly web: WebPages;
  /** The name in the home network that points at the Pi or the NAS. */
  readonly dns: DnsName | NoDnsName;
  readonly files: Files;
  readonly cache: Cache;
  readonly prefetch: Prefetch;
  readonly thumbnails: Thumbnails;
  readonly upload: Upload;
  readonly changes: Changes;
  readonly kept: Kept;
  readonly tapo: Tapo;
  readonly energy: Energy;
  /** The energy database, for nodes that bring a SQLite of their own. */
  readonly energyCopy: SideCopy;
  readonly system: System;
  /** Messages to people's own phones and browsers. */
  readonly notices: Notices;
  /** The activity log of this installation. */
  readonly activity: Activity;
  /** Who is viewing the pages of the Pi. */
  readonly viewers: Viewers;
  readonly missRule: MissRule;
  readonly bootTimeoutSeconds: number;
  readonly schedule: Schedule;
}

/** The name under which the host hands the services to Node-RED. */
interface SettingsWithServices {
  readonly balupi?: Services;
}

/** A config node that hands out the services. */
interface ServicesNode {
  readonly services?: Services;
}

/**
 * The services from Node-RED's settings, for the config nodes.
 * @returns undefined in a Node-RED that BaluPi did not start
 */
export function servicesInSettings(settings: unknown): Services | undefined {
  return (settings as SettingsWithServices).balupi;
}

/**
 * The services behind the config node a node names.
 * @throws Error that tells a tinkerer what to do
 */
export function servicesBehind(configNode: unknown): Services {
  const services = (configNode as ServicesNode | null | undefined)?.services;
  if (services === undefined) {
    throw new Error(
      'Choose the Pi or the NAS in this node; it works inside a running BaluPi only.',
    );
  }
  return services;
}
