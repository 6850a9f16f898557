import { readFileSync, rmSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type ComposeDeps, App } from './compose.ts';
import { createFlowStorage } from './flows/flow-storage.ts';
import { loadedTypes } from './flows/node-types.ts';
import { ownersFlows } from './flows/flow-layers.ts';
import { ControlSocket } from './host/backup/control-socket.ts';
import { Backup } from './host/backup/backup.ts';
import { NAS_STAGING } from './host/backup/last-backup.ts';
import { NasCopy } from './host/backup/nas-copy.ts';
import { BaluPiHost } from './host/balupi.ts';
import { ConsoleLog, lineMarks, oneLine } from './host/console-log.ts';
import { gatherEnvironment, openToOthers, ownValues } from './host/environment.ts';
import { FlowState } from './host/flow-state.ts';
import {
  authHooks,
  editorSignIn,
  liveHooks,
  pageAccounts,
  thumbnailHook,
  webHooks,
} from './host/auth-hooks.ts';
import { KeptSettings, openedValues, unreadableIn } from './host/kept-settings.ts';
import { LoopWatch } from './host/loop-watch.ts';
import { installedNodeSets } from './host/node-red-host.ts';
import { ownersPalette } from './host/palette.ts';
import { sendDatagram, ServiceManager } from './host/service-manager.ts';
import { PageSettings } from './host/setup/page-settings.ts';
import { sectionDeps, Sections } from './host/setup/setup-sections.ts';
import { EXIT, exitCodeOf, StartFault, wordsOfFault } from './host/start-fault.ts';
import { isOnTrial, UpdateTrial } from './host/update-trial.ts';
import type { Log } from './nodes/lib/log/log.ts';
import { SystemClock } from './nodes/lib/time/system-clock.ts';
import { readSettings, SECRET_NAMES, SETTINGS, type Settings } from './settings.ts';

// What this process writes is for its own user only (contract 0).
process.umask(0o077);

/** Compiled, this file lies in `dist/`; the flows, the locales and package.json lie above. */
const PACKAGE_FOLDER = resolve(import.meta.dirname, '..');
const WATCH_PROGRAM = join(PACKAGE_FOLDER, 'deploy', 'watch-loop.pl');
/** On top of a reader's wait for the wake: time for the NAS to answer. */
const ANSWER_MARGIN_MS = 35_000;
/** The contract gives a stop 10 s. */
const STOP_LIMIT_MS = 9_500;
/** Log line prefixes, from the first line on. */
const MARKS = lineMarks(process.env);

/** For the demo and the tests, which must neither read a household's `.env` nor change its flows. */
const { values: ARGUMENTS } = parseArgs({
  options: {
    'no-env-file': { type: 'boolean', default: false },
    flows: { type: 'string', default: join(PACKAGE_FOLDER, 'flows') },
  },
});

interface ReadAtStart {
  readonly settings: Settings;
  readonly unused: readonly string[];
  readonly kept: PageSettings;
  /** Stored secrets that SECRET_KEY cannot decrypt. */
  readonly unreadable: readonly string[];
}

function settingsOrFault(): ReadAtStart {
  const envFile = ARGUMENTS['no-env-file'] ? null : join(PACKAGE_FOLDER, '.env');
  const environment = gatherEnvironment(envFile, process.env, Object.keys(SETTINGS));
  const read = readSettings(environment);
  if (read.kind === 'settings') {
    const { SECRET_KEY: key, DATA_DIR: folder } = read.settings;
    const kept = new KeptSettings(resolve(folder));
    const own = ownValues(envFile, process.env, Object.keys(SETTINGS));
    const unreadable = unreadableIn(kept.read(), key);
    return { ...read, unreadable, kept: pageSettings(kept, own, key) };
  }
  throw new StartFault(`BaluPi cannot start with these settings:\n  ${read.faults.join('\n  ')}`);
}

/** @param own settings of the environment, by names with their prefix */
function pageSettings(
  kept: KeptSettings,
  own: Readonly<Record<string, string>>,
  key: string,
): PageSettings {
  const named = Object.entries(own).map(([name, value]) => {
    return [name.replace(/^BALUPI_/, ''), value] as const;
  });
  return new PageSettings({
    ...{ kept, key, outranking: new Map(named) },
    standard: (name) => SETTINGS[name].standard,
    faultsWith: (changes) => {
      const wanted = Object.entries(changes).map(([name, value]) => {
        return [`BALUPI_${name}`, value ?? undefined] as const;
      });
      const opened = openedValues(kept.read(), key);
      const all = { ...opened, ...Object.fromEntries(wanted), ...own, BALUPI_SECRET_KEY: key };
      const read = readSettings(all);
      return read.kind === 'settings' ? [] : read.faults;
    },
  });
}

