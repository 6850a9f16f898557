import type { Browser, BrowserContext, Page } from 'playwright-core';
import { type Reader, readerIn, type ReaderOptions } from './dashboard-reader.ts';
import type { DashboardWorld } from './dashboard-world.ts';

/** Tells that the page Files drew what it has to show. */
export const SHOWN = '.grid [role=row][data-name], .empty';

/** Somebody with the page Files open. */
export interface FilesReader extends Reader {
  readonly context: BrowserContext;
}

export interface FilesReaderOptions extends ReaderOptions {
  readonly isTouch?: boolean;
  /** Another address of the same BaluPi, such as that of a line that breaks. */
  readonly url?: string;
}

const kept = new Map<string, Awaited<ReturnType<BrowserContext['storageState']>>>();

/** Opens the page Files as that user, who signed in once: a BaluPi allows few sign-ins a minute. */
export async function filesReader(
  browser: Browser,
  balupi: DashboardWorld,
  username: string,
  how: FilesReaderOptions = {},
  path = '',
): Promise<FilesReader> {
  const { locale = 'en-GB', look = 'light', width = 1200, isTouch = false, url = balupi.url } = how;
  const key = `${balupi.url} ${username}`;
  const known = kept.get(key);
  const context = await browser.newContext({
    ...{ locale, colorScheme: look, hasTouch: isTouch, isMobile: isTouch },
    viewport: { width, height: isTouch ? 780 : 760 },
    ...(known === undefined ? {} : { storageState: known }),
  });
  const reader = await readerIn(context, url);
  await reader.page.goto(`${url}${address(path)}`);
  if (known === undefined) {
    await signIn(reader.page, username);
    kept.set(key, await context.storageState());
  }
  await reader.page.waitForSelector(SHOWN);
  return { ...reader, context };
}

export function address(path: string): string {
  return path === '' ? '/dashboard/files' : `/dashboard/files?path=${encodeURIComponent(path)}`;
}

async function signIn(page: Page, username: string): Promise<void> {
  await page.fill('input[name=username]', username);
  await page.fill('input[name=password]', `Practice-${username}-1`);
  await page.click('button');
}
