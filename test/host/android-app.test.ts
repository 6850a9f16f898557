import assert from 'node:assert/strict';
import { BootedBaluPi, isPiToken } from '../fakes/boot-balupi.ts';
import { AndroidApp, sha256 } from '../practice/clients/android-app.ts';

const PHOTOS = 200;
const FOLDER = 'alice/Phone';

/**
 * A day and a night of BaluHost's Android app, with its own sequence of calls, against a running
 * BaluPi and the practice NAS.
 */
describe('BaluHost’s Android app through the Pi', function () {
  this.timeout(240_000);
  let pi: BootedBaluPi;
  let app: AndroidApp;
  /** The token of Maria, who signed in while the NAS was awake. */
  let watcher: string;
  const photos = new Map<string, Buffer>();

  before(async () => {
    for (let index = 0; index < PHOTOS; index += 1) {
      photos.set(`IMG ${String(index)}.jpg`, Buffer.alloc(20_000, `photo ${String(index)} `));
    }
    pi = await BootedBaluPi.start({
      hurry: 5,
      environment: {
        BALUPI_NAS_PROBE_INTERVAL_SECONDS: '1',
        BALUPI_WAKE_ON_MISS: 'false',
        BALUPI_CHANGES_ASLEEP: 'on',
      },
    });
    app = new AndroidApp(pi.url);
    watcher = await pi.signIn('maria');
  });

  after(async () => {
    await pi.stop();
  });

  async function online(wanted: boolean): Promise<void> {
    await pi.until('the NAS to be seen so', async () => {
      const told = await fetch(`${pi.url}/api/nas/status`, {
        headers: { Authorization: `Bearer ${watcher}` },
      });
      const { online: isOnline } = (await told.json()) as { readonly online: unknown };
      return isOnline === wanted || (isOnline === undefined && !wanted);
    });
  }

  async function onNas(): Promise<ReadonlySet<string>> {
    return new Set((await pi.nas.tree()).map(({ path }) => path));
  }

  async function arrived(...paths: readonly string[]): Promise<void> {
    await pi.until(`${String(paths.length)} files on the NAS`, async () => {
      const there = await onNas();
      return paths.every((path) => there.has(path));
    });
  }

  it('pairs with the QR code of the NAS', async () => {
    const generated = await fetch(
      `${pi.url}/api/mobile/token/generate?device_name=Phone&token_validity_days=90`,
      {
        method: 'POST',
        headers: { Authorization: `Bearer ${pi.nas.accounts.accessToken('alice')}` },
      },
    );
    const { token } = (await generated.json()) as { readonly token: string };
    await app.pair(token);
    assert.deepEqual([app.state, app.username], ['paired', 'alice']);
    assert.equal(await app.isOnline(), true);
    assert.equal(await app.registerForPush(), 200);
  });

  it('begins its photo sync, for which the list of its folders has to be a list', async () => {
    assert.deepEqual(await app.syncFolders(), []);
    await app.makeFolder('alice', 'Phone');
    await app.addSyncFolder('/storage/DCIM', FOLDER);
    const [folder] = await app.syncFolders();
    assert.equal(folder?.remotePath, FOLDER);
  });

  it('brings 200 photos, each once, and nothing of what is there already', async () => {
    const first = await app.syncPhotos(photos);
    assert.deepEqual(first, { isSkipped: false, uploaded: PHOTOS, isBrokenOff: false });
    // Queued photos are listed as well, otherwise the app would send them a second time.
    const second = await app.syncPhotos(photos);
    assert.deepEqual(second, { isSkipped: false, uploaded: 0, isBrokenOff: false });
    await arrived(...[...photos.keys()].map((name) => `${FOLDER}/${name}`));
    const stored = pi.nas.contents.filter(({ path }) => path.startsWith(`${FOLDER}/`));
    assert.equal(stored.length, PHOTOS);
  });

  it('browses, opens, makes, renames, moves and deletes', async () => {
    assert.equal((await app.list(FOLDER)).length, PHOTOS);
    const opened = await app.open(`${FOLDER}/IMG 1.jpg`);
    assert.equal(sha256(opened), sha256(photos.get('IMG 1.jpg') ?? Buffer.alloc(0)));
    await app.makeFolder(FOLDER, 'Best of');
    await app.rename(`${FOLDER}/IMG 2.jpg`, 'Sunset.jpg');
    await app.move(`${FOLDER}/Sunset.jpg`, `${FOLDER}/Best of/Sunset.jpg`);
    await app.remove(`${FOLDER}/IMG 4.jpg`);
    const there = await onNas();
    assert.ok(there.has(`${FOLDER}/Best of/Sunset.jpg`));
    for (const gone of ['IMG 2.jpg', 'IMG 4.jpg', 'Sunset.jpg']) {
      assert.ok(!there.has(`${FOLDER}/${gone}`), gone);
      assert.ok(!(await app.list(FOLDER)).some(({ name }) => name === gone), gone);
    }
    assert.equal(await app.report(`${FOLDER}/IMG 1.jpg`), 200);
  });

  it('shares, and takes it back', async () => {
    const file = (await app.list(FOLDER)).find(({ name }) => name === 'IMG 3.jpg');
    const maria = (await app.people()).get('maria');
    assert.ok(maria !== undefined && typeof file?.fileId === 'number');
    const seen = async (): Promise<number> => {
      const headers = { Authorization: `Bearer ${watcher}` };
      const path = encodeURIComponent(`${FOLDER}/IMG 3.jpg`);
      const answered = await fetch(`${pi.url}/api/files/download/${path}`, { headers });
      await answered.arrayBuffer();
      return answered.status;
    };
    assert.equal(await seen(), 404);
    const share = await app.share(file.fileId, maria);
    assert.equal(await seen(), 200);
    await app.endShare(share);
    assert.equal(await seen(), 404);
    assert.equal(await app.sharedWithMe(), 0);
  });

  it('has its bell, its devices, its schedules and its dashboard', async () => {
    pi.nas.notify('alice', 'A disk is full.');
    assert.equal(await app.unreadCount(), 1);
    assert.deepEqual(await app.bell(), ['A disk is full.']);
    await app.readAll();
    assert.equal(await app.unreadCount(), 0);
    assert.ok((await app.socketToken()).length > 20);
    assert.ok((await app.devices()).includes(app.deviceId));
    assert.equal(await app.schedules(), 0);
    assert.ok((await app.systemInfo()) > 0);
    assert.deepEqual([...new Set(await app.tiles())], [200]);
  });

  it('refreshes when its 15 minutes are over', async () => {
    const before = app.accessToken;
    pi.nas.accounts.endAccessTokens();
    await pi.until('a refresh', async () => {
      await app.devices();
      return app.accessToken !== before;
    });
    assert.equal(app.state, 'paired');
    watcher = pi.nas.accounts.accessToken('maria');
    await online(true);
    await app.list('alice');
    await app.list(FOLDER);
    await app.list(`${FOLDER}/Best of`);
  });

  it('is let in at night: browses, syncs, deletes and renames, and its bell is still', async () => {
    await pi.nas.sleep('suspend');
    await online(false);
    assert.equal(await app.isOnline(), true);
    const listed = await app.list(FOLDER);
    assert.equal(listed.length, PHOTOS - 1);
    const opened = await app.open(`${FOLDER}/IMG 1.jpg`);
    assert.equal(sha256(opened), sha256(photos.get('IMG 1.jpg') ?? Buffer.alloc(0)));
    for (const name of ['IMG 2.jpg', 'IMG 4.jpg']) photos.delete(name);
    photos.set('night.jpg', Buffer.alloc(20_000, 'night '));
    const told = await app.syncPhotos(photos);
    assert.deepEqual(told, { isSkipped: false, uploaded: 1, isBrokenOff: false });
    await app.remove(`${FOLDER}/IMG 5.jpg`);
    await app.rename(`${FOLDER}/IMG 6.jpg`, 'Moon.jpg');
    await app.makeFolder(FOLDER, 'Night');
    await app.move(`${FOLDER}/IMG 7.jpg`, `${FOLDER}/Night`);
    const moved = await app.open(`${FOLDER}/Night/IMG 7.jpg`);
    assert.equal(sha256(moved), sha256(photos.get('IMG 7.jpg') ?? Buffer.alloc(0)));
    const names = (await app.list(FOLDER)).map(({ name }) => name);
    assert.deepEqual(
      ['night.jpg', 'Moon.jpg', 'Night', 'IMG 5.jpg', 'IMG 6.jpg', 'IMG 7.jpg'].map((name) =>
        names.includes(name),
      ),
      [true, true, true, false, false, false],
    );
    assert.equal(await app.unreadCount(), 0);
    assert.equal(await app.schedules(), 0);
    await assert.rejects(app.socketToken(), /^Error: HTTP 503/);
    assert.equal(pi.nas.sleepState, 'true_suspend');
  });

  it('refreshes at night, and goes on with a token of the Pi', async () => {
    assert.equal(await app.renew(), true);
    assert.ok(isPiToken(app.accessToken));
    assert.equal((await app.syncFolders()).length, 1);
    assert.equal(await app.uploadPhoto(`${FOLDER}/late.jpg`, Buffer.alloc(20_000, 'late ')), 200);
    assert.equal(app.state, 'paired');
  });

  it('finds in the morning what it did at night, and is signed in as before', async () => {
    await pi.nas.wake();
    await online(true);
    const done = ['night.jpg', 'late.jpg', 'Moon.jpg', 'Night/IMG 7.jpg'];
    await arrived(...done.map((name) => `${FOLDER}/${name}`));
    await pi.until('the NAS to have what was done at night', async () => {
      const there = await onNas();
      return ![5, 6, 7].some((index) => there.has(`${FOLDER}/IMG ${String(index)}.jpg`));
    });
    const names = (await app.list(FOLDER)).map(({ name }) => name);
    assert.ok(names.includes('late.jpg') && !names.includes('IMG 5.jpg'));
    // No stored credential serves this route, so the app has to refresh, which it does by itself.
    assert.equal(await app.report(`${FOLDER}/late.jpg`), 200);
    assert.deepEqual([app.state, isPiToken(app.accessToken)], ['paired', false]);
    assert.ok(!pi.nas.requests.some(({ headers }) => isPiToken(headers['authorization'] ?? '')));
  });
});
