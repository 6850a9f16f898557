import assert from 'node:assert/strict';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import type { DashboardWorld } from './dashboard-world.ts';

/** Tells that a page drew something. */
export const DRAWN = '.nrdb-ui-group';

/** Nothing changed for a moment, or what changes does so for ever, as a clock. */
const UNCHANGED = `new Promise((unchanged) => {
  const end = () => { seen.disconnect(); clearTimeout(last); unchanged(); };
  let quiet = setTimeout(end, 600);
  const last = setTimeout(end, 3000);
  const seen = new MutationObserver(() => { clearTimeout(quiet); quiet = setTimeout(end, 600); });
  seen.observe(document, { subtree: true, childList: true, characterData: true });
})`;

/** Waits until a page has drawn what it asked for. */
export async function settled(page: Page): Promise<void> {
  await page.evaluate(UNCHANGED);
}

/** What of a page's words and tables is wider than its place. */
export const CUT_OFF = `[...document.querySelectorAll(
  '.nrdb-ui-group .v-card-title, .bp-tile b, .nrdb-ui-group .v-table__wrapper'
)].filter((place) => place.scrollWidth > place.clientWidth + 1).map((place) => place.innerText)`;

/** Somebody with a page of the Dashboard open. */
export interface Reader {
  readonly page: Page;
  /** Addresses of another origin that the page asked for. */
  readonly foreign: readonly string[];
  readonly complaints: readonly string[];
}

export interface ReaderOptions {
  readonly locale?: string;
  readonly look?: 'light' | 'dark';
  readonly width?: number;
  /** The browser's zone, wherever BaluPi is. */
  readonly timezoneId?: string;
}

/** Opens a page that writes down what it asks for and what it complains of. */
export async function readerIn(context: BrowserContext, url: string): Promise<Reader> {
  const [foreign, complaints]: [string[], string[]] = [[], []];
  const page = await context.newPage();
  page.on('request', (request) => {
    const asked = request.url();
    const isOurs = asked.startsWith(`${url}/`) || /^(?:data|blob):/.test(asked);
    if (!isOurs) foreign.push(asked);
  });
  page.on('websocket', (socket) => {
    if (!socket.url().startsWith(url.replace('http', 'ws'))) foreign.push(socket.url());
  });
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  return { page, foreign, complaints };
}

/** Signs in as that user of the practice NAS, at the page that was asked for. */
export async function signedIn(
  browser: Browser,
  { url }: DashboardWorld,
  username: string,
  how: ReaderOptions = {},
  path = '/dashboard',
): Promise<Reader> {
  const { locale = 'en-GB', look: colorScheme = 'light', width = 1400, timezoneId } = how;
  const context = await browser.newContext({
    ...{ locale, colorScheme, viewport: { width, height: 900 } },
    ...(timezoneId === undefined ? {} : { timezoneId }),
  });
  const opened = await readerIn(context, url);
  const { page } = opened;
  await page.goto(`${url}${path}`);
  await page.fill('input[name=username]', username);
  await page.fill('input[name=password]', `Practice-${username}-1`);
  await page.click('button');
  await page.waitForSelector(DRAWN);
  return opened;
}

export async function textOf(page: Page, selector: string): Promise<string> {
  return (await page.textContent(selector)) ?? '';
}

/** Waits until that part of a page says so: what it asked for may still be on its way. */
export async function says(page: Page, selector: string, pattern: RegExp): Promise<void> {
  const endMs = performance.now() + 10_000;
  let text = await textOf(page, selector);
  while (!pattern.test(text) && performance.now() < endMs) {
    await page.waitForTimeout(50);
    text = await textOf(page, selector);
  }
  assert.match(text, pattern);
}
