import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Readable } from 'node:stream';
import { makeBackup } from '../../deploy/backup.ts';
import { archiveOf, BackupFault, readArchive } from '../../host/backup/archive.ts';
import { SystemClock } from '../../nodes/lib/time/system-clock.ts';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';
import { steady } from '../practice/plug/load-curve.ts';
import { PracticePlug } from '../practice/plug/practice-plug.ts';

const OWNER = { username: 'plug.owner@example.org', password: 'Correct-Horse 9' };
const PASSPHRASE = 'four words nobody guesses';
const ENERGY_TABLES = [
  'energy_samples',
  'energy_five_minutes',
  'energy_hourly',
  'energy_daily',
  'energy_meters',
  'tapo_devices',
];
const BOOT = {
  BALUPI_NAS_PROBE_INTERVAL_SECONDS: '1',
  BALUPI_WAKE_ON_MISS: 'false',
  BALUPI_ENERGY_SAMPLE_INTERVAL_SECONDS: '1',
  BALUPI_ENERGY_COMMIT_SECONDS: '1',
};

interface Said {
  readonly code: number;
  readonly out: Buffer;
  readonly err: string;
}

interface Waiting {
  readonly id: string;
  readonly path: string;
  readonly state: string;
}

describe('A backup of a running BaluPi', function () {
  this.timeout(120_000);
  let pi: BootedBaluPi;
  let plug: PracticePlug;
  /** Its data folder, also after it moved. */
  let home: string;
  let place: string;
  /** The folder on the NAS of one test, as all have one BaluPi. */
  let target: string;
  const places: string[] = [];
  let folder: string;
  let passphraseFile: string;
  const tokens: Record<string, string> = {};

  async function begin(): Promise<void> {
    const clock = new SystemClock((problem) => {
      throw problem;
    });
    plug = new PracticePlug({ clock, load: steady(1_000), ...OWNER, nickname: 'NAS' });
    await plug.start();
    pi = await BootedBaluPi.start({
      environment: { ...BOOT, BALUPI_TAPO_DISCOVERY_ADDRESS: `127.0.0.1:${plug.udpPort}` },
      prepare: ({ data }) => {
        mkdirSync(data, { recursive: true });
        const kept = { TAPO_USERNAME: OWNER.username, TAPO_PASSWORD: OWNER.password };
        writeFileSync(join(data, 'settings.json'), JSON.stringify({ ...kept, LOG_LEVEL: 'info' }));
        mkdirSync(join(data, 'flows'));
        writeFileSync(join(data, 'flows', 'own-tab.json'), OWN_TAB);
      },
    });
    home = pi.dataFolder;
  }

  async function signInAtNas(): Promise<void> {
    for (const user of ['admin', 'alice', 'bob']) tokens[user] = await pi.signIn(user);
  }

  async function end(): Promise<void> {
    await pi.stop();
    await plug.stop();
  }

  beforeEach(() => {
    place = mkdtempSync(join(tmpdir(), 'balupi-backup-'));
    target = `alice/backup-${String(places.push(place))}`;
    folder = join(place, 'usb');
    mkdirSync(folder);
    passphraseFile = join(place, 'passphrase');
    writeFileSync(passphraseFile, `${PASSPHRASE}\n`);
  });

  // A BaluPi that moved into one still runs there in the next test.
  after(() => {
    for (const each of places) rmSync(each, { recursive: true });
  });

  async function balupi(
    args: readonly string[],
    { data = home, sealed = true, more = {} } = {},
  ): Promise<Said> {
    const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('BALUPI_'));
    const env = {
      ...Object.fromEntries(kept),
      BALUPI_DATA_DIR: data,
      ...(sealed ? { BALUPI_BACKUP_PASSPHRASE_FILE: passphraseFile } : {}),
      ...more,
    };
    const program = ['--disable-warning=ExperimentalWarning', join('dist', 'deploy', 'cli.js')];
    const child = spawn(process.execPath, [...program, ...args], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const out: Buffer[] = [];
    let err = '';
    child.stdout.on('data', (piece: Buffer) => out.push(piece));
    child.stderr.on('data', (piece: Buffer) => (err += piece.toString()));
    const [code] = (await once(child, 'close')) as [number];
    return { code, out: Buffer.concat(out), err };
  }

  async function backUp(sealed = true): Promise<string> {
    const { code, err } = await balupi(['backup', folder], { sealed });
    assert.equal(code, 0, err);
    const file = /: (\/.*\.backup)$/m.exec(err)?.[1] ?? '';
    assert.match(err, /^ok, \d+ files/m);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.endsWith('.part')),
      [],
    );
    return file;
  }

  async function restore(file: string, data: string, more: readonly string[] = []): Promise<Said> {
    return await balupi(['restore', file, ...more], { data });
  }

  /** The same program on another data folder, whose own key counts. */
  async function moveInto(data: string): Promise<void> {
    await pi.restart({ BALUPI_DATA_DIR: data, BALUPI_SECRET_KEY: '' });
    home = data;
  }

  async function ask(path: string, init: RequestInit = {}, user = 'alice'): Promise<Response> {
    const headers = { Authorization: `Bearer ${tokens[user] ?? ''}`, ...init.headers };
    return await fetch(`${pi.url}/api${path}`, { ...init, headers });
  }

  async function upload(name: string, content: string): Promise<void> {
    const body = new FormData();
    body.set('path', target);
    body.set('file', new Blob([content]), name);
    assert.equal((await ask('/files/upload', { method: 'POST', body })).status, 200);
  }

  async function waiting(): Promise<readonly Waiting[]> {
    const { uploads } = (await (await ask('/files/uploads')).json()) as { uploads: Waiting[] };
    return uploads.filter(({ state }) => state !== 'synced' && state !== 'conflict');
  }

  async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
    const limitMs = performance.now() + 30_000;
    while (performance.now() < limitMs) {
      if (await isSo()) return;
      await new Promise((next) => setTimeout(next, 50));
    }
    assert.fail(`It never came to ${what}. ${pi.output}`);
  }

  const online = async (): Promise<boolean> =>
    ((await (await ask('/files/sync/status')).json()) as { nas_online: boolean }).nas_online;

  async function asleep(): Promise<void> {
    await pi.nas.sleep('suspend');
    await until('sleep', async () => !(await online()));
  }

  async function awake(): Promise<void> {
    await pi.nas.wake();
    await until('waking', online);
  }

  async function delivered(): Promise<void> {
    await until('delivery', async () => (await waiting()).length === 0);
  }

  function onNas(): Record<string, string> {
    const root = join(pi.folder, 'nas', target);
    if (!existsSync(root)) return {};
    const files = readdirSync(root, { withFileTypes: true }).filter((entry) => entry.isFile());
    return Object.fromEntries(
      files.map(({ name }) => [name, readFileSync(join(root, name), 'utf8')]),
    );
  }

  async function signIn(user: string): Promise<number> {
    const answered = await fetch(`${pi.url}/api/auth/login`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ username: user, password: `Practice-${user}-1` }),
    });
    const { access_token: token } = (await answered.json()) as { access_token?: string };
    if (token !== undefined) tokens[user] = token;
    return answered.status;
  }

  function energyIn(data: string): Record<string, unknown> {
    const database = new DatabaseSync(join(data, 'energy.db'), { readOnly: true });
    const rows = ENERGY_TABLES.map((table) => [
      table,
      database
        .prepare(`SELECT * FROM ${table}`)
        .all()
        .map((row) => JSON.stringify(row))
        .sort(),
    ]);
    database.close();
    return Object.fromEntries(rows) as Record<string, unknown>;
  }

  async function metered(): Promise<void> {
    const body = JSON.stringify({ ip_address: plug.address });
    const headers = { 'Content-Type': 'application/json' };
    const added = await ask('/tapo/devices', { method: 'POST', body, headers }, 'admin');
    assert.equal(added.status, 201);
    await until('samples', () =>
      Promise.resolve((energyIn(home)['energy_samples'] as string[]).length > 1),
    );
  }

  describe('and what comes of it', () => {
    before(begin);
    after(end);

    // What a Pi gave out is worth nothing to one with another key.
    beforeEach(signInAtNas);

    it('put into an empty folder is BaluPi as it was', async () => {
      await metered();
      await asleep();
      for (const name of ['a', 'b', 'c']) await upload(`${name}.txt`, `the text of ${name}`);
      const wish = { filename: 'long.bin', total_size: 20, target_path: target };
      const headers = { 'Content-Type': 'application/json' };
      const begun = await ask('/files/upload/chunked/init', {
        method: 'POST',
        headers,
        body: JSON.stringify(wish),
      });
      const { upload_id: id } = (await begun.json()) as { upload_id: string };
      const chunk = async (index: number, body: string): Promise<number> =>
        (
          await ask(`/files/upload/chunked/${id}/chunk?chunk_index=${String(index)}`, {
            method: 'POST',
            body,
            headers: { 'Content-Type': 'application/octet-stream' },
          })
        ).status;
      assert.equal(await chunk(0, '0123456789'), 200);
      const key = readFileSync(join(home, 'node-red', 'credential.key'), 'utf8');
      writeFileSync(join(home, 'node-red', 'flows_cred.json'), '{"$":"sealed"}');

      const file = await backUp();
      const bytes = readFileSync(file);
      for (const secret of ['the text of a', OWNER.password, 'alice', 'SQLite format']) {
        assert.ok(!bytes.includes(secret), secret);
      }

      const data = join(place, 'new-pi');
      const said = await restore(file, data);
      assert.equal(said.code, 0, said.err);
      assert.match(said.out.toString(), /accounts and the list of uploads: as in the backup/);
      const before = energyIn(data);
      assert.ok((before['energy_samples'] as string[]).length > 1);
      const live = energyIn(home);
      for (const table of ENERGY_TABLES) {
        if (table === 'energy_meters' || table === 'tapo_devices') continue;
        const now = new Set(live[table] as string[]);
        // A sample of this minute may have grown meanwhile, so the last row is left out.
        const lost = (before[table] as string[]).filter((row) => !now.has(row));
        assert.ok(lost.length <= 1, `${table}: ${lost.join()}`);
      }
      assert.equal(readFileSync(join(data, 'flows', 'own-tab.json'), 'utf8'), OWN_TAB);
      assert.equal(readFileSync(join(data, 'node-red', 'credential.key'), 'utf8'), key);
      assert.ok(existsSync(join(data, 'node-red', 'flows_cred.json')));
      assert.match(readFileSync(join(data, 'settings.json'), 'utf8'), /Correct-Horse 9/);
      assert.ok(existsSync(join(data, 'queue', 'restored')));
      for (const name of ['queue.db', 'secret.key', 'settings.json']) {
        assert.equal(statSync(join(data, name)).mode & 0o777, 0o600, name);
      }

      await moveInto(data);
      assert.equal(await online(), false);
      assert.equal(await signIn('alice'), 200, 'sign-in asleep');
      assert.equal((await waiting()).length, 3);
      assert.equal(await chunk(1, 'abcdefghij'), 200);
      const path = `/files/upload/chunked/${id}/complete`;
      assert.equal((await ask(path, { method: 'POST' })).status, 200);
      assert.deepEqual(onNas(), {});
      await awake();
      await delivered();
      assert.deepEqual(onNas(), {
        'a.txt': 'the text of a',
        'b.txt': 'the text of b',
        'c.txt': 'the text of c',
        'long.bin': '0123456789abcdefghij',
      });
    });

    it('holds every upload that was acknowledged before it began, and each arrives once', async () => {
      await asleep();
      const sent: Record<string, string> = {};
      let count = 0;
      const send = async (): Promise<void> => {
        count += 1;
        const name = `${String(count)}.txt`;
        const content = `number ${String(count)} `.repeat(5_000);
        await upload(name, content);
        sent[name] = content;
      };
      for (let each = 0; each < 5; each += 1) await send();
      const state = { isDone: false };
      const stream = (async () => {
        while (!state.isDone && count < 300) await send();
      })();
      const acknowledged = Object.keys(sent);
      const file = await backUp();
      state.isDone = true;
      await stream;
      // Some were accepted while it ran.
      assert.ok(Object.keys(sent).length > acknowledged.length);
      const data = join(place, 'new-pi');
      assert.equal((await restore(file, data)).code, 0);
      await moveInto(data);
      assert.equal(await signIn('alice'), 200);
      const known = (await waiting()).map(({ path }) => path);
      for (const name of acknowledged) {
        assert.ok(known.includes(`${target}/${name}`), name);
      }
      await awake();
      await delivered();
      const arrived = onNas();
      for (const name of acknowledged) assert.equal(arrived[name], sent[name], name);
      for (const [name, content] of Object.entries(arrived))
        assert.equal(content, sent[name], name);
    });

    it('is taken while deliveries run, and what was delivered since does not go again', async () => {
      await asleep();
      for (let each = 0; each < 12; each += 1) await upload(`${String(each)}.txt`, `n ${each}`);
      await awake();
      const file = await backUp();
      await delivered();
      const data = join(place, 'new-pi');
      assert.equal((await restore(file, data)).code, 0);
      await moveInto(data);
      assert.equal(await signIn('alice'), 200);
      const health = (await (await fetch(`${pi.url}/api/health`)).json()) as {
        checks: Record<string, string>;
      };
      assert.notEqual(health.checks['uploads'], 'lost');
      await awake();
      await delivered();
      assert.deepEqual(Object.keys(onNas()).length, 12);
    });

    it('onto newer data removes nothing, and brings nothing back that is over', async () => {
      await asleep();
      await upload('a.txt', 'old');
      await upload('dropped.txt', 'not wanted');
      const file = await backUp();
      const dropped = (await waiting()).find(({ path }) => path.endsWith('/dropped.txt'));
      const gone = await ask(`/files/uploads/${dropped?.id ?? ''}`, { method: 'DELETE' });
      assert.equal(gone.status, 200);
      await awake();
      await delivered();
      await asleep();
      await upload('b.txt', 'newer');
      pi.signal('SIGTERM');
      await pi.exit();
      const said = await restore(file, home);
      assert.equal(said.code, 0, said.err);
      assert.match(said.out.toString(), /stays as it is here/);
      await moveInto(home);
      await until('sign-in asleep', async () => (await signIn('alice')) === 200);
      assert.deepEqual(
        (await waiting()).map(({ path }) => path),
        [`${target}/b.txt`],
      );
      assert.ok(!existsSync(join(home, 'queue', dropped?.id ?? '')));
      await awake();
      await delivered();
      assert.deepEqual(onNas(), { 'a.txt': 'old', 'b.txt': 'newer' });
    });

    it('onto a BaluPi that never knew its uploads lets them wait for their owner', async () => {
      await asleep();
      await upload('a.txt', 'of the old Pi');
      const file = await backUp();
      const data = join(place, 'other');
      // Asleep, as the old Pi would deliver it in the moment before it goes.
      await pi.restart({ BALUPI_DATA_DIR: data });
      home = data;
      await awake();
      assert.equal(await signIn('alice'), 200);
      pi.signal('SIGTERM');
      await pi.exit();
      assert.equal((await restore(file, data)).code, 0);
      await pi.restart({ BALUPI_DATA_DIR: data });
      assert.equal(await signIn('alice'), 200);
      await awake();
      const [found] = await waiting();
      assert.equal(found?.path, `${target}/a.txt`);
      await upload('later.txt', 'goes by itself');
      await until('the later one', () => Promise.resolve(onNas()['later.txt'] !== undefined));
      assert.deepEqual(onNas(), { 'later.txt': 'goes by itself' });
      const tried = await ask(`/files/uploads/${found.id}/retry`, { method: 'POST' });
      assert.equal(tried.status, 200);
      await delivered();
      assert.deepEqual(onNas(), { 'a.txt': 'of the old Pi', 'later.txt': 'goes by itself' });
    });

    it('takes the databases of the backup where that is wished, and keeps those that were here', async () => {
      await asleep();
      await upload('a.txt', 'kept');
      const file = await backUp();
      await upload('b.txt', 'newer than the backup');
      pi.signal('SIGTERM');
      await pi.exit();
      const said = await restore(file, home, ['--replace']);
      assert.equal(said.code, 0, said.err);
      assert.ok(readdirSync(home).some((name) => name.startsWith('queue.db.before-')));
      await moveInto(home);
      assert.equal(await signIn('alice'), 200);
      await awake();
      await until('the first', async () => (await waiting()).length === 1);
      const left = await waiting();
      assert.deepEqual(
        left.map(({ path }) => path),
        [`${target}/b.txt`],
      );
      assert.deepEqual(onNas(), { 'a.txt': 'kept' });
    });
  });

  describe('that goes on meanwhile', () => {
    before(begin);
    before(signInAtNas);
    after(end);

    it('is not put back under another key that the stopped service gets as a credential', async () => {
      const file = await backUp();
      const tools = join(place, 'tools');
      const key = join(tools, 'key');
      mkdirSync(tools);
      writeFileSync(key, `${'d'.repeat(64)}\n`);
      const systemctl = `#!/bin/sh\n[ "$1" = show ] || exit 3\necho 'LoadCredential=other:/x secret_key:${key}'\n`;
      writeFileSync(join(tools, 'systemctl'), systemctl, { mode: 0o755 });
      const more = { PATH: `${tools}:${process.env['PATH'] ?? ''}` };
      const said = await balupi(['restore', file], { data: join(place, 'new-pi'), more });
      assert.notEqual(said.code, 0);
      assert.match(said.err, /credential of the service/);
      assert.ok(!said.err.includes('dddd'));
    });

    it('without a passphrase holds nothing that is secret, and says so', async () => {
      await asleep();
      await upload('a.txt', 'the text of a');
      const { code, out, err } = await balupi(['backup', '-'], { sealed: false });
      assert.equal(code, 0, err);
      assert.match(err, /holds no keys, no credentials, no sign-ins and no waiting uploads/);
      const key = readFileSync(join(home, 'node-red', 'credential.key'), 'utf8');
      for (const secret of ['the text of a', OWNER.password, OWNER.username, key, 'queue.db']) {
        assert.ok(!out.includes(secret), secret);
      }
      for (const part of ['energy.db', 'own-tab.json', 'LOG_LEVEL']) assert.ok(out.includes(part));
      const file = join(folder, 'open.backup');
      writeFileSync(file, out);
      const data = join(place, 'new-pi');
      const said = await restore(file, data);
      assert.equal(said.code, 0, said.err);
      assert.match(said.out.toString(), /list of uploads: is not in this backup/);
      assert.deepEqual(readdirSync(data).sort(), [
        'energy.db',
        'flows',
        'lock.db',
        'settings.json',
      ]);
    });

    it('is refused where it was changed, cut or sealed by another, and nothing is touched', async () => {
      await asleep();
      await upload('a.txt', 'the text of a');
      const file = await backUp();
      const data = join(place, 'new-pi');
      const refused = async (given: string, words: RegExp): Promise<void> => {
        const { code, err } = await restore(given, data);
        assert.notEqual(code, 0);
        assert.match(err, words);
        assert.deepEqual(
          readdirSync(data).filter((name) => name !== 'lock.db'),
          [],
        );
      };
      const spoilt = join(folder, 'spoilt');
      for (const at of [40, 100_000, statSync(file).size - 10]) {
        const bytes = readFileSync(file);
        bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
        writeFileSync(spoilt, bytes);
        await refused(spoilt, /damaged/);
      }
      for (const left of [30, 65_573, 131_126, statSync(file).size - 1]) {
        copyFileSync(file, spoilt);
        truncateSync(spoilt, left);
        await refused(spoilt, /ends too early/);
      }
      writeFileSync(spoilt, 'something else');
      await refused(spoilt, /no backup of BaluPi/);
      writeFileSync(passphraseFile, 'another one');
      await refused(file, /passphrase is another one/);
      const none = await balupi(['restore', file], { data, sealed: false });
      assert.equal(none.code, 1);
      assert.match(none.err, /is sealed/);
    });

    it('refuses to put one back while a BaluPi runs, and to make one while none does', async () => {
      const file = await backUp();
      const said = await restore(file, home);
      assert.equal(said.code, 1);
      assert.match(said.err, /Another BaluPi uses this data folder/);
      const elsewhere = await balupi(['backup', folder], { data: join(place, 'nobody') });
      assert.equal(elsewhere.code, 3);
      assert.match(elsewhere.err, /does not run/);
      const nowhere = await balupi(['backup', join(folder, 'none')]);
      assert.equal(nowhere.code, 2);
      assert.equal(readdirSync(folder).length, 1);
    });

    it('is asked for through a socket that others cannot open, and that knows one line', async () => {
      const at = join(home, 'control.sock');
      assert.equal(statSync(at).mode & 0o777, 0o600);
      assert.equal(statSync(home).mode & 0o777, 0o700);
      for (const line of [
        'GET /backup HTTP/1.1\r\n\r\n',
        'backup whole \n',
        'backup whole\nbackup whole\n',
        'x'.repeat(100_000),
      ]) {
        const socket = connect(at);
        const got: Buffer[] = [];
        socket.on('data', (piece) => got.push(piece));
        // It may be cut while it still writes.
        socket.on('error', () => undefined);
        socket.end(line);
        await new Promise((closed) => socket.once('close', closed));
        assert.equal(Buffer.concat(got).length, 0, line.slice(0, 20));
      }
      await backUp();
      assert.ok(!existsSync(join(home, 'backup-running')));
    });
  });
});

