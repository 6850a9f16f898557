import assert from 'node:assert/strict';
import { setTimeout as wait } from 'node:timers/promises';
import { BootedBaluPi, isPiToken } from '../fakes/boot-balupi.ts';
import { AndroidApp, sha256 } from '../practice/clients/android-app.ts';

const PHOTOS = 5;

/** The Android app as its own code calls, against a running BaluPi and the practice NAS. */
describe('BaluHost’s Android app through the Pi', function () {
  this.timeout(60_000);
  let pi: BootedBaluPi;
  let app: AndroidApp;
  /** Bob's, who was let in while the NAS was awake. */
  let watcher: string;
  const photo = (index: number): Buffer => Buffer.alloc(20_000, `photo ${String(index)} `);

  before(async () => {
    pi = await BootedBaluPi.start({
      environment: { BALUPI_NAS_PROBE_INTERVAL_SECONDS: '1', BALUPI_WAKE_ON_MISS: 'false' },
    });
    app = new AndroidApp(pi.url);
    watcher = await pi.signIn('bob');
  });

  after(async () => {
    await pi.stop();
  });

  async function until(holds: () => Promise<boolean> | boolean, what: string): Promise<void> {
    for (let turn = 0; turn < 400; turn += 1) {
      if (await holds()) return;
      await wait(50);
    }
    assert.fail(what);
  }

  async function online(wanted: boolean): Promise<void> {
    const headers = { Authorization: `Bearer ${watcher}` };
    await until(async () => {
      const told = await fetch(`${pi.url}/api/nas/status`, { headers });
      return ((await told.json()) as { online: unknown }).online === wanted;
    }, 'the NAS never changed');
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
  });

  it('begins its photo sync, for which the list of its folders has to be a list', async () => {
    assert.deepEqual(await app.syncFolders(), []);
    await pi.nas.putFolder('alice/Phone', 'alice');
    await app.addSyncFolder('/storage/DCIM', 'alice/Phone');
    const [folder] = await app.syncFolders();
    assert.equal(folder?.['remote_path'], 'alice/Phone');
    for (let index = 0; index < PHOTOS; index += 1) {
      const path = `alice/Phone/IMG ${String(index)}.jpg`;
      assert.equal(await app.uploadPhoto(path, photo(index)), 200);
    }
    await until(async () => {
      const tree = await pi.nas.tree();
      return tree.filter(({ path }) => path.startsWith('alice/Phone/IMG')).length === PHOTOS;
    }, 'the photos never arrived');
  });

  it('browses, opens, deletes and renames', async () => {
    const files = await app.list('alice/Phone');
    assert.equal(files.length, PHOTOS);
    assert.equal(sha256(await app.open('alice/Phone/IMG 1.jpg')), sha256(photo(1)));
    await app.remove('alice/Phone/IMG 4.jpg');
    const tree = await pi.nas.tree();
    assert.ok(!tree.some(({ path }) => path === 'alice/Phone/IMG 4.jpg'));
    await app.rename('alice/Phone/IMG 3.jpg', 'three.jpg');
    assert.ok((await app.list('alice/Phone')).some(({ name }) => name === 'three.jpg'));
  });

  it('has its bell, its devices and its dashboard', async () => {
    pi.nas.notify('alice', 'A disk is full.');
    assert.equal(await app.unreadCount(), 1);
    assert.ok((await app.socketToken()).length > 20);
    assert.ok((await app.devices()).includes(app.deviceId));
    assert.ok((await app.systemInfo()) > 0);
  });

  it('is let in at night, and goes on uploading, deleting, moving and renaming', async () => {
    await pi.nas.sleep('suspend');
    await online(false);
    assert.equal(await app.isOnline(), true);
    assert.ok((await app.list('alice/Phone')).length >= PHOTOS - 1);
    assert.equal(sha256(await app.open('alice/Phone/IMG 1.jpg')), sha256(photo(1)));
    assert.equal(await app.uploadPhoto('alice/Phone/night.jpg', photo(9)), 200);
    await app.remove('alice/Phone/IMG 0.jpg');
    await app.makeFolder('alice/Phone', 'best');
    await app.move('alice/Phone/IMG 1.jpg', 'alice/Phone/best');
    await app.rename('alice/Phone/IMG 2.jpg', 'two.jpg');
    const wanted = ['best', 'night.jpg', 'three.jpg', 'two.jpg'];
    const names = async () => (await app.list('alice/Phone')).map(({ name }) => name).sort();
    assert.deepEqual(await names(), wanted);
    assert.equal(sha256(await app.open('alice/Phone/best/IMG 1.jpg')), sha256(photo(1)));
    assert.equal(app.state, 'paired');
    await pi.nas.wake();
    await online(true);
    await until(async () => {
      const paths = (await pi.nas.tree()).map(({ path }) => path);
      const inPhone = paths.filter((path) => path.startsWith('alice/Phone/'));
      const left = ['best/IMG 1.jpg', 'night.jpg', 'three.jpg', 'two.jpg'];
      return inPhone.sort().join() === left.map((name) => `alice/Phone/${name}`).join();
    }, 'what was done in the night never arrived');
    assert.deepEqual(await names(), wanted);
    assert.ok(!pi.nas.requests.some(({ headers }) => isPiToken(headers['authorization'] ?? '')));
  });
});
