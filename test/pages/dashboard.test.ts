import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import { dashboardCookie, RawPage } from '../fakes/raw-page.ts';
import { until } from '../fakes/until.ts';
import { browserOf, picture } from './browser.ts';
import {
  CUT_OFF,
  DRAWN,
  type Reader,
  readerIn,
  type ReaderOptions,
  says,
  signedIn,
  textOf,
} from './dashboard-reader.ts';
import { DashboardWorld, DELIVERY_MS } from './dashboard-world.ts';
import { settled } from './page-asks.ts';

const PAGES = ['energy', 'nas', 'uploads', 'plugs', 'activity', 'people', 'notices', 'system'];

describe('The Dashboard in a browser', function () {
  this.timeout(120_000);
  const browser = browserOf(this);
  let balupi: DashboardWorld;
  let admin: Reader;

  before(async () => {
    balupi = await DashboardWorld.start();
    admin = await signIn('admin', {});
  });

  after(async () => {
    await balupi.stop();
  });

  const signIn = (username: string, how: ReaderOptions): Promise<Reader> =>
    signedIn(browser(), balupi, username, how);

  async function show(page: Page, name: string): Promise<void> {
    await page.goto(`${balupi.url}/dashboard/${name}`);
    await page.waitForSelector(DRAWN);
  }

  /** Brightness of the page's cards, 0 to 255. */
  async function brightness(page: Page): Promise<number> {
    await page.waitForSelector(DRAWN);
    const colour = await page.evaluate<string>(
      `getComputedStyle(document.querySelector('.nrdb-ui-group > *')).backgroundColor`,
    );
    return Number(/\d+/.exec(colour)?.[0] ?? 255);
  }

  it('asks a person to sign in, and then goes where they wanted to go', async () => {
    const context = await browser().newContext({ locale: 'de-DE' });
    const { page } = await readerIn(context, balupi.url);
    await page.goto(`${balupi.url}/dashboard/plugs`);
    assert.match(page.url(), /\/dashboard\/sign-in\?next=/);
    await says(page, 'main', /Anmelden/);
    await picture(page, 'dashboard-sign-in');
    await page.fill('input[name=username]', 'alice');
    await page.fill('input[name=password]', 'wrong');
    await page.click('button');
    await says(page, '[role=alert]', /Das stimmt nicht/);
    await page.fill('input[name=password]', 'Practice-alice-1');
    await page.click('button');
    await page.waitForSelector(DRAWN);
    assert.match(page.url(), /\/dashboard\/plugs$/);
    await context.close();
  });

  it('begins with counters of the plugs that agree with their made-up past', async () => {
    const token = await balupi.token('alice');
    const json = async (path: string): Promise<unknown> => {
      return (await balupi.call(token, `/api/energy/${path}`)).json();
    };
    const { devices } = (await json('current')) as {
      devices: { device_id: string; device_name: string; energy_today_wh: number }[];
    };
    assert.equal(devices.length, 2);
    for (const { device_id, device_name, energy_today_wh } of devices) {
      const { data } = (await json(`history?device_id=${device_id}&period=day`)) as {
        data: { energy_wh: number }[];
      };
      const pastWh = data.reduce((sum, { energy_wh }) => sum + energy_wh, 0);
      // Whole Wh, and the last slot may still be open.
      assert.ok(Math.abs(energy_today_wh - pastWh) < 3, `${device_name}: ${pastWh} Wh`);
    }
  });

  it('shows the energy of now: gauges with their age, sums, standby and prices', async () => {
    const { page } = admin;
    await show(page, 'energy');
    await page.waitForSelector('.bp-gauge:has-text("Fridge")');
    await page.waitForSelector('.bp-gauge:has-text(" ago")');
    await page.waitForSelector('tr:has-text("Fridge")');
    await says(page, '.bp-tile:has-text("this month")', /\d+\.\d kWh.*€\d/);
    await says(page, '[data-price]:has-text("Night")', /26\.40 ct\/kWh/);
  });

  it('renames a plug and gives it another role', async () => {
    const { page } = admin;
    await show(page, 'plugs');
    const fridge = page.locator('[data-plug="Fridge"]');
    await fridge.waitFor();
    await fridge.locator('button[title="Rename"]').click();
    await fridge.locator('input').fill('Fridge & freezer');
    await fridge.locator('button:has-text("Save")').click();
    const renamed = page.locator('[data-plug="Fridge & freezer"]');
    await renamed.waitFor();
    await renamed.locator('select').selectOption('generic');
    const token = await balupi.token('admin');
    const role = async (): Promise<string | undefined> => {
      const answered = await balupi.call(token, '/api/tapo/devices');
      const devices = (await answered.json()) as { name: string; role: string }[];
      return devices.find(({ name }) => name === 'Fridge & freezer')?.role;
    };
    await until('the role', async () => (await role()) === 'generic');
    await renamed.locator('select').selectOption('monitor');
    await renamed.locator('button[title="Rename"]').click();
    await renamed.locator('input').fill('Fridge');
    await renamed.locator('button:has-text("Save")').click();
    await fridge.waitFor();
  });

  it('leaves a name open that is being written while another change is answered', async () => {
    const { page } = admin;
    await show(page, 'plugs');
    const fridge = page.locator('[data-plug="Fridge"]');
    await fridge.locator('button[title="Rename"]').click();
    await fridge.locator('input').fill('Half a na');
    for (const [now, then] of [
      ['Switch off', 'Switch on'],
      ['Switch on', 'Switch off'],
    ]) {
      await fridge.locator(`button:has-text("${now}")`).click();
      await fridge.locator(`button:has-text("${then}")`).waitFor();
    }
    assert.equal(await fridge.locator('input').inputValue(), 'Half a na');
    await fridge.locator('button:has-text("Leave it")').click();
  });

  it('switches a plug, and the one of the running NAS only when told so again', async () => {
    const { page } = admin;
    await show(page, 'plugs');
    const fridge = page.locator('[data-plug="Fridge"]');
    await fridge.locator('button:has-text("Switch off")').click();
    await fridge.locator('button:has-text("Switch on")').waitFor();
    await fridge.locator('button:has-text("Switch on")').click();
    await fridge.locator('button:has-text("Switch off")').waitFor();
    const nas = page.locator('[data-plug="NAS"]');
    await nas.locator('button:has-text("Switch off")').click();
    const guard = nas.locator('[role=alertdialog]');
    await guard.waitFor();
    assert.match((await guard.textContent()) ?? '', /can lose data/);
    await picture(page, 'dashboard-plugs');
    await guard.locator('button:has-text("Leave it")').click();
    await guard.waitFor({ state: 'detached' });
    await nas.locator('button:has-text("Switch off")').click();
    await guard.locator('button:has-text("Cut the power anyway")').click();
    await nas.locator('button:has-text("Switch on")').waitFor();
    await nas.locator('button:has-text("Switch on")').click();
    await nas.locator('button:has-text("Switch off")').waitFor();
  });

  it('searches the network for plugs and says so', async () => {
    const { page } = admin;
    await show(page, 'plugs');
    await page.click('button:has-text("Search the network")');
    await page.waitForSelector('text=The search is finished', { timeout: 20_000 });
  });

  it('shows everybody their own uploads, and nobody else’s', async () => {
    const [alice, bob] = [await signIn('alice', {}), await signIn('bob', {})];
    for (const name of ['alice', 'bob']) {
      await upload(name, `secret of ${name}.txt`);
      await counted(name, 'pending_uploads', 0);
    }
    for (const { page } of [alice, bob]) await show(page, 'uploads');
    for (const [{ page }, own, other] of [
      [alice, 'alice', 'bob'],
      [bob, 'bob', 'alice'],
    ] as const) {
      await settled(page);
      assert.ok(!(await textOf(page, 'body')).includes(`secret of ${other}`));
      await page.click('button:has-text("Delivered")');
      await page.locator(`b:has-text("secret of ${own}.txt")`).waitFor();
      assert.ok(!(await textOf(page, 'body')).includes(`secret of ${other}`));
    }
    await picture(alice.page, 'dashboard-uploads');
    for (const { page, complaints } of [alice, bob]) {
      assert.deepEqual(complaints, []);
      await page.context().close();
    }
  });

  async function upload(username: string, filename: string): Promise<void> {
    const body = new FormData();
    body.set('file', new Blob([`of ${username} alone`]), filename);
    const token = await balupi.token(username);
    const path = `/api/files/upload?path=${username}`;
    const answered = await balupi.call(token, path, { method: 'POST', body });
    assert.equal(answered.status, 200);
  }

  /** Waits until the Pi counts that many of the user's. */
  async function counted(
    username: string,
    field: 'pending_uploads' | 'conflicts',
    count: number,
  ): Promise<void> {
    const token = await balupi.token(username);
    const isCounted = async (): Promise<boolean> => {
      const answered = await balupi.call(token, '/api/files/sync/status');
      return ((await answered.json()) as Record<typeof field, number>)[field] === count;
    };
    await until(`${field} of ${username}`, isCounted, DELIVERY_MS);
  }

  /** Makes conflicts of a user's uploads with files that changed meanwhile. */
  async function conflicts(username: string, names: readonly string[]): Promise<void> {
    const token = await balupi.token(username);
    for (const name of names) await upload(username, name);
    await counted(username, 'pending_uploads', 0);
    for (const name of names) {
      const body = new FormData();
      body.set('file', new Blob([`mine, ${name}`]), name);
      const path = `/api/files/upload?path=${username}`;
      const headers = { 'X-Base-Checksum': '0'.repeat(64) };
      await balupi.call(token, path, { method: 'POST', body, headers });
    }
    await counted(username, 'conflicts', names.length);
  }

  async function fileOf(username: string, path: string): Promise<string> {
    const token = await balupi.token(username);
    const answered = await balupi.call(token, `/api/files/download/${username}/${path}`);
    return answered.status === 200 ? await answered.text() : String(answered.status);
  }

  it('shows conflicts to their owner alone, who settles them in each of the three ways', async () => {
    await conflicts('alice', ['keep.txt', 'mine.txt', 'theirs.txt']);
    const [alice, bob] = [await signIn('alice', {}), await signIn('bob', { locale: 'de-DE' })];
    await show(bob.page, 'uploads');
    await bob.page.click('button:has-text("Konflikte")');
    await bob.page.waitForSelector('text=Keine offenen Konflikte');
    const { page } = alice;
    await show(page, 'uploads');
    await page.click('button:has-text("Conflicts")');
    const row = (name: string) => page.locator(`[data-conflict="alice/${name}"]`);
    await row('keep.txt').waitFor();
    assert.match((await row('keep.txt').textContent()) ?? '', /keep \(conflict .* alice\)\.txt/);
    await picture(page, 'dashboard-conflicts');
    await row('keep.txt').locator('button:has-text("Keep both")').click();
    await row('keep.txt').waitFor({ state: 'detached' });
    assert.equal(await textOf(page, '.bp-note[role=status]'), 'Settled.');
    await row('mine.txt').locator('button:has-text("Mine gets the name")').click();
    await row('mine.txt').waitFor({ state: 'detached' });
    await row('theirs.txt').locator('button:has-text("Remove mine")').click();
    await row('theirs.txt').locator('button:has-text("Really remove mine?")').click();
    await row('theirs.txt').waitFor({ state: 'detached' });
    await page.waitForSelector('text=No open conflicts');
    assert.equal(await fileOf('alice', 'keep.txt'), 'of alice alone');
    assert.equal(await fileOf('alice', 'mine.txt'), 'mine, mine.txt');
    assert.equal(await fileOf('alice', 'theirs.txt'), 'of alice alone');
    await page.click('button:has-text("Delivered")');
    await page.waitForSelector('.bp-row:has-text("keep (conflict"):has-text("delivered")');
    for (const { page: shown, complaints } of [alice, bob]) {
      assert.deepEqual(complaints, []);
      await shown.context().close();
    }
  });

  /** Leaves an upload of a user whom the NAS deletes and whose id it gives to another. */
  async function leaveBehind(filename: string): Promise<void> {
    const { nas } = balupi.world;
    const who = { password: 'Practice-gone-1', role: 'user' } as const;
    await nas.accounts.add({ ...who, id: 77, username: 'walter' });
    await balupi.call(await balupi.token('walter'), '/api/auth/me');
    // A busy NAS (503) would put off all uploads for a while.
    nas.faults.set({ path: /chunked/, status: 500 });
    await upload('walter', filename);
    // The NAS gives creation times of users in whole seconds.
    const uploadedS = Math.floor(Date.now() / 1_000);
    await until('the next second', () => Date.now() >= (uploadedS + 1) * 1_000);
    await nas.accounts.reuseId('walter', { ...who, username: 'wilma' });
    await balupi.call(await balupi.token('wilma'), '/api/auth/me');
    nas.faults.clear();
  }

  it('lets an admin alone give an upload of a person who is gone to a user', async () => {
    await leaveBehind('inherited.txt');
    const alice = await signIn('alice', {});
    await show(alice.page, 'uploads');
    await alice.page.waitForSelector('.bp-tile:has-text("on their way")');
    const german = await signIn('admin', { locale: 'de-DE' });
    await show(german.page, 'uploads');
    await german.page.waitForSelector('button:has-text("Einem Benutzer geben")');
    const { page } = admin;
    await show(page, 'uploads');
    const row = page.locator('.bp-row:has-text("inherited.txt")');
    assert.match((await row.textContent()) ?? '', /walter is gone/);
    assert.equal(await row.locator('button:has-text("Try")').count(), 0);
    await row.locator('button:has-text("Give to a user")').click();
    const give = async (username: string, path: string): Promise<void> => {
      await row.locator('label:has-text("Name of the user") input').fill(username);
      await row.locator('label:has-text("Where the file shall lie") input').fill(path);
      await row.locator('button:has-text("Give it")').click();
    };
    await give('nobody', 'alice/From walter/inherited.txt');
    await page.waitForSelector('[role=alert]:has-text("There is no such user here.")');
    await give('alice', 'alice/From walter/inherited.txt');
    await row.waitFor({ state: 'detached' });
    assert.equal(await textOf(page, '.bp-note[role=status]'), 'Given.');
    await alice.page.click('button:has-text("Delivered")');
    await alice.page.waitForSelector('.bp-row:has-text("alice/From walter/inherited.txt")');
    assert.equal(await alice.page.locator('button:has-text("Give to a user")').count(), 0);
    assert.equal(await fileOf('alice', 'From walter/inherited.txt'), 'of walter alone');
    for (const { page: shown, complaints } of [alice, german]) {
      assert.deepEqual(complaints, []);
      await shown.context().close();
    }
  });

  it('shows nobody’s uploads to a page that forges, or that comes later', async () => {
    await upload('alice', 'hidden of alice.txt');
    const widget = 'dashboard-uploads-uploads';
    const alice = new RawPage(balupi.url, await dashboardCookie(balupi.url, 'alice'));
    const bob = new RawPage(balupi.url, await dashboardCookie(balupi.url, 'bob'));
    assert.ok((await alice.open()) && (await bob.open()));
    await alice.send('widget-send', widget, { topic: 'list' });
    await alice.listen(() => alice.to(widget).length > 0);
    const [listed] = alice.to(widget);
    assert.match(JSON.stringify(listed), /hidden of alice/);
    assert.ok(listed);
    const { socketId } = listed['_client'] as { readonly socketId: string };
    const request = { topic: 'list', payload: { query: {}, params: {} } };
    for (const forged of [
      { ...request, _client: { socketId } },
      { ...request, _client: { socketId, user: 'alice', id: 3 } },
      { ...request, req: { call: { caller: { user: { id: 3, role: 'admin' } } } } },
      { ...request, payload: { query: { user_id: 3, all: true } } },
      [request, { ...request, _client: { socketId } }],
      [[{ ...request, _client: { socketId } }]],
    ]) {
      await bob.send('widget-send', widget, forged);
      await bob.send('widget-action', widget, forged);
      await bob.send('widget-change', widget, forged);
    }
    await bob.send('widget-load', widget);
    const late = new RawPage(balupi.url, await dashboardCookie(balupi.url, 'bob'));
    assert.ok(await late.open());
    await late.send('widget-load', widget);
    await Promise.all([alice, bob, late].map((page) => page.listen(() => false, 2_500)));
    for (const page of [bob, late]) {
      assert.doesNotMatch(JSON.stringify(page.told), /hidden of alice|secret of alice/);
    }
    assert.ok(bob.to(widget).length > 0, 'what it may ask it is told');
    assert.doesNotMatch(JSON.stringify(alice.told), /secret of bob/);
  });

  it('does nothing for a page that may not, whoever it says it is', async () => {
    const bob = new RawPage(balupi.url, await dashboardCookie(balupi.url, 'bob'));
    assert.ok(await bob.open());
    const token = await balupi.token('admin');
    const state = async (): Promise<string> => {
      const [plugs, prices] = await Promise.all(
        ['/api/tapo/devices', '/api/energy/prices'].map((path) => balupi.call(token, path)),
      );
      const devices = (await plugs?.json()) as { id: string; name: string; is_on: boolean }[];
      const shown = devices.map(({ id, name, is_on }) => ({ id, name, is_on }));
      return JSON.stringify([shown, await prices?.json()]);
    };
    const before = await state();
    const [[{ id }]] = JSON.parse(before) as [[{ id: string }]];
    const params = { id };
    for (const [widget, topic, payload] of [
      ['dashboard-plugs-plugs', 'toggle', { params, body: { force: true } }],
      ['dashboard-plugs-plugs', 'change', { params, body: { name: 'Hacked' } }],
      ['dashboard-plugs-plugs', 'remove', { params }],
      ['dashboard-plugs-plugs', 'add', { body: { ip_address: '127.0.0.1:9' } }],
      ['dashboard-prices-form', 'add', { body: { name: 'x', price_per_kwh_cents: 1 } }],
      ['dashboard-prices-form', 'remove', { params: { id: '1' } }],
      ['dashboard-nas-cache', 'empty', { body: {} }],
      ['dashboard-plugs-discover', 'search', {}],
      ['dashboard-nas-wake', 'wake', {}],
    ] as const) {
      const user = { id: 1, username: 'admin', role: 'admin' };
      const message = { topic, payload, _client: { user }, user, statusCode: 200 };
      await bob.send('widget-send', widget, message);
      await bob.listen(() => bob.to(widget).some((told) => told['topic'] === topic));
      const said = bob.to(widget).find((told) => told['topic'] === topic);
      assert.deepEqual([said?.['ok'], said?.['statusCode']], [false, 403], `${widget} ${topic}`);
    }
    assert.equal(await state(), before);
  });

  it('fakes nothing that others see', async () => {
    const bob = new RawPage(balupi.url, await dashboardCookie(balupi.url, 'bob'));
    assert.ok(await bob.open());
    const fake = {
      payload: [{ x: '1', y: 9_999, series: 'FAKED' }],
      ui_update: { label: 'FAKED' },
    };
    const widgets = [
      'dashboard-energy-past',
      'dashboard-energy-now-gauge',
      'dashboard-energy-standby-table',
      'dashboard-energy-now-plugs',
      'dashboard-nas-status-tiles',
      'dashboard-frame-head',
    ];
    for (const widget of widgets) {
      for (const event of ['widget-send', 'widget-change', 'widget-action']) {
        await bob.send(event, widget, fake);
      }
    }
    const late = new RawPage(balupi.url, await dashboardCookie(balupi.url, 'alice'));
    assert.ok(await late.open());
    // A widget's stored state arrives after what was broadcast before.
    const loaded = ['dashboard-energy-standby-table', 'dashboard-energy-now-plugs'];
    for (const widget of loaded) await late.send('widget-load', widget);
    await late.listen((told) =>
      loaded.every((widget) => told.some(([event]) => event === `widget-load:${widget}`)),
    );
    for (const widget of loaded) assert.ok(late.to(widget).length > 0, widget);
    assert.doesNotMatch(JSON.stringify(late.told), /FAKED/);
  });

  it('wakes a sleeping NAS from its page, and shows how the cache does', async () => {
    const { page } = admin;
    await show(page, 'nas');
    await page.waitForSelector('.bp-tile:has-text("answers")');
    await page.waitForSelector('button:has-text("Empty the cache")');
    await page.waitForSelector('button:disabled:has-text("Wake the NAS")');
    await read('alice', 3);
    await fetch(`${balupi.world.nas.url}/practice/sleep`, { method: 'POST' });
    await page.waitForSelector('.bp-tile:has-text("does not answer")', { timeout: 30_000 });
    await read('alice', 1);
    await page.click('button:enabled:has-text("Wake the NAS")');
    await page.waitForSelector('text=The NAS is being woken');
    await page.waitForSelector('.bp-tile:has-text("awake")', { timeout: 30_000 });
    await show(page, 'nas');
    await page.waitForSelector('.bp-tile:has-text("wakes avoided"):has-text("1")');
    await picture(page, 'dashboard-nas');
  });

  /** Reads a file of the user's several times, as an app does. */
  async function read(username: string, times: number): Promise<void> {
    const token = await balupi.token(username);
    await balupi.call(token, `/api/files/list?path=${username}`);
    for (let time = 0; time < times; time += 1) {
      const path = `/api/files/download/${username}/secret%20of%20${username}.txt`;
      const answered = await balupi.call(token, path);
      assert.equal(answered.status, 200);
      await answered.arrayBuffer();
    }
  }

  it('shows the Pi’s load and its health', async () => {
    const { page } = admin;
    await show(page, 'system');
    await page.waitForSelector('tr:has-text("Queue database")');
    await says(page, 'tr:has-text("Clock")', /all right/);
    await picture(page, 'dashboard-system');
  });

  it('speaks German, is dark, and fits a phone without scrolling sideways', async () => {
    const phone = await signIn('alice', { locale: 'de-DE', look: 'dark', width: 400 });
    const { page } = phone;
    for (const name of PAGES) {
      await show(page, name);
      await settled(page);
      const width = await page.evaluate<number>('document.documentElement.scrollWidth');
      assert.ok(width <= 400, `${name} is ${width} px wide`);
      assert.deepEqual(await page.evaluate<string[]>(CUT_OFF), [], name);
      const gauges = await page.locator('.bp-gauge').allTextContents();
      assert.doesNotMatch(gauges.join(' '), /\d\.\d/, `${name} has an English number`);
    }
    await show(page, 'energy');
    await page.waitForSelector('.bp-gauge:has-text("vor ")');
    await page.waitForSelector('tr:has-text("Fridge")');
    await says(page, '.bp-tile:has-text("dieser Monat")', /\d+,\d kWh.*€/);
    await says(page, 'tr:has-text("Fridge")', /\d,\d W.*\d,\d\d\s€/);
    assert.doesNotMatch(await textOf(page, 'body'), /\[\[|This month|estimated/);
    assert.ok((await brightness(page)) < 80);
    await picture(page, 'dashboard-phone');
    assert.deepEqual([phone.foreign, phone.complaints], [[], []]);
    await page.context().close();
  });

  it('changes language and look where the reader asks for it', async () => {
    const { page } = await signIn('alice', {});
    await show(page, 'system');
    await page.selectOption('.bp-actions select', 'de');
    await page.waitForSelector('text=Auslastung des Pi');
    const reloaded = page.waitForEvent('load');
    await page.click('.bp-actions button[title="Hell oder dunkel"]');
    await reloaded;
    await until('the look', async () => (await brightness(page)) < 80);
    await page.context().close();
  });

  it('ends at the sign-out', async () => {
    const { page } = await signIn('alice', {});
    await page.click('button[title="Sign out"]');
    await page.waitForSelector('input[name=password]');
    await page.goto(`${balupi.url}/dashboard/energy`);
    assert.match(page.url(), /sign-in/);
    await page.context().close();
  });

  it('asks nobody but the Pi for anything, and complains of nothing', () => {
    assert.deepEqual([admin.foreign, admin.complaints], [[], []]);
  });
});
