import assert from 'node:assert/strict';
import type { Browser, BrowserContext, Cookie, Page } from 'playwright-core';
import { DASHBOARD_COOKIE } from '../../host/dashboard-sign-in.ts';
import type { DashboardWorld } from './dashboard-world.ts';
import { followAsks } from './page-asks.ts';

/** Tells that a page drew something. */
export const DRAWN = '.nrdb-ui-group';

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
  followAsks(page);
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

/** Sessions by BaluPi and user. */
const sessions = new Map<string, Cookie>();

/** Keeps the session of a context for those who come later: a BaluPi allows few sign-ins a minute. */
async function keepSession(context: BrowserContext, url: string, username: string): Promise<void> {
  const cookie = (await context.cookies()).find(({ name }) => name === DASHBOARD_COOKIE);
  if (cookie !== undefined) sessions.set(`${url} ${username}`, cookie);
}

/** Opens a page as that user, who signed in once; at another address of the same BaluPi too. */
export async function openAs(
  { page }: Reader,
  { url }: DashboardWorld,
  username: string,
  address: string,
): Promise<void> {
  const context = page.context();
  const session = sessions.get(`${url} ${username}`);
  if (session !== undefined) await context.addCookies([session]);
  await page.goto(address);
  // A session that was signed out is none.
  if (!new URL(page.url()).pathname.endsWith('/sign-in')) return;
  await signIn(page, username);
  await page.waitForURL((now) => !now.pathname.endsWith('/sign-in'));
  await keepSession(context, url, username);
}

/** Signs in as a user of the practice NAS, at the page for it. */
async function signIn(page: Page, username: string): Promise<void> {
  await page.fill('input[name=username]', username);
  await page.fill('input[name=password]', `Practice-${username}-1`);
  await page.click('button');
}

/** Opens a page of the Dashboard as that user of the practice NAS. */
export async function signedIn(
  browser: Browser,
  balupi: DashboardWorld,
  username: string,
  how: ReaderOptions = {},
  path = '/dashboard',
): Promise<Reader> {
  const reader = await newReader(browser, balupi, how);
  await openAs(reader, balupi, username, `${balupi.url}${path}`);
  await reader.page.waitForSelector(DRAWN);
  return reader;
}

/** The same by way of the sign-in, for what belongs to that session alone. */
export async function signedInAnew(
  browser: Browser,
  balupi: DashboardWorld,
  username: string,
  how: ReaderOptions = {},
  path = '/dashboard',
): Promise<Reader> {
  const reader = await newReader(browser, balupi, how);
  const { page } = reader;
  await page.goto(`${balupi.url}${path}`);
  await signIn(page, username);
  await page.waitForSelector(DRAWN);
  return reader;
}

async function newReader(
  browser: Browser,
  { url }: DashboardWorld,
  { locale = 'en-GB', look: colorScheme = 'light', width = 1400, timezoneId }: ReaderOptions,
): Promise<Reader> {
  const context = await browser.newContext({
    ...{ locale, colorScheme, viewport: { width, height: 900 }, reducedMotion: 'reduce' },
    ...(timezoneId === undefined ? {} : { timezoneId }),
  });
  return await readerIn(context, url);
}

export async function textOf(page: Page, selector: string): Promise<string> {
  return (await page.textContent(selector)) ?? '';
}

/** Waits until that part of a page says so: what it asked for may still be on its way. */
export async function says(page: Page, selector: string, pattern: RegExp): Promise<void> {
  const text = page.locator(selector).first();
  const said = text.filter({ hasText: pattern }).waitFor({ state: 'attached', timeout: 10_000 });
  await said.catch(async () => assert.match((await text.textContent()) ?? '', pattern));
}
