import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';
import { dashboardCookie, RawPage } from '../fakes/raw-page.ts';

interface Finding {
  readonly level: string;
  readonly subject: string;
  readonly found: string;
  readonly advice: string;
}

const PAGE = 'dashboard-system-opened';
const TABLE = 'dashboard-system-doctor-table';

describe('The doctor of a running BaluPi', function () {
  this.timeout(60_000);
  let pi: BootedBaluPi;

  before(async () => {
    pi = await BootedBaluPi.start({ environment: { BALUPI_NAS_PROBE_INTERVAL_SECONDS: '1' } });
  });

  after(async () => {
    await pi.stop();
  });

  async function ask(user: string): Promise<Response> {
    const headers = { Authorization: `Bearer ${await pi.signIn(user)}` };
    return await fetch(`${pi.url}/api/system/doctor`, { headers });
  }

  async function atTheShell(): Promise<string> {
    const program = ['--disable-warning=ExperimentalWarning', join('dist', 'deploy', 'cli.js')];
    const child = spawn(process.execPath, [...program, 'doctor'], {
      env: {
        PATH: process.env['PATH'],
        BALUPI_DATA_DIR: pi.dataFolder,
        BALUPI_NAS_URL: pi.nas.url,
        BALUPI_NAS_MAC_ADDRESS: pi.nas.macAddress,
        BALUPI_HOST: '127.0.0.1',
        BALUPI_PORT: String(pi.port),
      },
    });
    let out = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    await once(child, 'close');
    return out;
  }

  it('says to an admin what it says at the shell, in the same lines', async () => {
    const answered = await ask('admin');
    assert.equal(answered.status, 200);
    const { findings } = (await answered.json()) as { findings: readonly Finding[] };
    const lines = (await atTheShell()).split('\n').filter((line) => !/^ {7}/.test(line));
    const told = lines.slice(0, -1).map((line) => /^.{5}([^:]+):/.exec(line)?.[1]);
    assert.deepEqual(
      findings.map(({ subject }) => subject),
      told,
    );
    const of = (subject: string): Finding | undefined =>
      findings.find((finding) => finding.subject === subject);
    assert.equal(of('Secrets')?.found, 'read by BaluPi alone');
    assert.match(of('NAS')?.found ?? '', /^BaluHost /);
    assert.match(of('Memory')?.found ?? '', /^[\d.]+ GB$/);
    assert.deepEqual(of('Backup'), {
      level: 'warn',
      subject: 'Backup',
      found: 'none by night',
      advice: 'Name a folder on a disk of its own in the settings: BALUPI_BACKUP_DIR',
    });
    assert.doesNotMatch(JSON.stringify(findings), /\[\[/);
  });

  it('says nothing to anybody else', async () => {
    assert.equal((await ask('alice')).status, 403);
    assert.equal((await fetch(`${pi.url}/api/system/doctor`)).status, 401);
  });

  it('goes to the page of the admin who opened it, in their language, and to no other', async () => {
    const open = async (user: string, language: string): Promise<RawPage> => {
      const cookie = await dashboardCookie(pi.url, user);
      const page = new RawPage(pi.url, cookie, { 'Accept-Language': language });
      assert.ok(await page.open());
      return page;
    };
    const [alice, admin] = [await open('alice', 'en'), await open('admin', 'de')];
    for (const page of [alice, admin]) {
      await page.send('ui-event', PAGE, {
        topic: '$pageview',
        payload: { page: { id: 'page-system' } },
      });
    }
    await admin.listen(() => admin.to(TABLE).length > 0);
    const [message] = admin.to(TABLE);
    const rows = message?.['payload'] as readonly Finding[];
    const secrets = rows.find(({ subject }) => subject.endsWith('Geheimnisse'));
    assert.deepEqual(secrets, {
      subject: '✓ Geheimnisse',
      found: 'nur für BaluPi lesbar',
      advice: '',
    });
    assert.doesNotMatch(JSON.stringify(rows), /\[\[/);
    await alice.listen(() => alice.to(TABLE).length > 0, 500);
    assert.deepEqual(alice.to(TABLE), []);
    // Nor is it cached for the next user who opens the page.
    const later = await open('alice', 'en');
    await later.send('widget-load', TABLE);
    await later.listen(() => later.to(TABLE).length > 0, 500);
    assert.doesNotMatch(JSON.stringify(later.to(TABLE)), /payload/);
  });
});
