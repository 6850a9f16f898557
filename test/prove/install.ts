import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SystemClock } from '../../nodes/lib/time/system-clock.ts';
import { until } from '../bench/world/until.ts';
import { PracticeNas } from '../practice/nas/practice-nas.ts';
import type { Proof, ProofOptions, Verdict } from './proof.ts';
import { DebianMachine, whyNoMachine } from './world/debian-machine.ts';
import { releaseArchive } from './world/release-archive.ts';

const SUITES = ['bookworm', 'trixie'];
const PORT = 18_080;
const READY_MS = 150_000;
const LOGIN = { username: 'alice', password: 'Practice-alice-1' };

/** A release on a bare Debian, from its installation to its end, as an owner lives with it. */
export const install: Proof = {
  title: 'a release installed, restarted, installed again and taken away',
  counts: 'Debian releases',
  shortCount: SUITES.length,
  onlyByName: true,
  run: proveInstall,
};

async function proveInstall({ count, log }: ProofOptions): Promise<Verdict> {
  const skipped = whyNoMachine();
  if (skipped !== null) return { failures: [], figures: {}, skipped };
  const archive = releaseArchive(process.arch === 'arm64' ? 'arm64' : 'x64', log);
  const failures: string[] = [];
  const figures: Record<string, string | number> = {
    'packed, MB': (statSync(archive).size / 1e6).toFixed(1),
  };
  for (const suite of SUITES.slice(0, count)) {
    const machine = DebianMachine.make(suite, log);
    try {
      await new Walk({ machine, archive, suite, log, failures, figures }).all();
    } catch (error) {
      failures.push(`${suite}: ${(error as Error).message}`);
    } finally {
      await machine.remove();
    }
  }
  return { failures, figures };
}

interface Deps {
  readonly machine: DebianMachine;
  readonly archive: string;
  readonly suite: string;
  readonly log: (line: string) => void;
  readonly failures: string[];
  readonly figures: Record<string, string | number>;
}

/** One machine's life, step by step; what is not as it should be is noted, and the walk goes on. */
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
      await this.#goes(nas);
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
    this.#expect('installs', first.code === 0 && /^BaluPi ready on /m.test(first.out), first.out);
    const again = machine.run('sh', '/root/release/install.sh', '--unattended');
    this.#expect('installs again', again.code === 0, again.out);
    this.#expect('keeps its port', again.out.includes(`:${PORT}`), again.out);
    await this.#ready();
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
    const status = (await (await this.#ask('/api/files/sync/status')).json()) as {
      pending_uploads: number;
    };
    this.#expect(
      'has its upload after a cut',
      status.pending_uploads === 1,
      JSON.stringify(status),
    );
    const pid = machine
      .run('systemctl', 'show', '--property=MainPID', '--value', 'balupi')
      .out.trim();
    machine.run('kill', '-STOP', pid);
    await until(
      'the watchdog starts a stopped service anew',
      () => {
        const now = machine
          .run('systemctl', 'show', '--property=MainPID', '--value', 'balupi')
          .out.trim();
        return now !== pid && now !== '0';
      },
      120_000,
    );
    await this.#ready();
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
    return await fetch(url() + path, {
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

function url(): string {
  return `http://127.0.0.1:${PORT}`;
}
