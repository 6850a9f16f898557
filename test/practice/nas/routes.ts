import { ApiKeyRoutes } from './api-key-routes.ts';
import type { ApiKeys } from './api-keys.ts';
import { Access } from './access.ts';
import { AuthRoutes } from './auth-routes.ts';
import { ChunkedUploads } from './chunked-routes.ts';
import type { Clock } from '../../../nodes/lib/time/clock.ts';
import { EchoRoutes } from './echo-routes.ts';
import { Downloads } from './download-routes.ts';
import { FolderChanges } from './folder-routes.ts';
import { Listings } from './listing-routes.ts';
import type { MetadataRows } from './metadata-rows.ts';
import { MobileRoutes } from './mobile-routes.ts';
import { MultipartUploads } from './multipart-upload.ts';
import type { SleepSchedule } from './options.ts';
import type { Notifications } from './notifications.ts';
import { PairingRoutes } from './pairing-routes.ts';
import { PhoneFolderRoutes } from './phone-folder-routes.ts';
import type { Route } from './router.ts';
import type { Sender } from './sending.ts';
import { ShareRoutes } from './share-routes.ts';
import type { Shares } from './shares.ts';
import { SleepRoutes } from './sleep-routes.ts';
import type { Sleep } from './sleep.ts';
import type { Space } from './space.ts';
import type { Storage } from './storage.ts';
import { SyncRoutes } from './sync-routes.ts';
import { SystemRoutes } from './system-routes.ts';
import { TileRoutes } from './tile-routes.ts';
import type { TokenMint } from './tokens.ts';
import type { UserDirectory } from './users.ts';

/** Everything the routes use. */
export interface NasParts {
  readonly clock: Clock;
  readonly users: UserDirectory;
  readonly tokens: TokenMint;
  readonly keys: ApiKeys;
  readonly rows: MetadataRows;
  readonly shares: Shares;
  readonly storage: Storage;
  readonly space: Space;
  readonly sleep: Sleep;
  readonly sender: Sender;
  readonly notifications: Notifications;
  readonly sync: SyncRoutes;
  readonly schedule: SleepSchedule | null;
  readonly macAddress: string;
  readonly version: string;
}

function fileRoutes(parts: NasParts): readonly Route[] {
  const { clock, users, rows, shares, storage, space, sender } = parts;
  const access = new Access(rows, shares);
  const listings = new Listings(storage, rows, shares, access, users, () => clock.nowMs());
  return [
    ...listings.routes,
    ...new Downloads(storage, access, sender).routes,
    ...new MultipartUploads(storage, rows, access, space, clock).routes,
    ...new FolderChanges(storage, rows, access, space, users).routes,
    ...new ChunkedUploads(storage, rows, access, space).routes,
  ];
}

/** The route table in BaluHost's order, on which its 405s and swallowed routes depend. */
export function nasRoutes(parts: NasParts): readonly Route[] {
  const { clock, users, tokens, keys, rows, shares, sleep, schedule, sync } = parts;
  const auth = new AuthRoutes(users, tokens);
  const mobile = new MobileRoutes(users, tokens, clock);
  const system = new SystemRoutes(parts.version, parts.space, clock);
  return [
    ...system.healthRoutes,
    ...auth.routes,
    ...new TileRoutes(clock).routes,
    ...fileRoutes(parts),
    ...system.routes,
    ...auth.userRoutes,
    ...new ShareRoutes(shares, rows, users).routes,
    ...sync.routes,
    ...mobile.routes,
    ...new PhoneFolderRoutes(clock, (id) => mobile.knows(id)).routes,
    ...new SleepRoutes(sleep, schedule, parts.macAddress).routes,
    ...new ApiKeyRoutes(keys, users).routes,
    ...new PairingRoutes(tokens, clock, (user, deviceId, name) => {
      sync.add(user, deviceId, name);
    }).routes,
    ...system.pluginRoutes,
    ...parts.notifications.routes,
    ...new EchoRoutes(parts.sender).routes,
  ];
}
