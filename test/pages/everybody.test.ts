import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import { seriousFaults } from './axe.ts';
import { browserOf, picture } from './browser.ts';
import { DRAWN, type Reader, says, signedIn, textOf } from './dashboard-reader.ts';
import { DashboardWorld } from './dashboard-world.ts';
import { settled } from './page-asks.ts';

const PHONE = { width: 390, height: 844 };
const DESKTOP = { width: 1400, height: 900 };
/** Both looks in both languages, one after the other on one page. */
const WAYS = [
  ['en', 'light'],
  ['en', 'dark'],
  ['de', 'dark'],
  ['de', 'light'],
] as const;

/** The page has taken its new size, and shown what follows from it. */
const DRAWN_ANEW = `new Promise((drawn) =>
  requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(drawn))))`;

type States = Readonly<Record<string, readonly ((page: Page) => Promise<unknown>)[]>>;

/** How somebody comes to what a page does not show at once. */
const STATES: States = {
  '/dashboard/energy': [
    (page) => page.click('[data-table=energy] summary'),
    async (page) => {
      await page.locator('.bp-hit[tabindex="0"]').first().press('Enter');
      await page.waitForSelector('.bp-detail');
    },
  ],
  '/dashboard/uploads': [
    async (page) => {
      await page.locator('main .bp-btn', { hasText: /Conflicts|Konflikte/ }).click();
      await page.waitForSelector('[data-conflict]');
    },
    (page) => page.locator('main .bp-btn', { hasText: /Delivered|Zugestellt/ }).click(),
  ],
  '/dashboard/people': [(page) => page.locator('[data-sign-in] button').first().click()],
};

/** … and to what an admin alone is offered. */
const STATES_OF_ADMINS: States = {
  '/dashboard/energy': [(page) => page.locator('[data-price] button').first().click()],
  '/dashboard/nas': [(page) => page.locator('main .bp-btn', { hasText: /leeren|Empty/ }).click()],
  '/dashboard/plugs': [
    (page) => page.locator('[data-plug="Fridge"] .bp-icon').click(),
    async (page) => {
      await page.locator('[data-plug="NAS"] .bp-btn.main').click();
      await page.waitForSelector('[role=alertdialog]');
    },
  ],
};

/** Every page that BaluPi has, as its menu names them. */
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
  await settled(page);
}

describe('The pages for everybody, in a browser', function () {
  this.timeout(240_000);
  let balupi: DashboardWorld;
  const browser = browserOf(this);

  before(async () => {
    balupi = await DashboardWorld.start();
    await conflict('alice', 'alice/Documents', 'Shopping list.txt');
    await conflict('admin', 'Shared', 'Welcome.txt');
  });

  after(async () => {
    await balupi.stop();
  });

  /** Uploads what does not fit what is there. */
  async function conflict(username: string, folder: string, name: string): Promise<void> {
    const body = new FormData();
    body.set('file', new Blob([`of ${username}`]), name);
    const token = await balupi.token(username);
    const headers = { 'X-Base-Checksum': '0'.repeat(64) };
    const path = `/api/files/upload?path=${encodeURIComponent(folder)}`;
    const answered = await balupi.call(token, path, { method: 'POST', body, headers });
    assert.equal(answered.status, 200);
  }

  for (const username of ['admin', 'alice']) {
    const ways = username === 'admin' ? [STATES, STATES_OF_ADMINS] : [STATES];
    describe(`keep nobody out and log no error (${username})`, () => {
      let reader: Reader;

      before(async () => {
        reader = await signedIn(browser(), balupi, username);
      });

      after(async () => {
        await reader.page.context().close();
      });

      /** What is wrong with a page as it is now, and that one sees in the menu where one is. */
      async function faultsOf(page: Page): Promise<readonly string[]> {
        await page.evaluate(DRAWN_ANEW);
        const here = await page.locator('.bp-nav [aria-current=page]').boundingBox();
        const width = page.viewportSize()?.width ?? 0;
        const isSeen = here !== null && here.x >= 0 && here.x + here.width <= width;
        const found = (await seriousFaults(page)).map(
          ({ id, nodes }) => `${id} ${JSON.stringify(nodes[0]?.target)}`,
        );
        return [...found, ...(isSeen ? [] : ['where one is cannot be seen in the menu'])];
      }

      for (const [language, look] of WAYS) {
        it(`${language}, ${look}, phone and desktop`, async () => {
          const { page } = reader;
          await chosen(page, balupi.url, language, look);
          const faults: Record<string, readonly string[]> = {};
          for (const place of await placesOf(page)) {
            await open(page, place);
            for (const size of [DESKTOP, PHONE]) {
              await page.setViewportSize(size);
              const found = await faultsOf(page);
              if (found.length > 0) faults[`${place} ${size.width}`] = found;
            }
            for (const [at, come] of ways.flatMap((states) => states[place] ?? []).entries()) {
              await come(page);
              const found = await faultsOf(page);
              if (found.length > 0) faults[`${place}, state ${at}`] = found;
            }
            await page.setViewportSize(DESKTOP);
          }
          assert.deepEqual(faults, {});
          assert.deepEqual([reader.complaints, reader.foreign], [[], []]);
        });
      }
    });
  }

  /** Reads the same pages in another language and look, as the buttons in their head do. */
  async function chosen(page: Page, url: string, language: string, look: string): Promise<void> {
    await page.context().addCookies([
      { url: `${url}/dashboard`, name: 'balupi_language', value: language },
      { url: `${url}/dashboard`, name: 'balupi_look', value: look },
    ]);
    await page.goto(`${url}/dashboard/energy`);
    await page.waitForSelector(DRAWN);
    assert.equal(await page.getAttribute('html', 'lang'), language);
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
      // Today may be some minutes old.
      const past = new Date(Date.now() - 86_400_000).toISOString().slice(0, 10);
      await page.goto(`${balupi.url}/dashboard/energy?period=day&date=${past}`);
      await page.waitForSelector('.bp-curve');
      await settled(page);
      const said = await page.getAttribute('.bp-charts svg[role=group]', 'aria-label');
      assert.match(said ?? '', /^Energie \(k?Wh\), .*\. Am höchsten: .*Wh\. Am niedrigsten: .*\.$/);
      const curve = await page.getAttribute('.bp-curve', 'aria-label');
      assert.match(curve ?? '', /^Leistung, .*Fridge: Mittel \d+,\d W; Am höchsten \d+,\d W, /);
      await page.click('[data-table=energy] summary');
      const bars = await page.locator('.bp-charts svg').first().locator('.bp-hit').count();
      await page.waitForSelector('[data-table=energy] tbody tr');
      assert.equal(await page.locator('[data-table=energy] tbody tr').count(), bars);
      await says(page, '[data-table=energy] tbody', /\d,\d\d\s€/);
      await page.click('[data-table=power] summary');
      await page.waitForSelector('[data-table=power] tbody tr');
      await says(page, '[data-table=power] thead', /Fridge \(W\)/);
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
