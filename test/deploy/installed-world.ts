import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { Installation } from '../../deploy/update.ts';

export interface ReleaseOptions {
  /** It exits at its start. */
  readonly isBroken?: boolean;
  /** Health checks beside `ok`. */
  readonly checks?: Readonly<Record<string, string>>;
  /** What its `balupi check` prints, and its exit code. */
  readonly says?: string;
  readonly checkCode?: number;
  /** The exit code, if the databases matter. */
  readonly dataCode?: number;
  readonly machine?: string;
  /** The version in its package.json, if that differs from its name. */
  readonly toldVersion?: string;
}

/** As in the unit: both steps before each start, and what a start does to the databases. */
const SYSTEMCTL = `#!/bin/sh
set -e
[ "$1" = restart ] || exit 0
rm -f "$WORLD/running"
"$WORLD/home/turn" link >>"$WORLD/journal" 2>&1
"$WORLD/home/turn" data >>"$WORLD/journal" 2>&1
version=$(basename "$(readlink "$WORLD/home/current")")
grep -q " $version" "$WORLD/data/queue.db" || printf ' %s' "$version" >>"$WORLD/data/queue.db"
[ ! -e "$WORLD/home/current/broken" ]
printf '%s' "$version" >"$WORLD/running"
`;

const BALUPI = `#!/bin/sh
here=$(dirname "$(dirname "$0")")
cat "$here/check-says"
[ "\${2:-}" = --without-data ] || [ ! -s "$here/data-code" ] || exit "$(cat "$here/data-code")"
exit "$(cat "$here/check-code")"
`;

/** Counts a script's commands and kills it at the requested one, as a pulled plug would. */
const CUT = (tool: string): string => `#!/bin/sh
read -r count <"$WORLD/count"
count=$((count + 1))
echo "$count" >"$WORLD/count"
[ "$count" -ne "$CUT_AT" ] || { kill -9 "$PPID"; exit 137; }
exec /usr/bin/${tool} "$@"
`;
const CUT_TOOLS = ['cp', 'mv', 'rm', 'ln', 'sync', 'mkdir', 'chmod', 'sed'];

/**
 * An installation in folders of its own, whose service is a script and a server that answers for
 * it.
 */
export class InstalledWorld {
  readonly folder: string;
  readonly #server: Server;

  private constructor(folder: string, server: Server) {
    this.folder = folder;
    this.#server = server;
  }

