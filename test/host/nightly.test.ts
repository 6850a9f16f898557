import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { nightName, outlived } from '../../host/backup/last-backup.ts';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';

const DAY_MS = 86_400_000;
/** A file system of its own on every Linux, as a disk that is mounted. */
const OTHER_DISK = '/dev/shm';
/** What the tests write goes to memory as a rule (test/run.ts), which is that other disk here. */
const OWN_DISK = '/var/tmp';
const hasOtherDisk =
  existsSync(OTHER_DISK) &&
  ![statSync('/').dev, statSync(OWN_DISK).dev].includes(statSync(OTHER_DISK).dev);

describe('Nightly backups', () => {
  it('stay for seven days and four weeks, the newest of each', () => {
    const kept: string[] = [];
    // 2026-03-02 is a Monday.
    const startMs = Date.parse('2026-03-02T02:17:00Z');
    for (let night = 0; night < 60; night += 1) {
      const name = nightName(startMs + night * DAY_MS);
      kept.push(name);
      for (const old of outlived(kept, name)) kept.splice(kept.indexOf(old), 1);
    }
    const days = kept.map((name) =>
      name.slice('balupi-night-'.length, -'T02-17-00Z.backup'.length),
    );
    assert.deepEqual(days, [
      // The Sundays of the weeks before, and seven days.
      '2026-04-12',
      '2026-04-19',
      '2026-04-24',
      '2026-04-25',
      '2026-04-26',
      '2026-04-27',
      '2026-04-28',
      '2026-04-29',
      '2026-04-30',
    ]);
  });

  it('of a clock that was wrong never go before the one just made, and no other file ever goes', () => {
    const now = nightName(Date.parse('1970-01-01T00:10:00Z'));
    const days = Array.from({ length: 40 }, (_, at) => nightName(1.8e12 + at * DAY_MS));
    const others = ['balupi-2026-01-01T00-00-00Z.backup', 'photo.jpg', `${now}.part`];
    const gone = outlived([...days, ...others, now], now);
    assert.ok(!gone.includes(now));
    for (const name of others) assert.ok(!gone.includes(name), name);
  });
});

