import { spawnSync } from 'node:child_process';
import { statfsSync } from 'node:fs';
import { join } from 'node:path';
import type { Proof, ProofOptions, ProofResult } from './proof.ts';
import { orphansIn } from './world/data-folder-check.ts';
import { Household } from './world/household.ts';
import { Ledger } from './world/ledger.ts';
import { MountFolder } from './world/mount-folder.ts';
import { Random } from './world/random.ts';
import { Uploader } from './world/uploader.ts';

const HOME = 'alice';
const FOLDER = `${HOME}/proof`;
const DISK_MB = 64;
const FREE_MB = 16;
const UPLOAD_BYTES = 1_000_000;
const REFUSED_WITHIN_MS = 100;
const MOST_UPLOADS = 200;
const DRAIN_MS = 180_000;

/** The disk fills up with uploads; then the NAS takes them and there is space again. */
export const fullDisk: Proof = {
  title: `a disk of ${DISK_MB} MB that fills up`,
  counts: 'times full',
  shortCount: 1,
  run: proveFullDisk,
};

async function proveFullDisk({ count, seed, log }: ProofOptions): Promise<ProofResult> {
  const folder = new MountFolder();
  const { mountPoint } = folder;
  const size = `size=${DISK_MB}m`;
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', size, 'none', mountPoint]);
  if (status !== 0) {
    folder.remove();
    return { failures: [], figures: {}, skipped: 'mounting a small disk takes root' };
  }
  const household = await Household.open({
    dataFolder: join(mountPoint, 'balupi'),
    environment: { BALUPI_CACHE_MIN_FREE_GB: String(FREE_MB / 1_000) },
  });
  try {
    return await fillUp(household, mountPoint, count, new Random(seed), log);
  } finally {
    await household.close();
    folder.remove();
  }
}

async function fillUp(
  household: Household,
  mountPoint: string,
  count: number,
  random: Random,
  log: (line: string) => void,
): Promise<ProofResult> {
  const ledger = new Ledger();
  await household.start();
  await household.signIn();
  const { url } = household.pi;
  const parts = { url: () => url, token: () => household.token, folder: FOLDER, ledger, random };
  const uploader = new Uploader(parts);
  const failures: string[] = [];
  let slowestMs = 0;
  let accepted = 0;
  for (let round = 1; round <= count; round += 1) {
    // Asleep, a folder shows as it was last seen.
    await household.ask(`/api/files/list?path=${HOME}`);
    await household.nas.sleep('suspend');
    const filled = await untilFull(household, uploader, round, failures);
    accepted += filled.accepted;
    slowestMs = Math.max(slowestMs, filled.slowestMs);
    const { bavail, bsize } = statfsSync(mountPoint);
    if (bavail * bsize < FREE_MB * 500_000) failures.push('the space to be kept free was used up');
    await household.nas.wake();
    failures.push(...(await household.drain(DRAIN_MS)));
    const again = await uploader.send(`again-${String(round)}.bin`, UPLOAD_BYTES);
    if (again.kind !== 'acknowledged') failures.push(`with space again an upload is ${again.kind}`);
    log(`full after ${filled.accepted} MB, space again after the delivery`);
  }
  failures.push(...(await household.drain(DRAIN_MS)));
  failures.push(...(await ledger.faultsAt(household.nas, FOLDER)));
  await household.pi.stop();
  failures.push(...orphansIn(household.dataFolder));
  if (slowestMs > REFUSED_WITHIN_MS) failures.push(`a refusal took ${slowestMs} ms`);
  return { failures, figures: { accepted, 'slowest 507, ms': slowestMs } };
}

async function untilFull(
  household: Household,
  uploader: Uploader,
  round: number,
  failures: string[],
): Promise<{ readonly accepted: number; readonly slowestMs: number }> {
  let slowestMs = 0;
  let [accepted, refused] = [0, 0];
  for (let at = 0; at < MOST_UPLOADS && refused < 10; at += 1) {
    const outcome = await uploader.send(`${String(round)}-${String(at)}.bin`, UPLOAD_BYTES);
    if (outcome.kind === 'acknowledged') accepted += 1;
    else if (outcome.kind === 'refused' && outcome.status === 507) {
      refused += 1;
      slowestMs = Math.max(slowestMs, Math.round(outcome.tookMs));
    } else failures.push(`an upload to a full disk was ${JSON.stringify(outcome)}`);
    const listed = await household.ask(`/api/files/list?path=${HOME}`);
    const health = await fetch(`${household.pi.url}/api/health`);
    if (health.status !== 200 || !Array.isArray(listed['files'])) {
      failures.push('reads fail while the disk is full');
    }
  }
  if (refused === 0) failures.push('the disk never was full');
  return { accepted, slowestMs };
}
