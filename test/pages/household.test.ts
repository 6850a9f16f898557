import assert from 'node:assert/strict';
import { until } from '../fakes/until.ts';
import { seriousFaults } from './axe.ts';
import { browserOf, picture } from './browser.ts';
import {
  CUT_OFF,
  type Reader,
  type ReaderOptions,
  says,
  signedIn,
  textOf,
} from './dashboard-reader.ts';
import { DashboardWorld, DELIVERY_MS } from './dashboard-world.ts';

const USERS = ['alice', 'bob', 'admin'];
/** Node-RED Dashboard's own frame. */
const FRAME = ['header', 'nav', '.v-overlay'];

/** What a household reads about itself: events, cached files, the queue, and who has access. */
describe('The pages of a household, in a browser', function () {
  this.timeout(120_000);
  const browser = browserOf(this);
  let balupi: DashboardWorld;
  const tokens = new Map<string, string>();

  before(async () => {
    balupi = await DashboardWorld.start();
    const { nas } = balupi.world;
    for (const name of USERS) {
      tokens.set(name, await balupi.token(name));
      await call(name, '/api/auth/me');
      // Whoever signed in once may read while the NAS sleeps.
      await (await open(name, 'uploads')).page.context().close();
    }
    await nas.sleep('suspend');
    await told('admin', '/api/activity?kind=nas_asleep', ({ entries }) => lengthOf(entries) > 0);
    for (const name of ['Rio 01.jpg', 'Rio 02.jpg']) await upload('alice', 'alice/Photos', name);
    await upload('bob', 'bob', 'tax.pdf');
    for (const name of ['alice', 'admin']) await upload(name, name, `at night of ${name}.txt`);
  });

  after(async () => {
    await balupi.stop();
  });

  async function call(who: string, path: string, init: RequestInit = {}) {
    const answered = await balupi.call(tokens.get(who) ?? '', path, init);
    return (await answered.json()) as Record<string, unknown>;
  }

  async function upload(who: string, folder: string, name: string): Promise<void> {
    const body = new FormData();
    body.set('file', new Blob([`of ${name}`]), name);
    const path = `/api/files/upload?path=${encodeURIComponent(folder)}`;
    await call(who, path, { method: 'POST', body });
  }

  function lengthOf(list: unknown): number {
    return Array.isArray(list) ? list.length : 0;
  }

  async function told(
    who: string,
    path: string,
    holds: (told: Record<string, unknown>) => boolean,
  ): Promise<void> {
    await until(`${path} of ${who}`, async () => holds(await call(who, path)), DELIVERY_MS);
  }

  const open = (who: string, page: string, how: ReaderOptions = {}): Promise<Reader> =>
    signedIn(browser(), balupi, who, how, `/dashboard/${page}`);

  async function wellMade({ page, complaints, foreign }: Reader): Promise<void> {
    assert.deepEqual(await seriousFaults(page, FRAME), []);
    assert.deepEqual(await page.evaluate(CUT_OFF), []);
    assert.deepEqual([complaints, foreign], [[], []]);
  }

  describe('Uploads', () => {
    let alice: Reader;

    before(async () => {
      alice = await open('alice', 'uploads', { locale: 'de-DE', look: 'dark', width: 390 });
    });

    after(async () => {
      await alice.page.context().close();
    });

    it('says of each what it waits for, and lets whoever may wake the NAS for it', async () => {
      const row = alice.page.locator('.bp-row', { hasText: 'at night of alice.txt' });
      await row.getByText('Geht los, sobald das NAS wach ist.').waitFor();
      assert.equal(await row.getByRole('button', { name: 'versuchen' }).count(), 0);
      await alice.page.getByRole('button', { name: 'NAS wecken' }).waitFor();
      await wellMade(alice);
      await picture(alice.page, 'dashboard-uploads-asleep-de');

      const bob = await open('bob', 'uploads');
      await bob.page.waitForSelector('[data-waits]:has-text("These are sent when the NAS wakes.")');
      assert.equal(await bob.page.locator('[data-waits] button').count(), 0);
      await bob.page.context().close();

      const reader = await open('admin', 'uploads');
      const { page } = reader;
      await page.waitForSelector('[data-waits]:has-text("These are sent when the NAS wakes.")');
      await wellMade(reader);
      await picture(page, 'dashboard-uploads-asleep');
      await page.getByRole('button', { name: 'Wake the NAS' }).click();
      await page.waitForSelector('[data-waits]:has-text("is being woken")');
      await page.waitForSelector('[data-waits]', { state: 'detached' });
      await page.waitForSelector('text=at night of admin.txt', { state: 'detached' });
      await page.context().close();
    });

    it('tells of a failed try when the next is, and tries now when it is told to', async () => {
      const { nas } = balupi.world;
      await nas.wake();
      await told('admin', '/api/nas/status', ({ online }) => online === true);
      nas.faults.set({ path: /chunked/, status: 500 });
      await upload('alice', 'alice', 'stuck.txt');
      const { page } = alice;
      await page.reload();
      const row = page.locator('.bp-row', { hasText: 'stuck.txt' });
      await row.getByText(/Versuche bisher: \d+ · wieder um \d/).waitFor();
      nas.faults.clear();
      await row.getByRole('button', { name: 'Jetzt versuchen' }).click();
      await row.waitFor({ state: 'detached' });
    });
  });

  describe('Activity', () => {
    before(async () => {
      await told(
        'admin',
        '/api/files/sync/status?all=true',
        ({ pending_uploads: waiting }) => waiting === 0,
      );
    });

    it('tells an admin who woke the NAS, how long it was awake, and what came to whom', async () => {
      const reader = await open('admin', 'activity');
      const { page } = reader;
      await page.waitForSelector('[data-activity=nas_awake]:has-text("woken by admin")');
      await page.waitForSelector('[data-activity=nas_asleep]:has-text("it stopped answering")');
      await page.waitForSelector('[data-activity=upload_delivered]:has-text("Photos · 2 files")');
      await page.waitForSelector('[data-activity=upload_delivered]:has-text("bob/tax.pdf")');
      await says(page, '[data-activity=nas_awake]', /is awake, for \d+.*\sWh/s);
      await wellMade(reader);
      await picture(page, 'dashboard-activity');
      await page.context().close();
    });

    it('shows others what is everybody’s and their own, and no name that is not theirs', async () => {
      const reader = await open('bob', 'activity', { locale: 'de-DE', look: 'dark', width: 390 });
      const { page } = reader;
      await page.waitForSelector('[data-activity=nas_awake]:has-text("geweckt von jemandem")');
      await page.waitForSelector('[data-activity=upload_delivered]:has-text("tax.pdf")');
      assert.doesNotMatch(await textOf(page, '.nrdb-ui-group'), /alice|Photos|admin/);
      await wellMade(reader);
      await picture(page, 'dashboard-activity-de');
      await page.getByLabel('Was').selectOption({ label: 'Zustellungen' });
      await page.waitForSelector('[data-activity=nas_awake]', { state: 'detached' });
      assert.equal(await page.locator('[data-activity]').count(), 1);
      await page.getByLabel('Was').selectOption({ label: 'Konflikte' });
      await page.waitForSelector('text=Nichts davon in dieser Zeit');
      await page.context().close();
    });
  });

  describe('NAS & cache', () => {
    before(async () => {
      await balupi.world.nas.wake();
      await told('admin', '/api/nas/status', ({ online }) => online === true);
      await call('alice', '/api/files/list?path=alice');
      const pin = { method: 'PUT', headers: { 'Content-Type': 'application/json' } };
      await call('alice', '/api/cache/pins', { ...pin, body: '{"path":"alice/Photos"}' });
      await told('alice', '/api/cache/pins', ({ pins }) => /"kept"/.test(JSON.stringify(pins)));
    });

    it('shows how far each pin is kept and who uses how much, and unpins', async () => {
      const admin = await open('admin', 'nas');
      await admin.page.waitForSelector('[data-usage=alice]:has-text("pinned")');
      await admin.page.waitForSelector('[data-usage=bob]');
      await wellMade(admin);
      await admin.page.context().close();

      const reader = await open('alice', 'nas', { locale: 'de-DE' });
      const { page } = reader;
      const pin = page.locator('[data-pin="alice/Photos"]');
      await pin.getByText('liegt hier').waitFor();
      await page.waitForSelector('[data-usage=alice]:has-text("angeheftet")');
      assert.equal(await page.locator('[data-usage]').count(), 1);
      await wellMade(reader);
      await picture(page, 'dashboard-nas-de', true);
      await pin.getByRole('button').click();
      await pin.getByRole('button', { name: 'Wirklich lösen?' }).click();
      await pin.waitFor({ state: 'detached' });
      await page.getByText('Nichts ist angeheftet.').waitFor();
      await page.context().close();
    });
  });

  describe('People', () => {
    it('shows an admin everybody with what is stored and where they are signed in', async () => {
      const reader = await open('admin', 'people');
      const { page } = reader;
      await page.waitForSelector('[data-person=alice] >> text=the Pi as their device');
      await page.waitForSelector('[data-person=admin] [data-sign-in=page]');
      await wellMade(reader);
      await picture(page, 'dashboard-people');
      await page.goto(`${balupi.url}/dashboard/system`);
      await page.waitForSelector('text=Backups and updates');
      await page.waitForSelector('text=No nightly backups are set up');
      await page.context().close();
    });

    it('shows others themselves, and nothing that is for admins', async () => {
      const reader = await open('bob', 'people', { locale: 'de-DE', look: 'dark', width: 390 });
      const { page } = reader;
      await page.waitForSelector('[data-person=bob] [data-sign-in=page]');
      assert.equal(await page.locator('[data-person]').count(), 1);
      assert.equal(await page.locator('a[href="/dashboard/settings/keys"]').count(), 0);
      await wellMade(reader);
      await page.goto(`${balupi.url}/dashboard/system`);
      await page.waitForSelector('.nrdb-ui-group');
      assert.equal(await page.getByText('für Admins').count(), 0);
      assert.equal(await page.getByText('Backups und Updates').count(), 0);
      await page.context().close();
    });
  });
});
