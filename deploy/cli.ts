import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  accessSync,
  constants,
  existsSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { checkFlows } from '../flows/flow-check.ts';
import { differenceOf } from '../flows/flow-difference.ts';
import { LayeredFlowFolder, type OwnersChange } from '../flows/flow-layers.ts';
import { ShippedFlowFolder } from '../flows/shipped-flows.ts';
import { BackupFault } from '../host/backup/archive.ts';
import type { Restored } from '../host/backup/restore.ts';
import { DROP_FOLDER, newerRelease } from '../host/drop-folder.ts';
import { gatherEnvironment, letKeyHold, readEnvironment } from '../host/environment.ts';
import { KeptSettings, SEALED, sealedValue } from '../host/kept-settings.ts';
import { askNas, findNas } from '../host/nas-finder.ts';
import { SetupFile } from '../host/setup/setup-file.ts';
import { exitCodeOf, StartFault, wordsOfFault } from '../host/start-fault.ts';
import { isGood, newCode, spokenCode } from '../nodes/lib/setup/setup.ts';
import { checkSchemas, QUEUE_MIGRATIONS } from '../nodes/lib/store/databases.ts';
import { Store } from '../nodes/lib/store/store.ts';
import { SystemClock } from '../nodes/lib/time/system-clock.ts';
import { DiskFlowFolder } from '../packages/node-red-flow-files/lib/flow-storage.ts';
import { readSettings, SETTINGS, type Settings } from '../settings.ts';
import {
  askNewPassphrase,
  askPassphrase,
  backUpByNight,
  makeBackup,
  NotRunning,
  passphraseIn,
  putBack,
} from './backup.ts';
import { dataDisk, examine, type Finding } from './doctor.ts';
import { Move, SERVICE } from './move.ts';
import { faultOfRelease, keysIn, readRelease } from './release-file.ts';
import { type Installation, Updater, UpdateRefused } from './update.ts';
import { UsageFault } from './usage-fault.ts';

/** `balupi`, the command at the Pi's shell. */
const PACKAGE_FOLDER = resolve(import.meta.dirname, '..', '..');
const SERVICE_CREDENTIALS = '/run/credentials/balupi.service';
const SERVICE_ENVIRONMENT = '/etc/balupi/balupi.env';
const BACKUP_TIMER = '/etc/systemd/system/balupi-backup.timer';
/** The releases' public key, if the installed release does not include it. */
const RELEASE_KEY = '/etc/balupi/release.pub';
const SERVICE_UNIT = '/etc/systemd/system/balupi.service';
const PAPERS = {
  'deploy/balupi-backup.service': '/etc/systemd/system/balupi-backup.service',
  'deploy/balupi-backup.timer': BACKUP_TIMER,
  'deploy/balupi.bash': '/usr/share/bash-completion/completions/balupi',
  'deploy/balupi.1': '/usr/local/share/man/man1/balupi.1',
};
/** So that read-only commands make no key. */
const NO_KEY = 'not-needed-at-the-shell-0123456789abcdef';
const ROOT_ONLY = 'Only root may do this: put sudo before it.';
const MARKS = { ok: '  ok ', warn: 'warn ', fail: 'FAIL ' } as const;

interface Command {
  readonly usage: string;
  readonly does: string;
  run(args: readonly string[]): Promise<number> | number;
}

/** A closed terminal must not end a running command. */
let outlivesItsReader = false;

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function version(): string {
  const text = readFileSync(join(PACKAGE_FOLDER, 'package.json'), 'utf8');
  return (JSON.parse(text) as { readonly version: string }).version;
}

/** The settings file of the service, or of a checkout. */
function envFile(): string {
  return existsSync(SERVICE_ENVIRONMENT) ? SERVICE_ENVIRONMENT : join(PACKAGE_FOLDER, '.env');
}

/** Includes the running service's credentials of systemd's `LoadCredential=`. */
function shellEnvironment(): Readonly<Record<string, string | undefined>> {
  if (!existsSync(SERVICE_CREDENTIALS)) return process.env;
  return { CREDENTIALS_DIRECTORY: SERVICE_CREDENTIALS, ...process.env };
}

