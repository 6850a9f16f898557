/**
 * The one door behind every npm script. It runs under whatever Node the shell has (20 is enough),
 * installs and builds what is missing, and hands over to the Node that BaluPi itself wants.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const bin = join(root, 'node_modules', '.bin');
const installMark = join(root, 'node_modules', '.balupi-installed');
const buildMark = join(root, 'dist', '.balupi-built');

/** node:sqlite needs no flag from 22.13 on; Node-RED 5 wants 22.9. */
const OLDEST_NODE = [22, 14];

/**
 * Keeps a Pi's process near 170 MB under load. `--optimize-for-size` would save 25 MB of it, and
 * takes 40 % of all small downloads: it makes the collector run all the time (measured on x86-64).
 */
const SMALL_HEAP = ['--max-old-space-size=192', '--max-semi-space-size=4'];

const SOURCES = [
  'settings.ts',
  'server.ts',
  'compose',
  'compose.ts',
  'host',
  'nodes',
  'flows',
  'test',
  'deploy',
];

function newestMs(path) {
  if (!existsSync(path)) return 0;
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  let newest = 0;
  for (const name of readdirSync(path)) newest = Math.max(newest, newestMs(join(path, name)));
  return newest;
}

function must(command, args, options = {}) {
  const done = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options });
  if (done.error) throw done.error;
  if (done.status !== 0) process.exit(done.status ?? 1);
}

/** The Node to run BaluPi with: the one in node_modules, else the shell's when it is new enough. */
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

function install() {
  const lock = join(root, 'package-lock.json');
  const fresh = existsSync(installMark) && statSync(installMark).mtimeMs >= statSync(lock).mtimeMs;
  // A folder that `npm ci` filled by itself has no mark of ours, but npm's own lock copy.
  const npmLock = join(root, 'node_modules', '.package-lock.json');
  const byHand = existsSync(npmLock) && statSync(npmLock).mtimeMs >= statSync(lock).mtimeMs;
  if (fresh || byHand) return;
  console.log('Installing dependencies (once; about two minutes) …');
  must('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
  writeFileSync(installMark, '');
}

function build({ force = false } = {}) {
  const newest = Math.max(...SOURCES.map((name) => newestMs(join(root, name))));
  const builtFrom = newestMs(join(root, 'tsconfig.json'));
  const built = existsSync(buildMark) ? statSync(buildMark).mtimeMs : 0;
  if (!force && built >= Math.max(newest, builtFrom)) return;
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  if (!existsSync(compiler)) {
    if (built > 0) return;
    console.error('There is no build yet and no compiler here. Run `npm ci` and `npm run build`.');
    process.exit(1);
  }
  console.log('Building …');
  if (force) rmSync(join(root, 'dist'), { recursive: true, force: true });
  must(ownNode(), [compiler, '-p', 'tsconfig.json']);
  must(ownNode(), [join(root, 'dist', 'deploy', 'assemble.js')]);
  writeFileSync(buildMark, '');
}

/** Runs a built program in the foreground and passes the signals on. */
function hand(args, { heap = [] } = {}) {
  const child = spawn(ownNode(), ['--enable-source-maps', ...heap, ...args], {
    cwd: root,
    stdio: 'inherit',
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      if (child.exitCode === null) child.kill(signal);
    });
  }
  child.on('exit', (code, signal) => process.exit(code ?? (signal === null ? 1 : 128)));
}

const checks = () => {
  must(ownNode(), [join(bin, '..', 'prettier', 'bin', 'prettier.cjs'), '--check', '.']);
  must(ownNode(), [join(bin, '..', 'eslint', 'bin', 'eslint.js'), '--max-warnings', '0', '.']);
  must(ownNode(), [join(root, 'dist', 'deploy', 'lint-house.js')]);
};

const TASKS = {
  build: () => build({ force: true }),
  start: (args) => hand(['dist/server.js', ...args], { heap: SMALL_HEAP }),
  demo: (args) => hand(['dist/test/practice/demo.js', ...args], { heap: SMALL_HEAP }),
  wake: (args) => hand(['dist/deploy/wake.js', ...args]),
  test: (args) => hand(['dist/test/run.js', ...args]),
  bench: (args) => hand(['dist/test/bench/run.js', ...args]),
  prove: (args) => hand(['dist/test/prove/run.js', ...args]),
  lint: () => checks(),
  cover: (args) =>
    hand([join('node_modules', 'c8', 'bin', 'c8.js'), ownNode(), 'dist/test/run.js', ...args]),
  check: (args) => {
    checks();
    hand(['dist/test/run.js', ...args]);
  },
};

const [task = '', ...args] = process.argv.slice(2);
const run = TASKS[task];
if (run === undefined) {
  console.error(`Unknown task '${task}'. Known: ${Object.keys(TASKS).join(', ')}.`);
  process.exit(1);
}
install();
if (task !== 'build') build();
run(args);
