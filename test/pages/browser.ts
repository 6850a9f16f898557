import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Suite } from 'mocha';
import { type Browser, chromium, type Page } from 'playwright-core';
import { openAsksOf } from './page-asks.ts';

/** The path on Debian and Raspberry Pi OS. */
const WHOLE = '/usr/bin/chromium';
/** Renders the same without a browser's windows, whose own pages cost as much as ours. */
const SHELL = '/usr/bin/chromium-headless-shell';
/** Longest extract of a page in an error message, in characters. */
const MOST_SHOWN = 2_000;

/**
 * A headless Chromium; without one on this machine the suite is skipped, and says why.
 * @param isWhole whether the tests need more than the shell has, which shows no notifications
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
    // Mocha prints the stack, which contains the message.
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

/** What the open pages show, for readers of a failure who have nothing else. */
async function shownIn(browser: Browser): Promise<string> {
  const pages = browser.contexts().flatMap((context) => context.pages());
  const shown = pages.map(async (page) => {
    const text = await page.evaluate<string>('document.body.innerText').catch(String);
    const asks = openAsksOf(page).join(', ');
    return `\n--- ${page.url()}, unanswered: ${asks || 'nothing'}\n${text.slice(0, MOST_SHOWN)}`;
  });
  return (await Promise.all(shown)).join('');
}

export interface Watched {
  readonly page: Page;
  /** URLs of other origins that it requested. */
  readonly foreign: readonly string[];
  /** Console errors: failed scripts, violations of the content security policy, and so on. */
  readonly complaints: readonly string[];
}

/** Opens a page and records what it requests and complains of. */
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
 * Saves a picture for the documents if BALUPI_PICTURES names a folder for it. Fonts differ between
 * machines, so pictures are looked at and never compared.
 */
export async function picture(page: Page, name: string, fullPage = false): Promise<void> {
  const folder = process.env['BALUPI_PICTURES'];
  if (folder !== undefined) {
    // For the animations of bars and gauges.
    await page.waitForTimeout(1_500);
    await page.screenshot({ path: join(folder, `${name}.png`), fullPage });
  }
}
