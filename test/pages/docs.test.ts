import assert from 'node:assert/strict';
import { ENDPOINTS } from '../../nodes/lib/api/api.ts';
import { seriousFaults } from './axe.ts';
import { browserOf, openPage, picture, type Watched } from './browser.ts';
import { RunningBaluPi } from './running-balupi.ts';

/** Everything below this is drawn by Swagger UI, whose faults are its own. */
const DRAWN_BY_SWAGGER = '#api';

describe('The page /docs', function () {
  this.timeout(60_000);
  const browser = browserOf(this);
  let balupi: RunningBaluPi;
  let docs: Watched;

  before(async () => {
    balupi = await RunningBaluPi.start();
    docs = await openPage(browser(), balupi.url, 'en-US');
    await docs.page.goto(`${balupi.url}/docs`);
    await docs.page.waitForSelector('.opblock');
  });

  after(async () => {
    await balupi.stop();
  });

  it('shows every endpoint', async () => {
    assert.equal(await docs.page.locator('.opblock').count(), ENDPOINTS.length);
    assert.match(await docs.page.title(), /BaluPi/);
    await picture(docs.page, 'api-docs');
  });

  it('opens one with its answers', async () => {
    await docs.page.locator('.opblock-summary', { hasText: '/api/nas/status' }).click();
    await docs.page.waitForSelector('.responses-table');
    assert.match((await docs.page.textContent('.responses-table')) ?? '', /200/);
  });

  it('calls the API from the page', async () => {
    await docs.page.locator('.opblock-summary', { hasText: '/api/ping' }).click();
    const ping = docs.page.locator('.opblock', { hasText: '/api/ping' });
    await ping.locator('.try-out__btn').click();
    await ping.locator('button.execute').click();
    await ping.locator('.live-responses-table .response').first().waitFor();
    const said = await ping.locator('.live-responses-table').first().textContent();
    assert.match(said ?? '', /"status": "ok"/);
  });

  it('asks nobody but the Pi for anything, and breaks no rule of its own', () => {
    assert.deepEqual(docs.foreign, []);
    assert.deepEqual(docs.complaints, []);
  });

  it('has no serious fault of ours for people who cannot see or point', async () => {
    assert.deepEqual(await seriousFaults(docs.page, [DRAWN_BY_SWAGGER]), []);
  });

  it('is as good with a slash behind it', async () => {
    const other = await openPage(browser(), balupi.url, 'de');
    await other.page.goto(`${balupi.url}/docs/`);
    await other.page.waitForSelector('.opblock');
    assert.deepEqual([other.foreign, other.complaints], [[], []]);
  });
});
