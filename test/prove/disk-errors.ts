import { join } from 'node:path';
import { PROGRAM_ENDING } from '../bench/project-folder.ts';
import type { Proof, ProofOptions, ProofResult } from './proof.ts';
import { checkDatabases, orphansIn } from './world/data-folder-check.ts';
import { Household } from './world/household.ts';
import { Ledger } from './world/ledger.ts';
import { Random } from './world/random.ts';
import { Uploader, type SendOutcome } from './world/uploader.ts';

const FOLDER = 'alice/proof';
const PRELOAD = join(import.meta.dirname, 'interpose', `failing-disk${PROGRAM_ENDING}`);
/** More than any upload does on the disk, so that a sweep that never ends fails. */
const MOST_STEPS = 200;
/** Several writes and a remainder. */
const SIZE_BYTES = 700_001;
const DRAIN_MS = 180_000;

/** Makes each disk operation of an upload fail in turn. */
export const diskErrors: Proof = {
  title: 'EIO and ENOSPC at the k-th open, write, fsync, rename and commit',
  counts: 'sweeps of each',
  shortCount: 1,
  run: proveDiskErrors,
};

interface Told {
  readonly struck: string | null;
}

async function proveDiskErrors({ count, seed, log }: ProofOptions): Promise<ProofResult> {
  const household = await Household.open({ preload: [PRELOAD] });
  const ledger = new Ledger();
  try {
    await household.start();
    await household.signIn();
    const { url } = household.pi;
    const random = new Random(seed);
    const parts = { url: () => url, token: () => household.token, folder: FOLDER, ledger, random };
    const sweep = new Sweep(household, new Uploader(parts));
    for (let round = 1; round <= count; round += 1) {
      for (const code of ['EIO', 'ENOSPC'] as const) {
        const steps = await sweep.run(code);
        log(`${code}: ${steps} operations, each failed once`);
      }
    }
    const failures = [...sweep.failures, ...(await household.drain(DRAIN_MS))];
    failures.push(...(await ledger.faultsAt(household.nas, FOLDER)));
    await household.pi.stop();
    checkDatabases(household.dataFolder);
    failures.push(...orphansIn(household.dataFolder));
    const { answered, kinds } = sweep;
    return { failures, figures: { answered, 'operations that failed': [...kinds].join(' ') } };
  } finally {
    await household.close();
  }
}

class Sweep {
  readonly failures: string[] = [];
  readonly kinds = new Set<string>();
  answered = 0;
  readonly #household: Household;
  readonly #uploader: Uploader;
  #files = 0;

  constructor(household: Household, uploader: Uploader) {
    this.#household = household;
    this.#uploader = uploader;
  }

  /** @returns how many operations one upload took */
  async run(code: 'EIO' | 'ENOSPC'): Promise<number> {
    for (let k = 1; k <= MOST_STEPS; k += 1) {
      await this.#household.pi.tell({ k, code });
      const outcome = await this.#send();
      const { struck } = (await this.#household.pi.tell({})) as Told;
      if (struck === null) return k - 1;
      this.kinds.add(struck);
      this.#judge(`${code} at operation ${k} (${struck})`, outcome);
      const next = await this.#send();
      if (next.kind !== 'acknowledged') {
        this.failures.push(
          `after ${code} at operation ${k} (${struck}) the next one is ${next.kind}`,
        );
      }
    }
    throw new Error(`No upload came through in ${MOST_STEPS} rounds.`);
  }

  #send(): Promise<SendOutcome> {
    this.#files += 1;
    return this.#uploader.send(`file-${String(this.#files)}.bin`, SIZE_BYTES);
  }

  #judge(when: string, outcome: SendOutcome): void {
    if (outcome.kind === 'cut') this.failures.push(`${when}: the connection was cut`);
    else this.answered += 1;
    if (outcome.kind !== 'refused') return;
    const { status, code } = outcome;
    if (![500, 502, 503, 507].includes(status) || code === '') {
      this.failures.push(`${when}: answered ${status} '${code}'`);
    }
  }
}
