import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import { type AxeFault, seriousFaults } from './axe.ts';
import { browserOf, picture } from './browser.ts';
import { type Reader, signedIn, textOf } from './dashboard-reader.ts';
import { DashboardWorld } from './dashboard-world.ts';

const PHONE = { width: 390, height: 844 };
const DESKTOP = { width: 1400, height: 900 };

/** Every page that the house has, as its menu names them. */
async function placesOf(page: Page): Promise<string[]> {
  await page.waitForSelector('.bp-nav a');
  return await page.$$eval('.bp-nav a', (links) =>
    (links as unknown as { href: string }[])
      .map(({ href }) => new URL(href).pathname)
      // A page of its own, with a test of its own.
      .filter((place) => place !== '/dashboard/files'),
  );
}

/** Opens a page by its menu, as a person does, and waits until it has drawn what it asked for. */
async function open(page: Page, place: string): Promise<void> {
  await page.click(`.bp-nav a[href="${place}"]`);
  await page.waitForSelector(`.bp-nav a[href="${place}"][aria-current=page]`);
  await page.waitForSelector('.nrdb-ui-widget .bp');
  await page.waitForTimeout(1_000);
}

describe('The pages for everybody, in a browser', function () {
  this.timeout(240_000);
  let balupi: DashboardWorld;
  const browser = browserOf(this);

  before(async () => {
    balupi = await DashboardWorld.start();
  });

  after(async () => {
    await balupi.stop();
  });

  for (const [username, locale, look] of [
    ['admin', 'en-GB', 'light'],
    ['admin', 'de-DE', 'dark'],
    ['alice', 'en-GB', 'dark'],
    ['alice', 'de-DE', 'light'],
  ] as const) {
    it(`keep nobody out and log no error, phone and desktop (${username}, ${locale}, ${look})`, async () => {
      const reader = await signedIn(browser(), balupi, username, { locale, look });
      const { page } = reader;
      const faults: Record<string, readonly AxeFault[]> = {};
      for (const place of await placesOf(page)) {
        for (const size of [DESKTOP, PHONE]) {
          await page.setViewportSize(size);
          await open(page, place);
          const found = await seriousFaults(page);
          if (found.length > 0) faults[`${place} ${size.width}`] = found;
        }
      }
      assert.deepEqual(faults, {});
      assert.deepEqual([reader.complaints, reader.foreign], [[], []]);
      await page.context().close();
    });
  }

  describe('of somebody with a keyboard or a screen reader', () => {
    let reader: Reader;

    before(async () => {
      reader = await signedIn(browser(), balupi, 'alice', { locale: 'de-DE' });
    });

    after(async () => {
      await reader.page.context().close();
    });

    it('have one heading of the page, and its groups below it in order', async () => {
      const { page } = reader;
      for (const place of await placesOf(page)) {
        await open(page, place);
        const levels = await page.$$eval('h1,h2,h3,h4,h5,h6,[role=heading]', (titles) =>
          (
            titles as unknown as { tagName: string; getAttribute(name: string): string | null }[]
          ).map((title) => Number(title.getAttribute('aria-level') ?? title.tagName.slice(1))),
        );
        assert.equal(levels[0], 1, place);
        assert.equal(levels.filter((level) => level === 1).length, 1, place);
        levels.forEach((level, at) => {
          assert.ok(level <= (levels[at - 1] ?? 0) + 1, `${place}: ${levels.join(' ')}`);
        });
      }
    });

    it('have a named menu that tells where one is, and a way past it', async () => {
      const { page } = reader;
      await page.goto(`${balupi.url}/dashboard/energy`);
      await page.waitForSelector('.bp-nav a');
      assert.equal(await page.getAttribute('nav', 'aria-label'), 'Seiten');
      assert.equal(await textOf(page, '.bp-nav [aria-current=page]'), 'Energie');
      await page.keyboard.press('Tab');
      assert.equal(await textOf(page, ':focus'), 'Zum Inhalt');
      await page.keyboard.press('Enter');
      assert.equal(
        await page.$eval(':focus', (one) => (one as unknown as { tagName: string }).tagName),
        'MAIN',
      );
    });

    it('show where the keyboard is, on each kind of control', async () => {
      const { page } = reader;
      await open(page, '/dashboard/energy');
      const bare: string[] = [];
      for (let step = 0; step < 40; step += 1) {
        await page.keyboard.press('Tab');
        const seen = await page.evaluate<string>(`(() => {
          const one = document.activeElement;
          if (one === null || one === document.body) return '';
          const { outlineStyle, outlineWidth } = getComputedStyle(one);
          const isShown = outlineStyle !== 'none' && outlineWidth !== '0px';
          return isShown ? '' : one.outerHTML.slice(0, 120);
        })()`);
        if (seen !== '') bare.push(seen);
      }
      assert.deepEqual(bare, []);
    });

    it('come to a chart with one step, and along it with the arrows', async () => {
      const { page } = reader;
      await open(page, '/dashboard/energy');
      await page.waitForSelector('.bp-hit');
      const chart = page.locator('.bp-charts svg').first();
      assert.equal(await chart.locator('.bp-hit[tabindex="0"]').count(), 1);
      await chart.locator('.bp-hit[tabindex="0"]').focus();
      await page.keyboard.press('Home');
      const first = await page.getAttribute(':focus', 'aria-label');
      await page.keyboard.press('ArrowRight');
      assert.notEqual(await page.getAttribute(':focus', 'aria-label'), first);
      await page.keyboard.press('Enter');
      await page.waitForSelector('.bp-detail');
      await page.keyboard.press('Enter');
    });

    it('tell each chart in a sentence of the reader’s language, and as a table', async () => {
      const { page } = reader;
      await open(page, '/dashboard/energy');
      const said = await page.getAttribute('.bp-charts svg[role=group]', 'aria-label');
      assert.match(said ?? '', /^Energie \(k?Wh\), .*\. Am höchsten: .*Wh\. Am niedrigsten: .*\.$/);
      const curve = await page.getAttribute('.bp-curve', 'aria-label');
      assert.match(curve ?? '', /^Leistung, .*Fridge: Mittel \d+,\d W; Am höchsten \d+,\d W, /);
      await page.click('[data-table=energy] summary');
      const bars = await page.locator('.bp-charts svg').first().locator('.bp-hit').count();
      await page.waitForSelector('[data-table=energy] tbody tr');
      assert.equal(await page.locator('[data-table=energy] tbody tr').count(), bars);
      assert.match(await textOf(page, '[data-table=energy] tbody'), /\d,\d\d\s€/);
      await page.click('[data-table=power] summary');
      await page.waitForSelector('[data-table=power] tbody tr');
      assert.match(await textOf(page, '[data-table=power] thead'), /Fridge \(W\)/);
      assert.ok((await page.locator('[data-table=power] tbody tr').count()) > 2);
    });

    it('hold still for whoever asked their machine for it', async () => {
      const { page } = reader;
      await page.emulateMedia({ reducedMotion: 'reduce' });
      const moves = await page.$$eval('.bp-bar i, .v-progress-linear__background', (all) =>
        (all as never[])
          .map((one) => getComputedStyle(one).transitionDuration)
          .filter((text) => parseFloat(text) > 0.001),
      );
      assert.deepEqual(moves, []);
    });
  });

  it('show nothing that is for admins to anybody else', async () => {
    const own = await signedIn(browser(), balupi, 'alice', {});
    await open(own.page, '/dashboard/system');
    assert.equal(await own.page.locator('text=for admins').count(), 0);
    await open(own.page, '/dashboard/plugs');
    await own.page.waitForSelector('[data-plug="Fridge"]');
    assert.equal(await own.page.locator('main button, main select, main input').count(), 0);
    await open(own.page, '/dashboard/energy');
    await own.page.waitForSelector('[data-price]');
    assert.equal(await own.page.locator('[data-price] button, form[data-form]').count(), 0);
    assert.equal(await own.page.locator('a[href="/dashboard/settings"]').count(), 0);
    await own.page.context().close();
    const admin = await signedIn(browser(), balupi, 'admin', {});
    await open(admin.page, '/dashboard/system');
    await admin.page.waitForSelector('text=What to look after, for admins');
    await admin.page.waitForSelector(
      'th[scope=row]:has-text("Medium"), th[scope=row]:has-text("Memory")',
    );
    await admin.page.context().close();
  });

  it('have their menu below the thumb on a phone, and nothing lies over the page', async () => {
    const { page } = await signedIn(browser(), balupi, 'alice', { width: PHONE.width });
    await page.waitForSelector('.bp-nav a');
    const box = await page.locator('.bp-nav').boundingBox();
    assert.ok(box !== null && box.y > 700, JSON.stringify(box));
    assert.equal(await page.locator('.v-navigation-drawer:visible').count(), 0);
    await picture(page, 'dashboard-menu');
    await page.context().close();
  });
});
