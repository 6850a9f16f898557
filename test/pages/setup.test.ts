import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import { FreshPi, TAPO } from '../fakes/fresh-pi.ts';
import {
  asleepPage,
  startingPage,
  WAITING_CONTENT_SECURITY_POLICY,
} from '../../host/dashboard-pages.ts';
import { type AxeFault, seriousFaults } from './axe.ts';
import { browserOf, picture } from './browser.ts';
import { DRAWN, type Reader, readerIn, says } from './dashboard-reader.ts';
import { pageStates } from './setup-states.ts';

/** Fields, buttons and links without an accessible name, and duplicate ids. */
const NAMELESS = `[...document.querySelectorAll('input:not([type=hidden]), select, button, a')]
  .filter((place) => !((place.labels?.[0] ?? place).innerText || place.getAttribute('aria-label')))
  .map((place) => place.outerHTML)`;
/** Whether the page scrolls sideways. */
const TOO_WIDE = `document.documentElement.scrollWidth > window.innerWidth`;
/** Headings in order, and the document's language and title. */
const OUTLINE = `[document.documentElement.lang, document.title !== '',
  [...document.querySelectorAll('h1, h2')].map(({ tagName }) => tagName).join()]`;
/** The lowest contrast ratio on the page, 1 to 21 (WCAG 2.2). */
const LEAST_CONTRAST = `(() => {
  const rgb = (colour) => (colour.match(/[\\d.]+/g) ?? []).map(Number);
  const light = (colour) => {
    const [r, g, b] = rgb(colour).slice(0, 3).map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (place) => {
    for (let at = place; at !== null; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if ((rgb(colour)[3] ?? 1) > 0) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  const texts = [...document.querySelectorAll('main *')].filter((place) =>
    [...place.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim() !== ''));
  return Math.min(...texts.filter((place) => !place.closest('option')).map((place) => {
    const [one, other] = [light(getComputedStyle(place).color), light(behind(place))];
    return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
  }));
})()`;