describe('A backup that breaks off', function () {
  // Each is sealed and opened: scrypt takes a second for each on a busy machine.
  this.timeout(60_000);
  let data: string;

  beforeEach(() => {
    data = mkdtempSync(join(tmpdir(), 'balupi-broken-'));
  });

  afterEach(() => {
    rmSync(data, { recursive: true });
  });

  /** A BaluPi that answers with these bytes and goes away. */
  async function made(answer: Buffer, passphrase: string | null): Promise<unknown> {
    const server = createServer((socket) => {
      socket.once('data', () => socket.end(answer));
    }).listen(join(data, 'control.sock'));
    await once(server, 'listening');
    try {
      return await makeBackup({ dataFolder: data, target: data, passphrase, nowMs: 0 });
    } catch (error) {
      return error;
    } finally {
      server.close();
    }
  }

  async function archive(): Promise<Buffer> {
    const about = { version: '1', madeAt: '2026-01-01T00:00:00.000Z', isWhole: true };
    const one = Buffer.from('one');
    const pieces: Buffer[] = [Buffer.from('ok\n')];
    const entry = { name: 'queue/x', sizeBytes: 3, sha256: null, content: Readable.from([one]) };
    const entries = Readable.from([entry]);
    for await (const piece of archiveOf(about, entries, () => [])) pieces.push(piece);
    return Buffer.concat(pieces);
  }

  for (const passphrase of [PASSPHRASE, null]) {
    it(`leaves nothing${passphrase === null ? '' : ', sealed'}`, async () => {
      const whole = await archive();
      for (const length of [3, 40, whole.length - 40, whole.length - 1]) {
        const error = await made(whole.subarray(0, length), passphrase);
        assert.ok(error instanceof BackupFault, String(error));
        assert.deepEqual(readdirSync(data), []);
      }
      const spoilt = Buffer.from(whole);
      spoilt.write('two', spoilt.indexOf('one'));
      assert.match(String(await made(spoilt, passphrase)), /damaged/);
      assert.deepEqual(readdirSync(data), []);
      const { file } = (await made(whole, passphrase)) as { file: string };
      assert.deepEqual(readdirSync(data), [basename(file)]);
    });
  }

  it('gets a name of its own where another was made in the same second', async () => {
    const whole = await archive();
    const files: string[] = [];
    for (let each = 0; each < 3; each += 1) {
      files.push(basename(((await made(whole, null)) as { file: string }).file));
    }
    assert.deepEqual(files, [
      'balupi-1970-01-01T00-00-00Z.backup',
      'balupi-1970-01-01T00-00-01Z.backup',
      'balupi-1970-01-01T00-00-02Z.backup',
    ]);
    assert.deepEqual(readdirSync(data).sort(), files);
  });

  it('leads to no place outside the folder it is put into', async () => {
    for (const name of ['../x', '/x', 'queue/../../x', 'queue//x', '.']) {
      const about = { version: '1', madeAt: '', isWhole: true };
      const entry = { name, sizeBytes: 0, sha256: null, content: Readable.from([]) };
      const bytes = archiveOf(about, Readable.from([entry]), () => []);
      await assert.rejects(
        readArchive(bytes, () => Promise.resolve()),
        BackupFault,
        name,
      );
    }
  });
});

const OWN_TAB = `${JSON.stringify(
  [{ id: 'f00d000000000001', type: 'tab', label: 'own-tab', disabled: false, info: '', env: [] }],
  null,
  2,
)}\n`;
