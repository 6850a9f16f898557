import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const PACKAGES = 'systemd,systemd-sysv,dbus,xz-utils,ca-certificates,iproute2,procps';
const BOOT_LIMIT_MS = 60_000;
const LOOK_EVERY_MS = 250;
const NEEDED = ['debootstrap', 'systemd-nspawn', 'nsenter'];

export interface Ran {
  readonly code: number;
  readonly out: string;
}

/** Why no Debian machine can be made here; null if one can. */
export function whyNoMachine(): string | null {
  if (process.getuid?.() !== 0) return 'making a Debian root and booting it takes root';
  const missing = NEEDED.filter((tool) => spawnSync('which', [tool]).status !== 0);
  if (missing.length > 0) return `not here: ${missing.join(', ')}`;
  return mirror() === null ? 'no source of Debian packages is configured' : null;
}

/**
 * A Debian made by debootstrap in a folder, with systemd as its first process inside
 * systemd-nspawn. It shares this machine's network, so that both reach each other over loopback.
 */
export class DebianMachine {
  readonly folder: string;
  #nspawn: ChildProcess | null = null;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** A fresh copy of a root, which is built once and kept. */
  static make(suite: string, log: (line: string) => void): DebianMachine {
    const kept = join(tmpdir(), 'balupi-debian', suite);
    if (!existsSync(join(kept, 'made'))) {
      log(`making a Debian root (${suite}), once`);
      rmSync(kept, { recursive: true, force: true });
      mkdirSync(join(kept, 'root'), { recursive: true });
      const args = ['--variant=minbase', `--include=${PACKAGES}`, suite, join(kept, 'root')];
      execFileSync('debootstrap', [...args, mirror() ?? ''], { stdio: 'ignore' });
      execFileSync('touch', [join(kept, 'made')]);
    }
    const folder = join(tmpdir(), `balupi-machine-${suite}-${process.pid}`);
    execFileSync('cp', ['-a', join(kept, 'root'), folder]);
    return new DebianMachine(folder);
  }

  /** @returns once systemd reports that the system runs */
  async boot(): Promise<void> {
    const args = ['--quiet', '--register=no', '--keep-unit', '--boot', '-D', this.folder];
    const env = { ...process.env, SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: '0' };
    this.#nspawn = spawn('systemd-nspawn', args, { stdio: 'ignore', env });
    const limitMs = performance.now() + BOOT_LIMIT_MS;
    for (;;) {
      const { out } =
        this.#leader() === null ? { out: '' } : this.run('systemctl', 'is-system-running');
      if (/^(?:running|degraded)$/m.test(out)) return;
      if (performance.now() > limitMs) throw new Error(`The machine did not boot: ${out.trim()}`);
      await pause(LOOK_EVERY_MS);
    }
  }

  /** Runs as root inside. Standard error is part of its output. */
  run(command: string, ...args: string[]): Ran {
    const leader = this.#leader();
    if (leader === null) throw new Error('The machine does not run.');
    const inside = ['-t', leader, '-m', '-u', '-i', '-p', '-r', '-w'];
    const clean = ['/usr/bin/env', '-i', 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin'];
    const done = spawnSync('nsenter', [...inside, ...clean, 'HOME=/root', command, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return { code: done.status ?? -1, out: done.stdout + done.stderr };
  }

  /** Kills everything at once, as a pulled plug does. */
  async cut(): Promise<void> {
    const running = this.#nspawn;
    const leader = this.#leader();
    this.#nspawn = null;
    if (running === null || running.exitCode !== null) return;
    const ended = new Promise((next) => running.once('exit', next));
    // When the first process dies, the kernel kills all others inside.
    if (leader === null) running.kill('SIGKILL');
    else process.kill(Number(leader), 'SIGKILL');
    await ended;
  }

  async remove(): Promise<void> {
    await this.cut();
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  /** The first process inside, by its pid on this machine. */
  #leader(): string | null {
    const parent = this.#nspawn?.pid;
    if (parent === undefined) return null;
    const file = `/proc/${parent}/task/${parent}/children`;
    const found = existsSync(file)
      ? readFileSync(file, 'utf8').trim().split(' ')[0]
      : childByStat(parent);
    return found === undefined || found === '' ? null : found;
  }
}

/** For kernels without a list of children. */
function childByStat(parent: number): string | undefined {
  return readdirSync('/proc').find((entry) => {
    if (!/^\d+$/.test(entry) || !existsSync(`/proc/${entry}/stat`)) return false;
    const [, , , owner] = readFileSync(`/proc/${entry}/stat`, 'utf8').split(' ');
    return Number(owner) === parent;
  });
}

/** This machine's own Debian mirror; null if unknown. */
export function mirror(): string | null {
  const folder = '/etc/apt/sources.list.d';
  const files = [
    '/etc/apt/sources.list',
    ...(existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : []),
  ];
  for (const file of files.filter((name) => existsSync(name))) {
    const text = readFileSync(file, 'utf8');
    const found = /^(?:URIs:|deb(?: \[[^\]]*\])?) +(\S+\/debian)\/?(?:\s|$)/m.exec(text)?.[1];
    if (found !== undefined) return found;
  }
  return null;
}