describe('The first start in a browser', function () {
  this.timeout(180_000);
  const browser = browserOf(this);
  let fresh: FreshPi;
  let reader: Reader;
  let page: Page;

  before(async () => {
    fresh = await FreshPi.start();
    const context = await browser().newContext({
      ...{ locale: 'de-DE', viewport: { width: 1000, height: 900 } },
    });
    reader = await readerIn(context, fresh.url);
    ({ page } = reader);
  });

  after(async () => {
    await fresh.stop();
  });

  /** Checks the page as it is, at desktop and phone widths, light and dark. */
  async function wellMade(): Promise<void> {
    assert.deepEqual(await page.evaluate(NAMELESS), []);
    assert.deepEqual(await page.evaluate(OUTLINE), ['de', true, 'H1,H2']);
    for (const [width, colorScheme] of [
      [360, 'dark'],
      [1000, 'light'],
    ] as const) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 900 });
      assert.equal(await page.evaluate(TOO_WIDE), false, `${page.url()} at ${width}`);
      const contrast = await page.evaluate<number>(LEAST_CONTRAST);
      assert.ok(contrast >= 4.5, `${page.url()} ${colorScheme}: ${contrast.toFixed(2)}`);
      assert.deepEqual(await seriousFaults(page), [], `${page.url()} ${colorScheme}`);
    }
  }

  const press = (name: string): Promise<void> => page.getByRole('button', { name }).click();

  it('begins at the bare address with the code', async () => {
    await page.goto(`${fresh.url}/`);
    await page.waitForURL('**/dashboard/setup');
    await wellMade();
    await picture(page, 'setup-code');
    await page.getByLabel('Einrichtungscode').fill('12345-67890');
    await press('Weiter');
    await says(page, '[role=alert]', /nicht der Einrichtungscode/);
    await page.getByLabel('Einrichtungscode').fill(fresh.code.toLowerCase());
    // By keyboard alone: the field has the focus.
    await page.keyboard.press('Enter');
    await page.waitForURL('**/dashboard/setup/house');
  });

  it('takes language and time zone', async () => {
    await wellMade();
    await page.getByLabel('Zeitzone').selectOption('Europe/Berlin');
    await press('Weiter');
    await page.waitForURL('**/dashboard/setup/nas');
  });

  it('finds the NAS, starts again by itself, and comes back', async () => {
    await page.getByLabel('Adresse des NAS').fill(fresh.nas.url);
    await press('Fragen');
    await page.getByText('Dort antwortet BaluHost.').waitFor();
    await wellMade();
    await page.getByLabel('MAC-Adresse, um es zu wecken').fill(fresh.nas.macAddress);
    await picture(page, 'setup-nas');
    await press('Dieses NAS verwenden');
    await page.waitForURL('**/dashboard/setup/admin');
    await fresh.started(2);
    await wellMade();
  });

  it('signs an admin of the NAS in', async () => {
    await page.getByLabel('Benutzername').fill('admin');
    await page.getByLabel('Passwort').fill('Practice-admin-1');
    await press('Anmelden');
    await page.waitForURL('**/dashboard/setup/account');
    await wellMade();
  });

  it('tries the Tapo account', async () => {
    await page.getByLabel('E-Mail-Adresse').fill(TAPO.username);
    await page.getByLabel('Passwort des Kontos').fill('Not-The-Password-1');
    await press('Probieren und speichern');
    await says(page, '[role=alert]', /abgelehnt/);
    await page.getByLabel('E-Mail-Adresse').fill(TAPO.username);
    await page.getByLabel('Passwort des Kontos').fill(TAPO.password);
    await press('Probieren und speichern');
    await page.getByRole('status').waitFor();
    await wellMade();
    await page.getByRole('link', { name: 'Weiter' }).click();
  });

  it('finds the plugs, names them and says which feeds the NAS', async () => {
    await page.waitForURL('**/dashboard/setup/plugs');
    await press('Steckdosen suchen');
    await page.locator('input[value=Corner]').fill('NAS-Regal');
    await page.getByRole('radio', { name: 'Corner' }).check();
    await wellMade();
    await picture(page, 'setup-plugs');
    await press('Speichern');
    await page.waitForURL('**/dashboard/setup/price');
  });

  it('takes the price, and says what can be done next', async () => {
    await page.getByLabel('Preis in Cent').fill('31,5');
    await wellMade();
    await press('Speichern');
    await page.waitForURL('**/dashboard/setup/done');
    await wellMade();
    await page.getByRole('link', { name: 'Zum Dashboard' }).click();
    await page.waitForSelector(DRAWN);
    await page.waitForSelector('.bp-gauge:has-text("NAS-Regal")');
  });

  it('shows no number of what nobody knows yet', async () => {
    await page.goto(`${fresh.url}/dashboard/nas`);
    const reads = page.locator('.bp-tile:has-text("Zugriffe: noch nichts gelesen")');
    await reads.waitFor();
    assert.match((await reads.textContent()) ?? '', /–/);
    await page.waitForSelector('text=kein Wecken des NAS gespart');
    assert.equal(await page.locator('canvas:visible').count(), 0, 'a chart of nothing');
  });

  it('is later the page Settings, which the head of the pages leads admins to', async () => {
    await page.setViewportSize({ width: 1000, height: 900 });
    await page.getByRole('link', { name: 'Einstellungen' }).click();
    await page.waitForURL('**/dashboard/settings');
    await says(page, 'main', /Europe\/Berlin.*wach.*NAS-Regal.*31,5 ct/s);
    await wellMade();
    await picture(page, 'settings');
    await page.getByRole('link', { name: 'Ändern: Das NAS' }).click();
    await wellMade();
    await page.goto(`${fresh.url}/dashboard/setup`);
    await page.waitForURL('**/dashboard/setup/account', { waitUntil: 'commit' });
  });

  it('asked nobody else for anything, and complained of nothing', () => {
    assert.deepEqual(reader.foreign, []);
    // While it restarts, the waiting page polls a server that is not there.
    const odd = reader.complaints.filter(
      (line) => !/ERR_(?:CONNECTION_\w+|EMPTY_RESPONSE)|status of (?:401|422|503)/.test(line),
    );
    assert.deepEqual(odd, []);
  });
});