function gathered(): Record<string, string | undefined> {
  const file = envFile();
  if (existsSync(file) && !isReadable(file)) throw new UsageFault(ROOT_ONLY);
  return gatherEnvironment(file, shellEnvironment(), Object.keys(SETTINGS), NO_KEY);
}

function isReadable(file: string): boolean {
  try {
    accessSync(file, constants.R_OK);
    return true;
  } catch (error) {
    if (error instanceof Error) return false;
    throw error;
  }
}

function settingsOf(environment: Record<string, string | undefined>): Settings {
  const read = readSettings(environment);
  if (read.kind === 'settings') return read.settings;
  throw new StartFault(read.faults.join('\n'));
}

function systemctl(...args: string[]): number {
  return spawnSync('systemctl', args, { stdio: 'inherit' }).status ?? 1;
}

function isServiceActive(): boolean {
  return spawnSync('systemctl', ['is-active', '--quiet', 'balupi']).status === 0;
}

/** It runs, or is enabled: a service kept down by a wrong setting starts with the right one. */
function isServiceWanted(): boolean {
  const { stdout } = spawnSync('systemctl', ['is-active', 'balupi'], { encoding: 'utf8' });
  return ['active', 'activating', 'failed'].includes((stdout ?? '').trim());
}

/** Applies a changed setting, unless BaluPi could not start with it. */
function restartIfWanted(): number {
  if (!isServiceWanted()) return 0;
  const read = readSettings(gathered());
  if (read.kind === 'faults') {
    say('Kept. BaluPi goes on as before, as it could not start with this alone:');
    for (const fault of read.faults) say(`  ${fault}`);
    return 0;
  }
  say('Restarting BaluPi, so that it counts …');
  return systemctl('restart', 'balupi');
}

function apiUrl({ PORT: ports, HOST: host }: Settings): string {
  const at = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return `http://${at}:${ports[0] ?? 8000}`;
}

async function status(): Promise<number> {
  const url = apiUrl(settingsOf(gathered()));
  let health: { status?: string; version?: string; checks?: Record<string, string> };
  try {
    const answer = await fetch(`${url}/api/health`, { signal: AbortSignal.timeout(5_000) });
    health = (await answer.json()) as typeof health;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    say(`BaluPi does not answer at ${url}. See \`balupi logs\`.`);
    return 3;
  }
  say(`BaluPi ${health.version ?? '?'} at ${url}: ${health.status ?? 'strange'}`);
  for (const [name, word] of Object.entries(health.checks ?? {})) say(`  ${name}: ${word}`);
  return health.status === 'ok' ? 0 : 1;
}

function tell(findings: readonly Finding[]): number {
  for (const { level, subject, found, advice } of findings) {
    say(`${MARKS[level]}${subject}: ${found}`);
    if (advice !== '') say(`       ${advice}`);
  }
  return findings.some(({ level }) => level === 'fail') ? 1 : 0;
}

function logs(args: readonly string[]): number {
  const more = args.length > 0 ? args : ['-n', '200'];
  return (
    spawnSync('journalctl', ['-u', 'balupi', '--no-pager', ...more], { stdio: 'inherit' }).status ??
    1
  );
}

function wake(): number {
  const program = join(PACKAGE_FOLDER, 'dist', 'deploy', 'wake.js');
  const environment = gathered() as Record<string, string>;
  const done = spawnSync(process.execPath, [program], {
    stdio: 'inherit',
    env: { ...process.env, ...environment },
  });
  return done.status ?? 1;
}

async function valueFor(name: string): Promise<string> {
  const input = createInterface({ input: process.stdin, output: process.stderr, terminal: false });
  if (process.stdin.isTTY) process.stderr.write(`${name}: `);
  try {
    for await (const line of input) return line;
    return '';
  } finally {
    input.close();
  }
}

