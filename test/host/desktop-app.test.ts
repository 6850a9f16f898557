import assert from 'node:assert/strict';
import { BootedBaluPi, isPiToken } from '../fakes/boot-balupi.ts';
import { DesktopApp, type SyncedFolder } from '../practice/clients/desktop-app.ts';

const REMOTE = 'alice/desk';
const MB = 1_000_000;

/**
 * A day and a night of BaluHost's desktop program, with its own sequence of calls, against a
 * running BaluPi and the practice NAS.
 */
describe('BaluHost’s desktop program through the Pi', function () {
  this.timeout(180_000);
  let pi: BootedBaluPi;
  let app: DesktopApp;
  let watcher: string;
  const folder: SyncedFolder = { remotePath: REMOTE, files: new Map(), removed: new Set() };

  before(async () => {
    pi = await BootedBaluPi.start({
      hurry: 5,
      environment: {
        BALUPI_NAS_PROBE_INTERVAL_SECONDS: '1',
        BALUPI_WAKE_ON_MISS: 'false',
        BALUPI_CHANGES_ASLEEP: 'on',
      },
    });
    watcher = await pi.signIn('maria');
    // The stored credential with which a paired desktop continues.
    await fetch(`${pi.url}/api/nas/credentials/alice`, {
      method: 'PUT',
      headers: {
        Authorization: `Bearer ${await pi.signIn('admin')}`,
        'Content-Type': 'application/json',
      },
      body: JSON.stringify({ api_key: pi.nas.accounts.apiKey('alice') }),
    });
    app = new DesktopApp(`${pi.url}/`.replace(/\/$/, ''), 'desk-1');
  });

  after(async () => {
    await pi.stop();
  });

  function save(path: string, bytes: Buffer): void {
    folder.files.set(path, { bytes, isSynced: false });
  }

  async function online(wanted: boolean): Promise<void> {
    await pi.until('the NAS to be seen so', async () => {
      const headers = { Authorization: `Bearer ${watcher}` };
      const told = await fetch(`${pi.url}/api/nas/status`, { headers });
      return ((await told.json()) as { readonly online: unknown }).online === wanted;
    });
  }

  async function onNas(): Promise<ReadonlySet<string>> {
    return new Set((await pi.nas.tree()).map(({ path }) => path));
  }

  async function arrived(...paths: readonly string[]): Promise<void> {
    await pi.until(`${paths.join(', ')} on the NAS`, async () => {
      const there = await onNas();
      return paths.every((path) => there.has(path));
    });
  }

  it('pairs with the six digits that its user types in on the NAS’s page', async () => {
    const digits = await app.beginPairing();
    assert.match(digits, /^\d{6}$/);
    assert.equal(await app.poll(), 'pending');
    const approved = await fetch(`${pi.url}/api/desktop-pairing/approve`, {
      method: 'POST',
      headers: {
        Authorization: `Bearer ${pi.nas.accounts.accessToken('alice')}`,
        'Content-Type': 'application/json',
      },
      body: JSON.stringify({ user_code: digits }),
    });
    assert.equal(approved.status, 200);
    await pi.until('to be let in', async () => (await app.poll()) === 'approved');
    await app.start();
    assert.deepEqual([app.state, app.username], ['paired', 'alice']);
  });

  it('brings its folder, small files together and large ones alone, and loses none of its own', async () => {
    for (let index = 0; index < 60; index += 1) {
      save(`notes/${String(index)}.txt`, Buffer.from(`note ${String(index)}`));
    }
    save('film.bin', Buffer.alloc(2 * MB, 'film '));
    const told = await app.cycle(folder);
    assert.equal(told.uploaded, 61);
    await arrived(`${REMOTE}/film.bin`, `${REMOTE}/notes/0.txt`, `${REMOTE}/notes/59.txt`);
    for (let turn = 0; turn < 3; turn += 1) {
      // The NAS names all of them as deleted, as it compares other paths with other paths.
      const again = await app.cycle(folder);
      assert.deepEqual([again.deletedHere, again.uploaded], [[], 0]);
    }
    assert.equal(folder.files.size, 61);
  });

  it('deletes there what is deleted here', async () => {
    folder.files.delete('notes/7.txt');
    folder.removed.add('notes/7.txt');
    await app.cycle(folder);
    assert.equal(folder.removed.size, 0);
    assert.ok(!(await onNas()).has(`${REMOTE}/notes/7.txt`));
  });

  it('has its explorer, which names files by their numbers', async () => {
    assert.equal(await app.drives(), 1);
    await app.makeFolder(REMOTE, 'Desk');
    await app.uploadInto(`${REMOTE}/Desk`, 'a.txt', Buffer.from('from the explorer'));
    await arrived(`${REMOTE}/Desk/a.txt`);
    const find = async (name: string): Promise<number> => {
      const items = await app.list(`${REMOTE}/Desk`);
      return items.find(({ path }) => path.endsWith(`/${name}`))?.fileId ?? assert.fail(name);
    };
    assert.equal((await app.open(await find('a.txt'))).toString(), 'from the explorer');
    await app.rename(await find('a.txt'), 'b.txt');
    await app.move(await find('b.txt'), `${REMOTE}/b.txt`);
    const there = await onNas();
    assert.ok(there.has(`${REMOTE}/b.txt`) && !there.has(`${REMOTE}/Desk/a.txt`));
    const moved = (await app.list(REMOTE)).find(({ path }) => path === `${REMOTE}/b.txt`);
    await app.remove(moved?.fileId ?? assert.fail('it is not listed'));
    assert.ok(!(await onNas()).has(`${REMOTE}/b.txt`));
  });

  it('has its dashboard', async () => {
    assert.equal(await app.dashboard(), 0);
  });

  it('lives on when its 15 minutes are over, with a large file waiting', async () => {
    pi.nas.accounts.endAccessTokens();
    watcher = pi.nas.accounts.accessToken('maria');
    await pi.until('a refresh', async () => {
      await app.cycle(folder);
      return isPiToken(app.accessToken);
    });
    save('album.bin', Buffer.alloc(2 * MB, 'album '));
    assert.equal((await app.cycle(folder)).uploaded, 1);
    await arrived(`${REMOTE}/album.bin`);
    assert.equal(app.state, 'paired');
  });

  it('starts at night, keeps what it knows, and brings what is new', async () => {
    await online(true);
    for (const path of ['alice', REMOTE, `${REMOTE}/notes`]) await app.list(path);
    await pi.nas.sleep('suspend');
    await online(false);
    await app.start();
    assert.equal(app.state, 'paired');
    save('night.txt', Buffer.from('night'));
    save('night.bin', Buffer.alloc(2 * MB, 'night '));
    folder.files.delete('notes/8.txt');
    folder.removed.add('notes/8.txt');
    const told = await app.cycle(folder);
    assert.deepEqual([told.withoutChanges, told.uploaded, told.deletedHere], [true, 2, []]);
    assert.equal(folder.removed.size, 0);
    const listed = (await app.list(`${REMOTE}/notes`)).map(({ path }) => path);
    assert.ok(!listed.includes(`${REMOTE}/notes/8.txt`));
    assert.equal(pi.nas.sleepState, 'true_suspend');
  });

  it('finds in the morning what it did at night, and has lost nothing', async () => {
    const before = folder.files.size;
    await pi.nas.wake();
    await online(true);
    await arrived(`${REMOTE}/night.txt`, `${REMOTE}/night.bin`);
    await pi.until(
      'the NAS to have deleted what was deleted at night',
      async () => !(await onNas()).has(`${REMOTE}/notes/8.txt`),
    );
    await app.start();
    const told = await app.cycle(folder);
    assert.deepEqual([told.deletedHere, told.uploaded, app.state], [[], 0, 'paired']);
    assert.equal(folder.files.size, before);
    assert.ok(!pi.nas.requests.some(({ headers }) => isPiToken(headers['authorization'] ?? '')));
  });
});