function ownVersion(): string {
  const text = readFileSync(join(PACKAGE_FOLDER, 'package.json'), 'utf8');
  return (JSON.parse(text) as { readonly version: string }).version;
}

function openApp(
  settings: Settings,
  given: Pick<ComposeDeps, 'log' | 'clock' | 'trial' | 'host'>,
): App {
  const buildDateMs = Math.floor(statSync(import.meta.filename).mtimeMs);
  return new App({ ...given, settings, version: ownVersion(), buildDateMs });
}

function systemClock(log: Log): SystemClock {
  return new SystemClock((problem) => {
    log.error(`A timer failed: ${String(problem)}`);
  });
}

/**
 * Function nodes can read every environment variable, and programs that flows start inherit them.
 * The flow `notices-house` reads two settings. Inject's clock and `new Date()` use the process's zone.
 */
function prepareForFlows({ TIMEZONE, NOTICE_LANGUAGE, NOTICE_URL }: Settings): void {
  for (const name of SECRET_NAMES) Reflect.deleteProperty(process.env, `BALUPI_${name}`);
  process.env['TZ'] = TIMEZONE;
  process.env['BALUPI_NOTICE_LANGUAGE'] = NOTICE_LANGUAGE;
  process.env['BALUPI_NOTICE_URL'] = NOTICE_URL ?? '';
}

function forHealth(flows: FlowState, loop: LoopWatch): ComposeDeps['host'] {
  return {
    flows: () => flows.now,
    isDiskSlow: () => loop.isDiskSlow,
    palette: () => ownersPalette(installedNodeSets()),
  };
}

function warnOfSettings(log: Log, { unused, unreadable }: ReadAtStart): void {
  for (const name of unreadable) {
    log.warn(
      `The stored ${name} was sealed with another SECRET_KEY and cannot be read. Set it again.`,
    );
  }
  for (const name of unused) log.warn(`The setting ${name} is not used by BaluPi.`);
  const open = ARGUMENTS['no-env-file'] ? null : openToOthers(join(PACKAGE_FOLDER, '.env'));
  if (open !== null) log.warn(open);
}

/** Builds, starts and prints the ready line. @returns stops BaluPi; its argument is the reason to log */
async function start(): Promise<(why: string) => Promise<void>> {
  const read = settingsOrFault();
  const { settings } = read;
  const log = new ConsoleLog(settings.LOG_LEVEL, MARKS);
  warnOfSettings(log, read);
  prepareForFlows(settings);
  const clock = systemClock(log);
  const trial = new UpdateTrial({ dataFolder: resolve(settings.DATA_DIR), clock, log });
  const loop = new LoopWatch({ clock, log, errorMark: MARKS.error, program: WATCH_PROGRAM });
  const flows = new FlowState({
    log,
    dataFolder: resolve(settings.DATA_DIR),
    isForced: settings.SAFE_MODE === 'on',
    reload: () => host.reloadFlows(),
  });
  const app = openApp(settings, { log, clock, trial, host: forHealth(flows, loop) });
  flows.begin();
  const host = hostOf(settings, { log, app, flows, trial, kept: read.kept });
  loop.start();
  await startBoth(app, host, flows);
  const control = await openControl(app, settings, log);
  const nasCopy = nasCopyOf(app, settings, log);
  if (!trial.isOn) nasCopy?.start();
  const manager = serviceManager(app, log);
  manager.ready(announce(settings, host));
  sayStarted(app, log);
  watchTrial(trial, app, host, nasCopy);
  return async (why) => {
    await saying(log, why, async () => {
      flows.end();
      trial.stop();
      manager.stopping();
      await Promise.all([control.stop(), nasCopy?.stop()]);
      await host.stop();
      await app.stop();
      await loop.stop();
    });
  };
}

async function saying(log: Log, why: string, stop: () => Promise<void>): Promise<void> {
  const fromMs = performance.now();
  log.info(`stop: begun by ${why}.`);
  await stop();
  log.info(`stop: done after ${secondsSince(fromMs)} s.`);
}

