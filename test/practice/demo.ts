import { randomBytes } from 'node:crypto';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { SystemClock } from '../../nodes/lib/time/system-clock.ts';
import { DEMO_ADMIN, DEMO_USER, DemoWorld, passwordOf } from './demo-world.ts';

// As BaluPi itself, whose folders this creates.
process.umask(0o077);

/** The demo's port, unless BALUPI_PORT says otherwise or it is in use. */
const USUAL_PORT = 8000;
/** Faster than usual: nobody wants to wait 30 s to see a watt or a sleeping NAS. */
const LIVELY = {
  BALUPI_ENERGY_SAMPLE_INTERVAL_SECONDS: '5',
  BALUPI_NAS_PROBE_INTERVAL_SECONDS: '5',
  BALUPI_LOG_LEVEL: 'warn',
};
const PLUGS = 2;
const SYSTEM_ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;
const FIRST_WATTS_MS = 8_000;

const SERVER = resolve(import.meta.dirname, '..', '..', 'server.js');

async function isFree(port: number): Promise<boolean> {
  const { promise, resolve: found } = Promise.withResolvers<boolean>();
  const probe = createServer();
  probe.once('error', () => {
    found(false);
  });
  probe.listen(port, '0.0.0.0', () => {
    probe.close(() => {
      found(true);
    });
  });
  return await promise;
}

async function chosenPort(): Promise<string> {
  const given = process.env['BALUPI_PORT'];
  if (given !== undefined && given !== '') return given;
  return (await isFree(USUAL_PORT)) ? String(USUAL_PORT) : '0';
}

/** The tour's own BaluPi takes only the address to listen on from a household's settings. */
async function environment(world: DemoWorld, folder: string): Promise<NodeJS.ProcessEnv> {
  const kept = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('BALUPI_') || /^BALUPI_(HOST|EDITOR|TIMEZONE|LOG)/.test(name),
  );
  return {
    ...LIVELY,
    ...Object.fromEntries(kept),
    ...world.environment(),
    BALUPI_PORT: await chosenPort(),
    BALUPI_DATA_DIR: join(folder, 'balupi'),
    BALUPI_SECRET_KEY: randomBytes(32).toString('hex'),
  };
}

async function call(url: string, path: string, token: string, init: RequestInit = {}) {
  const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' };
  const answered = await fetch(`${url}${path}`, { ...init, headers });
  return (await answered.json()) as unknown;
}

async function signIn(url: string): Promise<string> {
  const body = JSON.stringify({ username: DEMO_ADMIN, password: passwordOf(DEMO_ADMIN) });
  const answered = (await call(url, '/api/auth/login', '', { method: 'POST', body })) as {
    readonly access_token: string;
  };
  return answered.access_token;
}

/** What an admin does once in a real home: has the plugs found and says which powers the NAS. */
async function setUpPlugs(url: string): Promise<void> {
  const token = await signIn(url);
  const { devices } = (await call(url, '/api/tapo/devices/discover', token, {
    method: 'POST',
  })) as { readonly devices: readonly { readonly id: string; readonly name: string }[] };
  for (const { id, name } of devices) {
    const body = JSON.stringify({ role: name === 'NAS' ? 'nas' : 'monitor' });
    await call(url, `/api/tapo/devices/${id}`, token, { method: 'PUT', body });
  }
  const untilMs = Date.now() + FIRST_WATTS_MS;
  while (Date.now() < untilMs) {
    const current = (await call(url, '/api/energy/current', token)) as {
      readonly devices: readonly { readonly power_w: number | null }[];
    };
    if (current.devices.filter((device) => device.power_w !== null).length >= PLUGS) return;
    await clock.sleep(200);
  }
}

function announce(readyLine: string, world: DemoWorld): void {
  const url = /ready on (\S+)/.exec(readyLine)?.[1] ?? '';
  console.log(
    [
      '',
      'A demo with a practice NAS and two practice plugs: nothing of it is real, and all of it goes when you end it.',
      readyLine,
      `login: ${DEMO_USER} / ${passwordOf(DEMO_USER)}`,
      `admin login: ${DEMO_ADMIN} / ${passwordOf(DEMO_ADMIN)}`,
      `practice NAS: ${world.nas.url}`,
      `dashboard: ${url}/dashboard (its past is made up)`,
      `API description: ${url}/docs — the five-minute tour is in README.md. Ctrl-C ends the demo.`,
    ].join('\n'),
  );
}

async function readyLineOf(server: ChildProcess): Promise<string> {
  const { promise, resolve: ready, reject } = Promise.withResolvers<string>();
  if (server.stdout === null) throw new Error('The server has no output to read.');
  createInterface({ input: server.stdout }).on('line', (line) => {
    if (line.startsWith('BaluPi ready on ')) ready(line);
    else console.log(line);
  });
  server.once('exit', () => {
    reject(new Error('BaluPi ended before it was ready.'));
  });
  return await promise;
}

const clock = new SystemClock((problem) => {
  console.error(problem);
});
const folder = mkdtempSync(join(tmpdir(), 'balupi-demo-'));
const givenZone = process.env['BALUPI_TIMEZONE'] ?? '';
const world = new DemoWorld(clock, folder, givenZone === '' ? SYSTEM_ZONE : givenZone);
console.log('Starting a practice NAS, two practice plugs and BaluPi …');
await world.start();
const settings = await environment(world, folder);
await world.past(settings['BALUPI_DATA_DIR'] ?? folder);
const server = spawn(process.execPath, [...process.execArgv, SERVER, '--no-env-file'], {
  env: settings,
  stdio: ['ignore', 'pipe', 'inherit'],
});

async function end(code: number): Promise<void> {
  await world.stop();
  rmSync(folder, { recursive: true, force: true });
  process.exit(code);
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    if (server.exitCode === null) server.kill('SIGTERM');
  });
}
server.once('exit', (code) => void end(code ?? 1));
const line = await readyLineOf(server);
await setUpPlugs(/ready on (\S+)/.exec(line)?.[1] ?? '');
announce(line, world);