  /** With 1.0.0 installed and running. */
  static async make(): Promise<InstalledWorld> {
    const folder = mkdtempSync(join(tmpdir(), 'balupi-installed-'));
    for (const name of ['home/releases', 'data/flows', 'bin', 'cut', 'unit', 'papers']) {
      mkdirSync(join(folder, name), { recursive: true });
    }
    const server = createServer((_request, response) => {
      const health = healthIn(folder);
      response.statusCode = health === null ? 503 : 200;
      response.end(JSON.stringify(health ?? {}));
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const world = new InstalledWorld(folder, server);
    program(join(folder, 'bin', 'systemctl'), SYSTEMCTL);
    for (const tool of CUT_TOOLS) program(join(folder, 'cut', tool), CUT(tool));
    cpSync(world.release('1.0.0'), join(world.home, 'releases', '1.0.0'), { recursive: true });
    symlinkSync('releases/1.0.0', join(world.home, 'current'));
    program(join(world.home, 'turn'), readFileSync(join('deploy', 'turn.sh'), 'utf8'));
    copyFileSync(
      join(world.home, 'current', 'deploy', 'balupi.service'),
      world.installation.unitFile,
    );
    writeFileSync(world.queueDb, 'accepted');
    writeFileSync(join(world.data, 'settings.json'), '{"NAS_URL":"http://192.0.2.7"}');
    writeFileSync(join(world.data, 'flows', 'own-tab.json'), '[]');
    world.start();
    return world;
  }

  get home(): string {
    return join(this.folder, 'home');
  }

  get data(): string {
    return join(this.folder, 'data');
  }

  get queueDb(): string {
    return join(this.data, 'queue.db');
  }

  get installation(): Installation {
    const { port } = this.#server.address() as AddressInfo;
    return {
      home: this.home,
      unitFile: join(this.folder, 'unit', 'balupi.service'),
      papers: { 'deploy/balupi.1': join(this.folder, 'papers', 'balupi.1') },
      dataFolder: this.data,
      healthUrl: `http://127.0.0.1:${port}/api/health`,
    };
  }

  /** The environment of the installation's programs. */
  get environment(): Record<string, string> {
    return {
      ...(process.env as Record<string, string>),
      PATH: [join(this.folder, 'bin'), process.env['PATH']].join(delimiter),
      WORLD: this.folder,
      BALUPI_DATA_DIR: this.data,
    };
  }

  /** The running version; null if none runs. */
  get running(): string | null {
    const file = join(this.folder, 'running');
    return existsSync(file) ? readFileSync(file, 'utf8') : null;
  }

  get releases(): readonly string[] {
    return readdirSync(join(this.home, 'releases')).sort();
  }

  get current(): string {
    return readlinkSync(join(this.home, 'current'));
  }

  get queue(): string {
    return readFileSync(this.queueDb, 'utf8');
  }

  get isOnTrial(): boolean {
    return existsSync(join(this.home, 'trial'));
  }

  /** Every file of the data folder with its text, except the backup. */
  dataNow(): Readonly<Record<string, string>> {
    const files = readdirSync(this.data, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((file) => !file.includes('before-update'))
      .sort();
    return Object.fromEntries(files.map((file) => [file, readFileSync(file, 'utf8')]));
  }

  /** Starts the service as systemd would. @returns whether it succeeded */
  start(): boolean {
    const done = spawnSync('systemctl', ['restart', 'balupi'], { env: this.environment });
    return done.status === 0;
  }

  /**
   * The two steps before a start, cut off at their n-th command. @returns whether it came so far
   */
  cutAt(count: number): boolean {
    writeFileSync(join(this.folder, 'count'), '0\n');
    const path = [join(this.folder, 'cut'), this.environment['PATH']].join(delimiter);
    const env = { ...this.environment, PATH: path, CUT_AT: String(count) };
    for (const step of ['link', 'data']) {
      if (spawnSync(join(this.home, 'turn'), [step], { env }).status !== 0) return true;
    }
    return Number(readFileSync(join(this.folder, 'count'), 'utf8')) >= count;
  }

  /** Requests a version as a running update does, which this process stands in for. */
  ask(to: string, data = 'stays'): void {
    const stat = readFileSync('/proc/self/stat', 'utf8');
    const began = stat.slice(stat.lastIndexOf(') ') + 2).split(' ')[19] ?? '';
    const from = this.current.replace('releases/', '');
    const lines = ['phase=asked', `from=${from}`, `to=${to}`, `data=${data}`];
    const text = [...lines, `pid=${process.pid}`, `began=${began}`, ''].join('\n');
    writeFileSync(join(this.home, 'trial'), text);
  }

  /** Adds a release to the installed ones. */
  install(version: string, options: ReleaseOptions = {}): void {
    const to = join(this.home, 'releases', version);
    cpSync(this.release(version, options), to, { recursive: true });
  }

  /** @returns the folder of a complete release */
  release(version: string, options: ReleaseOptions = {}): string {
    const { isBroken = false, checks = {}, says = '', checkCode = 0 } = options;
    const { toldVersion = version, dataCode, machine = process.arch } = options;
    const folder = join(this.folder, 'made', `balupi-${version}`);
    rmSync(folder, { recursive: true, force: true });
    for (const name of ['bin', 'deploy']) mkdirSync(join(folder, name), { recursive: true });
    program(join(folder, 'bin', 'balupi'), BALUPI);
    program(join(folder, 'bin', 'turn'), readFileSync(join('deploy', 'turn.sh'), 'utf8'));
    for (const [name, text] of [
      ['package.json', JSON.stringify({ version: toldVersion })],
      ['ARCHITECTURE', `${machine}\n`],
      ['check-says', says],
      ['check-code', String(checkCode)],
      ['data-code', dataCode === undefined ? '' : String(dataCode)],
      ['checks.json', JSON.stringify(checks)],
      ['deploy/balupi.service', `# of ${version}\n`],
      ['deploy/balupi.1', `manual of ${version}\n`],
    ] as const) {
      writeFileSync(join(folder, name), text);
    }
    if (isBroken) writeFileSync(join(folder, 'broken'), '');
    const sums = execFileSync('sh', ['-c', 'find . -type f | sort | xargs sha256sum'], {
      cwd: folder,
    });
    writeFileSync(join(folder, 'SHA256SUMS'), sums);
    return folder;
  }

  /** @returns a release's archive as published */
  archive(version: string, options: ReleaseOptions = {}): string {
    const folder = this.release(version, options);
    const name = `balupi-${version}-linux-${process.arch}`;
    const file = join(this.folder, `${name}.tar.xz`);
    const args = ['-cJf', file, '--transform', `s,^balupi-${version},${name},`];
    execFileSync('tar', [...args, '-C', join(folder, '..'), `balupi-${version}`]);
    return file;
  }

  /** Whether every file of the current release is unchanged. */
  isWhole(): boolean {
    const cwd = join(this.home, 'current');
    return spawnSync('sha256sum', ['--quiet', '--check', 'SHA256SUMS'], { cwd }).status === 0;
  }

  async stop(): Promise<void> {
    await new Promise((resolve) => this.#server.close(resolve));
    rmSync(this.folder, { recursive: true });
  }
}

function program(file: string, text: string): void {
  writeFileSync(file, text);
  chmodSync(file, 0o755);
}

/** The health of the service that runs there; null if none does. */
function healthIn(folder: string): object | null {
  const running = join(folder, 'running');
  if (!existsSync(running)) return null;
  const version = readFileSync(running, 'utf8');
  const undecided = join(folder, 'data', 'before-update', 'undecided');
  // The service itself does so once its version is kept.
  if (existsSync(undecided) && !existsSync(join(folder, 'home', 'trial'))) rmSync(undecided);
  const told = JSON.parse(
    readFileSync(join(folder, 'home', 'releases', version, 'checks.json'), 'utf8'),
  ) as Record<string, string>;
  const checks = { disk: 'ok', nas: 'awake', ...told };
  const isWell = ['ok'].includes(checks.disk) && ['awake', 'asleep'].includes(checks.nas);
  const update = existsSync(undecided) ? 'trial' : 'ok';
  return { status: isWell ? 'ok' : 'degraded', version, checks: { ...checks, update } };
}
