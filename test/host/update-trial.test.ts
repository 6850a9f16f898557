import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { UpdateTrial } from '../../host/update-trial.ts';
import { SystemClock } from '../../nodes/lib/time/system-clock.ts';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';
import { KeptLog } from '../fakes/kept-log.ts';
import { ManualClock } from '../fakes/manual-clock.ts';
import { steady } from '../practice/plug/load-curve.ts';
import { PracticePlug } from '../practice/plug/practice-plug.ts';

const OWNER = { username: 'plug.owner@example.org', password: 'Correct-Horse 9' };
const TEXT = 'taken before the update';
const JSON_BODY = { 'Content-Type': 'application/json' };

describe('A version on trial after an update', function () {
  this.timeout(120_000);
  let pi: BootedBaluPi;
  let plug: PracticePlug;
  let alice = '';
  let admin = '';
  const trialFile = (): string => join(pi.folder, 'trial');
  const aside = (): string => join(pi.dataFolder, 'readings-aside.jsonl');

  before(async () => {
    const clock = new SystemClock((problem) => {
      throw problem;
    });
    plug = new PracticePlug({ clock, load: steady(1_000), ...OWNER, nickname: 'NAS' });
    await plug.start();
    pi = await BootedBaluPi.start({
      environment: {
        BALUPI_NAS_PROBE_INTERVAL_SECONDS: '1',
        BALUPI_ENERGY_SAMPLE_INTERVAL_SECONDS: '1',
        BALUPI_ENERGY_COMMIT_SECONDS: '1',
        BALUPI_TAPO_USERNAME: OWNER.username,
        BALUPI_TAPO_PASSWORD: OWNER.password,
        BALUPI_TAPO_DISCOVERY_ADDRESS: `127.0.0.1:${plug.udpPort}`,
        BALUPI_EDITOR: 'on',
      },
    });
    alice = await pi.signIn('alice');
    admin = await pi.signIn('admin');
    const body = JSON.stringify({ ip_address: plug.address });
    assert.equal((await ask('POST', '/tapo/devices', { body, token: admin })).status, 201);
    await pi.until('samples', () => sampleTimes().length > 1);
    await pi.nas.sleep('suspend');
    await pi.until('the sleep', async () => !(await isOnline()));
    const form = new FormData();
    form.set('path', 'alice');
    form.set('file', new Blob([TEXT]), 'before.txt');
    assert.equal((await ask('POST', '/files/upload', { body: form })).status, 200);
  });

  after(async () => {
    await pi.stop();
    await plug.stop();
  });

  async function ask(
    method: string,
    path: string,
    { body, token = alice }: { body?: string | FormData; token?: string } = {},
  ): Promise<Response> {
    const headers = { Authorization: `Bearer ${token}` };
    const more = typeof body === 'string' ? JSON_BODY : {};
    const init = { method, headers: { ...headers, ...more }, ...(body && { body }) };
    return await fetch(`${pi.url}/api${path}`, init);
  }

  async function isOnline(): Promise<boolean> {
    const told = (await (await ask('GET', '/files/sync/status')).json()) as { nas_online: boolean };
    return told.nas_online;
  }

  async function updateWord(): Promise<string | undefined> {
    const told = (await (await fetch(`${pi.url}/api/health`)).json()) as {
      checks: Record<string, string>;
    };
    return told.checks['update'];
  }

  function sampleTimes(): number[] {
    const database = new DatabaseSync(join(pi.dataFolder, 'energy.db'), { readOnly: true });
    const rows = database.prepare('SELECT at_s FROM energy_samples ORDER BY at_s').all();
    database.close();
    return rows.map((row) => Number(row['at_s']));
  }

  /** When readings were laid aside, in the seconds of the samples. The last line may be half written. */
  function asideTimes(): number[] {
    if (!existsSync(aside())) return [];
    const lines = readFileSync(aside(), 'utf8').split('\n').slice(0, -1);
    return lines.map((line) => Math.round((JSON.parse(line) as { atMs: number }).atMs / 1_000));
  }

  /** As deploy/turn.sh leaves the data folder before the start of a version on trial. */
  async function startOnTrial(): Promise<void> {
    writeFileSync(trialFile(), '');
    const kept = join(pi.dataFolder, 'before-update');
    mkdirSync(kept, { recursive: true });
    writeFileSync(join(kept, 'undecided'), `${trialFile()}\n`);
    await pi.restart();
  }

  async function isOnNas(): Promise<boolean> {
    return (await pi.nas.tree()).some(({ path }) => path.endsWith('before.txt'));
  }

  it('answers what only reads, and takes no sign-in, no upload and no change', async () => {
    await startOnTrial();
    await pi.nas.wake();
    assert.equal(await updateWord(), 'trial');
    await pi.until('the NAS', isOnline);
    assert.equal((await ask('GET', '/files/list?path=alice')).status, 200);
    const login = JSON.stringify({ username: 'alice', password: 'Practice-alice-1' });
    const form = new FormData();
    form.set('path', 'alice');
    form.set('file', new Blob(['x']), 'x.txt');
    for (const [method, path, body] of [
      ['POST', '/auth/login', login],
      ['POST', '//auth/login', login],
      ['POST', '/auth/logout', '{}'],
      ['POST', '/files/upload', form],
      ['POST', '/files/upload/chunked/init', '{}'],
      ['PUT', '/cache/pins', '{"path":"alice"}'],
      ['DELETE', '/cache/entries', undefined],
      ['PATCH', '/energy/history', '{}'],
      ['POST', '/tapo/devices/discover', '{}'],
    ] as const) {
      const answered = await ask(method, path, { ...(body && { body }), token: admin });
      assert.equal(answered.status, 503, `${method} ${path}`);
      assert.equal(((await answered.json()) as { code: string }).code, 'restarting');
      assert.ok(Number(answered.headers.get('retry-after')) > 0);
    }
    // The apps forget their tokens at anything but this.
    const refresh = await ask('POST', '/auth/refresh', { body: '{"refresh_token":"x"}' });
    assert.equal(refresh.status, 504);
    assert.equal(refresh.statusText, 'Gateway Timeout');
  });

  it('keeps pages and editor shut', async () => {
    const form = new URLSearchParams({ username: 'alice', password: 'Practice-alice-1' });
    const page = await fetch(`${pi.url}/dashboard/sign-in`, {
      method: 'POST',
      body: form,
      headers: { Origin: pi.url, 'Sec-Fetch-Site': 'same-origin' },
      redirect: 'manual',
    });
    assert.equal(page.status, 503);
    assert.equal(page.headers.get('set-cookie'), null);
    assert.equal(pi.editorUrl, '');
  });

  it('lays aside what the plugs tell, shows it, and delivers nothing', async () => {
    const before = sampleTimes();
    await pi.until('readings', () => asideTimes().length >= 4);
    assert.deepEqual(sampleTimes(), before);
    const current = (await (await ask('GET', '/energy/current')).json()) as {
      total_power_watts?: number | null;
    };
    assert.ok(JSON.stringify(current).includes('1000'), JSON.stringify(current));
    assert.equal(await isOnNas(), false);
  });

  it('meters, delivers and takes in once it is kept', async () => {
    const laid = asideTimes();
    rmSync(trialFile());
    await pi.until('the end of the trial', async () => (await updateWord()) === 'ok');
    await pi.until('the samples', () => !existsSync(aside()));
    const metered = new Set(sampleTimes());
    assert.deepEqual(
      laid.filter((atS) => !metered.has(atS)),
      [],
    );
    await pi.until('the delivery', isOnNas);
    assert.equal(existsSync(join(pi.dataFolder, 'before-update', 'undecided')), false);
    assert.notEqual(await pi.signIn('alice'), '');
    const login = await fetch(`${pi.url}/api/auth/login`, {
      method: 'POST',
      headers: JSON_BODY,
      body: JSON.stringify({ username: 'alice', password: 'Practice-alice-1' }),
    });
    assert.notEqual(login.status, 503);
  });

  it('leaves to the version of before what it laid aside', async () => {
    await startOnTrial();
    await pi.until('readings', () => asideTimes().length >= 3);
    pi.signal('SIGKILL');
    await pi.exit();
    const laid = asideTimes();
    rmSync(join(pi.dataFolder, 'before-update'), { recursive: true });
    await pi.restart();
    await pi.until('the samples', () => !existsSync(aside()));
    const metered = new Set(sampleTimes());
    assert.deepEqual(
      laid.filter((atS) => !metered.has(atS)),
      [],
    );
  });

  it('ends so that the version of before is started, though it could not start itself', async () => {
    const broken = { BALUPI_PORT: 'none' };
    const plain = await BootedBaluPi.fail({ environment: broken });
    assert.equal(plain.code, 78);
    const onTrial = await BootedBaluPi.fail({
      environment: broken,
      prepare: ({ data }) => {
        mkdirSync(join(data, 'before-update'), { recursive: true });
        writeFileSync(join(data, 'before-update', 'undecided'), '/nowhere\n');
      },
    });
    assert.equal(onTrial.code, 1);
  });

  it('is told beforehand by a check that starts nothing and changes nothing', () => {
    const check = (data: string, more: readonly string[] = []) => {
      const program = ['--disable-warning=ExperimentalWarning', join('dist', 'deploy', 'cli.js')];
      const env = { ...process.env, BALUPI_DATA_DIR: data };
      return spawnSync(process.execPath, [...program, 'check', ...more], { env, encoding: 'utf8' });
    };
    const data = join(pi.folder, 'checked');
    mkdirSync(join(data, 'flows'), { recursive: true });
    const well = check(data);
    assert.equal(well.status, 0, well.stderr);
    // A tab of the owner's that has the name of a shipped one.
    const tab = { id: 'f00d000000000001', type: 'tab', label: 'own', info: '', env: [] };
    writeFileSync(join(data, 'flows', 'api-files.json'), JSON.stringify([tab]));
    assert.match(check(data).stdout, /An own tab has its file api-files-own\.json now/);
    assert.ok(existsSync(join(data, 'flows', 'api-files.json')));
    const newer = new DatabaseSync(join(data, 'queue.db'));
    newer.exec('PRAGMA user_version = 9999');
    newer.close();
    const refused = check(data);
    assert.equal(refused.status, 65);
    assert.match(refused.stderr, /queue database has schema version 9999/);
    assert.equal(check(data, ['--without-data']).status, 0);
    writeFileSync(join(data, 'settings.json'), '{"NAS_URL":"nas"}');
    assert.equal(check(data, ['--without-data']).status, 78);
  });
});

describe('Whether a version is kept', () => {
  it('is looked at again where the mark cannot be read at the moment', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'balupi-trial-'));
    const mark = join(folder, 'before-update', 'undecided');
    mkdirSync(join(folder, 'before-update'));
    writeFileSync(mark, '/nowhere\n');
    const [clock, log] = [new ManualClock(), new KeptLog()];
    const trial = new UpdateTrial({ dataFolder: folder, clock, log });
    let kept = 0;
    trial.watch({
      onKept: () => {
        kept += 1;
        return Promise.resolve();
      },
      onGivenUp: () => assert.fail('given up'),
    });
    rmSync(mark);
    mkdirSync(mark);
    await clock.advance(2_000);
    assert.match(log.problems.join('\n'), /could not be read: EISDIR/);
    assert.equal(trial.isUndecided, true);
    rmSync(mark, { recursive: true });
    await clock.advance(1_000);
    assert.deepEqual([kept, trial.isOn], [1, false]);
    rmSync(folder, { recursive: true });
  });
});
