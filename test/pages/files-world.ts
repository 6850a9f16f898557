import type { Browser, BrowserContext } from 'playwright-core';
import { openAs, type Reader, readerIn, type ReaderOptions } from './dashboard-reader.ts';
import type { DashboardWorld } from './dashboard-world.ts';

/** Present once the page Files has drawn its content. */
export const SHOWN = '.grid [role=row][data-name], .empty';

/** A user with the page Files open. */
export interface FilesReader extends Reader {
  readonly context: BrowserContext;
}

export interface FilesReaderOptions extends ReaderOptions {
  readonly isTouch?: boolean;
  /** Another URL of the same BaluPi, such as that of a line that breaks. */
  readonly url?: string;
}

export async function filesReader(
  browser: Browser,
  balupi: DashboardWorld,
  username: string,
  how: FilesReaderOptions = {},
  path = '',
): Promise<FilesReader> {
  const { locale = 'en-GB', look = 'light', width = 1200, isTouch = false, url = balupi.url } = how;
  const context = await browser.newContext({
    ...{ locale, colorScheme: look, hasTouch: isTouch, isMobile: isTouch },
    reducedMotion: 'reduce',
    viewport: { width, height: isTouch ? 780 : 760 },
  });
  const reader = await readerIn(context, url);
  await openAs(reader, balupi, username, `${url}${address(path)}`);
  await reader.page.waitForSelector(SHOWN);
  return { ...reader, context };
}

export function address(path: string): string {
  return path === '' ? '/dashboard/files' : `/dashboard/files?path=${encodeURIComponent(path)}`;
}
