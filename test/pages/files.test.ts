import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BrowserContext, Page } from 'playwright-core';
import type { ChunkedList } from '../../nodes/lib/api/api.ts';
import { until } from '../fakes/until.ts';
import { noiseBytes, pngPhoto } from '../practice/nas/seed-demo.ts';
import { seriousFaults } from './axe.ts';
import { browserOf, picture } from './browser.ts';
import { BrokenLine } from './broken-line.ts';
import { says, textOf } from './dashboard-reader.ts';
import { DashboardWorld, DELIVERY_MS } from './dashboard-world.ts';
import { address, filesReader, type FilesReader, type FilesReaderOptions } from './files-world.ts';

interface Listed {
  readonly name: string;
  readonly size: number;
  readonly is_cached: boolean;
}

const FLICK_FRAMES = 120;
/** Scrolls from end to end, one step a frame. */
const FLICK = `new Promise((resolve) => {
  const grid = document.querySelector('[role=grid]');
  let step = 0;
  const next = () => {
    step += 1;
    grid.scrollTop = (grid.scrollHeight * step) / ${FLICK_FRAMES};
    if (step < ${FLICK_FRAMES}) requestAnimationFrame(next);
    else resolve();
  };
  requestAnimationFrame(next);
})`;

/** Time of the page's main thread: scripts, styles and layout, whoever else uses the machine. */
async function processorSeconds(
  context: BrowserContext,
  page: Page,
  work: () => Promise<unknown>,
): Promise<number> {
  const session = await context.newCDPSession(page);
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  const used = async (): Promise<number> => {
    const { metrics } = await session.send('Performance.getMetrics');
    return metrics.find(({ name }) => name === 'TaskDuration')?.value ?? 0;
  };
  const before = await used();
  await work();
  return (await used()) - before;
}

/** Larger than what is sent in one request, and more than one chunk. */
const FILM_BYTES = 20_000_000;

