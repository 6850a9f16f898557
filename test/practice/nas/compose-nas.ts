import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import type { Clock } from '../../../nodes/lib/time/clock.ts';
import { ApiKeys } from './api-keys.ts';
import { ControlRoutes } from './control-routes.ts';
import { Dispatcher } from './dispatcher.ts';
import { FaultSwitches } from './faults.ts';
import { Gate } from './gate.ts';
import { Listeners } from './listeners.ts';
import { MetadataRows } from './metadata-rows.ts';
import { Notifications } from './notifications.ts';
import { Nginx } from './nginx.ts';
import {
  PRACTICE_MAC_ADDRESS,
  PRACTICE_QUOTA_BYTES,
  PRACTICE_USERS,
  type PracticeNasOptions,
} from './options.ts';
import { PracticeAccounts } from './practice-accounts.ts';
import { PracticeFiles } from './practice-files.ts';
import { RequestLog } from './request-log.ts';
import { Router } from './router.ts';
import { nasRoutes, type NasParts } from './routes.ts';
import { Sender } from './sending.ts';
import { Shares } from './shares.ts';
import { SignIn } from './sign-in.ts';
import { Sleep } from './sleep.ts';
import { Space } from './space.ts';
import { Storage } from './storage.ts';
import { SyncRoutes } from './sync-routes.ts';
import { TokenMint } from './tokens.ts';
import { UserDirectory } from './users.ts';
import { WakeListener } from './wake-listener.ts';
import { WorkerPool } from './workers.ts';

/** Headers of every BaluHost answer, as recorded. */
const COMMON_HEADERS = {
  server: 'uvicorn',
  'x-api-version': '1',
  'x-api-min-version': '1',
  vary: 'Origin',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'strict-no-referrer',
  'permissions-policy': 'geolocation=(), microphone=(), camera=(), payment=()',
  'content-security-policy': [
    "default-src 'self'",
    "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data: https:",
    "font-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'self'",
    "form-action 'self'",
  ].join('; '),
};

/** uvicorn's own. */
const KEEP_ALIVE_MS = 5000;

/** An assembled NAS that does not listen yet. */
export interface ComposedNas {
  readonly nas: NasParts;
  readonly accounts: PracticeAccounts;
  readonly files: PracticeFiles;
  readonly faults: FaultSwitches;
  readonly log: RequestLog;
  readonly workers: WorkerPool;
  readonly nginx: Nginx;
  readonly listeners: Listeners;
  readonly wakeListener: WakeListener;
  readonly surprises: unknown[];
}

function nasParts(
  clock: Clock,
  storageFolder: string,
  options: PracticeNasOptions,
  sleep: Sleep,
): NasParts {
  const rows = new MetadataRows(clock);
  const tokens = new TokenMint(randomBytes(32).toString('hex'), clock);
  return {
    clock,
    users: new UserDirectory(options.users ?? PRACTICE_USERS, clock),
    tokens,
    notifications: new Notifications(tokens, clock),
    sync: new SyncRoutes(rows, sleep, options.schedule ?? null, clock),
    keys: new ApiKeys(clock),
    rows,
    shares: new Shares(rows, clock),
    storage: new Storage(resolve(storageFolder), clock),
    space: new Space(options.quotaBytes ?? PRACTICE_QUOTA_BYTES),
    sleep,
    sender: new Sender(clock, COMMON_HEADERS),
    schedule: options.schedule ?? null,
    macAddress: options.macAddress ?? PRACTICE_MAC_ADDRESS,
    version: options.version ?? '1.38.0',
  };
}

function compositionGate(
  composed: Omit<ComposedNas, 'accounts' | 'listeners'>,
  withControl: boolean,
): Gate {
  const { nas, files, log, wakeListener, surprises } = composed;
  const signIn = new SignIn(nas.users, nas.tokens, nas.keys);
  const dispatcher = (router: Router): Dispatcher =>
    new Dispatcher(router, signIn, nas.sleep, nas.sender, surprises);
  const control = new ControlRoutes(nas.sleep, log, wakeListener, () => files.tree());
  return new Gate({
    clock: nas.clock,
    sleep: nas.sleep,
    log,
    faults: composed.faults,
    workers: composed.workers,
    nginx: composed.nginx,
    sender: nas.sender,
    nas: dispatcher(new Router(nasRoutes(nas))),
    control: withControl ? dispatcher(new Router(control.routes)) : null,
    surprises,
  });
}

/** Builds every part and opens nothing. */
export function composeNas(
  clock: Clock,
  storageFolder: string,
  options: PracticeNasOptions,
): ComposedNas {
  const sleep: Sleep = new Sleep(clock, options.bootMs ?? 0, (state) => listeners.become(state));
  const nas = nasParts(clock, storageFolder, options, sleep);
  const files = new PracticeFiles(nas.storage, nas.rows, nas.users, nas.space);
  const log = new RequestLog();
  const wakeListener = new WakeListener(
    nas.macAddress,
    () => clock.nowMs(),
    () => {
      if (sleep.state === 'true_suspend') void sleep.wake();
    },
  );
  const most = {
    nas,
    files,
    faults: new FaultSwitches(),
    log,
    workers: new WorkerPool(
      options.workers ?? 1,
      options.rateLimits ?? 'mild',
      clock,
      options.random ?? Math.random,
    ),
    nginx: new Nginx(options.nginx ?? 'off', clock),
    wakeListener,
    surprises: [],
  };
  const gate = compositionGate(most, options.control ?? true);
  const listeners: Listeners = new Listeners(
    options.silence ?? 'reset',
    options.keepAliveMs ?? KEEP_ALIVE_MS,
    (request, response, via) => gate.take(request, response, via, listeners),
    () => {
      log.connections += 1;
    },
    nas.notifications,
  );
  const accounts = new PracticeAccounts(nas.users, nas.tokens, nas.keys, (username) =>
    files.putFolder(username, username),
  );
  return { ...most, listeners, accounts };
}
