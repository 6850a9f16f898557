import assert from 'node:assert/strict';
import type { BrowserContext, Page } from 'playwright-core';
import { seriousFaults } from './axe.ts';
import { browserOf, picture } from './browser.ts';
import { DRAWN, type Reader, says, signedIn } from './dashboard-reader.ts';
import { DashboardWorld } from './dashboard-world.ts';

/**
 * Stands in for a browser vendor's push service, which headless browsers lack. Its keys are those
 * of a browser, and its endpoint leads nowhere.
 */
const PUSH_SERVICE = `(() => {
  const made = [];
  const base64url = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes)))
    .replace(/[+]/g, '-').replace(/[/]/g, '_').replace(/=/g, '');
  const read = (text) => Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0));
  Notification.requestPermission = async () => 'granted';
  PushManager.prototype.getSubscription = async () => made[0] || null;
  PushManager.prototype.subscribe = async ({ userVisibleOnly, applicationServerKey }) => {
    if (!userVisibleOnly) throw new Error('refused');
    const pair = await crypto.subtle.generateKey({ name: 'ECDH', namedCurve: 'P-256' }, true, ['deriveBits']);
    const p256dh = base64url(await crypto.subtle.exportKey('raw', pair.publicKey));
    const auth = base64url(crypto.getRandomValues(new Uint8Array(16)));
    const endpoint = 'https://push.example.com/' + crypto.randomUUID();
    const subscription = {
      endpoint, options: { applicationServerKey: read(applicationServerKey).buffer },
      toJSON: () => ({ endpoint, keys: { p256dh, auth } }),
      unsubscribe: async () => { made.length = 0; return true },
    };
    made.push(subscription);
    return subscription;
  };
})()`;

const NOT_SECURE = `Object.defineProperty(window, 'isSecureContext', { get: () => false })`;

interface Shown {
  readonly title: string;
  readonly body: string;
  readonly tag: string;
  readonly lang: string;
}

