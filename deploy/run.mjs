/**
 * The entry point of every npm script. Runs under the shell's Node (20 is enough), installs and builds
 * what is missing if the script may, and hands over to BaluPi's own Node. `start` and `wake` change
 * nothing: they only report what is missing or stale.
 */
import { Buffer } from 'node:buffer';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { builtFrom, sourcesHash } from './build.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const bin = join(root, 'node_modules', '.bin');
const installMark = join(root, 'node_modules', '.balupi-installed');

/** node:sqlite needs no flag from 22.13 on; Node-RED 5 wants 22.9. */
const OLDEST_NODE = [22, 14];

/**
 * Keeps a Pi's process near 170 MB under load. `--optimize-for-size` would save 25 MB but cost 40 % of
 * the small downloads a second: it makes the collector run all the time (measured on x86-64).
 */
const SMALL_HEAP = ['--max-old-space-size=192', '--max-semi-space-size=4'];
/** glibc opens a heap for each thread that allocates concurrently, and keeps it: 5 MB each. */
const FEW_HEAPS = { MALLOC_ARENA_MAX: '2' };

/**
 * The package says -O3, which takes 51 s of CPU where -O2 takes 37 (measured, x64). Two files at a time
 * is what the memory of a Pi allows.
 */
const SQLITE_BUILD = { CFLAGS: '-O2', CXXFLAGS: '-O2', JOBS: '2' };

/** Exit code for a wrong configuration, which no retry can heal (sysexits.h EX_CONFIG). */
const EX_CONFIG = 78;
/** Exit code of a service that asks for a restart (host/start-fault.ts). */
const EX_AGAIN = 75;
const QUIET = '--disable-warning=ExperimentalWarning';

function must(command, args, options = {}) {
  const done = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options });
  if (done.error) throw done.error;
  if (done.status !== 0) process.exit(done.status ?? 1);
}

/** The Node to run BaluPi with: node_modules', else the shell's if new enough. */
function ownNode() {
  const bundled = join(bin, 'node');
  if (existsSync(bundled)) return bundled;
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1])) {
    return process.execPath;
  }
  console.error(
    `BaluPi needs Node.js ${OLDEST_NODE.join('.')} or newer, and this is ${process.versions.node}. ` +
      'Run `npm ci` (with development dependencies, which bring one), or install Node.js 24.',
  );
  return process.exit(1);
}

/**
 * Installs what is missing.
 * @returns resolves when the optional SQLite is compiled too, beside which the build may run: its
 *   one large file keeps a single core busy
 */
function install() {
  const lock = join(root, 'package-lock.json');
  const fresh = existsSync(installMark) && statSync(installMark).mtimeMs >= statSync(lock).mtimeMs;
  // A plain `npm ci` leaves no mark of ours, but npm's copy of the lock file.
  const npmLock = join(root, 'node_modules', '.package-lock.json');
  const byHand = existsSync(npmLock) && statSync(npmLock).mtimeMs >= statSync(lock).mtimeMs;
  if (!fresh && !byHand) {
    console.log('Installing dependencies (once; about two minutes) …');
    must('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
  }
  return fresh ? Promise.resolve() : runWantedScripts();
}

/**
 * `.npmrc` disables install scripts: npm 9 has no allow list, and one package in the tree reports every
 * installation to its maker. The two needed ones run here: one puts Node.js in place, the other
 * compiles the flow editor's optional SQLite.
 */
async function runWantedScripts() {
  const bundled = join(root, 'node_modules', 'node');
  if (existsSync(bundled) && !existsSync(join(bundled, 'bin', 'node'))) {
    if (spawnSync('npm', rebuildOf('node'), QUIET_NPM).status !== 0) process.exit(1);
  }
  const sqlite = join(root, 'node_modules', 'sqlite3');
  if (existsSync(sqlite) && !existsSync(join(sqlite, 'build', 'Release', 'node_sqlite3.node'))) {
    console.log('Compiling SQLite for the flow editor (once, optional; a minute or more) …');
    const env = { ...process.env, ...SQLITE_BUILD };
    const compiling = spawn('npm', rebuildOf('sqlite3'), { ...QUIET_NPM, env });
    // A build that fails ends this process.
    const stop = () => compiling.kill();
    process.on('exit', stop);
    const [code] = await once(compiling, 'close');
    process.off('exit', stop);
    if (code !== 0) {
      console.log(
        'sqlite3 could not be compiled here: explore-energy asks by the SQLite of Node.js.',
      );
    }
  }
  writeFileSync(installMark, '');
}

const QUIET_NPM = { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] };

function rebuildOf(name) {
  return ['rebuild', name, '--ignore-scripts=false', '--loglevel=error'];
}

function build({ force = false } = {}) {
  if (!force && isBuilt(['program', 'tests'])) return;
  console.log('Building …');
  if (force) rmSync(join(root, 'dist'), { recursive: true, force: true });
  must(ownNode(), [QUIET, join(root, 'deploy', 'build.mjs')]);
}

