import { execFileSync } from 'node:child_process';
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { SystemClock } from '../../nodes/lib/time/system-clock.ts';
import { FormBrowser } from '../fakes/form-browser.ts';
import { PracticeNas } from '../practice/nas/practice-nas.ts';
import type { Proof, ProofOptions, ProofResult } from './proof.ts';
import { DebianMachine, whyNoMachine } from './world/debian-machine.ts';
import { releaseArchive } from './world/release-archive.ts';
import { until } from '../fakes/until.ts';

const SUITES = ['bookworm', 'trixie'];
const PORT = 18_080;
const HELD_PORT = 18_081;
const READY_MS = 150_000;
/** A trial ends by itself after two minutes, and the previous version is back after its start. */
const SETTLED_MS = 240_000;
/**
 * Where an update is killed: that long after that output. Before it starts, at each of its steps,
 * in the middle of the trial, and once the version is kept. Twenty over both Debians.
 */
const KILLS = [
  ['', 0.2],
  ['Unpacking', 1],
  ['can run', 0],
  ['Starting', 0],
  ['Starting', 0.5],
  ['Starting', 2],
  ['Starting', 5],
  ['Starting', 9],
  ['Starting', 13],
  ['runs. Before', 0],
] as const;
/** The end of the installer's output: the address, the next step, and the code for it. */
const ENDS_WITH_CODE = new RegExp(
  `^BaluPi ready on http://\\S+:${PORT}\\nNext: open http://\\S+:${PORT}/dashboard .*\\n` +
    'Setup code: ([0-9A-Z]{5}-[0-9A-Z]{5}) ',
  'm',
);
const ENV_FILE = '/etc/balupi/balupi.env';
const ADMIN = { username: 'admin', password: 'Practice-admin-1' };
const LOGIN = { username: 'alice', password: 'Practice-alice-1' };

/** A release on a bare Debian from installation to removal, as an owner lives with it. */
export const install: Proof = {
  title: 'a release installed, restarted, updated, taken back, backed up, restored and taken away',
  counts: 'Debian releases',
  shortCount: SUITES.length,
  onlyByName: true,
  run: proveInstall,
};

async function proveInstall({ count, log }: ProofOptions): Promise<ProofResult> {
  const skipped = whyNoMachine();
  if (skipped !== null) return { failures: [], figures: {}, skipped };
  const archive = releaseArchive(process.arch === 'arm64' ? 'arm64' : 'x64', log);
  const failures: string[] = [];
  const figures: Record<string, string | number> = {
    'packed, MB': (statSync(archive).size / 1e6).toFixed(1),
  };
  const later = new LaterReleases(archive, log);
  try {
    for (const suite of SUITES.slice(0, count)) {
      const machine = DebianMachine.make(suite, log);
      try {
        await new Walk({ machine, archive, later, suite, log, failures, figures }).all();
      } catch (error) {
        failures.push(`${suite}: ${(error as Error).message}`);
      } finally {
        await machine.remove();
      }
    }
  } finally {
    later.remove();
  }
  return { failures, figures };
}

/** The same release under later versions, signed with a key made for this. */
class LaterReleases {
  readonly folder = mkdtempSync(join(tmpdir(), 'balupi-later-'));
  readonly publicKey: string;
  /** Runs as the previous one does. */
  readonly good: string;
  readonly better: string;
  /** Exits at its start. */
  readonly broken: string;

  constructor(archive: string, log: (line: string) => void) {
    log('packing three later releases');
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    this.publicKey = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    const root = join(this.folder, 'release');
    mkdirSync(root);
    execFileSync('tar', ['-xJf', archive, '-C', root, '--strip-components=1']);
    const make = (version: string): string => {
      const file = join(this.folder, basename(archive).replace(/\d+\.\d+\.\d+/, version));
      this.#rewrite(root, 'package.json', (text) =>
        text.replace(/^ {2}"version": ".*"/m, `  "version": "${version}"`),
      );
      execFileSync('tar', ['-I', 'xz -0', '-cf', file, '-C', this.folder, 'release']);
      const signature = sign(null, readFileSync(file), privateKey);
      writeFileSync(`${file}.sig`, signature.toString('base64'));
      return file;
    };
    this.good = make('99.0.1');
    this.better = make('99.0.3');
    this.#rewrite(root, 'dist/server.js', () => 'process.exit(1);\n');
    this.broken = make('99.0.2');
    rmSync(root, { recursive: true });
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }

  #rewrite(root: string, name: string, change: (text: string) => string): void {
    const file = join(root, name);
    const text = change(readFileSync(file, 'utf8'));
    writeFileSync(file, text);
    const sums = join(root, 'SHA256SUMS');
    const sum = createHash('sha256').update(text).digest('hex');
    const lines = readFileSync(sums, 'utf8').split('\n');
    const next = lines.map((line) => (line.endsWith(`  ${name}`) ? `${sum}  ${name}` : line));
    writeFileSync(sums, next.join('\n'));
  }
}

