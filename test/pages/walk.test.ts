import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import { FreshPi, TAPO } from '../fakes/fresh-pi.ts';
import { pngPhoto } from '../practice/nas/seed-demo.ts';
import { type AxeFault, seriousFaults } from './axe.ts';
import { browserOf, picture } from './browser.ts';
import { CUT_OFF, DRAWN, type Reader, readerIn, says } from './dashboard-reader.ts';
import { SHOWN } from './files-world.ts';

const TRIP = 'alice/Trip to the sea';
const PHOTOS = ['Beach.png', 'Camp.png', 'Dunes.png'];
const SIDE = 160;
const PHONE = { width: 390, height: 844 };
const TOO_WIDE = 'document.documentElement.scrollWidth > innerWidth';
/** Of the shown picture, once it has loaded. */
const SHOWN_SIDE = `(async (image) => {
  await image.decode();
  return image.naturalWidth;
})(document.querySelector('dialog.viewer img'))`;

/**
 * One household from the setup code to a folder that stays readable while the NAS sleeps, on a
 * phone.
 */
describe('A household’s way from the setup code to a pinned folder, in a browser', function () {
  this.timeout(120_000);
  const browser = browserOf(this);
  let fresh: FreshPi;
  let reader: Reader;
  let page: Page;
  const faults: Record<string, readonly AxeFault[]> = {};
  /** Errors to expect of the guided start, whose page polls while BaluPi restarts. */
  let expected = 0;

  before(async () => {
    fresh = await FreshPi.start({ isNasNear: true });
    for (const [at, name] of PHOTOS.entries()) {
      await fresh.nas.putFile(`${TRIP}/${name}`, pngPhoto(at + 1, SIDE), 'alice');
    }
    const context = await browser().newContext({
      ...{ locale: 'en-GB', viewport: PHONE, isMobile: true, hasTouch: true },
    });
    reader = await readerIn(context, fresh.url);
    ({ page } = reader);
  });

  after(async () => {
    await fresh.stop();
  });

  /** Checks the current page: it fits the phone, and axe finds nothing serious. */
  async function lookedAt(name: string): Promise<void> {
    const { pathname } = new URL(page.url());
    assert.equal(await page.evaluate(TOO_WIDE), false, `${pathname} is wider than the phone`);
    assert.deepEqual(await page.evaluate(CUT_OFF), [], pathname);
    const found = await seriousFaults(page);
    if (found.length > 0) faults[name] = found;
    await picture(page, `walk-${name}`);
  }

  const press = (name: string): Promise<void> => page.getByRole('button', { name }).click();
  const row = (name: string) => page.locator(`[role=row][data-name="${name}"]`);
  /** A phone shows a file's place below its name, as there may be no space for a column. */
  const isSaid = (name: string, where: string): Promise<void> =>
    row(name)
      .locator('.details', { hasText: new RegExp(`^${where}`) })
      .waitFor();

  async function signIn(username: string): Promise<void> {
    await page.getByLabel('Username').fill(username);
    await page.getByLabel('Password').fill(`Practice-${username}-1`);
    await press('Sign in');
  }

  it('begins at the bare address, with the code that the log told', async () => {
    await page.goto(fresh.url);
    await page.waitForURL('**/dashboard/setup');
    await lookedAt('code');
    await page.getByLabel('Setup code').fill(fresh.code);
    await press('Go on');
    await page.waitForURL('**/dashboard/setup/house');
    await lookedAt('house');
    await page.getByLabel('Time zone').selectOption('Europe/Berlin');
    await press('Go on');
  });

  it('finds the NAS by itself, and its MAC address with it', async () => {
    await page.waitForURL('**/dashboard/setup/nas');
    await press('Search the network');
    const found = page.locator('fieldset', { hasText: fresh.nas.url });
    await found.waitFor();
    const mac = found.getByLabel(/MAC/);
    assert.equal(await mac.inputValue(), fresh.nas.macAddress);
    await lookedAt('nas');
    await found.getByRole('button', { name: 'Use this NAS' }).click();
    await page.waitForURL('**/dashboard/setup/admin');
    await fresh.started(2);
  });

  it('takes an admin of the NAS, the Tapo account, the plugs and a price', async () => {
    await lookedAt('admin');
    await signIn('admin');
    await page.waitForURL('**/dashboard/setup/account');
    await page.getByLabel('E-mail address').fill(TAPO.username);
    await page.getByLabel('Password of the account').fill(TAPO.password);
    await press('Try and save');
    await page.getByRole('status').waitFor();
    await lookedAt('account');
    await page.getByRole('link', { name: 'Go on' }).click();
    await page.waitForURL('**/dashboard/setup/plugs');
    await press('Search for plugs');
    await page.locator('input[value=Corner]').fill('The NAS');
    await page.getByRole('radio', { name: 'Corner' }).check();
    await lookedAt('plugs');
    await press('Save');
    await page.waitForURL('**/dashboard/setup/price');
    await page.getByLabel('Price').fill('31.5');
    await lookedAt('price');
    await press('Save');
    await page.waitForURL('**/dashboard/setup/done');
    await lookedAt('done');
  });

  it('shows the admin the dashboard, and another of the fresh who signs in theirs', async () => {
    expected = reader.complaints.length;
    await page.getByRole('link', { name: 'To the dashboard' }).click();
    await page.waitForSelector('.bp-gauge:has-text("The NAS")');
    await page.waitForSelector('.bp-gauge:has-text("Kitchen")');
    await lookedAt('energy');
    await press('Sign out');
    await signIn('alice');
    await page.waitForSelector(DRAWN);
    await page.waitForSelector('.bp-gauge:has-text("The NAS")');
  });

  it('leads by the menu to the files, where a folder is kept on the Pi with one word', async () => {
    await page.locator('.bp-nav').getByRole('link', { name: 'Files' }).click();
    await page.waitForSelector(SHOWN);
    await row('alice').click();
    const folder = row('Trip to the sea');
    await folder.waitFor();
    await lookedAt('files');
    await folder.getByRole('button').click();
    await page.locator('dialog .choice', { hasText: 'Keep on the Pi' }).click();
    await folder.click();
    for (const name of PHOTOS) await isSaid(name, 'On the Pi');
    await lookedAt('pinned');
  });

  it('reads it from there while the NAS sleeps, which hears of nothing', async () => {
    await fresh.nas.sleep('suspend');
    await page.waitForSelector('.note:has-text("The NAS sleeps")');
    fresh.nas.resetCounters();
    await page.reload();
    await isSaid('Camp.png', 'On the Pi');
    await page.waitForSelector('.note:has-text("The NAS sleeps")');
    await lookedAt('asleep');
    await row('Camp.png').click();
    await page.waitForSelector('dialog.viewer img');
    assert.equal(await page.evaluate(SHOWN_SIDE), SIDE);
    await lookedAt('asleep-viewer');
    await page.keyboard.press('Escape');
    await page.locator('.trail a', { hasText: 'alice' }).click();
    await isSaid('Trip to the sea', 'Pinned');
    // Without the Pi's own probes of whether the NAS is up, which get no answer.
    const asked = fresh.nas.requests.filter(({ path }) => path !== '/api/sync/preflight');
    assert.deepEqual(asked, []);
    assert.deepEqual(
      [fresh.nas.magicPackets.length, fresh.nas.sleepState],
      [0, 'true_suspend'],
      'nobody woke it',
    );
  });

  it('says on the other pages too that the NAS sleeps, and what is kept', async () => {
    await page.locator('.menu').getByRole('link', { name: 'NAS' }).click();
    await page.waitForSelector('.bp-tile:has-text("asleep or off")');
    await page.locator(`[data-pin="${TRIP}"]`).waitFor();
    await says(page, `[data-pin="${TRIP}"]`, /kept/);
    await lookedAt('nas-asleep');
  });

  it('kept nobody out, asked nobody else for anything, and complained of nothing', () => {
    assert.deepEqual(faults, {});
    assert.deepEqual([reader.foreign, reader.complaints.slice(expected)], [[], []]);
  });
});
