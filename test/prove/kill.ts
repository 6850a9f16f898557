import { setTimeout as pause } from 'node:timers/promises';
import type { Proof, ProofOptions, ProofResult } from './proof.ts';
import { checkDatabases, orphansIn } from './world/data-folder-check.ts';
import { Household, READY_WITHIN_MS } from './world/household.ts';
import { Ledger } from './world/ledger.ts';
import { Random } from './world/random.ts';
import { Uploader } from './world/uploader.ts';

const FOLDER = 'alice/proof';
const CLIENTS = 4;
/** Enough to be in every step of the way, few enough to be delivered afterwards. */
const UPLOADS_A_CLIENT = 3;
const LATEST_KILL_MS = 700;
const DRAIN_BASE_MS = 60_000;
/** BaluPi's pace, to spare the NAS. */
const DRAIN_A_FILE_MS = 1_500;

/** Kills BaluPi with SIGKILL at random moments while it accepts and delivers. */
export const kill: Proof = {
  title: 'kill -9 while uploading and delivering',
  counts: 'kills',
  shortCount: 25,
  run: proveKills,
};

async function proveKills({ count, seed, log }: ProofOptions): Promise<ProofResult> {
  const random = new Random(seed);
  const household = await Household.open();
  const ledger = new Ledger();
  const readyMs: number[] = [];
  try {
    await household.start();
    await household.signIn();
    for (let round = 1; round <= count; round += 1) {
      await oneKill(household, ledger, random);
      readyMs.push(await household.start());
      await household.signIn();
      if (round % 10 === 0 || round === count) {
        const slowest = Math.round(Math.max(...readyMs.slice(-10)));
        const { sentCount, acknowledged } = ledger;
        log(
          `${round} kills, ${sentCount} sent, ${acknowledged.length} acknowledged; ` +
            `ready again within ${slowest} ms`,
        );
      }
    }
    return await judge(household, ledger, readyMs);
  } finally {
    await household.close();
  }
}

async function oneKill(household: Household, ledger: Ledger, random: Random): Promise<void> {
  const over = new AbortController();
  const { url } = household.pi;
  const uploader = new Uploader({
    url: () => url,
    token: () => household.token,
    folder: FOLDER,
    ledger,
    random,
  });
  const asleep = random.next() < 0.4;
  if (asleep) await household.nas.sleep('suspend');
  const clients = Array.from({ length: CLIENTS }, (_, at) =>
    uploader.keepSending(
      `${String(ledger.sentCount)}-${String(at)}`,
      over.signal,
      UPLOADS_A_CLIENT,
    ),
  );
  await pause(random.between(0, LATEST_KILL_MS));
  if (asleep && random.next() < 0.5) await household.nas.wake();
  await household.kill();
  over.abort();
  await Promise.all(clients);
  if (household.nas.sleepState !== 'awake') await household.nas.wake();
}

async function judge(
  household: Household,
  ledger: Ledger,
  readyMs: number[],
): Promise<ProofResult> {
  const waiting = ledger.acknowledged.length;
  const failures = await household.drain(DRAIN_BASE_MS + waiting * DRAIN_A_FILE_MS);
  failures.push(...(await ledger.faultsAt(household.nas, FOLDER)));
  const slowest = Math.max(...readyMs);
  if (slowest > READY_WITHIN_MS) failures.push(`a start took ${String(Math.round(slowest))} ms`);
  await household.pi.stop();
  checkDatabases(household.dataFolder);
  failures.push(...orphansIn(household.dataFolder));
  return {
    failures,
    figures: {
      kills: readyMs.length,
      sent: ledger.sentCount,
      acknowledged: waiting,
      'slowest start, ms': Math.round(slowest),
    },
  };
}