function isBuilt(parts) {
  const made = builtFrom(root);
  return made !== null && parts.every((part) => made[part] === sourcesHash(root, part));
}

/** For scripts that must not change the disk: a service that installs at its start will break. */
function mustBeBuilt() {
  if (!existsSync(join(root, 'node_modules', '.package-lock.json'))) {
    return refuse('Nothing is installed here yet: run `npm ci`, then `npm run build`.');
  }
  if (builtFrom(root) === null) return refuse('There is no build yet: run `npm run build`.');
  if (!isBuilt(['program'])) {
    return refuse('The build is of other sources than these: run `npm run build`.');
  }
}

function refuse(sentence) {
  console.error(sentence);
  process.exit(EX_CONFIG);
}

/** A requested stop ends within it (contract 0). */
const STOP_LIMIT_MS = 10_000;

/** Runs a built program in the foreground and passes the signals on. */
function hand(args, { heap = [], more = {}, isService = false } = {}) {
  let child;
  let isAskedToStop = false;
  const begin = () => {
    const env = { ...process.env, ...more };
    child = spawn(ownNode(), [QUIET, ...heap, ...args], { cwd: root, env, stdio: 'inherit' });
    child.on('exit', (code, signal) => {
      // As a service manager would: a page changed a setting that takes effect at the next start.
      if (isService && code === EX_AGAIN && !isAskedToStop) begin();
      else process.exit(code ?? (signal === null ? 1 : 128));
    });
  };
  begin();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      isAskedToStop = true;
      if (child.exitCode === null) child.kill(signal);
      // A blocked event loop handles no signal.
      setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS).unref();
    });
  }
}

const tool = (...place) => join(bin, '..', ...place);

/** The checks of the lint, slow ones first, so that none of them runs alone at the end. */
const CHECKS = [
  [join(root, 'dist', 'deploy', 'lint-rules.js')],
  [tool('oxlint', 'bin', 'oxlint'), '.'],
  [tool('typescript-native', 'bin', 'tsc'), '-p', 'tsconfig.json'],
  [tool('vue-tsc', 'bin', 'vue-tsc.js'), '-p', 'tsconfig.parts.json'],
  [tool('typescript-native', 'bin', 'tsc'), '-p', join('pages', 'tsconfig.json')],
  [tool('eslint', 'bin', 'eslint.js'), '--max-warnings', '0', '.'],
  [tool('oxfmt', 'bin', 'oxfmt'), '--check'],
];

/** Runs one check and prints its output at once, so that two do not mix their lines. */
const check = (args) =>
  new Promise((resolve) => {
    const child = spawn(ownNode(), args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    const said = [];
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => said.push(part));
    child.on('error', (error) => said.push(Buffer.from(`${error.message}\n`)));
    child.on('close', (code) => {
      process.stdout.write(Buffer.concat(said));
      resolve(code === 0);
    });
  });

/** Runs all checks, one per core at a time, and exits if one fails. */
async function checks() {
  const waiting = [...CHECKS];
  let isFine = true;
  const lane = async () => {
    for (let args = waiting.shift(); args !== undefined; args = waiting.shift()) {
      isFine = (await check(args)) && isFine;
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, lane));
  if (!isFine) process.exit(1);
}

const TASKS = {
  // All of it is done before any task begins.
  build: () => undefined,
  start: (args) =>
    hand(['dist/server.js', ...args], { heap: SMALL_HEAP, more: FEW_HEAPS, isService: true }),
  demo: (args) =>
    hand(['dist/test/practice/demo.js', ...args], { heap: SMALL_HEAP, more: FEW_HEAPS }),
  flows: (args) => hand(['dist/deploy/cli.js', 'flows', ...args]),
  wake: (args) => hand(['dist/deploy/wake.js', ...args]),
  test: (args) => hand(['dist/test/run.js', ...args]),
  bench: (args) => hand(['dist/test/bench/run.js', ...args]),
  prove: (args) => hand(['dist/test/prove/run.js', ...args]),
  release: (args) => hand(['dist/deploy/release.js', ...args]),
  pack: (args) => hand(['dist/deploy/pack.js', ...args]),
  docs: (args) => hand(['dist/deploy/generated.js', ...args]),
  lint: () => checks(),
  cover: (args) =>
    hand([join('node_modules', 'c8', 'bin', 'c8.js'), ownNode(), 'dist/test/run.js', ...args]),
  check: async (args) => {
    await checks();
    hand(['dist/test/run.js', ...args]);
  },
};

const [task = '', ...args] = process.argv.slice(2);
const run = TASKS[task];
if (run === undefined) {
  console.error(`Unknown task '${task}'. Known: ${Object.keys(TASKS).join(', ')}.`);
  process.exit(1);
}
if (task === 'start' || task === 'wake') {
  mustBeBuilt();
} else {
  const installed = install();
  build({ force: task === 'build' });
  await installed;
}
await run(args);
