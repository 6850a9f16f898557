import assert from 'node:assert/strict';
import type { Browser, BrowserContext, Cookie, Page } from 'playwright-core';
import { DASHBOARD_COOKIE } from '../../host/dashboard-sign-in.ts';
import type { DashboardWorld } from './dashboard-world.ts';
import { followAsks } from './page-asks.ts';

/** Present once a page has drawn something. */
export const DRAWN = '.nrdb-ui-group';

/** Text and tables of the page that are wider than their container. */
export const CUT_OFF = `[...document.querySelectorAll(
  '.nrdb-ui-group .v-card-title, .bp-tile b, .nrdb-ui-group .v-table__wrapper'
)].filter((place) => place.scrollWidth > place.clientWidth + 1).map((place) => place.innerText)`;

/** A user with a page of the Dashboard open. */
export interface Reader {
  readonly page: Page;
  /** URLs of other origins that the page requested. */
  readonly foreign: readonly string[];
  readonly complaints: readonly string[];
}

export interface ReaderOptions {
  readonly locale?: string;
  readonly look?: 'light' | 'dark';
  readonly width?: number;
  /** The browser's time zone, wherever BaluPi is. */
  readonly timezoneId?: string;
}

/** Opens a page that records what it requests and complains of. */
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

/** By BaluPi and user. */
const sessions = new Map<string, Cookie>();

/** Shares a session with later pages: a BaluPi allows few sign-ins a minute. */
async function keepSession(context: BrowserContext, url: string, username: string): Promise<void> {
  const cookie = (await context.cookies()).find(({ name }) => name === DASHBOARD_COOKIE);
  if (cookie !== undefined) sessions.set(`${url} ${username}`, cookie);
}

/** Opens a page as that user, who signed in once, also at another URL of the same BaluPi. */
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
  // Unless that session was signed out meanwhile.
  if (!new URL(page.url()).pathname.endsWith('/sign-in')) return;
  await signIn(page, username);
  await page.waitForURL((now) => !now.pathname.endsWith('/sign-in'));
  await keepSession(context, url, username);
}

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

/** Like {@link signedIn}, with a session of its own, for tests that change or end it. */
export async function signedInFresh(
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

/** Waits until that part of a page matches: its answer may still be on its way. */
export async function says(page: Page, selector: string, pattern: RegExp): Promise<void> {
  const text = page.locator(selector).first();
  const said = text.filter({ hasText: pattern }).waitFor({ state: 'attached', timeout: 10_000 });
  await said.catch(async () => assert.match((await text.textContent()) ?? '', pattern));
}