/** @returns the setting's name without its prefix, if it can be stored in the data folder */
function keptName(given: string, hasWords: boolean): string {
  const name = given.replace(/^BALUPI_/, '').toUpperCase();
  if (name === '') throw new UsageFault('Which setting? `balupi settings` lists them.');
  if (!(name in SETTINGS)) {
    throw new UsageFault(`There is no setting ${given}. \`balupi settings\` lists them.`);
  }
  if (!KeptSettings.takes(name)) {
    throw new UsageFault(`${name} is set in ${envFile()} alone: it decides who may come in.`);
  }
  if (SEALED.has(name) && hasWords) {
    throw new UsageFault(`Give ${name} on standard input: a command line can be read by others.`);
  }
  return name;
}

/** `set NAME value`; without a value, or for a secret, it is read from standard input. */
async function set([given = '', ...words]: readonly string[]): Promise<number> {
  const name = keptName(given, words.length > 0);
  const value = words.length > 0 ? words.join(' ') : await valueFor(name);
  const environment = gathered();
  const read = readSettings({ ...environment, [`BALUPI_${name}`]: value });
  // A pair, such as an account and its password, can only be set one after the other.
  const faults = read.kind === 'faults' ? read.faults : [];
  const own = faults.filter((fault) => fault.startsWith(`BALUPI_${name} is `));
  if (own.length > 0) throw new UsageFault(own.join('\n'));
  keep(name, value, environment);
  if (value !== '' && gathered()[`BALUPI_${name}`] !== value) {
    say(`Kept, but ${envFile()} or the environment outranks it.`);
  }
  return restartIfWanted();
}

/** Whether a key is configured anywhere; the data folder's own is reported as the default. */
function namesKey(): boolean {
  const named = readEnvironment(envFile(), process.env);
  return ['BALUPI_SECRET_KEY', 'BALUPI_SECRET_KEY_FILE'].some((name) => Boolean(named[name]));
}

/** @param value empty removes it */
function keep(name: string, value: string, environment: Record<string, string | undefined>): void {
  const kept = new KeptSettings(resolve(environment['BALUPI_DATA_DIR'] ?? './data'));
  const { BALUPI_SECRET_KEY: present } = environment;
  const key = present === NO_KEY && SEALED.has(name) && value !== '' ? kept.secretKey() : present;
  if (!key) throw new StartFault('BALUPI_SECRET_KEY is missing, which seals what is secret.');
  kept.set(name, value === '' ? null : sealedValue(name, value, key));
}

/** `settings [--names]`: the names alone are no secret, and bash completes them. */
function settings(args: readonly string[]): number {
  if (args.includes('--names')) {
    for (const name of Object.keys(SETTINGS)) say(name);
    return 0;
  }
  const environment = gathered();
  if (!namesKey()) delete environment['BALUPI_SECRET_KEY'];
  for (const [name, { standard, meaning }] of Object.entries(SETTINGS)) {
    const value = environment[`BALUPI_${name}`];
    const hidden = /KEY|PASSWORD|SECRET/.test(name);
    const shown = value === undefined ? `(${standard ?? 'none'})` : hidden ? '(set)' : value;
    say(`${name.padEnd(32)} ${shown.padEnd(28)} ${meaning}`);
  }
  return 0;
}

/**
 * `setup-code [--present]`: a new code for the first start in a browser, which the running BaluPi picks
 * up by itself. With `--present` the one from its log, while that is valid.
 */
function setupCode(args: readonly string[]): number {
  const folder = resolve(gathered()['BALUPI_DATA_DIR'] ?? './data');
  const file = new SetupFile(folder);
  if (file.read().isOver) {
    note('BaluPi is set up. Sign in at /dashboard with an account of the NAS.');
    return 1;
  }
  const { given } = file.read();
  if (args.includes('--present') && given !== null && isGood(given, Date.now())) {
    say(spokenCode(given.code));
    return 0;
  }
  const code = newCode(randomBytes);
  file.write({ isOver: false, given: { code, seenAtMs: null, tries: 0, browsers: [] } });
  say(spokenCode(code));
  note('Good for 24 h, for the first start at /dashboard; every older one is void.');
  return 0;
}

