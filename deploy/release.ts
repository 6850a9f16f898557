import { execFileSync, spawnSync } from 'node:child_process';
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { nodeFileTrace } from '@vercel/nft';

/**
 * `npm run release [-- x64|arm64] [--check]`: an archive per architecture with everything that a bare
 * Debian lacks, including Node.js. It contains the packages that a trace of our programs and of every
 * Node-RED node reaches. Builds are reproducible: names are sorted, times are the commit's, owners are
 * root, and nothing is random. `--check` builds each a second time elsewhere and reports differences.
 */
const ARCHITECTURES = ['arm64', 'x64'];
const ROOT = resolve(import.meta.dirname, '..', '..');
const OUT = join(ROOT, 'release');
/** Debian's cross compiler, for the one package with a compiled part. */
const CROSS_COMPILER = 'aarch64-linux-gnu';

/** Limits for an SD card, a slow line, and an update's check on a Pi. */
const MOST = { packedMb: 90, unpackedMb: 350, files: 8_000 } as const;

const OURS = ['dist', 'flows', 'examples', 'resources', 'docs', 'deploy', '.env.example'];
const OUR_PAPERS = ['package.json', 'LICENSE', 'CHANGELOG.md', 'README.md'];
/** Our files that a running BaluPi does not read. */
const NOT_SHIPPED =
  /\.ts$|\.mjs$|^dist\/(?:test|pages)\/|^dist\/\.balupi|^dist\/deploy\/(?:release|pack|lint-(?:rules|text|unused)|type-flow|generated|assemble|lean-dashboard)\.js$|^docs\/(?:pictures|adr)\/|^dist\/packages\/[^/]+\/nodes\//;

/** Loaded by name or served as files, so a trace misses some. */
const WHOLE_PACKAGES = [
  '@node-red/',
  '@flowfuse/node-red-dashboard',
  'swagger-ui-dist',
  // sharp loads these by the processor's name.
  '@img/',
];
const TRACED_NODES = [
  ...['runtime', 'nodes', 'registry', 'util', 'editor-api'].map((name) => `@node-red/${name}`),
  'node-red',
  '@flowfuse/node-red-dashboard',
  'node-red-node-sqlite',
];
/** Files of third-party packages that are never loaded. */
const NEVER_LOADED =
  /\.(?:[cm]?ts|map|md|markdown|ya?ml|py|h|cc?|gypi?|tsbuildinfo|flow|coffee|\d|[doa]|nycrc|npmignore|eslintrc|editorconfig|mk)$|\/Makefile$|\/(?:tests?|__tests__|docs?|examples?|benchmarks?|\.github|man|coverage|deps|src)\//i;

function say(sentence: string): void {
  process.stdout.write(`${sentence}\n`);
}

