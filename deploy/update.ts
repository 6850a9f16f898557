import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { PASSING_WORDS } from '../host/health-checks.ts';
import { EXIT } from '../host/start-fault.ts';
import type { Clock } from '../nodes/lib/time/clock.ts';
import type { ReleaseFile } from './release-file.ts';

/** Longest time for a version to become healthy after its start. */
const TRIAL_MS = 60_000;
const LOOK_EVERY_MS = 1_000;
/** This many checks in a row must pass. */
const LOOKS = 10;
/** Until the previous version answers again, or the new one is open. */
const SETTLE_MS = 90_000;
const HEALTH_MS = 5_000;
/** Unpacked, with some margin. */
const RELEASE_BYTES = 400_000_000;
const VERSION = /^\d+\.\d+\.\d+(?:-[\w.]+)?$/;
const DATABASES = ['queue.db', 'cache.db', 'energy.db'];

/** The places of an installed release. */
export interface Installation {
  /** Folder of `releases`, `current` and `turn`, such as /opt/balupi. */
  readonly home: string;
  /** The service's, such as /etc/systemd/system/balupi.service. */
  readonly unitFile: string;
  /** A release's files that are installed elsewhere: path on the machine by path in the release. */
  readonly papers: Readonly<Record<string, string>>;
  /** DATA_DIR. */
  readonly dataFolder: string;
  /** The address of `GET /api/health`. */
  readonly healthUrl: string;
}

interface Deps extends Installation {
  readonly clock: Clock;
  readonly say: (line: string) => void;
}

interface Health {
  readonly status: string;
  readonly version: string;
  readonly checks: Readonly<Record<string, string>>;
}

/** What to do with the databases: `returns` restores those from before the update. */
type DataChoice = 'stays' | 'returns';

/** An update was not begun; the message is for its user. */
export class UpdateRefused extends Error {
  override readonly name = 'UpdateRefused';
}

/**
 * Moves an installation to another release and back (ADR 0030). Everything that happens while the
 * service is down is done by deploy/turn.sh, which systemd runs before each start; this writes the
 * file `trial` for it, watches, and keeps the version by deleting that file. So it may die at any
 * moment: an update that has begun is then rolled back by itself.
 */
export class Updater {
  readonly #deps: Deps;
  readonly #trialFile: string;

  constructor(deps: Deps) {
    this.#deps = deps;
    this.#trialFile = join(deps.home, 'trial');
  }

  /**
   * @param release checked by {@link faultOfRelease}
   * @returns 0 if its version runs, 1 if it was rolled back
   * @throws UpdateRefused if nothing was changed
   */
  async bring(release: ReleaseFile): Promise<0 | 1> {
    this.#mustBeAlone();
    const version = this.#unpack(release);
    if (version === null) {
      this.#deps.say(`BaluPi ${this.#current()} runs already.`);
      return 0;
    }
    return await this.#turn(version, 'stays');
  }

  /**
   * Goes back to the previous release.
   * @param returns also restores its databases, for a release that cannot read the present ones
   */
  async goBack(returns: boolean): Promise<0 | 1> {
    this.#mustBeAlone();
    const version = this.#before();
    if (version === null) throw new UpdateRefused('There is no release from before.');
    const kept = this.#keptBackup();
    if (returns && kept?.version !== version) {
      throw new UpdateRefused(`There is no backup of the databases of ${version}.`);
    }
    return await this.#turn(version, returns ? 'returns' : 'stays');
  }