async function find(args: readonly string[]): Promise<number> {
  const [url] = args;
  const found =
    url === undefined ? await findNas() : [await askNas(url)].filter((nas) => nas !== null);
  for (const nas of found) say(`${nas.url} ${nas.version} ${nas.macAddress ?? '-'}`);
  if (found.length > 0) return 0;
  note(
    url === undefined
      ? 'No BaluHost was found. It may sleep, or be somewhere else: balupi find-nas URL'
      : `No BaluHost answers at ${url}. It may sleep.`,
  );
  return 1;
}

async function checkDisk(args: readonly string[]): Promise<number> {
  const [folder] = args;
  if (folder === undefined) throw new UsageFault('Which folder?');
  return tell(await dataDisk(resolve(folder)));
}

function ownersFlows(): LayeredFlowFolder {
  const folder = join(resolve(gathered()['BALUPI_DATA_DIR'] ?? './data'), 'flows');
  if (!existsSync(folder)) throw new UsageFault('All flows run as they were shipped.');
  const shipped = new ShippedFlowFolder(join(PACKAGE_FOLDER, 'flows'));
  return new LayeredFlowFolder(shipped, new DiskFlowFolder(folder));
}

/** `flows`, `flows diff TAB`, `flows reset TAB`: what the owner deployed over the shipped flows. */
async function flows([word = 'list', tab = '']: readonly string[]): Promise<number> {
  const layered = ownersFlows();
  const name = `${tab.replace(/\.json$/, '')}.json`;
  switch (word) {
    case 'list':
      return listFlows(await layered.changes());
    case 'diff': {
      const texts = await layered.bothTexts(name);
      if (texts === null) throw new UsageFault(`There is no shipped tab ${tab}.`);
      say(differenceOf(texts.shipped, texts.running) || 'It runs as it was shipped.');
      return 0;
    }
    case 'reset': {
      if (!(await layered.reset(name))) throw new UsageFault(`Nothing is changed in ${tab}.`);
      say(`${tab} runs as it was shipped from the next start on.`);
      return restartIfWanted();
    }
    default:
      throw new UsageFault(`Got flows ${word}, wanted flows, flows diff TAB or flows reset TAB.`);
  }
}

function listFlows(changes: readonly OwnersChange[]): number {
  const words = { own: 'your own', changed: 'shipped, changed by you', removed: 'removed by you' };
  for (const { name, kind, both } of changes) {
    const more = both.length === 0 ? '' : `; changed by an update too: ${both.join(', ')}`;
    say(`${name.replace(/\.json$/, '').padEnd(28)} ${words[kind]}${more}`);
  }
  if (changes.length === 0) say('All flows run as they were shipped.');
  return 0;
}

function note(line: string): void {
  process.stderr.write(`${line}\n`);
}

function inMegabytes(bytes: number): string {
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}

/** `backup [folder | -]`: sealed under a passphrase, or without anything that is secret. */
async function backup(args: readonly string[]): Promise<number> {
  const settings = settingsOf(gathered());
  if (args.includes('--nightly')) return await nightly(settings, args.includes('--new-disk'));
  const [given] = args;
  const target = given ?? settings.BACKUP_DIR;
  if (target === null) throw new UsageFault('Which folder? BALUPI_BACKUP_DIR names one for good.');
  const file = settings.BACKUP_PASSPHRASE_FILE;
  const passphrase = file === null ? await askNewPassphrase() : passphraseIn(file);
  const dataFolder = resolve(settings.DATA_DIR);
  const made = await makeBackup({ dataFolder, target, passphrase, nowMs: Date.now() });
  if (passphrase === null) {
    note(
      'Without a passphrase it holds no keys, no credentials, no sign-ins and no waiting uploads: energy, flows and settings alone. BALUPI_BACKUP_PASSPHRASE_FILE names a file with one.',
    );
  }
  for (const name of made.faults) note(`The disk does not give ${name} as it once was.`);
  const where = made.file ?? 'standard output';
  const what = `${made.entries} files, ${inMegabytes(made.sizeBytes)}: ${where}`;
  note(made.faults.length === 0 ? `ok, ${what}` : `not well, ${what}`);
  return made.faults.length === 0 ? 0 : 1;
}