function sha256(bytes: Buffer | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

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

  /** Signals that the network is back, so that the page does not wait for its next attempt. */
  const lookAgain = (page: Page): Promise<unknown> =>
    page.evaluate(`dispatchEvent(new Event('online'))`);

  /** The width of the shown picture, once it has loaded. */
  async function looked(page: Page): Promise<number> {
    await page.locator('dialog.viewer img').waitFor();
    return await page.evaluate<number>(`(async (image) => {
      await image.decode();
      return image.naturalWidth;
    })(document.querySelector('dialog.viewer img'))`);
  }

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

  /** How much the Pi has of alice's one unfinished upload. */
  async function receivedBytes(): Promise<number> {
    const answered = await balupi.call(await balupi.token('alice'), '/api/files/upload/chunked');
    const { uploads } = (await answered.json()) as ChunkedList;
    assert.equal(uploads.length, 1);
    return uploads[0]?.received_bytes ?? 0;
  }

  /** The folder in the practice NAS once the whole queue is delivered. */
  async function onTheNas(path: string): Promise<readonly Listed[]> {
    const isDelivered = async (): Promise<boolean> => {
      const answered = await balupi.call(await balupi.token('alice'), '/api/files/sync/status');
      const status = (await answered.json()) as Record<string, number>;
      return status['pending_uploads'] === 0 && status['pending_changes'] === 0;
    };
    await until('the queue to be delivered', isDelivered, DELIVERY_MS);
    return listed('alice', path);
  }

  /** Of the content that the API returns for a path. */
  async function sha256At(path: string): Promise<string> {
    const address = `/api/files/download?path=${encodeURIComponent(path)}`;
    const answered = await balupi.call(await balupi.token('alice'), address);
    return sha256(Buffer.from(await answered.arrayBuffer()));
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
    assert.equal(await looked(page), 260);
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
    await says(page, 'dialog [role=alert]', /Something with this name exists already/);
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
    const hasFocus = (name: string) => page.waitForSelector(`[data-name="${name}"]:focus`);
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
    await page.waitForSelector('dialog', { state: 'detached' });
    await page.keyboard.press('Backspace');
    await row(page, 'Videos').waitFor();
    await context.close();
  });

  it('leaves a name to whoever types at once', async () => {
    const { page, context } = await open('alice', 'alice/Documents');
    await row(page, 'Shopping list.txt').locator('button').click();
    await page.locator('dialog .choice', { hasText: 'Rename' }).waitFor();
    const chosen = await page.evaluate(`new Promise((told) => {
      new MutationObserver((changes, observer) => {
        const field = document.querySelector('dialog input');
        if (field === null) return;
        observer.disconnect();
        const atOnce = field.value.slice(field.selectionStart, field.selectionEnd);
        field.select();
        requestAnimationFrame(() => setTimeout(() => {
          const later = field.value.slice(field.selectionStart, field.selectionEnd);
          told([document.activeElement === field, atOnce, later]);
        }, 200));
      }).observe(document.body, { childList: true, subtree: true });
      [...document.querySelectorAll('dialog .choice')]
        .find(({ textContent }) => textContent.includes('Rename')).click();
    })`);
    assert.deepEqual(chosen, [true, 'Shopping list', 'Shopping list.txt']);
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
      await until('the line to be cut', () => line.isCut);
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
    assert.equal(await sha256At('alice/Videos/film.mp4'), sha256(film));
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
      await until('the line to be cut', () => line.isCut);
      await page.waitForSelector('.line.paused');
      if (more > 0) line.cutAfter(more);
      line.mend();
      await lookAgain(page);
    }
    await page.waitForSelector('.sum:has-text("200 of 200")');
    await picture(page, 'files-phone-uploads');
    const found = await onTheNas('alice/Phone backup');
    assert.deepEqual(found.map(({ name }) => name).sort(), photos.map(({ name }) => name).sort());
    await row(page, 'IMG_1000.png').waitFor();
    await context.close();
    await line.close();
  });

  it('goes on after the page was closed, where the same file is chosen again', async () => {
    const line = await BrokenLine.to(balupi.port);
    const folder = mkdtempSync(join(tmpdir(), 'balupi-film-'));
    const [film, other] = [
      join(folder, 'second film.mp4'),
      join(folder, 'other', 'second film.mp4'),
    ];
    writeFileSync(film, noiseBytes(8, FILM_BYTES));
    mkdirSync(join(folder, 'other'));
    writeFileSync(other, noiseBytes(9, FILM_BYTES));
    utimesSync(other, 1, 1);
    const { page, context } = await open('alice', 'alice/Videos', { url: line.url });
    line.cutAfter(12_000_000);
    await page.setInputFiles('#pick-files', film);
    await until('the line to be cut', () => line.isCut);
    await page.close();
    line.mend();
    const again = await context.newPage();
    await again.goto(`${line.url}/dashboard/files`);
    const note = again.locator('.note:has-text("second film.mp4")');
    const percent = Math.round((100 * (await receivedBytes())) / FILM_BYTES);
    await note.filter({ hasText: `stopped at ${percent} %` }).waitFor();
    await picture(again, 'files-broke-off');
    await note.locator('input').setInputFiles(other);
    await again.waitForSelector('.note.bad:has-text("not the file whose upload stopped")');
    await note.locator('input').setInputFiles(film);
    await again.waitForSelector('.line.done');
    await again.waitForSelector('.note.bad', { state: 'detached' });
    const found = (await onTheNas('alice/Videos')).filter(({ name }) => name.startsWith('second'));
    assert.deepEqual(
      found.map(({ name, size }) => [name, size]),
      [['second film.mp4', FILM_BYTES]],
    );
    assert.equal(await sha256At('alice/Videos/second film.mp4'), sha256(readFileSync(film)));
    await context.close();
    await line.close();
    rmSync(folder, { recursive: true });
  });

  it('asks again where an answer breaks off', async () => {
    const { context } = await open('alice');
    const page = await context.newPage();
    const broken = new Set<string>();
    await page.route('**/dashboard/files/api/**', async (route) => {
      const { pathname } = new URL(route.request().url());
      if (broken.has(pathname)) await route.continue();
      else await route.fulfill({ status: 200, contentType: 'application/json', body: '{"uplo' });
      broken.add(pathname);
    });
    const asked = page.waitForResponse(/upload\/chunked$/);
    const askedAgain = asked.then(() => page.waitForResponse(/upload\/chunked$/));
    await page.goto(`${balupi.url}/dashboard/files?path=alice%2FPhotos`);
    await row(page, 'IMG_0001.png').waitFor();
    await askedAgain;
    assert.ok(broken.size >= 4, [...broken].join());
    await context.close();
  });

  it('says to try again where the answer to a new folder was lost, and lists what was done', async () => {
    const { page, context } = await open('alice', 'alice/Documents');
    await page.route(/api\/files\/folder$/, async (route) => {
      await route.fetch();
      await route.abort();
    });
    let isLineBack = false;
    await page.route(/api\/files\/list/, async (route) => {
      await (isLineBack ? route.continue() : route.abort());
    });
    await page.click('button:has-text("New folder")');
    await page.fill('dialog input', 'Lost answer');
    await page.keyboard.press('Enter');
    await page.waitForSelector('dialog:has-text("Try again once it is back")');
    isLineBack = true;
    await row(page, 'Lost answer').waitFor({ state: 'attached' });
    await page.unrouteAll({ behavior: 'wait' });
    await page.keyboard.press('Escape');
    await ask(page, 'Lost answer', 'Delete');
    await page.click('dialog .acts button:has-text("Delete")');
    await row(page, 'Lost answer').waitFor({ state: 'detached' });
    await context.close();
  });

  it('puts a file beside one of its name, or in its place, as its owner says', async () => {
    const { page, context } = await open('alice', 'alice/Documents');
    const file = (text: string) => ({
      ...{ name: 'Größe der Möbel.txt', mimeType: 'text/plain', buffer: Buffer.from(text) },
    });
    await row(page, 'Größe der Möbel.txt').waitFor();
    await page.setInputFiles('#pick-files', file('beside'));
    await page.click('dialog button:has-text("Keep both")');
    await row(page, 'Größe der Möbel (2).txt').waitFor();
    await page.setInputFiles('#pick-files', file('in its place'));
    await page.click('dialog button:has-text("Replace")');
    await page.waitForSelector('.sum:has-text("2 of 2")');
    await onTheNas('alice/Documents');
    assert.equal(await sha256At('alice/Documents/Größe der Möbel.txt'), sha256('in its place'));
    assert.equal(await sha256At('alice/Documents/Größe der Möbel (2).txt'), sha256('beside'));
    await context.close();
  });

  it('takes what is dropped on it, with the folders it lay in', async () => {
    const { page, context } = await open('alice', 'alice/Phone backup');
    await page.evaluate(`(() => {
      const transfer = new DataTransfer();
      transfer.items.add(new File(['dropped'], 'dropped.txt'));
      const main = document.querySelector('main');
      for (const kind of ['dragenter', 'dragover', 'drop']) {
        main.dispatchEvent(new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true }));
      }
    })()`);
    await row(page, 'dropped.txt').waitFor();
    const folder = mkdtempSync(join(tmpdir(), 'balupi-trip-'));
    mkdirSync(join(folder, 'Trip 2026', 'Day 1'), { recursive: true });
    writeFileSync(join(folder, 'Trip 2026', 'Day 1', 'notes.txt'), 'sun');
    await page.setInputFiles('#pick-folder', join(folder, 'Trip 2026'));
    await row(page, 'Trip 2026').waitFor();
    const found = await onTheNas('alice/Phone backup/Trip 2026/Day 1');
    assert.deepEqual(
      found.map(({ name }) => name),
      ['notes.txt'],
    );
    rmSync(folder, { recursive: true });
    await context.close();
  });

  it('takes names as data, whatever they say', async () => {
    const names = [
      '[[energy]] {count} {{ me }}.txt',
      '<img src=x onerror=alert(1)>.txt',
      `it's "so" & so.txt`,
      '👩‍👩‍👧 Ferien.txt',
      'تقرير.txt',
      `${'very long '.repeat(23)}.txt`,
    ];
    const { nas } = balupi.world;
    for (const name of names) await nas.putFile(`alice/Names/${name}`, Buffer.from(name), 'alice');
    await nas.putFile('alice/Names/photo\u202Egpj.exe', Buffer.from('turned'), 'alice');
    await until(
      'the names to be listed',
      async () => (await listed('alice', 'alice/Names')).length === names.length + 1,
    );
    const { page, context, complaints } = await open('alice', 'alice/Names', { width: 390 });
    let dialogs = 0;
    page.on('dialog', () => (dialogs += 1));
    await page.locator('.rows .title').nth(names.length).waitFor();
    const shown = await page.evaluate<string[]>(
      `[...document.querySelectorAll('.rows .title')].map((title) => title.textContent)`,
    );
    assert.deepEqual(shown.toSorted(), [...names, 'photo\uFFFDgpj.exe'].toSorted());
    await picture(page, 'files-names');
    const emoji = page.locator('.rows .row', { hasText: 'Ferien' });
    await emoji.locator('button').click();
    await page.locator('dialog .choice:has-text("Rename")').click();
    await page.fill('dialog input', 'Ferien 🏖️ #1.txt');
    await page.keyboard.press('Enter');
    await row(page, 'Ferien 🏖️ #1.txt').waitFor();
    const coming = page.waitForEvent('download');
    await page.locator('.rows .row', { hasText: 'onerror' }).click();
    assert.equal(readFileSync(await (await coming).path(), 'utf8'), names[1]);
    assert.deepEqual([dialogs, complaints], [0, []]);
    await context.close();
  });

  it('holds ten thousand entries, of which it draws what can be seen', async () => {
    const { nas } = balupi.world;
    const bytes = Buffer.from('x');
    const nameOf = (at: number): string => `IMG_${String(at).padStart(5, '0')}.jpg`;
    await nas.putFolder('alice/Many');
    for (let first = 0; first < 10_000; first += 100) {
      const some = Array.from({ length: 100 }, (_, at) => nameOf(first + at));
      await Promise.all(some.map((name) => nas.putFile(`alice/Many/${name}`, bytes)));
    }
    const { page, context } = await open('alice', 'alice/Many');
    await page.waitForSelector('[role=grid][aria-rowcount="10001"][aria-busy=false]');
    const drawn = () => page.locator('.rows .row').count();
    assert.ok((await drawn()) < 60);
    const usedS = await processorSeconds(context, page, () => page.evaluate(FLICK));
    const msOfFrame = ((1_000 * usedS) / FLICK_FRAMES).toFixed(1);
    console.log(`      10,000 rows in ${FLICK_FRAMES} frames: ${msOfFrame} ms of processor each`);
    assert.ok((await drawn()) < 60);
    await row(page, nameOf(9_999)).waitFor();
    await page.locator('.rows .row').last().focus();
    await page.keyboard.press('Home');
    await row(page, nameOf(0)).waitFor();
    await page.fill('input[type=search]', '0777');
    await page.waitForSelector('[role=grid][aria-rowcount="12"]');
    await page.fill('input[type=search]', '');
    await page.click('.head button:has-text("Name")');
    await row(page, nameOf(9_999)).waitFor();
    await context.close();
  });

  describe('for somebody who does not see it, or not well', () => {
    const WAYS: readonly FilesReaderOptions[] = [
      { locale: 'en-GB', width: 1200 },
      { locale: 'de-DE', width: 1200 },
      { locale: 'en-GB', width: 390, isTouch: true },
      { locale: 'de-DE', width: 390, isTouch: true },
    ];

    before(async () => {
      const { nas } = balupi.world;
      await nas.putFolder('alice/Empty', 'alice');
      await nas.putFile(
        `alice/Long/${'a very long name '.repeat(14)}.txt`,
        Buffer.from('x'),
        'alice',
      );
    });

    const PHOTOS = 'alice/Photos';

    const answers = (page: Page, what: RegExp, status: number, code: string): Promise<unknown> =>
      page.route(what, (route) => route.fulfill({ status, json: { detail: 'No.', code } }));

    async function viaMenu(page: Page, at: number): Promise<void> {
      await page.locator('.rows .row button').first().click();
      await page.locator('dialog .choice').nth(at).click();
      await page.waitForSelector('dialog .acts');
    }

    /** As a link to a folder does. */
    const goTo = (page: Page, path: string): Promise<unknown> =>
      page.evaluate(`history.pushState(null, '', ${JSON.stringify(address(path))});
        dispatchEvent(new PopStateEvent('popstate'))`);

    let uploads = 0;
    async function upload(page: Page, state: string): Promise<void> {
      uploads += 1;
      const buffer = Buffer.from('x'.repeat(1_000));
      await page.setInputFiles('#pick-files', {
        name: `new ${uploads}.txt`,
        mimeType: 'text/plain',
        buffer,
      });
      await page.waitForSelector(`.line.${state}`);
    }

    interface State {
      readonly path?: string;
      readonly come: (page: Page) => Promise<unknown>;
      /** Returns to the folder as it was. */
      readonly leave?: (page: Page) => Promise<unknown>;
    }
    const shut = async (page: Page): Promise<void> => {
      await page.keyboard.press('Escape');
      await page.waitForSelector('dialog', { state: 'detached' });
    };
    const goBack = async (page: Page): Promise<void> => {
      await page.goBack();
      await page.waitForSelector('.rows .row');
    };

    /** How a user gets from a folder of photos to each state, and back. */
    const STATES: Readonly<Record<string, State>> = {
      list: { come: (page) => page.waitForSelector('.rows .row') },
      menu: {
        come: async (page) => {
          await page.locator('.rows .row button').first().click();
          await page.waitForSelector('dialog .choice');
        },
        leave: shut,
      },
      rename: { come: (page) => viaMenu(page, 2), leave: shut },
      move: { come: (page) => viaMenu(page, 3), leave: shut },
      delete: { come: (page) => viaMenu(page, 4), leave: shut },
      viewer: {
        come: async (page) => {
          await page.locator('.rows .row').first().click();
          await looked(page);
        },
        leave: shut,
      },
      empty: {
        path: 'alice/Empty',
        come: (page) => page.waitForSelector('.empty:not([role=alert])'),
        leave: goBack,
      },
      'long names': {
        path: 'alice/Long',
        come: (page) => page.waitForSelector('[data-name^="a very long"]'),
        leave: goBack,
      },
      'not there': {
        path: 'bob/secret',
        come: (page) => page.waitForSelector('.empty[role=alert]'),
        leave: goBack,
      },
      asleep: {
        come: async (page) => {
          await page.route(/api\/nas\/status/, async (route) => {
            const answered = await route.fetch();
            const told = (await answered.json()) as object;
            await route.fulfill({ json: { ...told, online: false } });
          });
          await lookAgain(page);
          await page.waitForSelector('.note[role=status] button');
        },
        leave: async (page) => {
          await page.unrouteAll({ behavior: 'wait' });
          await lookAgain(page);
          await page.waitForSelector('.note[role=status]', { state: 'detached' });
        },
      },
      'signed out': {
        come: async (page) => {
          await answers(page, /files\/api\//, 401, 'no_token');
          await lookAgain(page);
          await page.waitForSelector('.note.bad[role=alert] a');
        },
        leave: async (page) => {
          await page.unrouteAll({ behavior: 'wait' });
          await lookAgain(page);
          await page.waitForSelector('.note.bad', { state: 'detached' });
        },
      },
      failed: {
        come: async (page) => {
          await answers(page, /files\/upload\?/, 507, 'no_room');
          await upload(page, 'failed');
        },
        leave: async (page) => {
          await page.unrouteAll({ behavior: 'wait' });
          await page.click('.uploads-head button');
          await page.waitForSelector('.line', { state: 'detached' });
        },
      },
      uploading: {
        come: async (page) => {
          await page.route(/files\/upload\?/, () => undefined);
          await upload(page, 'sending');
        },
      },
    };

    for (const way of WAYS) {
      const { locale, width } = way;
      it(`has no serious fault in any state, light and dark: ${locale}, ${width} px`, async () => {
        const faults: string[] = [];
        const { page, context } = await open('alice', PHOTOS, way);
        for (const [state, { path, come, leave }] of Object.entries(STATES)) {
          if (path !== undefined) await goTo(page, path);
          await come(page);
          for (const look of ['light', 'dark'] as const) {
            await page.emulateMedia({ colorScheme: look });
            const what = look === 'light' ? 'all' : 'colours';
            for (const { id, nodes } of await seriousFaults(page, [], what)) {
              faults.push(`${state}, ${look}: ${id} ${JSON.stringify(nodes[0]?.target)}`);
            }
            await picture(page, `files ${state} ${locale} ${look} ${width}`.replaceAll(' ', '-'));
          }
          const isWide = await page.evaluate<boolean>(
            'document.documentElement.scrollWidth > innerWidth',
          );
          if (isWide) faults.push(`${state}: wider than the screen`);
          await leave?.(page);
        }
        assert.deepEqual(faults, []);
        await context.close();
      });
    }
  });

  it('is one of the pages, and names them as they do', async () => {
    const { page, context, complaints } = await open('alice', 'alice');
    const own = await page.locator('.menu a').allTextContents();
    assert.equal(await textOf(page, '.menu [aria-current=page]'), 'Files');
    await page.click('.menu a:has-text("Plugs")');
    await page.waitForSelector('.nrdb-ui-group');
    const others = page.locator('.bp-nav a');
    await others.first().waitFor();
    const names = await others.allTextContents();
    assert.deepEqual(
      own,
      names.map((name) => name.trim()),
    );
    await others.filter({ hasText: 'Files' }).click();
    await row(page, 'alice').waitFor();
    assert.deepEqual(complaints, []);
    await context.close();
  });

  describe('while the NAS sleeps', () => {
    before(async () => {
      const { nas } = balupi.world;
      for (const name of ['Beach.png', 'Camp.png']) {
        await nas.putFile(`alice/Trip/${name}`, pngPhoto(name.length, 200), 'alice');
      }
      await nas.putFile('alice/Trip/Lake.mp4', noiseBytes(3, 900_000), 'alice');
      // Whoever's password the Pi has seen may sign in while the NAS sleeps.
      await (await open('alice')).context.close();
      for (const path of ['', 'alice', 'alice/Trip', 'alice/Documents']) {
        await until(`the list of ${path}`, async () => (await listed('alice', path)).length > 1);
      }
      // Marked as automatic, so that nothing next to it is prefetched.
      const headers = { 'X-Sync-Trigger': 'auto' };
      const file = '/api/files/download?path=alice%2FTrip%2FBeach.png';
      const read = await balupi.call(await balupi.token('alice'), file, { headers });
      await read.arrayBuffer();
      await fetch(`${nas.url}/practice/sleep`, { method: 'POST' });
      const asleep = await balupi.token('alice');
      await until('the NAS to sleep', async () => {
        const answered = await balupi.call(asleep, '/api/nas/status');
        return ((await answered.json()) as { readonly online: boolean }).online === false;
      });
    });

    it('tells what is on the Pi from what would wake the NAS, and wakes nothing by itself', async () => {
      const { page, context } = await open('alice', 'alice/Trip');
      await page.waitForSelector('.note:has-text("The NAS sleeps")');
      await says(page, '[data-name="Beach.png"] .where', /On the Pi/);
      await says(page, '[data-name="Camp.png"] .where', /Wakes the NAS/);
      await page.setInputFiles('#pick-files', {
        ...{ name: 'Note.txt', mimeType: 'text/plain', buffer: Buffer.from('hello') },
      });
      await row(page, 'Note.txt').waitFor();
      await says(page, '[data-name="Note.txt"] .where', /Waits for the NAS/);
      await page.click('.uploads button:has-text("Clear")');
      await picture(page, 'files-asleep');
      await row(page, 'Camp.png').click();
      await page.waitForSelector('dialog:has-text("Wake the NAS?")');
      await picture(page, 'files-wake');
      await page.click('dialog button:has-text("Let it sleep")');
      await row(page, 'Beach.png').click();
      assert.equal(await looked(page), 200);
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
    await page.waitForSelector('.empty[role=alert]:has-text("you may not see it")');
    assert.equal(await page.locator('button:has-text("Upload")').count(), 0);
    assert.equal(await page.locator('[data-name]').count(), 0);
    await page.click('button:has-text("To all files")');
    await row(page, 'bob').waitFor();
    assert.equal(await row(page, 'alice').count(), 0);
    await context.close();
  });
});
