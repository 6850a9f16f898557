import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { browserOf } from './browser.ts';
import { DRAWN, type Reader, signedIn, textOf } from './dashboard-reader.ts';
import { DashboardWorld } from './dashboard-world.ts';

const PART = join('parts', 'dashboard-nas-hits-gauge.vue');

/** Changes a widget as an owner would: our words, a style and an input field. */
function change(flows: string): void {
  const file = join(flows, PART);
  const own = readFileSync(file, 'utf8')
    .replace('<b>', '<b class="mine">')
    .replace('</template>', '</template>\n<style>.mine { color: rgb(1, 2, 3); }</style>')
    .replace('<span>', '<input v-model="note" class="note" /><i class="echo">{{ note }}</i><span>')
    .replace('computed: {', "data() {\n    return { note: '[[energy]]' };\n  },\n  computed: {");
  writeFileSync(file, own);
}

describe('The light page, in a browser', function () {
  this.timeout(120_000);
  const browser = browserOf(this);
  let balupi: DashboardWorld;
  let reader: Reader;
  let page: Page;
  const fetched: string[] = [];

  before(async () => {
    balupi = await DashboardWorld.start(change);
    reader = await signedIn(browser(), balupi, 'alice', { locale: 'de-DE' }, '/dashboard/energy');
    ({ page } = reader);
    page.on('request', (request) => fetched.push(new URL(request.url()).pathname));
  });

  after(async () => {
    await balupi.stop();
  });

  const ours = (): readonly string[] => fetched.filter((path) => path.includes('/assets/lean-'));

  it('draws our parts with one script and one style beside a worker, and fetches no compiler for them', async () => {
    const worker = page.waitForEvent('worker');
    await page.goto(`${balupi.url}/dashboard/energy`);
    await page.waitForSelector('.bp-measured', { state: 'attached' });
    assert.equal(new URL((await worker).url()).pathname, '/dashboard/balupi-intl.js');
    const kinds = ours().map((path) => /[^-/]+(?:-\w\w)?\.\w+$/.exec(path)?.[0]);
    assert.deepEqual(kinds.sort(), ['icons.woff2', 'light-de.js', 'light.css']);
  });

  it('draws a part as its owner changed it, in the words of the reader, beside ours', async () => {
    await page.click('.bp-nav a:has-text("NAS")');
    await page.waitForSelector('.mine');
    assert.ok(ours().some((path) => path.endsWith('-compiler.js')));
    const colour = await page.evaluate("getComputedStyle(document.querySelector('.mine')).color");
    assert.equal(colour, 'rgb(1, 2, 3)');
    assert.equal(await textOf(page, '.echo'), 'Energie');
    await page.fill('.note', 'meins');
    await page.waitForSelector('.echo:text-is("meins")');
    await page.waitForSelector('.bp-days-bars, .bp-tiles');
  });

  it('goes from page to page by its address, and back', async () => {
    await page.click('.bp-nav a:has-text("System")');
    await page.waitForSelector('#nrdb-page-page-system');
    assert.equal(await page.title(), 'System');
    assert.equal(new URL(page.url()).pathname, '/dashboard/system');
    assert.equal(await page.locator('style[data-template-id=dashboard-nas-hits-gauge]').count(), 0);
    await page.goBack();
    await page.waitForSelector('.mine');
    await page.goto(`${balupi.url}/dashboard/nowhere`);
    await page.waitForSelector(DRAWN);
    assert.equal(new URL(page.url()).pathname, '/dashboard/energy');
  });

  it('complains of nothing, and asks nobody else', () => {
    assert.deepEqual([reader.foreign, reader.complaints], [[], []]);
  });
});