/** `backup --nightly`, as the timer runs it. */
async function nightly(settings: Settings, isNewDisk: boolean): Promise<number> {
  const file = settings.BACKUP_PASSPHRASE_FILE;
  await backUpByNight({
    dataFolder: resolve(settings.DATA_DIR),
    folder: settings.BACKUP_DIR,
    goesToNas: settings.BACKUP_USER !== null,
    passphrase: () => (file === null ? null : passphraseIn(file)),
    isNewDisk,
    nowMs: Date.now(),
    say,
  });
  return 0;
}

/** `restore FILE [--replace]`: onto an empty folder, or beside what is there. */
async function restore(args: readonly string[]): Promise<number> {
  const [given, ...others] = args.filter((word) => word !== '--replace');
  if (given === undefined) throw new UsageFault('Which backup?');
  if (others.length > 0) throw new UsageFault('One backup at a time, please.');
  if (isServiceActive()) {
    throw new UsageFault('BaluPi runs. Stop it first: systemctl stop balupi');
  }
  const settings = settingsOf(gathered());
  const file = settings.BACKUP_PASSPHRASE_FILE;
  const restored = await putBack({
    backup: resolve(given),
    dataFolder: resolve(settings.DATA_DIR),
    passphrase: () =>
      file === null ? askPassphrase('Passphrase') : Promise.resolve(passphraseIn(file)),
    replaces: args.includes('--replace'),
    nowMs: Date.now(),
    useKey,
  });
  tellOfRestore(restored);
  return 0;
}

function tellOfRestore(restored: Restored): void {
  const { queue, energy, queued, others, setAside, madeAt } = restored;
  const words = {
    restored: 'as in the backup',
    kept: 'stays as it is here, as it is in use (--replace takes the one of the backup)',
    absent: 'is not in this backup',
  };
  say(`The backup of ${madeAt}:`);
  say(`  accounts and the list of uploads: ${words[queue]}`);
  say(`  energy: ${words[energy]}`);
  say(`  ${queued} files of the queue and ${others} flows and settings that were not here`);
  if (restored.uploadsOf !== undefined) {
    say(`  of uploads only those of ${restored.uploadsOf} are in it; others are told as lost`);
  }
  for (const name of setAside) say(`  What was here is kept as ${name}.`);
  say('Uploads that are found and not in the list wait for their owners, on the page Uploads.');
  say('ok. Start BaluPi: systemctl start balupi');
}

/** The lines of a unit that say where its credentials come from. */
const CREDENTIAL_FROM = /^(?:LoadCredential|LoadCredentialEncrypted|SetCredential\w*)=(.*)$/gm;

/**
 * The credential `secret_key` that the stopped service gets when it runs.
 * @returns null for none; empty if only systemd can read it
 */
function keyOfService(): string | null {
  const asked = [
    'show',
    'balupi',
    '--property=LoadCredential',
    '--property=LoadCredentialEncrypted',
  ];
  const { stdout } = spawnSync('systemctl', [...asked, '--property=SetCredential'], {
    encoding: 'utf8',
  });
  for (const [line, words = ''] of (stdout ?? '').matchAll(CREDENTIAL_FROM)) {
    const named = words.split(' ').find((word) => word.startsWith('secret_key:'));
    if (named === undefined) continue;
    const file = named.slice('secret_key:'.length);
    const isFile = line.startsWith('LoadCredential=') && existsSync(file);
    return isFile ? readFileSync(file, 'utf8').replace(/\r?\n$/, '') : '';
  }
  return null;
}

/** A backup's accounts and credentials are sealed with its key, so that one is used. */
function useKey(secretKey: string): void {
  const name = 'BALUPI_SECRET_KEY';
  const did = letKeyHold(envFile(), process.env, secretKey, keyOfService());
  if (did === 'changed') say(`${name} in ${envFile()} is the one of the backup now.`);
  if (did !== 'elsewhere') return;
  throw new UsageFault(
    `${name} is set in the environment, or as a credential of the service, and is not the one of the backup. Take it out there: the backup brings its own.`,
  );
}