/** What the start has made so far. */
interface Begun {
  readonly log: Log;
  readonly app: App;
  readonly flows: FlowState;
  readonly trial: UpdateTrial;
  readonly kept: PageSettings;
}

function hostOf(settings: Settings, { log, app, flows, trial, kept }: Begun): BaluPiHost {
  const deployed = ownersFlows(ARGUMENTS.flows, ownerFolder(settings), () => host.reloadFlows());
  // Nodes that bring their own SQLite open this copy, never the database itself.
  process.env['BALUPI_ENERGY_DATABASE'] = app.services.energyCopy.file;
  const host = new BaluPiHost(hostOptions(settings, app), {
    ...{ clock: app.services.clock, log, trial },
    hooks: authHooks(app.services),
    signIn: editorSignIn(app.services),
    pages: pageAccounts(app.services),
    live: liveHooks(app.services),
    thumbnail: thumbnailHook(app.services),
    web: webHooks(app.services),
    viewers: app.services.viewers,
    setup: {
      setup: app.setup,
      sections: new Sections(kept, sectionDeps(app.services), app.services.clock),
      restart: startAgain,
    },
    storage: flowStorage(settings, log, flows.storageHooks),
    services: app.services,
    ownersFlows: deployed,
    onMissing: (missing) => {
      flows.setMissing(missing);
    },
  });
  return host;
}

/** Services first, as callers need them; they stop again if the ports cannot be opened. */
async function startBoth(app: App, host: BaluPiHost, flows: FlowState): Promise<void> {
  try {
    await app.start();
    try {
      await host.start();
    } catch (error) {
      await app.stop();
      throw error;
    }
  } catch (error) {
    // A port that is taken must not count as a crash caused by a flow.
    flows.end();
    throw error;
  }
}

/** A run that was killed could not log it, so the next one does. */
function sayStarted({ data }: App, log: Log): void {
  const ready = `BaluPi ${ownVersion()}, Node.js ${process.versions.node}, ready after ${secondsSince(0)} s`;
  const { lastEnd } = data;
  if (lastEnd === 'cut') log.warn(`start: ${ready}; the run before did not end in order.`);
  else log.info(`start: ${ready}; ${lastEnd === null ? 'the first run' : 'after a stop'}.`);
}

/** @param fromMs monotonic, 0 at the start of the process */
function secondsSince(fromMs: number): string {
  return ((performance.now() - fromMs) / 1_000).toFixed(1);
}

function watchTrial(trial: UpdateTrial, app: App, host: BaluPiHost, nasCopy: NasCopy | null): void {
  trial.watch({
    onKept: async () => {
      await app.takeUp();
      await host.takeUp();
      nasCopy?.start();
    },
    // Stop as for any SIGTERM; the service manager then starts the previous version.
    onGivenUp: () => process.kill(process.pid, 'SIGTERM'),
  });
}

/** Where deploys from the editor are stored. */
function ownerFolder(settings: Settings): string {
  return join(resolve(settings.DATA_DIR), 'flows');
}

function flowStorage(
  settings: Settings,
  log: Log,
  hooks: FlowState['storageHooks'],
): ReturnType<typeof createFlowStorage> {
  return createFlowStorage({
    flowsFolder: ARGUMENTS.flows,
    ownerFolder: ownerFolder(settings),
    installedTypes: () => loadedTypes(installedNodeSets()),
    log,
    ...hooks,
  });
}

async function openControl(app: App, settings: Settings, log: Log): Promise<ControlSocket> {
  const backup = new Backup({
    data: app.data,
    clock: app.services.clock,
    version: ownVersion(),
    secretKey: settings.SECRET_KEY,
    ownUser: settings.BACKUP_USER,
    userNamed: (username) => app.services.accounts.users.userNamed(username),
    writeSamples: () => {
      app.services.energy.rollUp();
    },
  });
  const control = new ControlSocket({ backup, log, dataFolder: resolve(settings.DATA_DIR) });
  await control.start();
  return control;
}

/** @returns null without BACKUP_USER; a backup that still waited for the NAS is deleted then */
function nasCopyOf({ data, services }: App, settings: Settings, log: Log): NasCopy | null {
  const { BACKUP_USER: username } = settings;
  if (username === null) {
    rmSync(join(data.path, NAS_STAGING), { recursive: true, force: true });
    return null;
  }
  data.folder(NAS_STAGING);
  return new NasCopy({
    clock: services.clock,
    log,
    dataFolder: data.path,
    username,
    nas: services.nas.client,
    presence: services.nas.presence,
    isStorageMissing: () => services.files.storage.isMissing,
    userNamed: (name) => services.accounts.users.userNamed(name),
    credentialFor: (userId) => services.credentials.credentialFor(userId),
  });
}