  /** @throws UpdateRefused if another update runs, or has not been cleaned up */
  #mustBeAlone(): void {
    if (!existsSync(this.#trialFile)) return;
    const text = readFileSync(this.#trialFile, 'utf8');
    const [, pid = ''] = /^pid=(\d+)$/m.exec(text) ?? [];
    const [, began = ''] = /^began=(\d+)$/m.exec(text) ?? [];
    if (began !== '' && startOf(pid) === began)
      throw new UpdateRefused('Another update is under way.');
    if (text.includes('phase=trial')) {
      throw new UpdateRefused(
        'A version is on trial, and the update that watched it was ended: the one of before comes back within minutes. Try again then.',
      );
    }
    rmSync(this.#trialFile);
  }

  /** @returns its version, once it is completely in place; null if that version already runs */
  #unpack({ name, bytes }: ReleaseFile): string | null {
    const releases = join(this.#deps.home, 'releases');
    this.#clear(releases);
    const { bavail, bsize } = statfsSync(releases);
    if (bavail * bsize < RELEASE_BYTES) {
      throw new UpdateRefused(`There is no room for a release in ${releases}.`);
    }
    this.#deps.say(`Unpacking ${name} …`);
    const next = join(releases, '.next');
    mkdirSync(next);
    chmodSync(next, 0o755);
    const how = ['--strip-components=1', '--no-same-owner', '--same-permissions'];
    const done = spawnSync('tar', ['-xJf', '-', '-C', next, ...how], {
      input: bytes,
      stdio: ['pipe', 'ignore', 'pipe'],
    });
    if (done.status !== 0) {
      const why = done.stderr?.toString().trim().split('\n').at(0) ?? 'there is no tar';
      throw new UpdateRefused(`${name} cannot be unpacked: ${why}`);
    }
    const version = this.#checked(next, name);
    if (version === this.#current()) {
      rmSync(next, { recursive: true });
      return null;
    }
    syncTree(next);
    const place = join(releases, version);
    const old = join(releases, '.old');
    if (existsSync(place)) renameSync(place, old);
    renameSync(next, place);
    syncPath(releases);
    rmSync(old, { recursive: true, force: true });
    return version;
  }

  /** @returns the version of what was unpacked */
  #checked(folder: string, name: string): string {
    const sums = spawnSync('sha256sum', ['--quiet', '--check', 'SHA256SUMS'], {
      cwd: folder,
      stdio: 'ignore',
    });
    if (sums.status !== 0) throw new UpdateRefused(`${name} is damaged: its files are not whole.`);
    const machine = readFileSync(join(folder, 'ARCHITECTURE'), 'utf8').trim();
    if (machine !== process.arch) {
      throw new UpdateRefused(`${name} is for ${machine}, and this machine is ${process.arch}.`);
    }
    const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
      readonly version: unknown;
    };
    // It becomes a folder's name.
    if (typeof version === 'string' && VERSION.test(version)) return version;
    throw new UpdateRefused(`${name} has no version.`);
  }

  async #turn(to: string, data: DataChoice): Promise<0 | 1> {
    const { say } = this.#deps;
    const from = this.#current();
    this.#check(to, data);
    this.#mustHaveSpace(data);
    const before = await this.#health();
    if (before === null) say(`BaluPi ${from} does not answer, so any answer will do.`);
    this.#ask({ from, to, data });
    this.#useUnitOf(to);
    say(`Starting ${to} on trial …`);
    const hasStarted = this.#systemctl('restart', 'balupi');
    const fault = hasStarted ? await this.#faultInTrial(to, before) : 'it did not start';
    return fault === null
      ? await this.#keep(from, to, data)
      : await this.#goesBack(from, to, fault);
  }