/** `move FOLDER`: the data to another disk, BaluPi stopped only for the last step. */
async function move([given]: readonly string[]): Promise<number> {
  if (given === undefined) throw new UsageFault('Which folder?');
  if (existsSync(SERVICE_ENVIRONMENT)) needsRoot();
  const to = resolve(given);
  if (tell(await dataDisk(to)) !== 0) return 1;
  outlivesItsReader = true;
  const { BALUPI_DATA_DIR: from = './data' } = gathered();
  const input = { from, to, settingsFile: envFile(), environment: process.env };
  for await (const line of new Move({ ...input, ...SERVICE }).run()) say(line);
  return 0;
}

/** `check [--without-data]`: what would make a start of this version fail. Changes nothing. */
async function check(args: readonly string[]): Promise<number> {
  const folder = resolve(settingsOf(gathered()).DATA_DIR);
  if (!args.includes('--without-data')) checkSchemas(folder);
  const told = await checkFlows(join(PACKAGE_FOLDER, 'flows'), join(folder, 'flows'));
  for (const line of told) say(line);
  say(`BaluPi ${version()} can run with the settings, flows and data that are here.`);
  return 0;
}

function installation(settings: Settings): Installation {
  const home = resolve(PACKAGE_FOLDER, '..', '..');
  if (basename(dirname(PACKAGE_FOLDER)) !== 'releases' || !existsSync(join(home, 'turn'))) {
    throw new UsageFault('This is no installed release, so there is none to bring up to date.');
  }
  return {
    home,
    unitFile: SERVICE_UNIT,
    papers: PAPERS,
    dataFolder: resolve(settings.DATA_DIR),
    healthUrl: `${apiUrl(settings)}/api/health`,
  };
}

const UPDATE_FLAGS = ['--unsigned', '--back', '--restore'];

/** `update [file | address] [--unsigned]`, `update --back [--restore]`. */
async function update(args: readonly string[]): Promise<number> {
  needsRoot();
  const [strange] = args.filter((word) => word.startsWith('-') && !UPDATE_FLAGS.includes(word));
  if (strange !== undefined)
    throw new UsageFault(`Got ${strange}, wanted ${UPDATE_FLAGS.join(', ')}.`);
  const settings = settingsOf(gathered());
  const place = installation(settings);
  const clock = new SystemClock((problem) => {
    throw problem;
  });
  const updater = new Updater({ ...place, clock, say });
  if (args.includes('--back')) {
    return await awake(updater.goBack(args.includes('--restore')));
  }
  const [given] = args.filter((word) => !word.startsWith('-'));
  const source = given ?? newerRelease(place.dataFolder, version());
  if (source === null) {
    const folder = join(place.dataFolder, DROP_FOLDER);
    throw new UsageFault(`Which file or address? Nothing newer lies in ${folder}.`);
  }
  const release = await readRelease(source);
  const keys = keysIn([RELEASE_KEY, join(PACKAGE_FOLDER, 'release.pub')]);
  const fault = faultOfRelease(release, keys, args.includes('--unsigned'));
  if (fault !== null) throw new UpdateRefused(fault);
  return await awake(updater.bring(release));
}

/** Keeps the process alive while it waits: the clock's timers are unref'ed. */
async function awake(work: Promise<number>): Promise<number> {
  const alive = setInterval(() => undefined, 60_000);
  try {
    return await work;
  } finally {
    clearInterval(alive);
  }
}

function needsRoot(): void {
  if (process.getuid?.() !== 0) throw new UsageFault(ROOT_ONLY);
}

