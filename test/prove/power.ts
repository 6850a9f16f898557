import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { PROGRAM_ENDING } from '../bench/project-folder.ts';
import type { Proof, ProofOptions, ProofResult } from './proof.ts';
import { checkDatabases, lostFrom, orphansIn } from './world/data-folder-check.ts';
import { Household } from './world/household.ts';
import { Ledger } from './world/ledger.ts';
import { LoopDisk } from './world/loop-disk.ts';
import { Random } from './world/random.ts';
import { Uploader } from './world/uploader.ts';

const FOLDER = 'alice/proof';
const CLIENTS = 4;
const WEAK = join(import.meta.dirname, 'interpose', `weak-commits${PROGRAM_ENDING}`);

/** Cuts the power of BaluPi's disk while it accepts and delivers. */
export const power: Proof = {
  title: 'power cut of the disk while uploading',
  counts: 'cuts',
  shortCount: 5,
  run: provePower,
};

interface Cuts {
  readonly failures: readonly string[];
  readonly acknowledged: number;
  readonly lost: number;
}

async function provePower({ count, seed, log }: ProofOptions): Promise<ProofResult> {
  const disk = LoopDisk.create();
  if (typeof disk === 'string') return { failures: [], figures: {}, skipped: disk };
  try {
    const real = await cuts(disk, count, new Random(seed), []);
    log(`${count} cuts: ${real.acknowledged} acknowledged, ${real.lost} lost`);
    const control = await cuts(disk, count, new Random(seed), [WEAK]);
    log(`${count} cuts without syncing the log: ${control.lost} of ${control.acknowledged} lost`);
    const failures = [...real.failures];
    if (real.lost > 0) failures.push(`${real.lost} acknowledged uploads were lost`);
    if (control.lost === 0) {
      failures.push('without syncing the log nothing was lost either, so this proves nothing');
    }
    return {
      failures,
      figures: {
        cuts: count,
        acknowledged: real.acknowledged,
        lost: real.lost,
        'control, acknowledged': control.acknowledged,
        'control, lost': control.lost,
      },
    };
  } finally {
    disk.remove();
  }
}

async function cuts(
  disk: LoopDisk,
  count: number,
  random: Random,
  preload: readonly string[],
): Promise<Cuts> {
  const failures: string[] = [];
  let [acknowledged, lost] = [0, 0];
  for (let round = 1; round <= count; round += 1) {
    const dataFolder = join(disk.mountPoint, `${preload.length > 0 ? 'weak' : 'real'}-${round}`);
    const household = await Household.open({ dataFolder, preload });
    const ledger = new Ledger();
    try {
      await uploadAndCut(household, disk, ledger, random);
      checkDatabases(dataFolder);
      const delivered = new Set(household.nas.contents.map(({ checksum }) => checksum));
      acknowledged += ledger.acknowledged.length;
      lost += lostFrom(dataFolder, ledger.acknowledged, delivered).length;
      if (preload.length === 0) failures.push(...(await afterwards(household, ledger)));
    } finally {
      await household.close();
      // A hundred of them would fill the disk, and the last ones would accept nothing.
      rmSync(dataFolder, { recursive: true, force: true });
    }
  }
  return { failures, acknowledged, lost };
}

async function uploadAndCut(
  household: Household,
  disk: LoopDisk,
  ledger: Ledger,
  random: Random,
): Promise<void> {
  await household.start();
  await household.signIn();
  const { url } = household.pi;
  // Asleep, every acknowledged file is still only on the Pi when the power goes.
  if (random.next() < 0.7) await household.nas.sleep('suspend');
  const parts = { url: () => url, token: () => household.token, folder: FOLDER, ledger, random };
  const over = new AbortController();
  const clients = Array.from({ length: CLIENTS }, (_, at) =>
    new Uploader(parts).keepSending(`client-${String(at)}`, over.signal),
  );
  await pause(random.between(300, 1_500));
  disk.cut();
  // The disk is gone: anything acknowledged from here on could not have been written.
  await household.kill();
  over.abort();
  await Promise.all(clients);
  disk.remount();
}

/** The next boot: it starts, leaves no orphans and answers. */
async function afterwards(household: Household, ledger: Ledger): Promise<string[]> {
  await household.start([]);
  const unknown = await fetch(`${household.pi.url}/api/health`);
  const failures = unknown.status === 200 ? [] : [`health answers ${unknown.status} after the cut`];
  await household.pi.stop();
  failures.push(...orphansIn(household.dataFolder));
  const tree = await household.nas.tree();
  for (const { path, sha256 } of tree) {
    if (path.startsWith(`${FOLDER}/`) && !ledger.wasSent(path, sha256)) {
      failures.push(`${path} holds bytes that nobody sent there`);
    }
  }
  return failures;
}
