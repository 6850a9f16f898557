import assert from 'node:assert/strict';
import { until } from '../fakes/until.ts';
import { browserOf } from './browser.ts';
import { says, signedIn } from './dashboard-reader.ts';
import { DashboardWorld, DELIVERY_MS } from './dashboard-world.ts';

describe('Uploads that wait for their owner, in a browser', function () {
  this.timeout(120_000);
  const browser = browserOf(this);
  let balupi: DashboardWorld;

  before(async () => {
    balupi = await DashboardWorld.start();
  });

  after(async () => {
    await balupi.stop();
  });

  async function status(): Promise<Record<string, unknown>> {
    const answered = await balupi.call(await balupi.token('alice'), '/api/files/sync/status');
    return (await answered.json()) as Record<string, unknown>;
  }

  async function upload(name: string): Promise<void> {
    const body = new FormData();
    body.set('file', new Blob([`of ${name}`]), name);
    const token = await balupi.token('alice');
    await balupi.call(token, '/api/files/upload?path=alice', { method: 'POST', body });
  }

  it('are counted on the page, which says what to do about them, and go or stay as they say', async () => {
    const { nas } = balupi.world;
    await balupi.call(await balupi.token('alice'), '/api/auth/me');
    nas.faults.set({ path: /chunked/, status: 503 });
    for (const name of ['found one.txt', 'found two.txt']) await upload(name);
    await balupi.loseQueue();
    nas.faults.clear();
    await balupi.call(await balupi.token('alice'), '/api/auth/me');
    await until('both to wait for alice', async () => (await status())['waiting_for_owner'] === 2);
    const { page, complaints } = await signedIn(
      browser(),
      balupi,
      'alice',
      {},
      '/dashboard/uploads',
    );
    await page.waitForSelector('[data-tile=owner]:has-text("2")');
    await says(page, '.bp-note', /Try now delivers them, Drop removes them from the Pi/);
    const row = (name: string) => page.locator(`.bp-row:has-text("${name}")`);
    await row('found two.txt').locator('button:has-text("Drop")').click();
    await row('found two.txt').locator('button:has-text("Really drop?")').click();
    await page.waitForSelector('[data-tile=owner]:has-text("1")');
    await row('found one.txt').locator('button:has-text("Try")').click();
    await page.waitForSelector('[data-tile=owner]', { state: 'detached' });
    await until('the delivery', async () => (await status())['pending_uploads'] === 0, DELIVERY_MS);
    assert.deepEqual(complaints, []);
    await page.context().close();
  });
});
