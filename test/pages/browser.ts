import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Suite } from 'mocha';
import { type Browser, chromium, type Page } from 'playwright-core';
import { openAsksOf } from './page-asks.ts';

/** Where Debian and Raspberry Pi OS put it. */
const WHOLE = '/usr/bin/chromium';
/** Draws the same without the windows of a browser, whose pages cost as much as ours. */
const SHELL = '/usr/bin/chromium-headless-shell';
/** Characters of a page, of which a message tells no more. */
const MOST_SHOWN = 2_000;

/**
 * A headless Chromium; without one on this machine the suite is skipped, and says why.
 *
 * @param isWhole whether it wants more than the shell has, which shows no notifications
 */
export function browserOf(suite: Suite, isWhole = false): () => Browser {
  let browser: Browser | null = null;
  const programs = isWhole ? [WHOLE] : [SHELL, WHOLE];
  const program = programs.find((one) => existsSync(one)) ?? '';
  if (program === '') {
    suite.title += ` (skipped: there is no ${programs.join(' or ')})`;
    suite.pending = true;
  }
  before(async () => {
    browser = await chromium.launch({
      executablePath: program,
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    });
  });
  afterEach(async function () {
    const error = this.currentTest?.err;
    // Mocha prints the stack, in which the message is.
    if (error !== undefined && browser !== null) error.stack += await shownIn(browser);
  });
  after(async () => {
    await browser?.close();
  });
  return () => {
    if (browser === null) throw new Error('The browser is not open yet.');
    return browser;
  };
}

/** What is on the pages that are open, for somebody who reads that a test failed and not more. */
async function shownIn(browser: Browser): Promise<string> {
  const pages = browser.contexts().flatMap((context) => context.pages());
  const shown = pages.map(async (page) => {
    const text = await page.evaluate<string>('document.body.innerText').catch(String);
    const asks = openAsksOf(page).join(', ');
    return `\n--- ${page.url()}, unanswered: ${asks || 'nothing'}\n${text.slice(0, MOST_SHOWN)}`;
  });
  return (await Promise.all(shown)).join('');
}

/** What a page did that none of ours may do. */
export interface Watched {
  readonly page: Page;
  /** Addresses of another origin that it asked for. */
  readonly foreign: readonly string[];
  /** What it complained of: failed scripts, refused by the content security policy, and so on. */
  readonly complaints: readonly string[];
}

/** Opens a page and writes down what it asks for and what it complains of. */
export async function openPage(
  browser: Browser,
  origin: string,
  language: 'en-US' | 'de',
): Promise<Watched> {
  const [foreign, complaints]: [string[], string[]] = [[], []];
  const page = await browser.newPage({
    locale: language,
    viewport: { width: 1400, height: 800 },
  });
  page.on('request', (request) => {
    const url = request.url();
    const isOurs = url.startsWith(`${origin}/`) || /^(?:data|blob):/.test(url);
    if (!isOurs) foreign.push(url);
  });
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  return { page, foreign, complaints };
}

/**
 * Keeps a picture for the documents, where BALUPI_PICTURES names a folder for it. Fonts differ from
 * machine to machine, so a picture is looked at and never compared.
 */
export async function picture(page: Page, name: string, fullPage = false): Promise<void> {
  const folder = process.env['BALUPI_PICTURES'];
  if (folder !== undefined) {
    // Bars and needles come to rest.
    await page.waitForTimeout(1_500);
    await page.screenshot({ path: join(folder, `${name}.png`), fullPage });
  }
}