function serviceManager(app: App, log: Log): ServiceManager {
  const { clock } = app.services;
  return new ServiceManager({ clock, log, environment: process.env, send: sendDatagram });
}

function hostOptions(settings: Settings, app: App): ConstructorParameters<typeof BaluPiHost>[0] {
  return {
    front: {
      dnsName: settings.DNS_NAME,
      nasHost: new URL(settings.NAS_URL).host,
      nas: () => app.services.nas.presence.state,
      timeZone: settings.TIMEZONE,
    },
    host: settings.HOST,
    ports: settings.PORT,
    corsOrigins: settings.CORS_ORIGINS,
    timeZone: settings.TIMEZONE,
    trustedProxies: settings.TRUSTED_PROXIES,
    accel: settings.ACCEL,
    logLevel: settings.LOG_LEVEL,
    palette: settings.PALETTE === 'on',
    answerWithinMs: settings.WAKE_HOLD_SECONDS * 1_000 + ANSWER_MARGIN_MS,
    packageFolder: PACKAGE_FOLDER,
    dataFolder: resolve(settings.DATA_DIR),
    editor:
      settings.EDITOR === 'on' ? { host: settings.EDITOR_HOST, port: settings.EDITOR_PORT } : null,
  };
}

/** Prints the ready line. @returns it */
function announce(settings: Settings, host: BaluPiHost): string {
  const anywhere = settings.HOST === '0.0.0.0' || settings.HOST === '::';
  const name = anywhere ? 'localhost' : settings.HOST;
  const editor =
    host.editorPort === null ? '' : ` editor http://${settings.EDITOR_HOST}:${host.editorPort}`;
  const line = `BaluPi ready on http://${name}:${host.port} NAS ${settings.NAS_URL}${editor}`;
  process.stdout.write(`${line}\n`);
  return line;
}

/** journald reads the priority at the head of each line; a terminal gets the text alone. */
function fail(error: unknown): never {
  const head = MARKS.error.startsWith('<') ? MARKS.error : '';
  process.stderr.write(`${wordsOfFault(error).replace(/^/gm, head)}\n`);
  // On trial the next start runs the previous version, which may well work.
  const isTried = isOnTrial(resolve(process.env['BALUPI_DATA_DIR'] ?? './data'));
  process.exit(isTried ? EXIT.retry : exitCodeOf(error));
}

function sayUncaught(what: string): void {
  process.stderr.write(`${MARKS.error}${oneLine(what)}\n`);
}

let exitCode = 0;

/** A page changed a setting that takes effect at the next start: asks the service manager for one. */
function startAgain(): void {
  exitCode = EXIT.again;
  process.kill(process.pid, 'SIGTERM');
}

function stopOn(signals: readonly NodeJS.Signals[], stop: (why: string) => Promise<void>): void {
  let stopping = false;
  const end = (signal: NodeJS.Signals): void => {
    if (stopping) return;
    stopping = true;
    const tooLong = (): never => {
      sayUncaught(`stop: cut after ${STOP_LIMIT_MS / 1_000} s.`);
      process.exit(1);
    };
    setTimeout(tooLong, STOP_LIMIT_MS).unref();
    stop(signal).then(() => process.exit(exitCode), fail);
  };
  for (const signal of signals) process.on(signal, end);
}

// The reader of these streams may go away (a closed terminal). Without a listener each failed write
// would be an uncaught exception, which is logged, which fails again.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

// Our own nodes are guarded one by one; this catches what a tinkerer installs. Exiting for it would
// cut every running transfer.
process.on('uncaughtException', (error) => {
  sayUncaught(`Something was thrown and caught by nobody: ${error.stack ?? ''}`);
});
process.on('unhandledRejection', (reason) => {
  sayUncaught(`A promise failed and nobody looked: ${String(reason)}`);
});

// In its own microtask, so that signals are handled from the first step on.
const started = Promise.resolve().then(start);
// A stop during the start waits for its end first, so that nothing is left half open.
stopOn(['SIGTERM', 'SIGINT', 'SIGHUP'], async (signal) => {
  const stop = await started;
  await stop(signal);
});
try {
  await started;
} catch (error) {
  fail(error);
}
