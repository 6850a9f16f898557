import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fstatSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';
import { until } from '../fakes/until.ts';

const SETTINGS = {
  BALUPI_LOG_LEVEL: 'info',
  BALUPI_NAS_PROBE_INTERVAL_SECONDS: '1',
  BALUPI_NAS_BOOT_TIMEOUT_SECONDS: '20',
  BALUPI_WAKE_HOLD_SECONDS: '3',
};
const WAIT_MS = 30_000;

describe('What BaluPi tells its log', function () {
  this.timeout(90_000);
  let pi: BootedBaluPi;
  let token: string;

  before(async () => {
    pi = await BootedBaluPi.start({ hurry: 5, environment: SETTINGS });
  });

  after(async () => {
    await pi.stop();
  });

  const said = (line: RegExp): Promise<boolean> =>
    pi.until(`the log to say ${String(line)}`, () => line.test(pi.output));
  const alarms = (): readonly string[] => pi.output.match(/^\[(?:warn|error)\] .*$/gm) ?? [];

  async function login(username: string, password: string): Promise<string> {
    const answered = await fetch(`${pi.url}/api/auth/login`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ username, password }),
    });
    const { access_token: given = '' } = (await answered.json()) as { access_token?: string };
    return given;
  }

  async function ask(path: string, more: RequestInit = {}, as = token): Promise<Response> {
    const headers = { ...more.headers, Authorization: `Bearer ${as}` };
    const answered = await fetch(`${pi.url}/api/${path}`, { ...more, headers });
    await answered.arrayBuffer();
    return answered;
  }

  async function upload(name: string, bytes: string, headers = {}): Promise<void> {
    const form = new FormData();
    form.append('path', 'alice');
    form.append('file', new Blob([bytes]), name);
    const sent = await ask('files/upload', { method: 'POST', body: form, headers });
    assert.equal(sent.status, 200);
  }

  async function goesToSleep(): Promise<void> {
    await pi.nas.sleep('suspend');
    const isOnline = async (): Promise<boolean> => {
      const headers = { Authorization: `Bearer ${token}` };
      const status = await fetch(`${pi.url}/api/nas/status`, { headers });
      return ((await status.json()) as { online: boolean }).online;
    };
    await until('BaluPi to see the NAS asleep', async () => !(await isOnline()), WAIT_MS);
  }

  it('that it started, how, and no alarm of a BaluPi that is well', async () => {
    await said(
      /^\[info\] start: BaluPi [\d.]+, Node\.js [\d.]+, ready after [\d.]+ s; the first run\.$/m,
    );
    token = await login('alice', 'Practice-alice-1');
    await ask('files/list?path=alice');
    await ask('energy/current');
    assert.deepEqual(alarms(), []);
  });

  it('who was not let in, from where and why, and nothing that was typed', async () => {
    await login('alice', 'a secret that is wrong');
    await said(/^\[warn\] sign-in: refused for "alice" from 127\.0\.0\.1: bad_credentials\.$/m);
    await login('Practice-alice-1', 'x');
    await said(/^\[warn\] sign-in: refused for an unknown name from 127\.0\.0\.1: /m);
    assert.doesNotMatch(pi.output, /Practice-alice-1|a secret that is wrong/);
  });

  it('each delivery, by the number and size of the upload', async () => {
    await upload('holiday.txt', 'a day by the sea');
    await said(/^\[info\] delivery: upload \w{26} of "alice" is on the NAS, 16 bytes\.$/m);
  });

  it('each conflict', async () => {
    await pi.nas.putFile('alice/plan.txt', Buffer.from('somebody else’s plan'), 'alice');
    await upload('plan.txt', 'my plan', { 'X-Base-Checksum': 'a'.repeat(64) });
    await said(/^\[warn\] conflict: upload \w{26} of "alice" has a second name on the NAS, as /m);
  });

  it('each wake: for whom, by what, and how it ended', async () => {
    const admin = await pi.signIn('admin');
    await ask('nas/status', {}, admin);
    await goesToSleep();
    assert.equal((await ask('nas/wol', { method: 'POST' }, admin)).status, 200);
    await said(/^\[info\] wake: begun for "admin", by a magic packet; try 1\.$/m);
    await until(
      'it to end',
      () => /^\[info\] wake: the NAS is awake after \d+ s\.$/m.test(pi.output),
      WAIT_MS,
    );
  });

  it('a wake for somebody who reads what is not kept', async () => {
    await pi.nas.putFile('alice/films/film.bin', Buffer.alloc(1_000), 'alice');
    await until('it to be listed', async () => {
      const listed = await ask('files/list?path=alice%2Ffilms');
      return listed.status === 200 && listed.headers.get('x-balupi-cache') !== 'stale';
    });
    await goesToSleep();
    await ask('files/download/alice/films/film.bin');
    await said(
      /^\[info\] wake: begun for "alice", who reads what is not kept, by (?:a magic|the last) packet; /m,
    );
  });

  it('no name of a file, and no token', () => {
    assert.doesNotMatch(pi.output, /holiday|plan\.txt|film\.bin|eyJ|Bearer/);
  });

  it('why it stopped, and how the next one finds it', async () => {
    pi.signal('SIGTERM');
    assert.equal(await pi.exit(), 0);
    assert.match(pi.output, /^\[info\] stop: begun by SIGTERM\.$/m);
    assert.match(pi.output, /^\[info\] stop: done after [\d.]+ s\.$/m);
    await pi.restart();
    await said(/^\[info\] start: .*; after a stop\.$/m);
    pi.signal('SIGKILL');
    await pi.exit();
    await pi.restart();
    await said(/^\[warn\] start: .*; the run before did not end in order\.$/m);
  });
});

describe('A start that fails, as journald hears it', () => {
  it('has its priority on every line', async function () {
    this.timeout(20_000);
    const folder = mkdtempSync(join(tmpdir(), 'balupi-journal-'));
    const file = join(folder, 'journal');
    const journal = openSync(file, 'w');
    const { dev, ino } = fstatSync(journal);
    const server = spawn(process.execPath, [resolve('dist', 'server.js'), '--no-env-file'], {
      stdio: ['ignore', journal, journal],
      env: {
        PATH: process.env['PATH'],
        JOURNAL_STREAM: `${dev}:${ino}`,
        BALUPI_DATA_DIR: join(folder, 'data'),
        BALUPI_PORT: 'x',
        BALUPI_NAS_URL: 'nas',
      },
    });
    await once(server, 'exit');
    assert.equal(server.exitCode, 78);
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
    assert.equal(lines.length, 3, lines.join('\n'));
    for (const line of lines) assert.match(line, /^<3>/);
    rmSync(folder, { recursive: true });
  });
});
