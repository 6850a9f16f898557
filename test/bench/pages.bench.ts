import { existsSync } from 'node:fs';
import { type BrowserContext, chromium } from 'playwright-core';
import { signedIn } from '../pages/dashboard-reader.ts';
import { DashboardWorld } from '../pages/dashboard-world.ts';
import { Goals } from './report/goals.ts';
import { short, Table } from './report/table.ts';

const CHROMIUM = '/usr/bin/chromium';
const KB = 1_000;
/** The slowdown to an old phone, and a home's wireless network. */
const SLOWER = 6;
const NETWORK = { offline: false, latency: 5, downloadThroughput: 2.5e6, uploadThroughput: 1.25e6 };
const ROUNDS = 5;

/** The first bar of the past, as the page itself draws it. */
const CHART = '.bp-charts svg .bp-measured';
/** Reports by a binding: polling for an element, as test tools do, would be work of the page. */
const WATCH = `new MutationObserver((_, own) => {
  if (document.querySelector('${CHART}') === null) return;
  own.disconnect();
  drawn('');
}).observe(document, { childList: true, subtree: true });`;

interface Visit {
  /** From navigation to drawn bars. */
  readonly chartMs: number;
  /** Compressed bytes over the network, including sockets. */
  readonly bytes: number;
  /** Busy time of the page's main thread, on the slowed processor. */
  readonly busyMs: number;
}

interface Round {
  readonly first: Visit;
  readonly second: Visit;
  /** Other work on the machine slows the slowed processor further, and this one hardly. */
  readonly unslowed: Visit;
}

/** How soon an old phone shows the first chart of the page Energy, and what it fetches for that. */
export async function benchPages(print: (line: string) => void): Promise<void> {
  if (!existsSync(CHROMIUM)) throw new Error(`There is no ${CHROMIUM} to measure with.`);
  const world = await DashboardWorld.start();
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: ['--no-sandbox', '--disable-gpu', '--no-first-run'],
  });
  const visits: Round[] = [];
  try {
    for (let round = 0; round < ROUNDS; round += 1) {
      const { page } = await signedIn(browser, world, 'alice', { width: 400 });
      const cookies = await page.context().cookies();
      await page.context().close();
      const context = await browser.newContext({ viewport: { width: 400, height: 800 } });
      await context.addCookies(cookies);
      const first = await visit(context, world.url, SLOWER);
      const second = await visit(context, world.url, SLOWER);
      visits.push({ first, second, unslowed: await visit(context, world.url, 1) });
      await context.close();
    }
  } finally {
    await browser.close();
    await world.stop();
  }
  tell(visits, print);
}

async function visit(context: BrowserContext, url: string, slower: number): Promise<Visit> {
  const page = await context.newPage();
  const cdp = await context.newCDPSession(page);
  await cdp.send('Network.enable');
  await cdp.send('Performance.enable', { timeDomain: 'threadTicks' });
  await cdp.send('Network.emulateNetworkConditions', NETWORK);
  await cdp.send('Emulation.setCPUThrottlingRate', { rate: slower });
  let bytes = 0;
  cdp.on('Network.loadingFinished', ({ encodedDataLength }) => (bytes += encodedDataLength));
  cdp.on('Network.webSocketFrameReceived', ({ response }) => {
    bytes += response.payloadData.length;
  });
  await cdp.send('Page.enable');
  await cdp.send('Runtime.enable');
  await cdp.send('Runtime.addBinding', { name: 'drawn' });
  await cdp.send('Page.addScriptToEvaluateOnNewDocument', { source: WATCH });
  const drawn = new Promise<void>((resolve) => {
    cdp.on('Runtime.bindingCalled', ({ name }) => {
      if (name === 'drawn') resolve();
    });
  });
  const began = performance.now();
  await cdp.send('Page.navigate', { url: `${url}/dashboard/energy` });
  await drawn;
  const chartMs = performance.now() - began;
  const busyMs = await busyOf(cdp);
  await page.close();
  return { chartMs, bytes, busyMs };
}

async function busyOf(cdp: Awaited<ReturnType<BrowserContext['newCDPSession']>>): Promise<number> {
  const { metrics } = await cdp.send('Performance.getMetrics');
  return 1_000 * (metrics.find(({ name }) => name === 'TaskDuration')?.value ?? NaN);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}

function tell(visits: readonly Round[], print: (line: string) => void): void {
  const of = (which: keyof Round, what: keyof Visit): number[] =>
    visits.map((pair) => pair[which][what]);
  print(`Chromium slowed down ${SLOWER} times, 20 Mbit/s, ${ROUNDS} times each.`);
  print('');
  const table = new Table('visit', 'first chart', 'best', 'thread at work', 'fetched');
  for (const which of ['first', 'second'] as const) {
    const [chart, busy] = [of(which, 'chartMs'), of(which, 'busyMs')];
    table.add(
      which,
      ...[median(chart), Math.min(...chart), median(busy)].map((ms) => `${short(ms)} ms`),
      `${short(median(of(which, 'bytes')) / KB)} KB`,
    );
  }
  for (const line of table.lines()) print(line);
  print('');
  const busy = median(of('unslowed', 'busyMs'));
  print(`Thread at work at a visit that is not slowed down: ${short(busy)} ms.`);
  print('');
  const goals = new Goals();
  goals.atMost('first visit', median(of('first', 'bytes')) / KB, 700, ' KB');
  goals.atMost('first chart, first visit', median(of('first', 'chartMs')), 3_500, ' ms');
  goals.atMost('first chart, second visit', median(of('second', 'chartMs')), 2_000, ' ms');
  for (const line of goals.lines()) print(line);
}