interface Deps {
  readonly machine: DebianMachine;
  readonly archive: string;
  readonly later: LaterReleases;
  readonly suite: string;
  readonly log: (line: string) => void;
  readonly failures: string[];
  readonly figures: Record<string, string | number>;
}

/** One machine's life, step by step; a failed expectation is noted, and the walk goes on. */
class Walk {
  readonly #deps: Deps;
  #token = '';

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  async all(): Promise<void> {
    const { machine } = this.#deps;
    const storageFolder = mkdtempSync(join(tmpdir(), 'balupi-install-nas-'));
    const clock = new SystemClock((problem) => {
      throw problem;
    });
    const nas = new PracticeNas({ clock, storageFolder });
    await nas.start();
    try {
      this.#unpack();
      await machine.boot();
      await this.#installs(nas.url);
      await this.#lives(nas);
      await this.#comesBack();
      await this.#isUpdated();
      await this.#isKilledMeanwhile();
      await this.#isRestored();
      await this.#goes(nas);
      await this.#isInstalledByHand(nas.url);
      this.#takesACredential();
      this.#leavesNothing();
    } finally {
      await nas.stop();
      rmSync(storageFolder, { recursive: true });
    }
  }

  #unpack(): void {
    const { machine, archive } = this.#deps;
    const place = join(machine.folder, 'root', 'release');
    mkdirSync(place);
    execFileSync('tar', ['-xJf', archive, '-C', place, '--strip-components=1']);
  }

  async #installs(nasUrl: string): Promise<void> {
    const { machine, suite, figures } = this.#deps;
    const flags = ['--unattended', '--nas', nasUrl, '--port', String(PORT)];
    const startedMs = performance.now();
    const first = machine.run('sh', '/root/release/install.sh', ...flags);
    figures[`${suite}: installed and ready, s`] = ((performance.now() - startedMs) / 1_000).toFixed(
      1,
    );
    this.#expect('installs', first.code === 0 && ENDS_WITH_CODE.test(first.out), first.out);
    await this.#isSetUp(ENDS_WITH_CODE.exec(first.out)?.[1] ?? '');
    const again = machine.run('sh', '/root/release/install.sh', '--unattended');
    this.#expect('installs again', again.code === 0, again.out);
    this.#expect('keeps its port', again.out.includes(`:${PORT}`), again.out);
    this.#expect(
      'tells the way to the sign-in, and no code, once an admin is known',
      !again.out.includes('Setup code') && /^Next: .*\/dashboard.* and sign in/m.test(again.out),
      again.out,
    );
    await this.#ready();
    this.#isHardened();
  }

  /** By the code that the installer printed, as far as the code opens anything. */
  async #isSetUp(code: string): Promise<void> {
    await this.#ready();
    const owner = new FormBrowser(url());
    const entered = await owner.post('/dashboard/setup', { code });
    this.#expect('is opened by the code', entered.place === '/dashboard/setup/house', entered.html);
    const zone = { language: 'de', zone: 'Europe/Berlin' };
    const zoned = await owner.post('/dashboard/setup/house', zone);
    this.#expect('takes a time zone', zoned.place === '/dashboard/setup/nas', zoned.html);
    const before = this.#mainPid();
    const nas = await owner.post('/dashboard/setup/nas', { do: 'later' });
    this.#expect('starts again for it', nas.html.includes('data-next'), nas.html);
    await until('it is started again', () => this.#isAnotherThan(before), READY_MS);
    await this.#ready();
    const next = '/dashboard/setup/account';
    const signedIn = await owner.post('/dashboard/sign-in', { ...ADMIN, next });
    this.#expect('signs an admin in', signedIn.place === next, signedIn.html);
    const shown = await owner.get(next);
    this.#expect('goes on behind the sign-in', shown.html.includes('name="account"'), shown.place);
    const settings = this.#deps.machine.run('balupi', 'settings').out;
    this.#expect('keeps the zone', /^TIMEZONE +Europe\/Berlin/m.test(settings), settings);
  }

  #isHardened(): void {
    const { machine, suite, figures } = this.#deps;
    const score = machine.run('systemd-analyze', 'security', 'balupi', '--no-pager').out;
    const exposure = Number(/exposure level for \S+: ([\d.]+)/.exec(score)?.[1] ?? '10');
    figures[`${suite}: systemd-analyze security`] = exposure;
    this.#expect('is a hardened unit (at most 1.6)', exposure <= 1.6, String(exposure));
    const verify = machine.run('systemd-analyze', 'verify', 'balupi.service');
    this.#expect('is a unit without a complaint', verify.out.trim() === '', verify.out);
    this.#expect(
      'is looked at by the doctor, who finds no fault',
      machine.run('balupi', 'doctor').code === 0,
    );
    const modes = machine.run('stat', '-c', '%a', '/var/lib/balupi', '/etc/balupi/balupi.env').out;
    this.#expect('keeps data and settings to itself', modes === '700\n600\n', modes);
  }

  async #lives(nas: PracticeNas): Promise<void> {
    const login = await fetch(`${url()}/api/auth/login`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(LOGIN),
    });
    this.#token = ((await login.json()) as { access_token: string }).access_token;
    this.#expect('lets a user of the NAS in', login.status === 200, String(login.status));
    await this.#ask('/api/files/list?path=alice');
    await nas.sleep('suspend');
    await until(
      'the NAS is seen asleep',
      async () => {
        const status = (await (await this.#ask('/api/nas/status')).json()) as { online: boolean };
        return !status.online;
      },
      READY_MS,
    );
    const form = new FormData();
    form.append('path', 'alice');
    form.append('file', new Blob(['kept through a power cut']), 'night.txt');
    const sent = await this.#ask('/api/files/upload', { method: 'POST', body: form });
    this.#expect('takes an upload at night', sent.status === 200, await sent.text());
  }

  async #comesBack(): Promise<void> {
    const { machine } = this.#deps;
    await machine.cut();
    await machine.boot();
    await this.#ready();
    await this.#hasItsUpload('after a cut');
    const pid = this.#mainPid();
    machine.run('kill', '-STOP', pid);
    await until(
      'the watchdog starts a stopped service anew',
      () => this.#isAnotherThan(pid),
      120_000,
    );
    await this.#ready();
  }

  #mainPid(): string {
    const show = ['show', '--property=MainPID', '--value', 'balupi'];
    return this.#deps.machine.run('systemctl', ...show).out.trim();
  }

  #isAnotherThan(pid: string): boolean {
    const now = this.#mainPid();
    return now !== pid && now !== '0';
  }

  async #isUpdated(): Promise<void> {
    const { machine, later, suite, figures } = this.#deps;
    writeFileSync(join(machine.folder, 'etc', 'balupi', 'release.pub'), later.publicKey);
    const own = (await this.#health()).version;
    const dropped = join(machine.folder, 'var', 'lib', 'balupi', 'updates');
    for (const file of [later.good, `${later.good}.sig`]) {
      copyFileSync(file, join(dropped, basename(file)));
    }
    const { checks } = await this.#health();
    this.#expect('says that a newer version lies ready', checks['update'] === 'available');
    const startedMs = performance.now();
    const brought = machine.run('balupi', 'update');
    const tookS = ((performance.now() - startedMs) / 1_000).toFixed(1);
    figures[`${suite}: updated, s`] = tookS;
    this.#expect('is updated from the drop folder', brought.code === 0, brought.out);
    await this.#runs('99.0.1', 'after the update');
    const unsigned = machine.run(
      'sh',
      '-c',
      'cp "$1" /root/u.tar.xz; balupi update /root/u.tar.xz',
      'sh',
      this.#laid(later.better),
    );
    this.#expect(
      'takes no release that is not signed',
      unsigned.code === 1 && unsigned.out.includes('not signed'),
      unsigned.out,
    );
    const broken = machine.run('balupi', 'update', this.#laid(later.broken));
    this.#expect(
      'goes back from a release that exits 1',
      broken.code === 1 && broken.out.trim().endsWith('rolled back to 99.0.1'),
      broken.out,
    );
    await this.#runs('99.0.1', 'after going back');
    const kept = machine.run('ls', '/opt/balupi/releases').out.trim().split('\n');
    this.#expect('keeps two releases', kept.join() === [own, '99.0.1'].sort().join(), kept.join());
  }

  /** kill -9 of the update, and a power cut in the middle of a trial. */
  async #isKilledMeanwhile(): Promise<void> {
    const { machine, later, log } = this.#deps;
    const file = this.#laid(later.better);
    const began = `balupi update ${file} >/root/update.log 2>&1 & pid=$!`;
    for (const [step, afterS] of KILLS) {
      const reached = step === '' ? 'true' : `grep -qs '${step}' /root/update.log`;
      const waits = `until ${reached} || ! kill -0 $pid; do sleep 0.05; done; sleep ${afterS}`;
      machine.run('sh', '-c', `rm -f /root/update.log; ${began}; ${waits}; kill -9 $pid; sleep 3`);
      const settled = await this.#settled();
      const when = `${afterS} s after ${step === '' ? 'its begin' : `"${step}"`}`;
      log(`  killed ${when}: ${settled} runs`);
      this.#expect(
        `has a version that runs, the update killed ${when}`,
        ['99.0.1', '99.0.3'].includes(settled),
        settled,
      );
      await this.#hasItsUpload(`after that kill`);
      if (settled === '99.0.3') {
        const back = machine.run('balupi', 'update', '--back');
        this.#expect('goes back when asked to', back.code === 0, back.out);
      }
    }
    machine.run('sh', '-c', `setsid sh -c '${began}' &`);
    await until(
      'a trial is under way',
      async () => {
        const health = await this.#healthOrNull();
        return health?.checks['update'] === 'trial';
      },
      READY_MS,
    );
    await machine.cut();
    await machine.boot();
    await this.#ready();
    await this.#runs('99.0.1', 'after a cut in the middle of a trial');
  }

  async #isRestored(): Promise<void> {
    const { machine } = this.#deps;
    const script = `
      echo 'four words nobody guesses' >/etc/balupi/passphrase
      echo BALUPI_BACKUP_PASSPHRASE_FILE=/etc/balupi/passphrase >>${ENV_FILE}
      chmod 600 /etc/balupi/passphrase
      mkdir -p /root/backups
      balupi backup /root/backups`;
    const backup = machine.run('sh', '-e', '-c', script);
    this.#expect('is backed up while it runs', backup.code === 0, backup.out);
    const restore = machine.run(
      'sh',
      '-e',
      '-c',
      `systemctl stop balupi
       mv /var/lib/balupi /var/lib/balupi.gone
       mkdir -m 0700 /var/lib/balupi
       chown balupi:balupi /var/lib/balupi
       balupi restore /root/backups/*.backup
       systemctl start balupi`,
    );
    this.#expect('is restored into an empty folder', restore.code === 0, restore.out);
    await this.#ready();
    await this.#hasItsUpload('after a restore');
  }

  /** A file's path inside the machine. */
  #laid(file: string): string {
    const { machine } = this.#deps;
    for (const one of [file, `${file}.sig`]) {
      copyFileSync(one, join(machine.folder, 'root', basename(one)));
    }
    return `/root/${basename(file)}`;
  }

  async #hasItsUpload(when: string): Promise<void> {
    const answered = await this.#ask('/api/files/sync/status');
    const told = (await answered.json()) as { pending_uploads?: number };
    this.#expect(`has its upload ${when}`, told.pending_uploads === 1, JSON.stringify(told));
  }

  async #runs(version: string, when: string): Promise<void> {
    const health = await this.#health();
    this.#expect(`runs ${version} ${when}`, health.version === version, health.version);
    await this.#hasItsUpload(when);
  }

  async #health(): Promise<Health> {
    const answered = await patientFetch(`${url()}/api/health`);
    return (await answered.json()) as Health;
  }

  async #healthOrNull(): Promise<Health | null> {
    try {
      const answered = await patientFetch(`${url()}/api/health`);
      return answered.ok ? ((await answered.json()) as Health) : null;
    } catch (error) {
      // Between two versions nobody answers, or a starting one.
      if (error instanceof TypeError || error instanceof SyntaxError) return null;
      throw error;
    }
  }

  /** @returns the version that runs for good, once no update is under way */
  async #settled(): Promise<string> {
    const { machine } = this.#deps;
    let version = '';
    await until(
      'the update is over',
      async () => {
        const health = await this.#healthOrNull();
        version = health?.version ?? '';
        return health !== null && health.checks['update'] !== 'trial';
      },
      SETTLED_MS,
    );
    const current = machine.run('readlink', '/opt/balupi/current').out.trim();
    return current === `releases/${version}` ? version : `${version} beside ${current}`;
  }

  async #goes(nas: PracticeNas): Promise<void> {
    const { machine } = this.#deps;
    const refused = machine.run('balupi', 'uninstall');
    this.#expect('stays while an upload waits', refused.code === 1, refused.out);
    await this.#ready();
    await nas.wake();
    const wanted = createHash('sha256').update('kept through a power cut').digest('hex');
    await until(
      'the upload is on the NAS',
      async () => {
        return (await nas.tree()).some(({ sha256 }) => sha256 === wanted);
      },
      READY_MS,
    );
    const gone = machine.run('balupi', 'uninstall');
    this.#expect('is taken away', gone.code === 0, gone.out);
    this.#expect(
      'leaves the data',
      machine.run('test', '-e', '/var/lib/balupi/queue.db').code === 0,
    );
    this.#expect('leaves no program', machine.run('test', '-e', '/opt/balupi').code !== 0);
  }

  /** At a terminal, with a wrong answer and a port in use; then to another disk. */
  async #isInstalledByHand(nasUrl: string): Promise<void> {
    const { machine } = this.#deps;
    const holder = `use IO::Socket::INET; $s = IO::Socket::INET->new(Listen => 1, LocalPort => ${HELD_PORT}); sleep 999`;
    machine.run('sh', '-c', `perl -e '${holder}' >/dev/null 2>&1 & sleep 1`);
    machine.run('rm', '-f', '/var/lib/balupi/settings.json');
    const command = `sh /root/release/install.sh --port ${HELD_PORT},${PORT}`;
    const answers = `(sleep 1; echo ftp://nas; echo ${nasUrl.replace('http://', '')}/)`;
    const { code, out } = machine.run(
      'sh',
      '-c',
      `${answers} | script -qec '${command}' /dev/null`,
    );
    this.#expect('is installed at a terminal', code === 0, out);
    this.#expect('names who holds a port', out.includes(`${HELD_PORT} is taken by perl`), out);
    const asked = out.split('Address of the NAS').length - 1;
    this.#expect('asks again after an address that is none', asked === 2, out);
    // The practice NAS lives in this process, which is blocked until the machine is done.
    this.#expect('takes one that does not answer', out.includes(`${nasUrl} does not answer`), out);
    await this.#ready();
    const moved = machine.run('balupi', 'move', '/srv/house');
    this.#expect('is moved', moved.code === 0, moved.out);
    const alone = machine.run('sh', '-c', 'rm -r /var/lib/balupi && systemctl restart balupi');
    this.#expect('starts without the folder it left', alone.code === 0, alone.out);
    await this.#ready();
  }

  /** A password that systemd passes to the service: in no environment, and known to the shell. */
  #takesACredential(): void {
    const { machine } = this.#deps;
    const script = `
      echo hunter2 >/etc/balupi/tapo
      echo '[Service]' >/etc/systemd/system/balupi.service.d/20-own.conf
      echo LoadCredential=tapo_password:/etc/balupi/tapo >>/etc/systemd/system/balupi.service.d/20-own.conf
      systemctl daemon-reload
      balupi set TAPO_USERNAME a@example.org
      systemctl restart balupi
      balupi doctor | grep 'Plugs: an account is set'
      ! grep -q hunter2 /proc/$(systemctl show --property=MainPID --value balupi)/environ`;
    const { code, out } = machine.run('sh', '-e', '-c', script);
    this.#expect('takes a password as a credential of systemd', code === 0, out);
  }

  #leavesNothing(): void {
    const { machine } = this.#deps;
    const purged = machine.run('balupi', 'uninstall', '--purge', '--even-with-devices');
    this.#expect('is taken away with all it has', purged.code === 0, purged.out);
    const places = ['/srv/house', '/etc/balupi', '/opt/balupi', '/usr/local/bin/balupi'];
    const left = machine.run(
      'sh',
      '-c',
      `ls -d ${places.join(' ')} 2>/dev/null; getent passwd balupi`,
    );
    this.#expect('leaves no data, no settings and no user', left.out === '', left.out);
  }

  async #ready(): Promise<void> {
    await until(
      'BaluPi answers',
      async () => {
        try {
          return (await fetch(`${url()}/api/ping`)).ok;
        } catch (error) {
          if (error instanceof TypeError) return false;
          throw error;
        }
      },
      READY_MS,
    );
  }

  async #ask(path: string, more: RequestInit = {}): Promise<Response> {
    return await patientFetch(url() + path, {
      ...more,
      headers: { Authorization: `Bearer ${this.#token}` },
    });
  }

  #expect(what: string, holds: boolean, seen = ''): void {
    const { suite, failures, log } = this.#deps;
    log(`${suite}: ${what}: ${holds ? 'yes' : 'NO'}`);
    if (!holds) log(`  ${seen.trim().slice(-300)}`);
    if (!holds) failures.push(`${suite}: ${what}: ${seen.trim().slice(-600)}`);
  }
}

/** A kept connection to a process that has ended fails once. */
async function patientFetch(address: string, init: RequestInit = {}): Promise<Response> {
  try {
    return await fetch(address, init);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return await fetch(address, init);
  }
}

interface Health {
  readonly version: string;
  readonly checks: Readonly<Record<string, string>>;
}

function url(): string {
  return `http://127.0.0.1:${PORT}`;
}