describe('The page Notifications in a browser', function () {
  this.timeout(120_000);
  const browser = browserOf(this, true);
  let balupi: DashboardWorld;
  let reader: Reader | null = null;

  before(async () => {
    balupi = await DashboardWorld.start();
  });

  after(async () => {
    await balupi.stop();
  });

  afterEach(async () => {
    await reader?.page.context().close();
    reader = null;
  });

  async function open(
    username: string,
    how: { locale?: string; look?: 'light' | 'dark'; width?: number; script?: string } = {},
  ): Promise<Page> {
    const { script = PUSH_SERVICE, ...options } = how;
    reader = await signedIn(browser(), balupi, username, options, '/dashboard/plugs');
    const { page } = reader;
    const context = page.context();
    await context.grantPermissions(['notifications'], { origin: balupi.url });
    await context.addInitScript(script);
    await page.goto(`${balupi.url}/dashboard/notices`);
    await page.waitForSelector(DRAWN);
    await page.waitForSelector('input[name=conflict]');
    return page;
  }

  async function token(username: string) {
    const bearer = await balupi.token(username);
    return async (path: string, init: RequestInit = {}) =>
      (await (await balupi.call(bearer, path, init)).json()) as Record<string, unknown>;
  }

  const here = (page: Page) => page.locator('[data-section=here]');

  async function add(page: Page): Promise<void> {
    await here(page)
      .getByRole('button', { name: /Tell me|Auf diesem/ })
      .click();
    await page.waitForSelector('[data-device]');
  }

  it('adds the browser one sits at, knows it again, and lets it go', async () => {
    const page = await open('alice');
    await says(page, '[data-section=here]', /This device gets no messages yet/);
    await add(page);
    await page.waitForSelector('.bp-chip:has-text("this device")');
    await here(page).getByText('Messages arrive here.').waitFor();
    const call = await token('alice');
    const { devices } = (await call('/api/notices')) as {
      devices: readonly { name: string; language: string }[];
    };
    assert.deepEqual(
      devices.map(({ name, language }) => [name, language]),
      [['Chrome, Linux', 'en']],
    );
    await picture(page, 'dashboard-notices', true);
    await here(page).getByRole('button', { name: 'Stop telling here' }).click();
    await page.waitForSelector('.bp-empty:has-text("No device gets messages yet.")');
    assert.deepEqual([reader?.foreign, reader?.complaints], [[], []]);
  });

  it('keeps what one chooses, and quiet hours', async () => {
    const page = await open('alice');
    assert.equal(await page.isChecked('input[name=plug_lost]'), true);
    await page.uncheck('input[name=plug_lost]');
    await page.fill('input[name=quietFrom]', '22:00');
    await page.fill('input[name=quietTo]', '06:30');
    await page.click('.bp-choices button[type=submit]');
    await page.getByRole('status').getByText('Saved.').waitFor();
    await page.reload();
    await page.waitForSelector('input[name=conflict]');
    assert.equal(await page.isChecked('input[name=plug_lost]'), false);
    assert.equal(await page.inputValue('input[name=quietFrom]'), '22:00');
    const call = await token('alice');
    assert.partialDeepStrictEqual(await call('/api/notices'), {
      quiet_from: '22:00',
      quiet_to: '06:30',
    });
  });

  it('offers the disk and updates to admins alone', async () => {
    let page = await open('alice');
    assert.equal(await page.locator('input[name=disk]').count(), 0);
    await page.context().close();
    page = await open('admin');
    assert.equal(await page.locator('input[name=disk], input[name=update_ready]').count(), 2);
  });

  it('says that a test did not get through where the push service is not there', async () => {
    const page = await open('alice', { locale: 'de-DE' });
    await add(page);
    await page.locator('[data-device]').getByRole('button', { name: 'Probe senden' }).click();
    await page.getByRole('status').getByText('nicht angenommen').waitFor();
    await page.locator('[data-device]').getByText('die letzte kam nicht durch').waitFor();
    await here(page).getByRole('button', { name: 'Hier nicht mehr melden' }).click();
    await page.waitForSelector('.bp-empty');
  });

  it('ends a browser that is signed out', async () => {
    const page = await open('alice');
    await add(page);
    const call = await token('alice');
    const count = async () => ((await call('/api/notices'))['devices'] as unknown[]).length;
    assert.equal(await count(), 1);
    await page.click('form[action="/dashboard/sign-out"] button');
    await page.waitForURL(/sign-in/);
    assert.equal(await count(), 0);
  });

  it('shows what arrives, by a worker that lies there whether a page is open or not', async () => {
    const page = await open('alice', { locale: 'de-DE' });
    await add(page);
    const told = { title: 'Konflikt', body: 'alice/a.txt', tag: 'conflict', lang: 'de' };
    const shown = await arrived(page.context(), page, JSON.stringify(told));
    assert.deepEqual(shown, [told]);
    const after = await arrived(page.context(), page, 'no JSON');
    assert.deepEqual(
      after.map(({ title }) => title).sort(),
      ['BaluPi', 'Konflikt'],
      'a browser must show something for each message',
    );
    assert.deepEqual(reader?.foreign, []);
  });

  /** The notifications on screen after this browser's push service delivered a message. */
  async function arrived(
    context: BrowserContext,
    page: Page,
    data: string,
  ): Promise<readonly Shown[]> {
    const before = await notifications(page);
    const session = await context.newCDPSession(page);
    const { promise, resolve } = Promise.withResolvers<string>();
    session.on('ServiceWorker.workerVersionUpdated', ({ versions }) => {
      const active = versions.find(({ status }) => status === 'activated');
      if (active !== undefined) resolve(active.registrationId);
    });
    await session.send('ServiceWorker.enable');
    const registrationId = await promise;
    // Chromium drops messages that come before it has stored its active worker; one with the same
    // tag replaces the one before.
    let shown = before;
    while (shown.length === before.length) {
      await session.send('ServiceWorker.deliverPushMessage', {
        ...{ origin: balupi.url, registrationId, data },
      });
      shown = await notifications(page);
    }
    await session.detach();
    return shown;
  }

  async function notifications(page: Page): Promise<readonly Shown[]> {
    return await page.evaluate<readonly Shown[]>(
      `navigator.serviceWorker.ready.then((one) => one.getNotifications())
        .then((shown) => shown.map(({ title, body, tag, lang }) => ({ title, body, tag, lang })))`,
    );
  }

  for (const [locale, hint] of [
    ['en-GB', /only at an https address/],
    ['de-DE', /nur unter einer Adresse mit https/],
  ] as const) {
    for (const [state, script] of [
      ['with https', PUSH_SERVICE],
      ['without', NOT_SECURE],
    ] as const) {
      it(`is for everybody, ${locale}, ${state}`, async () => {
        const page = await open('alice', { locale, script, width: 390, look: 'dark' });
        if (state === 'without') {
          await says(page, '[data-section=here]', hint);
          await picture(page, `notices-http-${locale}`, true);
        } else await picture(page, `notices-${locale}`, true);
        assert.deepEqual(
          await seriousFaults(page, ['.v-navigation-drawer', '.v-app-bar', '.v-tooltip']),
          [],
        );
      });
    }
  }
});