  /** @throws UpdateRefused if that release cannot run with these settings and data */
  #check(to: string, data: DataChoice): void {
    const { home, say } = this.#deps;
    const program = join(home, 'releases', to, 'bin', 'balupi');
    const words = data === 'returns' ? ['check', '--without-data'] : ['check'];
    const done = spawnSync(program, words, { encoding: 'utf8' });
    const lines = `${done.stdout ?? ''}${done.stderr ?? ''}`.trim().split('\n');
    if (done.status === 0) {
      for (const line of lines) say(`  ${line}`);
      return;
    }
    const why = lines.filter((line) => line !== '').join('\n  ');
    const backup = done.status === EXIT.data ? this.#wordsOfBackup(to) : '';
    throw new UpdateRefused(`${to} cannot run here, and nothing was changed:\n  ${why}${backup}`);
  }

  #wordsOfBackup(to: string): string {
    const kept = this.#keptBackup();
    if (kept?.version !== to) return '';
    return (
      `\nThe databases as ${to} left them lie in ${kept.folder}, made ${kept.madeAt}. ` +
      `To go back to them: balupi update --back --restore`
    );
  }

  /** Space for a copy of the databases, or for two when going back. */
  #mustHaveSpace(data: DataChoice): void {
    const { dataFolder } = this.#deps;
    let bytes = 0;
    for (const name of DATABASES) {
      bytes += statSync(join(dataFolder, name), { throwIfNoEntry: false })?.size ?? 0;
    }
    const { bavail, bsize } = statfsSync(dataFolder);
    const copies = data === 'returns' ? 2 : 1;
    if (bavail * bsize > bytes * copies * 1.2) return;
    throw new UpdateRefused('There is no space for a copy of the databases next to them.');
  }

  #ask({ from, to, data }: { from: string; to: string; data: DataChoice }): void {
    const watcher = [`pid=${process.pid}`, `began=${startOf('self')}`];
    const lines = ['phase=asked', `from=${from}`, `to=${to}`, `data=${data}`, ...watcher];
    writeWhole(this.#trialFile, `${lines.join('\n')}\n`, 0o644);
  }

  /** @returns why it is not kept; null once it has been healthy for a while */
  async #faultInTrial(to: string, before: Health | null): Promise<string | null> {
    const { clock } = this.#deps;
    const endMs = clock.monotonicMs() + TRIAL_MS;
    let fault: string | null = null;
    for (let fine = 0; fine < LOOKS;) {
      if (clock.monotonicMs() >= endMs) return fault ?? 'it was not well for long enough';
      const now = await this.#health();
      if (now !== null && now.version !== to) return 'it ended';
      fault = now === null ? 'it does not answer' : worse(before, now);
      fine = fault === null ? fine + 1 : 0;
      await clock.sleep(LOOK_EVERY_MS);
    }
    return null;
  }

  async #keep(from: string, to: string, data: DataChoice): Promise<0> {
    const { home, papers, say } = this.#deps;
    // From here on it is kept, whatever happens to this process.
    rmSync(this.#trialFile);
    syncPath(home);
    linkTo(join(home, 'before'), join('releases', from));
    const release = join(home, 'releases', to);
    writeWhole(join(home, 'turn'), readFileSync(join(release, 'bin', 'turn'), 'utf8'), 0o755);
    for (const [inside, path] of Object.entries(papers)) {
      if (existsSync(dirname(path))) copyFileSync(join(release, inside), path);
    }
    this.#systemctl('daemon-reload');
    this.#clear(join(home, 'releases'));
    const isOpen = await this.#until(({ checks }) => checks['update'] !== 'trial');
    say(`BaluPi ${to} runs. Before: ${from}, to which \`balupi update --back\` returns.`);
    const backup = this.#keptBackup();
    if (backup !== null) say(`The databases as ${from} left them are kept in ${backup.folder}.`);
    if (data === 'returns') say('Uploads since then that are found wait for their owners.');
    if (!isOpen) say('It does not take uploads yet: see `balupi logs`.');
    return 0;
  }

  async #goesBack(from: string, to: string, fault: string): Promise<1> {
    const { home, say } = this.#deps;
    say(`${to} is not kept: ${fault}.`);
    this.#useUnitOf(from);
    // turn.sh puts link and databases back before the start, unless that has happened already.
    this.#systemctl('restart', 'balupi');
    const isBack = await this.#until(({ version }) => version === from);
    if (this.#current() === to) {
      say(`${to} could not be taken back: see \`balupi logs\`, then \`systemctl restart balupi\`.`);
      return 1;
    }
    if (to !== this.#before()) rmSync(join(home, 'releases', to), { recursive: true, force: true });
    say(isBack ? `rolled back to ${from}` : `rolled back to ${from}, which does not answer yet`);
    return 1;
  }

  /** @returns whether it became so in time */
  async #until(isSo: (health: Health) => boolean): Promise<boolean> {
    const { clock } = this.#deps;
    const endMs = clock.monotonicMs() + SETTLE_MS;
    for (;;) {
      const now = await this.#health();
      if (now !== null && isSo(now)) return true;
      if (clock.monotonicMs() >= endMs) return false;
      await clock.sleep(LOOK_EVERY_MS);
    }
  }

  async #health(): Promise<Health | null> {
    try {
      const signal = AbortSignal.timeout(HEALTH_MS);
      const answer = await fetch(this.#deps.healthUrl, { signal });
      return answer.ok ? ((await answer.json()) as Health) : null;
    } catch (error) {
      // Nothing answers, or something other than BaluPi.
      if (error instanceof Error) return null;
      throw error;
    }
  }

  #useUnitOf(version: string): void {
    const { home, unitFile } = this.#deps;
    const text = readFileSync(join(home, 'releases', version, 'deploy', 'balupi.service'), 'utf8');
    if (existsSync(unitFile) && readFileSync(unitFile, 'utf8') === text) return;
    writeWhole(unitFile, text, 0o644);
    this.#systemctl('daemon-reload');
  }

  #systemctl(...args: string[]): boolean {
    return spawnSync('systemctl', args, { stdio: 'ignore' }).status === 0;
  }

  #current(): string {
    return basename(readlinkSync(join(this.#deps.home, 'current')));
  }

  #before(): string | null {
    const { home } = this.#deps;
    if (!existsSync(join(home, 'before'))) return null;
    const version = basename(readlinkSync(join(home, 'before')));
    return version === this.#current() ? null : version;
  }

  /** The databases from before the last update; null for none. */
  #keptBackup(): { version: string; folder: string; madeAt: string } | null {
    const folder = join(this.#deps.dataFolder, 'before-update');
    const file = join(folder, 'version');
    if (!existsSync(file)) return null;
    const madeAt = statSync(file).mtime.toISOString().slice(0, 16).replace('T', ' ');
    return { version: readFileSync(file, 'utf8').trim(), folder, madeAt: `${madeAt} UTC` };
  }

  /** Keeps two releases: the running one and the previous one. */
  #clear(releases: string): void {
    const kept = new Set([this.#current(), this.#before()]);
    for (const name of readdirSync(releases)) {
      if (!kept.has(name)) rmSync(join(releases, name), { recursive: true, force: true });
    }
  }
}

/** The first check that passed before and fails now, as a sentence. */
function worse(before: Health | null, now: Health): string | null {
  if (before === null || now.status === 'ok') return null;
  for (const [name, was] of Object.entries(before.checks)) {
    const is = now.checks[name] ?? was;
    const isFine = is === was || is === 'ok' || PASSING_WORDS[name]?.includes(is) === true;
    if (!isFine) return `its check ${name} says ${is}, and said ${was} before`;
  }
  return null;
}

/** Start time of a process, in ticks since boot; '' if there is none. */
function startOf(pid: string): string {
  const file = `/proc/${pid}/stat`;
  if (pid === '' || !existsSync(file)) return '';
  // The 20th field after the name, which may contain anything (proc(5)).
  const stat = readFileSync(file, 'utf8');
  return stat.slice(stat.lastIndexOf(') ') + 2).split(' ')[19] ?? '';
}

function writeWhole(file: string, text: string, mode: number): void {
  const next = `${file}.next`;
  rmSync(next, { force: true });
  writeFileSync(next, text, { mode, flush: true });
  // The user's umask may be narrower.
  chmodSync(next, mode);
  renameSync(next, file);
  syncPath(dirname(file));
}

function linkTo(link: string, target: string): void {
  rmSync(`${link}.next`, { force: true });
  symlinkSync(target, `${link}.next`);
  renameSync(`${link}.next`, link);
}

function syncPath(path: string): void {
  const handle = openSync(path, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** Syncs the folder's whole disk, as there are thousands of files. */
function syncTree(folder: string): void {
  spawnSync('sync', ['-f', folder], { stdio: 'ignore' });
}