/** Removes nothing while undelivered uploads wait. */
async function uninstall(args: readonly string[]): Promise<number> {
  needsRoot();
  const purge = args.includes('--purge');
  const folder = resolve(settingsOf(gathered()).DATA_DIR);
  // Read now: the credentials vanish with the service.
  const own = purge ? ownEnvironment() : {};
  // The queue has one owner at a time, so it is read after the service has stopped.
  systemctl('stop', 'balupi');
  const waiting = await undelivered(folder);
  if (waiting > 0 && !args.includes('--even-with-uploads')) {
    systemctl('start', 'balupi');
    say(
      `${waiting} uploads still wait for the NAS. Wake it (\`balupi wake\`) and try again, or say --even-with-uploads.`,
    );
    return 1;
  }
  if (purge && !(await forgetsDevices(own, args.includes('--even-with-devices')))) {
    systemctl('start', 'balupi');
    return 1;
  }
  systemctl('disable', '--now', 'balupi');
  if (existsSync(BACKUP_TIMER)) systemctl('disable', '--now', 'balupi-backup.timer');
  for (const path of [
    SERVICE_UNIT,
    `${SERVICE_UNIT}.d`,
    '/usr/local/bin/balupi',
    '/opt/balupi',
    ...Object.values(PAPERS),
  ]) {
    rmSync(path, { recursive: true, force: true });
  }
  systemctl('daemon-reload');
  if (purge) removeTraces(folder);
  else say(`Taken away. The data stay in ${folder}, the settings in ${SERVICE_ENVIRONMENT}.`);
  return 0;
}

/** The service's environment, including its key. */
function ownEnvironment(): Readonly<Record<string, string | undefined>> {
  return gatherEnvironment(envFile(), shellEnvironment(), Object.keys(SETTINGS));
}

function removeTraces(folder: string): void {
  removeData(folder);
  rmSync('/etc/balupi', { recursive: true, force: true });
  spawnSync('userdel', ['balupi'], { stdio: 'inherit' });
  say('Taken away, with all data, settings and the user balupi.');
}

/** Unregisters the Pi from its users' devices at the NAS, which is impossible after a purge. */
async function forgetsDevices(
  environment: Readonly<Record<string, string | undefined>>,
  evenSo: boolean,
): Promise<boolean> {
  const { unregister } = await import('./farewell.ts');
  try {
    const { removed, left } = await unregister(settingsOf({ ...environment }), version());
    if (removed > 0) say(`Taken off the devices of ${removed} users at the NAS.`);
    if (left === 0) return true;
    say(`The NAS does not take this Pi off the devices of ${left} users now.`);
  } catch (error) {
    say(`This Pi could not be taken off the devices of its users at the NAS: ${wordsOf(error)}`);
  }
  if (!evenSo) say('Wake it (`balupi wake`) and try again, or say --even-with-devices.');
  return evenSo;
}

/** Keeps the folder itself if it is a mount point. */
function removeData(folder: string): void {
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder)) {
    if (name !== 'lost+found') rmSync(join(folder, name), { recursive: true, force: true });
  }
  try {
    rmdirSync(folder);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (!['EBUSY', 'ENOTEMPTY'].includes(code)) throw error;
    say(`The folder ${folder} stays, as a disk is mounted there.`);
  }
}

/** How many uploads and changes have not reached the NAS. */
async function undelivered(folder: string): Promise<number> {
  const file = join(folder, 'queue.db');
  if (!existsSync(file)) return 0;
  const { QueueViewRows } = await import('../nodes/lib/upload/upload.ts');
  const store = Store.open({
    file,
    name: 'queue',
    synchronous: 'FULL',
    migrations: QUEUE_MIGRATIONS,
  });
  try {
    return new QueueViewRows(store).inbox().files;
  } finally {
    store.close();
  }
}

