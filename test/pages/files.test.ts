import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { Page } from 'playwright-core';
import { noiseBytes, pngPhoto } from '../practice/nas/seed-demo.ts';
import { browserOf, picture } from './browser.ts';
import { BrokenLine } from './broken-line.ts';
import { textOf } from './dashboard-reader.ts';
import { DashboardWorld } from './dashboard-world.ts';
import { filesReader, type FilesReader, type FilesReaderOptions } from './files-world.ts';

interface Listed {
  readonly name: string;
  readonly size: number;
  readonly is_cached: boolean;
}

/** Larger than what goes in one piece, and more than one chunk. */
const FILM_BYTES = 20_000_000;

describe('The page Files in a browser', function () {
  this.timeout(180_000);
  const browser = browserOf(this);
  let balupi: DashboardWorld;

  before(async () => {
    balupi = await DashboardWorld.start();
  });

  after(async () => {
    await balupi.stop();
  });

  const open = (username: string, path = '', how: FilesReaderOptions = {}): Promise<FilesReader> =>
    filesReader(browser(), balupi, username, how, path);

  const row = (page: Page, name: string) => page.locator(`[role=row][data-name="${name}"]`);

  async function ask(page: Page, name: string, action: string): Promise<void> {
    await row(page, name).locator('button').click();
    await page.locator('dialog .choice', { hasText: action }).click();
  }

  async function listed(username: string, path: string): Promise<readonly Listed[]> {
    const answered = await balupi.call(
      await balupi.token(username),
      `/api/files/list?path=${encodeURIComponent(path)}`,
    );
    return ((await answered.json()) as { readonly files?: readonly Listed[] }).files ?? [];
  }

  async function until(holds: () => Promise<boolean>): Promise<void> {
    for (let look = 0; look < 600 && !(await holds()); look += 1) {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert.ok(await holds());
  }

  /** In the practice NAS, when all of the queue has come to it. */
  async function onTheNas(path: string): Promise<readonly Listed[]> {
    await until(async () => {
      const answered = await balupi.call(await balupi.token('alice'), '/api/files/sync/status');
      const status = (await answered.json()) as Record<string, number>;
      return status['pending_uploads'] === 0 && status['pending_changes'] === 0;
    });
    return listed('alice', path);
  }

  it('asks somebody to sign in, comes back to the folder, and walks through the others', async () => {
    const { page, complaints, foreign, context } = await open('alice', 'alice/Photos');
    await row(page, 'IMG_0001.png').waitFor();
    assert.match(page.url(), /\/dashboard\/files\?path=alice%2FPhotos$/);
    assert.equal(await page.title(), 'Photos – BaluPi');
    await page.click('.trail a:has-text("alice")');
    await row(page, 'Documents').click();
    await row(page, 'Shopping list.txt').waitFor();
    await picture(page, 'files');
    await page.goBack();
    await row(page, 'Videos').waitFor();
    await page.goForward();
    await row(page, 'Shopping list.txt').waitFor();
    assert.deepEqual([complaints, foreign], [[], []]);
    await context.close();
  });

  it('downloads, and shows a picture with the way back out of it', async () => {
    const { page, context } = await open('alice', 'alice/Documents');
    const coming = page.waitForEvent('download');
    await row(page, 'Shopping list.txt').click();
    const download = await coming;
    assert.equal(download.suggestedFilename(), 'Shopping list.txt');
    await page.goto(`${balupi.url}/dashboard/files?path=alice%2FPhotos`);
    await row(page, 'IMG_0002.png').click();
    const image = page.locator('dialog.viewer img');
    await image.waitFor();
    await page.waitForFunction(`document.querySelector('dialog.viewer img').naturalWidth === 260`);
    assert.match(page.url(), /show=IMG_0002\.png$/);
    await page.keyboard.press('Escape');
    await image.waitFor({ state: 'detached' });
    await page.goBack();
    await image.waitFor();
    await context.close();
  });

  it('makes, renames, moves and deletes', async () => {
    const { page, context, complaints } = await open('alice', 'alice');
    await page.click('button:has-text("New folder")');
    await page.fill('dialog input', 'Photos');
    assert.match(await textOf(page, 'dialog [role=alert]'), /something of this name already/);
    await page.fill('dialog input', 'Garden');
    await page.keyboard.press('Enter');
    await row(page, 'Garden').waitFor();
    await ask(page, 'Garden', 'Rename');
    await page.fill('dialog input', 'Garden 2026');
    await page.keyboard.press('Enter');
    await row(page, 'Garden 2026').waitFor();
    await row(page, 'Documents').click();
    await ask(page, 'Energy 2025.csv', 'Move');
    await page.locator('dialog .crumb:has-text("alice")').click();
    await page.locator('dialog .choice:has-text("Garden 2026")').click();
    await page.locator('dialog button:has-text("Move it here")').click();
    await row(page, 'Energy 2025.csv').waitFor({ state: 'detached' });
    assert.deepEqual(
      (await listed('alice', 'alice/Garden 2026')).map(({ name }) => name),
      ['Energy 2025.csv'],
    );
    await page.click('.trail a:has-text("alice")');
    await row(page, 'Garden 2026').focus();
    await page.keyboard.press('Delete');
    await page.locator('dialog button.danger').click();
    await row(page, 'Garden 2026').waitFor({ state: 'detached' });
    assert.deepEqual(await listed('alice', 'alice/Garden 2026'), []);
    assert.deepEqual(complaints, []);
    await context.close();
  });

  it('goes by the keyboard alone: arrows, letters, Enter, F2, and the menu of a row', async () => {
    const { page, context } = await open('alice', 'alice');
    const hasFocus = (name: string) =>
      page.waitForFunction(`document.activeElement.dataset.name === ${JSON.stringify(name)}`);
    await row(page, 'Documents').focus();
    await page.keyboard.press('ArrowDown');
    await hasFocus('Phone backup');
    await page.keyboard.type('vi');
    await hasFocus('Videos');
    await page.keyboard.press('Home');
    await hasFocus('Documents');
    await page.keyboard.press('F2');
    await page.waitForSelector('dialog input');
    await page.keyboard.press('Escape');
    await page.waitForSelector('dialog', { state: 'detached' });
    await hasFocus('Documents');
    await page.keyboard.press('Enter');
    await row(page, 'Shopping list.txt').waitFor();
    await page.keyboard.press('Shift+F10');
    await page.waitForSelector('dialog .choice');
    await page.keyboard.press('Escape');
    await page.keyboard.press('Backspace');
    await row(page, 'Videos').waitFor();
    await context.close();
  });

  it('uploads a film whole, and once, over a line that is cut twice in the middle', async () => {
    const line = await BrokenLine.to(balupi.port);
    const { page, context } = await open('alice', 'alice/Videos', { url: line.url });
    const film = noiseBytes(7, FILM_BYTES);
    line.cutAfter(4_000_000);
    await page.setInputFiles('#pick-files', {
      ...{ name: 'film.mp4', mimeType: 'video/mp4', buffer: film },
    });
    for (const [cut, more] of [
      [1, 9_000_000],
      [2, 0],
    ] as const) {
      await until(() => Promise.resolve(line.isCut));
      await page.waitForSelector('.line.paused');
      if (cut === 1) await picture(page, 'files-cut');
      if (more > 0) line.cutAfter(more);
      line.mend();
    }
    await page.waitForSelector('.line.done');
    const found = (await onTheNas('alice/Videos')).filter(({ name }) => name.startsWith('film'));
    assert.deepEqual(
      found.map(({ name, size }) => [name, size]),
      [['film.mp4', FILM_BYTES]],
    );
    const answered = await balupi.call(
      await balupi.token('alice'),
      '/api/files/download?path=alice%2FVideos%2Ffilm.mp4',
    );
    const got = createHash('sha256').update(Buffer.from(await answered.arrayBuffer()));
    assert.equal(got.digest('hex'), createHash('sha256').update(film).digest('hex'));
    await context.close();
    await line.close();
  });

  it('uploads two hundred photos of a phone over a line that is cut twice, each once', async () => {
    const line = await BrokenLine.to(balupi.port);
    const how = { url: line.url, width: 390, isTouch: true };
    const { page, context } = await open('alice', 'alice/Phone backup', how);
    const photos = Array.from({ length: 200 }, (_, at) => ({
      name: `IMG_${String(1_000 + at)}.png`,
      mimeType: 'image/png',
      buffer: pngPhoto(at + 1, 60),
    }));
    line.cutAfter(600_000);
    await page.setInputFiles('#pick-files', photos);
    for (const more of [700_000, 0]) {
      await until(() => Promise.resolve(line.isCut));
      await page.waitForSelector('.line.paused');
      if (more > 0) line.cutAfter(more);
      line.mend();
    }
    await page.waitForSelector('.sum:has-text("200 of 200")');
    await picture(page, 'files-phone-uploads');
    const found = await onTheNas('alice/Phone backup');
    assert.deepEqual(found.map(({ name }) => name).sort(), photos.map(({ name }) => name).sort());
    await row(page, 'IMG_1000.png').waitFor();
    await context.close();
    await line.close();
  });

  describe('while the NAS sleeps', () => {
    before(async () => {
      const { nas } = balupi.world;
      for (const name of ['Beach.png', 'Camp.png']) {
        await nas.putFile(`alice/Trip/${name}`, pngPhoto(name.length, 200), 'alice');
      }
      await nas.putFile('alice/Trip/Lake.mp4', noiseBytes(3, 900_000), 'alice');
      // Somebody whose password the Pi has seen may sign in at night.
      await (await open('alice')).context.close();
      for (const path of ['', 'alice', 'alice/Trip', 'alice/Documents']) {
        await until(async () => (await listed('alice', path)).length > 1);
      }
      // As a machine reads, so that nothing beside it is fetched ahead.
      const headers = { 'X-Sync-Trigger': 'auto' };
      const file = '/api/files/download?path=alice%2FTrip%2FBeach.png';
      const read = await balupi.call(await balupi.token('alice'), file, { headers });
      await read.arrayBuffer();
      await fetch(`${nas.url}/practice/sleep`, { method: 'POST' });
      const asleep = await balupi.token('alice');
      await until(async () => {
        const answered = await balupi.call(asleep, '/api/nas/status');
        return ((await answered.json()) as { readonly online: boolean }).online === false;
      });
    });

    it('tells what is on the Pi from what would wake the NAS, and wakes nothing by itself', async () => {
      const { page, context } = await open('alice', 'alice/Trip');
      await page.waitForSelector('.note:has-text("The NAS sleeps")');
      assert.match(await textOf(page, '[data-name="Beach.png"] .where'), /On the Pi/);
      assert.match(await textOf(page, '[data-name="Camp.png"] .where'), /Wakes the NAS/);
      await page.setInputFiles('#pick-files', {
        ...{ name: 'Note.txt', mimeType: 'text/plain', buffer: Buffer.from('hello') },
      });
      await row(page, 'Note.txt').waitFor();
      assert.match(await textOf(page, '[data-name="Note.txt"] .where'), /Waits for the NAS/);
      await page.click('.uploads button:has-text("Clear")');
      await picture(page, 'files-asleep');
      await row(page, 'Camp.png').click();
      await page.waitForSelector('dialog:has-text("Wake the NAS?")');
      await picture(page, 'files-wake');
      await page.click('dialog button:has-text("Let it sleep")');
      await row(page, 'Beach.png').click();
      await page.waitForFunction(
        `document.querySelector('dialog.viewer img').naturalWidth === 200`,
      );
      assert.equal(balupi.world.nas.magicPackets.length, 0);
      await context.close();
    });

    it('pins a folder, and says that the rest comes with the NAS', async () => {
      const { page, context } = await open('alice', 'alice');
      await ask(page, 'Documents', 'Keep on the Pi');
      await page.waitForSelector('.note:has-text("comes when the NAS is awake")');
      await page.waitForSelector('[data-name="Documents"] .pin:has-text("Pinned")');
      await ask(page, 'Documents', 'No longer keep');
      await page.waitForSelector('[data-name="Documents"] .pin', { state: 'detached' });
      await context.close();
    });

    it('notes a rename and a new folder, and they are done when the NAS wakes', async () => {
      const { page, context } = await open('alice', 'alice/Documents');
      await ask(page, 'Shopping list.txt', 'Rename');
      await page.fill('dialog input', 'Shopping.txt');
      await page.keyboard.press('Enter');
      await page.waitForSelector('.note:has-text("Noted")');
      await row(page, 'Shopping.txt').waitFor();
      await page.click('.note button:has-text("Wake the NAS")');
      await page.waitForSelector('.note:has-text("The NAS sleeps")', { state: 'detached' });
      assert.ok((await onTheNas('alice/Documents')).some(({ name }) => name === 'Shopping.txt'));
      await context.close();
    });
  });

  it('shows a user nothing of another’s, and no button that would be refused', async () => {
    const { page, context } = await open('bob', 'alice/Documents');
    await page.waitForSelector('.empty[role=alert]:has-text("not for you")');
    assert.equal(await page.locator('button:has-text("Upload")').count(), 0);
    assert.equal(await page.locator('[data-name]').count(), 0);
    await page.click('button:has-text("To all files")');
    await row(page, 'bob').waitFor();
    assert.equal(await row(page, 'alice').count(), 0);
    await context.close();
  });
});