describe('A second factor at the pages, where the NAS was found', function () {
  this.timeout(120_000);
  const browser = browserOf(this);
  const ERNA = { username: 'erna', password: 'Practice-erna-1', twoFactorCode: '135791' } as const;
  let fresh: FreshPi;
  let reader: Reader;
  let page: Page;

  before(async () => {
    fresh = await FreshPi.start({ isNasNear: true });
    await fresh.nas.addUser({ id: 31, role: 'admin', ...ERNA });
    const context = await browser().newContext({
      ...{ locale: 'de-DE', viewport: { width: 390, height: 844 } },
    });
    reader = await readerIn(context, fresh.url);
    ({ page } = reader);
  });

  after(async () => {
    await fresh.stop();
  });

  const press = (name: string): Promise<void> => page.getByRole('button', { name }).click();

  async function password(text: string): Promise<void> {
    await page.getByLabel('Benutzername').fill(ERNA.username);
    await page.getByLabel('Passwort').fill(text);
    await press('Anmelden');
  }

  /** Types a code by keyboard alone: the field has the focus. */
  async function code(text: string): Promise<void> {
    await page.getByLabel('Code mit sechs Ziffern').waitFor();
    await page.keyboard.type(text);
    await page.keyboard.press('Enter');
  }

  it('begins with a NAS that is found by itself, with its MAC address', async () => {
    await page.goto(fresh.url);
    await page.getByLabel('Einrichtungscode').fill(fresh.code);
    await press('Weiter');
    await page.waitForURL('**/dashboard/setup/house');
    await press('Weiter');
    await press('Im Netz suchen');
    const found = page.locator('fieldset', { hasText: fresh.nas.url });
    await found.waitFor();
    assert.match((await found.textContent()) ?? '', /Version1\.38.*Zustandwach/);
    assert.equal(await found.getByLabel(/MAC/).inputValue(), fresh.nas.macAddress);
    assert.equal(await page.evaluate(TOO_WIDE), false);
    assert.deepEqual(await seriousFaults(page), []);
    await found.getByRole('button').click();
    await page.waitForURL('**/dashboard/setup/admin');
  });

  it('is asked for in the guided start, which goes on behind it', async () => {
    await password(ERNA.password);
    await code('000000');
    await says(page, '[role=alert]', /stimmt nicht/);
    assert.equal(await page.evaluate(TOO_WIDE), false);
    assert.deepEqual(await seriousFaults(page), []);
    await picture(page, 'second-factor');
    await page.getByRole('link', { name: 'Von vorn' }).click();
    await password(ERNA.password);
    await code(ERNA.twoFactorCode);
    await page.waitForURL('**/dashboard/setup/account');
  });

  it('is asked for at the sign-in of the dashboard, which then shows what was asked for', async () => {
    await page.goto(`${fresh.url}/dashboard/plugs`);
    await page.waitForSelector(DRAWN);
    await press('Abmelden');
    await page.waitForURL('**/dashboard/sign-in');
    await page.goto(`${fresh.url}/dashboard/plugs`);
    await password(ERNA.password);
    await page.getByLabel('Code mit sechs Ziffern').waitFor();
    await page.goto(`${fresh.url}/dashboard/plugs`);
    assert.match(page.url(), /sign-in/, 'a password alone opens nothing');
    await password(ERNA.password);
    await code(` ${ERNA.twoFactorCode} `);
    await page.waitForSelector(DRAWN);
    assert.equal(new URL(page.url()).pathname, '/dashboard/plugs');
    assert.deepEqual(reader.foreign, []);
  });
});

describe('A page that waits', function () {
  this.timeout(60_000);
  const browser = browserOf(this);

  for (const [what, html] of [
    ['for the flows', startingPage('en')],
    ['for the NAS', asleepPage('en', 'Monday, 09:00')],
  ] as const) {
    it(`${what} stays as it is until it is there, and then goes on by itself`, async () => {
      const page = await browser().newPage();
      await page.clock.install();
      const waiting = {
        status: what === 'for the NAS' ? 200 : 503,
        contentType: 'text/html; charset=utf-8',
        headers: { 'Content-Security-Policy': WAITING_CONTENT_SECURITY_POLICY },
        body: html,
      };
      const there = { status: 200, contentType: 'text/html', body: '<h1>There</h1>' };
      let asked = 0;
      await page.route('http://pi.test/**', async (route) => {
        const isPage = new URL(route.request().url()).pathname === '/here';
        if (isPage) asked += 1;
        await route.fulfill(isPage && asked < 3 ? waiting : there);
      });
      await page.goto('http://pi.test/here');
      assert.equal(await page.locator('meta[http-equiv=refresh]').count(), 0);
      const answered = page.waitForResponse('http://pi.test/here');
      await page.clock.fastForward(4_000);
      await answered;
      assert.match((await page.textContent('h1')) ?? '', /BaluPi/);
      await page.clock.fastForward(4_000);
      await page.waitForSelector('h1:has-text("There")');
      await page.close();
    });
  }
});

describe('The pages of the first start, the settings and the sign-in', function () {
  this.timeout(180_000);
  const browser = browserOf(this);

  for (const language of ['en', 'de'] as const) {
    for (const colorScheme of ['light', 'dark'] as const) {
      it(`keep nobody out who cannot see or point, in any state (${language}, ${colorScheme})`, async () => {
        const page = await browser().newPage({
          colorScheme,
          viewport: { width: 360, height: 900 },
        });
        const faults: Record<string, readonly AxeFault[]> = {};
        for (const [state, html] of pageStates(language)) {
          await page.setContent(html);
          const found = await seriousFaults(page, [], colorScheme === 'light' ? 'all' : 'colours');
          if (found.length > 0) faults[state] = found;
        }
        await page.close();
        assert.deepEqual(faults, {});
      });
    }
  }
});