const COMMANDS: Readonly<Record<string, Command>> = {
  status: { usage: 'status', does: 'whether BaluPi runs and is well', run: status },
  doctor: {
    usage: 'doctor',
    does: 'looks at machine, disk, clock, NAS and service, and says what to do',
    run: async () => tell(await examine(settingsOf(gathered()))),
  },
  logs: { usage: 'logs [-f] [journalctl options]', does: 'what BaluPi has logged', run: logs },
  wake: { usage: 'wake', does: 'wakes the NAS', run: wake },
  set: {
    usage: 'set NAME [value]',
    does: 'keeps a setting and restarts; without a value it is read from standard input',
    run: set,
  },
  settings: { usage: 'settings', does: 'every setting, its value and its meaning', run: settings },
  'setup-code': {
    usage: 'setup-code [--present]',
    does: 'makes a new code for the first start in a browser, or tells the present one',
    run: setupCode,
  },
  'find-nas': { usage: 'find-nas [url]', does: 'looks for a BaluHost on this network', run: find },
  'check-disk': {
    usage: 'check-disk folder',
    does: 'whether a folder is fit for the data',
    run: checkDisk,
  },
  flows: {
    usage: 'flows [diff TAB | reset TAB]',
    does: 'what you deployed over the shipped flows; shows it, takes it back',
    run: flows,
  },
  backup: {
    usage: 'backup [folder | - | --nightly]',
    does: 'writes a backup while BaluPi runs, sealed under a passphrase, and checks it',
    run: backup,
  },
  restore: {
    usage: 'restore file [--replace]',
    does: 'puts a backup back while BaluPi is stopped; removes nothing that is here',
    run: restore,
  },
  move: {
    usage: 'move folder',
    does: 'moves the data to another folder, stopped only for the last step',
    run: move,
  },
  update: {
    usage: 'update [file | address | --back]',
    does: 'brings another version on trial; goes back by itself if that is not well',
    run: update,
  },
  check: {
    usage: 'check [--without-data]',
    does: 'whether this version can start with what is here; changes nothing',
    run: check,
  },
  uninstall: {
    usage: 'uninstall [--purge]',
    does: 'takes BaluPi away and keeps the data; --purge takes them too',
    run: uninstall,
  },
};

function help(args: readonly string[] = []): number {
  if (args.includes('--man')) return manual();
  say('BaluPi, a companion that stays awake for a sleeping NAS.\n');
  for (const { usage, does } of Object.values(COMMANDS)) {
    say(`  balupi ${usage.padEnd(32)} ${does}`);
  }
  say(`  balupi ${'--version'.padEnd(32)} its version`);
  return 0;
}

/** The manual page, as a release brings it: balupi(1) in the words of `balupi help`. */
function manual(): number {
  say(`.TH BALUPI 1 "" "balupi ${version()}"`);
  say('.SH NAME\nbalupi \\- looks after a BaluPi from its own shell');
  say('.SH SYNOPSIS\n.B balupi\n.I command\n.SH COMMANDS');
  for (const { usage, does } of Object.values(COMMANDS)) {
    say(`.TP\n.B ${usage.replaceAll('-', '\\-')}\n${does}`);
  }
  say('.SH FILES\n.TP\n.I /etc/balupi/balupi.env\nwhat only the owner of the machine may say');
  say('.TP\n.I /var/lib/balupi\nthe data, unless another folder was named');
  say('.TP\n.I /var/lib/balupi/updates\nwhere the file of a newer version may lie');
  say('.SH EXIT STATUS\n0 well, 1 not well, 2 wrong use, 3 not running, 78 a wrong setting');
  return 0;
}

async function main([word = 'help', ...args]: readonly string[]): Promise<number> {
  if (word === 'help' || word === '--help' || word === '-h') return help(args);
  if (word === '--version' || word === '-v') {
    say(version());
    return 0;
  }
  const command = COMMANDS[word];
  if (command === undefined)
    throw new UsageFault(`There is no command ${word}. \`balupi help\` lists them.`);
  return await command.run(args);
}

/** Errors whose message is meant for the user. */
const SAID_WELL = [UsageFault, BackupFault, NotRunning, UpdateRefused];

function wordsOf(error: unknown): string {
  const isSaidWell = SAID_WELL.some((kind) => error instanceof kind);
  if (isSaidWell) return (error as Error).message;
  return wordsOfFault(error);
}

function codeOf(error: unknown): number {
  if (error instanceof UsageFault) return 2;
  if (error instanceof NotRunning) return 3;
  return exitCodeOf(error);
}

// What it writes is for the service's user only.
process.umask(0o077);
// A reader such as `head` closes the pipe early, which is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (outlivesItsReader) return;
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});
try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${wordsOf(error)}\n`);
  process.exitCode = codeOf(error);
}