describe('A nightly backup of a running BaluPi', function () {
  this.timeout(120_000);
  let pi: BootedBaluPi;
  let disk: string;
  let passphraseFile: string;
  const tokens: Record<string, string> = {};

  const { TMPDIR } = process.env;

  before(function () {
    if (!hasOtherDisk) this.skip();
    process.env['TMPDIR'] = OWN_DISK;
  });

  after(() => {
    if (TMPDIR === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = TMPDIR;
  });

  async function boot(more: Readonly<Record<string, string>>): Promise<void> {
    disk = mkdtempSync(join(OTHER_DISK, 'balupi-disk-'));
    pi = await BootedBaluPi.start({
      hurry: 5,
      environment: { BALUPI_NAS_PROBE_INTERVAL_SECONDS: '1', BALUPI_BACKUP_DIR: disk, ...more },
    });
    for (const user of ['admin', 'alice', 'bob']) tokens[user] = await pi.signIn(user);
    passphraseFile = join(pi.folder, 'passphrase');
    writeFileSync(passphraseFile, 'four words nobody guesses\n');
  }

  async function stop(): Promise<void> {
    await pi.stop();
    rmSync(disk, { recursive: true, force: true });
  }

  async function nightly(
    more: Readonly<Record<string, string>> = {},
    ...words: readonly string[]
  ): Promise<{ code: number; out: string; err: string }> {
    const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('BALUPI_'));
    const child = spawn(
      process.execPath,
      [
        '--disable-warning=ExperimentalWarning',
        join('dist', 'deploy', 'cli.js'),
        ...['backup', '--nightly', ...words],
      ],
      {
        env: {
          ...Object.fromEntries(kept),
          BALUPI_DATA_DIR: pi.dataFolder,
          BALUPI_BACKUP_DIR: disk,
          BALUPI_BACKUP_PASSPHRASE_FILE: passphraseFile,
          ...more,
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    let [out, err] = ['', ''];
    child.stdout.on('data', (piece: Buffer) => (out += piece.toString()));
    child.stderr.on('data', (piece: Buffer) => (err += piece.toString()));
    const [code] = (await once(child, 'close')) as [number];
    return { code, out, err };
  }

  async function backupWord(): Promise<string> {
    const answered = await fetch(`${pi.url}/api/health`);
    return ((await answered.json()) as { checks: Record<string, string> }).checks['backup'] ?? '';
  }

  async function doctorOn(
    subject: string,
  ): Promise<{ subject: string; found: string } | undefined> {
    const headers = { Authorization: `Bearer ${tokens['admin'] ?? ''}` };
    const answered = await fetch(`${pi.url}/api/system/doctor`, { headers });
    const { findings } = (await answered.json()) as {
      findings: readonly { subject: string; found: string }[];
    };
    return findings.find((finding) => finding.subject === subject);
  }

  async function upload(user: string, content: string): Promise<void> {
    const body = new FormData();
    body.set('path', `${user}/night`);
    body.set('file', new Blob([content]), 'one.txt');
    const headers = { Authorization: `Bearer ${tokens[user] ?? ''}` };
    const sent = await fetch(`${pi.url}/api/files/upload`, { method: 'POST', body, headers });
    assert.equal(sent.status, 200);
  }

  async function asleep(): Promise<void> {
    await pi.nas.sleep('suspend');
    await pi.until('sleep', async () => {
      const headers = { Authorization: `Bearer ${tokens['alice'] ?? ''}` };
      const status = await fetch(`${pi.url}/api/nas/status`, { headers });
      return !((await status.json()) as { online: boolean }).online;
    });
  }

  describe('to a disk', () => {
    before(async () => {
      await boot({});
    });

    after(stop);

    /** As if none had been made before. */
    beforeEach(() => {
      rmSync(join(pi.dataFolder, 'last-backup.json'), { force: true });
      for (const name of readdirSync(disk)) rmSync(join(disk, name));
    });

    it('lies on the disk for its owner alone, is told in health, and takes the place of old ones', async () => {
      assert.equal(await backupWord(), 'not_yet');
      const mine = join(disk, 'balupi-2020-01-01T00-00-00Z.backup');
      for (const file of [mine, join(disk, 'balupi-night-2026-01-01T00-00-00Z.backup.part')]) {
        writeFileSync(file, 'x');
      }
      for (let day = 1; day <= 12; day += 1) {
        writeFileSync(join(disk, nightName(Date.parse('2026-01-01') + day * DAY_MS)), 'old');
      }
      const said = await nightly();
      assert.equal(said.code, 0, said.err);
      const names = readdirSync(disk).sort();
      const nights = names.filter((name) => name.startsWith('balupi-night-'));
      const newest = nights.at(-1) ?? '';
      assert.equal(statSync(join(disk, newest)).mode & 0o777, 0o600);
      assert.match(readFileSync(join(disk, newest), 'latin1'), /^BALUPI-SEALED-1\n/);
      // This day and the six before it that have one; and the Sunday of the fourth week back.
      assert.equal(nights.length, 8);
      assert.ok(existsSync(mine), 'one made by hand stays');
      assert.ok(!names.some((name) => name.endsWith('.part')));
      assert.equal(await backupWord(), 'ok');
      const kept = join(pi.dataFolder, 'last-backup.json');
      assert.equal(statSync(kept).mode & 0o777, 0o600);
    });

    it('never fills the folder of a disk that is not mounted, and says so', async () => {
      assert.equal((await nightly()).code, 0);
      for (const name of readdirSync(disk)) rmSync(join(disk, name));
      const empty = await nightly();
      assert.equal(empty.code, 2);
      assert.match(empty.err, /None of the backups made before is in/);
      assert.deepEqual(readdirSync(disk), []);
      assert.equal(await backupWord(), 'not_mounted');
      assert.match((await doctorOn('Backup'))?.found ?? '', /^its disk is missing; \d{4}-.* MB$/);
      const { status } = (await (await fetch(`${pi.url}/api/health`)).json()) as { status: string };
      assert.equal(status, 'degraded');
      const system = join(pi.folder, 'usb');
      mkdirSync(system);
      const onSystem = await nightly({ BALUPI_BACKUP_DIR: system });
      assert.equal(onSystem.code, 2);
      assert.match(onSystem.err, /its own disk is not mounted/);
      assert.deepEqual(readdirSync(system), []);
      const fresh = await nightly({}, '--new-disk');
      assert.equal(fresh.code, 0, fresh.err);
      assert.equal(await backupWord(), 'ok');
    });

    it('that fails leaves the last one and says so until one works', async () => {
      assert.equal((await nightly()).code, 0);
      const [before] = readdirSync(disk);
      const gone = join(pi.folder, 'none');
      const failed = await nightly({ BALUPI_BACKUP_PASSPHRASE_FILE: gone });
      assert.equal(failed.code, 2);
      assert.deepEqual(readdirSync(disk), [before]);
      assert.equal(await backupWord(), 'failed');
      assert.equal((await nightly()).code, 0);
      assert.equal(await backupWord(), 'ok');
    });
  });

  describe('as its settings wish', () => {
    afterEach(stop);

    it('asks for nothing where nobody wished for one', async () => {
      await boot({ BALUPI_BACKUP_DIR: '' });
      assert.equal(await backupWord(), 'off');
      const said = await nightly({ BALUPI_BACKUP_DIR: '' });
      assert.equal(said.code, 0, said.err);
      assert.match(said.out, /nothing was done/);
    });

    it('goes to the home of BACKUP_USER once the NAS is awake, without the files of others', async () => {
      await boot({ BALUPI_BACKUP_DIR: '', BALUPI_BACKUP_USER: 'alice' });
      await asleep();
      await upload('alice', 'the text of alice');
      await upload('bob', `the text of bob ${'b'.repeat(400_000)}`);
      const wish = { BALUPI_BACKUP_DIR: '', BALUPI_BACKUP_USER: 'alice' };
      const open = await nightly({ ...wish, BALUPI_BACKUP_PASSPHRASE_FILE: '' });
      assert.equal(open.code, 0, open.err);
      // A second one in the same second would have the same name.
      const said = await nightly(wish);
      assert.equal(said.code, 0, said.err);
      const staging = join(pi.dataFolder, 'backup-for-nas');
      const [name = ''] = readdirSync(staging);
      assert.equal(readdirSync(staging).length, 1);
      const bytes = readFileSync(join(staging, name));
      assert.match(bytes.toString('latin1', 0, 16), /^BALUPI-SEALED-1/);
      const restored = join(pi.folder, 'restored');
      assert.deepEqual(await bodiesIn(join(staging, name), restored), ['the text of alice']);
      assert.equal(await backupWord(), 'not_yet');
      assert.deepEqual(await doctorOn('Backup on the NAS'), {
        level: 'ok',
        subject: 'Backup on the NAS',
        found: 'one waits until the NAS is awake',
        advice: '',
      });

      const home = join(pi.folder, 'nas', 'alice', 'BaluPi backups');
      await pi.nas.wake();
      await pi.until('the NAS', () => existsSync(join(home, name)));
      await pi.until('a word', async () => (await backupWord()) === 'ok');
      assert.deepEqual(readFileSync(join(home, name)), bytes);
      assert.deepEqual(readdirSync(staging), []);
      assert.ok(!existsSync(join(pi.folder, 'nas', 'bob', 'BaluPi backups')));
    });
  });

  /** What lies in the queue of a BaluPi that was made from that backup. */
  async function bodiesIn(file: string, data: string): Promise<readonly string[]> {
    const child = spawn(
      process.execPath,
      [
        '--disable-warning=ExperimentalWarning',
        join('dist', 'deploy', 'cli.js'),
        ...['restore', file],
      ],
      {
        env: {
          PATH: process.env['PATH'],
          BALUPI_DATA_DIR: data,
          BALUPI_BACKUP_PASSPHRASE_FILE: passphraseFile,
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    let told = '';
    child.stdout.on('data', (piece: Buffer) => (told += piece.toString()));
    child.stderr.on('data', (piece: Buffer) => (told += piece.toString()));
    const [code] = (await once(child, 'close')) as [number];
    assert.equal(code, 0, told);
    assert.match(told, /only those of alice/);
    return readdirSync(join(data, 'queue'), { withFileTypes: true })
      .filter((entry) => entry.isFile() && /^[0-9A-Z]{26}$/i.test(entry.name))
      .map((entry) => readFileSync(join(data, 'queue', entry.name), 'utf8'));
  }
});
