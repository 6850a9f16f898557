import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { dashboardCookie, RawPage } from '../fakes/raw-page.ts';
import { PROJECT_FOLDER } from './project-folder.ts';
import { Goals } from './report/goals.ts';
import { short, Table } from './report/table.ts';
import { BaluPiProcess } from './world/balupi.ts';
import type { BenchWorld } from './world/bench-nas.ts';
import { wholeBytes } from './world/proc.ts';

const MB = 1_000_000;
/** Until garbage of the start has been collected. */
const REST_MS = 15_000;
const LOOK_MS = 20_000;
const PAGES = 5;

/** Memory of an idle BaluPi without the Dashboard, with it, and while its pages are open. */
export async function benchPages(world: BenchWorld, print: (line: string) => void): Promise<void> {
  const table = new Table('idle', 'memory');
  const without = await idleBytes(world, 'without', flowsWithout(world.workFolder('flows')));
  table.add('without the flows of the Dashboard', `${short(without / MB)} MB`);
  const balupi = await BaluPiProcess.start(world.nas, world.workFolder('with'));
  try {
    await rest(REST_MS);
    const idle = wholeBytes(balupi.pids);
    table.add('with them, nobody looks', `${short(idle / MB)} MB`);
    const looked = await lookedAtBytes(balupi);
    table.add(`with ${PAGES} pages open`, `${short(looked / MB)} MB`);
    for (const line of table.lines()) print(line);
    print('');
    const goals = new Goals();
    goals.atMost(`the whole process with ${PAGES} pages open`, looked / MB, 250, ' MB');
    for (const line of goals.lines()) print(line);
  } finally {
    await balupi.stop();
  }
}

async function idleBytes(world: BenchWorld, name: string, flows: string): Promise<number> {
  const balupi = await BaluPiProcess.start(world.nas, world.workFolder(name), {}, flows);
  try {
    await rest(REST_MS);
    return wholeBytes(balupi.pids);
  } finally {
    await balupi.stop();
  }
}

async function lookedAtBytes(balupi: BaluPiProcess): Promise<number> {
  await balupi.signIn('alice', 'Practice-alice-1');
  const cookie = await dashboardCookie(balupi.url, 'alice');
  const pages = Array.from({ length: PAGES }, () => new RawPage(balupi.url, cookie));
  for (const page of pages) await page.open();
  await Promise.all(pages.map((page) => page.listen(() => false, LOOK_MS)));
  return wholeBytes(balupi.pids);
}

/** The project's flows without the pages and their nodes. */
function flowsWithout(folder: string): string {
  mkdirSync(folder, { recursive: true });
  const isPage = (name: string): boolean => /^dashboard-/.test(name);
  cpSync(join(PROJECT_FOLDER, 'flows'), folder, {
    recursive: true,
    filter: (file) => !file.endsWith('.ts') && !isPage(file.slice(file.lastIndexOf('/') + 1)),
  });
  for (const [name, keeps] of [
    ['shared.json', ({ type }: { type?: string }) => type?.startsWith('ui-') !== true],
    ['_order.json', (tab: unknown) => !isPage(String(tab))],
  ] as const) {
    const file = join(folder, name);
    const all = JSON.parse(readFileSync(file, 'utf8')) as [];
    writeFileSync(file, `${JSON.stringify(all.filter(keeps), null, 2)}\n`);
  }
  return folder;
}

async function rest(forMs: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, forMs));
}