function run(command: string, args: readonly string[], cwd: string, more = {}): string {
  return execFileSync(command, args, {
    cwd,
    env: { ...process.env, ...more },
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

/** Relative paths of all files, sorted; no links, which lead out of the archive. */
function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
}

function installPackages(folder: string, architecture: string): void {
  // npm also compares the lock file with the manifests of our packages.
  const manifests = readdirSync(join(ROOT, 'packages')).map(
    (name) => `packages/${name}/package.json`,
  );
  copyAll(ROOT, folder, ['package.json', 'package-lock.json', ...manifests]);
  const platform = ['--os=linux', `--cpu=${architecture}`, '--libc=glibc'];
  const quiet = ['--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'];
  run('npm', ['ci', '--omit=dev', '--ignore-scripts', ...platform, ...quiet], folder);
}

/** @returns whether the SQLite node's compiled part is there now */
function compileSqlite(folder: string, architecture: string): boolean {
  const home = join(folder, 'node_modules', 'sqlite3');
  const binary = join('build', 'Release', 'node_sqlite3.node');
  const compiled = join(ROOT, 'node_modules', 'sqlite3', binary);
  if (architecture === process.arch) {
    if (existsSync(compiled)) cpSync(compiled, join(home, binary));
    return existsSync(compiled);
  }
  const compiler = spawnSync(`${CROSS_COMPILER}-g++`, ['--version']);
  if (architecture !== 'arm64' || compiler.status !== 0) return false;
  const gyp = createRequire(join(ROOT, 'package.json')).resolve('node-gyp/bin/node-gyp.js');
  // Keeps the folder's name, which differs each time, out of the binary.
  const flags = `-w -ffile-prefix-map=${home}=sqlite3`;
  run(process.execPath, [gyp, 'rebuild', '--arch=arm64', '--silent', ...headers()], home, {
    CC: `${CROSS_COMPILER}-gcc`,
    CXX: `${CROSS_COMPILER}-g++`,
    LINK: `${CROSS_COMPILER}-g++`,
    CFLAGS: flags,
    CXXFLAGS: flags,
    LDFLAGS: '-s',
  });
  return existsSync(join(home, binary));
}

/** Node's headers where npm knows them on this machine; else node-gyp fetches them. */
function headers(): string[] {
  const known = run('npm', ['config', 'get', 'nodedir'], ROOT).trim();
  return /^\//.test(known) ? [`--nodedir=${known}`] : [];
}

/** Every third-party file that could be an entry point of its package. */
function entries(folder: string): string[] {
  const modules = join(folder, 'node_modules');
  const need = createRequire(join(folder, 'package.json'));
  const { dependencies } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    readonly dependencies: Readonly<Record<string, string>>;
  };
  const nodes = TRACED_NODES.filter((name) => existsSync(join(modules, name))).flatMap((name) =>
    filesOf(join(modules, name))
      .filter((file) => file.endsWith('.js') && !/(?:^|\/)(?:public|dist)\//.test(file))
      .map((file) => join(modules, name, file)),
  );
  const libraries = Object.keys(dependencies).filter(
    (name) => !TRACED_NODES.includes(name) && !WHOLE_PACKAGES.includes(name),
  );
  return [...nodes, ...libraries.map((name) => need.resolve(name))];
}

/** `node_modules/a/node_modules/@b/c` of a file in it. */
function packageOf(file: string): string {
  const inner = file.lastIndexOf('node_modules/') + 'node_modules/'.length;
  const [first = '', second = ''] = file.slice(inner).split('/');
  return file.slice(0, inner) + (first.startsWith('@') ? `${first}/${second}` : first);
}

async function packageFiles(folder: string): Promise<string[]> {
  const { fileList } = await nodeFileTrace(entries(folder), { base: folder, processCwd: folder });
  const reached = new Set([...fileList].map(packageOf));
  return filesOf(folder).filter((file) => {
    if (!file.startsWith('node_modules/') || file.startsWith('node_modules/.')) return false;
    const owner = packageOf(file);
    const inner = file.slice(owner.length);
    if (WHOLE_PACKAGES.some((name) => owner.startsWith(`node_modules/${name}`))) {
      return !inner.endsWith('.map');
    }
    return fileList.has(file) || (reached.has(owner) && !NEVER_LOADED.test(inner));
  });
}

/** Node.js itself, from the registry's package for that architecture. */
function fetchNode(folder: string, architecture: string): void {
  const version = (
    JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      readonly devDependencies: { readonly node: string };
    }
  ).devDependencies.node;
  const scratch = mkdtempSync(join(tmpdir(), 'balupi-node-'));
  const packed = run('npm', ['pack', '--silent', `node-linux-${architecture}@${version}`], scratch);
  run('tar', ['-xzf', packed.trim().split('\n').at(-1) ?? ''], scratch);
  mkdirSync(join(folder, 'node', 'bin'), { recursive: true });
  cpSync(join(scratch, 'package', 'bin', 'node'), join(folder, 'node', 'bin', 'node'));
  cpSync(join(scratch, 'package', 'LICENSE'), join(folder, 'node', 'LICENSE'));
  rmSync(scratch, { recursive: true });
}

/** npm's CycloneDX bill of materials of the lock file, without fields that differ between runs. */
function billOfMaterials(): string {
  const made = run(
    'npm',
    ['sbom', '--omit=dev', '--package-lock-only', '--sbom-format=cyclonedx'],
    ROOT,
  );
  const bill = JSON.parse(made) as { serialNumber?: string; metadata: { timestamp?: string } };
  delete bill.serialNumber;
  delete bill.metadata.timestamp;
  return `${JSON.stringify(bill, null, 2)}\n`;
}

function copyAll(from: string, to: string, files: readonly string[]): void {
  for (const file of files) {
    mkdirSync(dirname(join(to, file)), { recursive: true });
    cpSync(join(from, file), join(to, file), { dereference: true });
  }
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Folders 0755, programs 0755, files 0644, whatever the builder's umask. */
function settleModes(folder: string): void {
  chmodSync(folder, 0o755);
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const program = /\/bin\/[^/]+$|\/install\.sh$|\.node$/.test(path);
    chmodSync(path, entry.isDirectory() || program ? 0o755 : 0o644);
  }
}

async function fill(stage: string, to: string, architecture: string): Promise<void> {
  installPackages(stage, architecture);
  if (!compileSqlite(stage, architecture)) {
    say(`  without node-red-node-sqlite: no compiler for ${architecture} (${CROSS_COMPILER}-g++).`);
    for (const name of ['node-red-node-sqlite', 'sqlite3']) {
      rmSync(join(stage, 'node_modules', name), { recursive: true, force: true });
    }
  }
  copyAll(stage, to, await packageFiles(stage));
  const ours = OURS.flatMap((place) => {
    const files = place.startsWith('.')
      ? [place]
      : filesOf(join(ROOT, place)).map((file) => join(place, file));
    return files.filter((file) => !NOT_SHIPPED.test(file));
  });
  copyAll(ROOT, to, [...ours, ...OUR_PAPERS]);
  for (const [file, place] of [
    ['deploy/install.sh', 'install.sh'],
    ['deploy/balupi.sh', 'bin/balupi'],
    ['deploy/with-notify.pl', 'bin/with-notify'],
    ['deploy/turn.sh', 'bin/turn'],
  ] as const) {
    mkdirSync(dirname(join(to, place)), { recursive: true });
    cpSync(join(ROOT, file), join(to, place));
  }
  fetchNode(to, architecture);
  const cli = join(ROOT, 'dist', 'deploy', 'cli.js');
  writeFileSync(
    join(to, 'deploy', 'balupi.1'),
    run(process.execPath, [cli, 'help', '--man'], ROOT),
  );
  writeFileSync(join(to, 'sbom.cdx.json'), billOfMaterials());
  writeFileSync(join(to, 'ARCHITECTURE'), `${architecture}\n`);
  addPublicKey(to);
  const sums = filesOf(to).map((file) => `${sha256(readFileSync(join(to, file)))}  ${file}\n`);
  writeFileSync(join(to, 'SHA256SUMS'), sums.join(''));
  settleModes(to);
}

function pack(work: string, name: string, out: string): string {
  const archive = join(out, `${name}.tar.xz`);
  const epoch = process.env['SOURCE_DATE_EPOCH'] ?? run('git', ['log', '-1', '--format=%ct'], ROOT);
  const same = ['--sort=name', `--mtime=@${epoch.trim()}`, '--owner=0', '--group=0'];
  const more = ['--numeric-owner', '--format=gnu', '-cf', `${archive}.tar`, name];
  run('tar', [...same, ...more], work);
  // One thread, as xz's blocks depend on their number. Level 6 takes 9 MB to unpack on a Pi.
  run('xz', ['-6', '--threads=1', '--force', `${archive}.tar`], out);
  run('mv', [`${archive}.tar.xz`, archive], out);
  return archive;
}

/** The private Ed25519 key; null if none is configured. */
function releaseKey(): KeyObject | null {
  const file = process.env['RELEASE_KEY_FILE'];
  return file === undefined ? null : createPrivateKey(readFileSync(file));
}

/** Verifies the update to the next release. */
function addPublicKey(folder: string): void {
  const key = releaseKey();
  if (key === null) return;
  const pem = createPublicKey(key).export({ type: 'spki', format: 'pem' });
  writeFileSync(join(folder, 'release.pub'), pem);
}

/** Signs the whole archive; base64 in a file beside it. */
function signArchive(archive: string): void {
  const key = releaseKey();
  if (key === null) {
    say('  unsigned: RELEASE_KEY_FILE names no key.');
    return;
  }
  const signature = sign(null, readFileSync(archive), key);
  writeFileSync(`${archive}.sig`, `${signature.toString('base64')}\n`);
}

interface Made {
  readonly archive: string;
  /** In the format of `sha256sum`. */
  readonly sums: string;
}

async function release(architecture: string, version: string, out: string): Promise<Made> {
  const name = `balupi-${version}-linux-${architecture}`;
  say(`${name} …`);
  const work = mkdtempSync(join(tmpdir(), 'balupi-release-'));
  try {
    const stage = join(work, 'stage');
    mkdirSync(stage);
    await fill(stage, join(work, name), architecture);
    const archive = pack(work, name, out);
    weigh(join(work, name), archive);
    return { archive, sums: readFileSync(join(work, name, 'SHA256SUMS'), 'utf8') };
  } finally {
    rmSync(work, { recursive: true });
  }
}

function weigh(folder: string, archive: string): void {
  const files = filesOf(folder).length;
  const unpackedMb = Number(run('du', ['-sm', folder], ROOT).split('\t')[0]);
  const packedMb = readFileSync(archive).length / 1e6;
  say(`  ${packedMb.toFixed(1)} MB packed, ${unpackedMb} MB unpacked, ${files} files`);
  if (packedMb <= MOST.packedMb && unpackedMb <= MOST.unpackedMb && files <= MOST.files) return;
  const { packedMb: packed, unpackedMb: unpacked, files: count } = MOST;
  fault(`  Wanted at most ${packed} MB packed, ${unpacked} MB unpacked and ${count} files.`);
}

function fault(sentence: string): void {
  process.stderr.write(`${sentence}\n`);
  process.exitCode = 1;
}

/** Rebuilds it in another folder, at another time and with another umask. */
async function compare(architecture: string, version: string, first: Made): Promise<void> {
  const out = mkdtempSync(join(tmpdir(), 'balupi-release-once-more-'));
  const [umask, zone] = [process.umask(0o077), process.env['TZ']];
  process.env['TZ'] = 'Pacific/Kiritimati';
  try {
    const second = await release(architecture, version, out);
    const [one, other] = [first, second].map(({ archive }) => sha256(readFileSync(archive)));
    if (one === other) {
      say('  twice the same bytes');
      return;
    }
    const known = new Set(first.sums.split('\n'));
    const differ = second.sums.split('\n').filter((line) => !known.has(line));
    const named = differ.map((line) => line.slice(66)).join(', ');
    fault(`  Not the same twice: ${named === '' ? 'only as it was packed' : named}`);
  } finally {
    process.umask(umask);
    if (zone === undefined) delete process.env['TZ'];
    else process.env['TZ'] = zone;
    rmSync(out, { recursive: true });
  }
}

const asked = process.argv.slice(2);
const wanted = asked.filter((word) => word !== '--check');
const unknown = wanted.filter((word) => !ARCHITECTURES.includes(word));
if (unknown.length > 0) {
  const known = `${ARCHITECTURES.join(' or ')}, and --check to make it twice`;
  process.stderr.write(`Got ${unknown.join(', ')}, wanted ${known}.\n`);
  process.exit(1);
}
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  readonly version: string;
};
mkdirSync(OUT, { recursive: true });
const archives: string[] = [];
for (const architecture of wanted.length > 0 ? wanted : ARCHITECTURES) {
  const made = await release(architecture, version, OUT);
  signArchive(made.archive);
  archives.push(made.archive);
  if (asked.includes('--check')) await compare(architecture, version, made);
}
const lines = archives.map((file) => `${sha256(readFileSync(file))}  ${relative(OUT, file)}\n`);
writeFileSync(join(OUT, 'SHA256SUMS'), lines.join(''));
