import { setTimeout as pause } from 'node:timers/promises';
import type { Proof, ProofOptions, ProofResult } from './proof.ts';
import { FaultGate, TROUBLES } from './world/fault-gate.ts';
import { Household } from './world/household.ts';
import { Ledger } from './world/ledger.ts';
import { Random } from './world/random.ts';
import { Uploader } from './world/uploader.ts';

const FOLDER = 'alice/proof';
const FLAP_MS = 2_000;
/** How soon the queue has to be empty once the NAS is steady. */
const EMPTY_WITHIN_MS = 60_000;
/** One file each interval: less than BaluPi may deliver in that time. */
const UPLOAD_EVERY_MS = 2_000;
/**
 * A kept file never waits for the NAS longer than the files module allows, plus some for a busy
 * machine.
 */
const READ_WITHIN_MS = 2_500;
const KEPT = { name: 'kept.bin', sizeBytes: 100_000 };

/** The NAS comes and goes every two seconds, in every way a network has. */
export const flap: Proof = {
  title: 'a NAS that flaps, resets, swallows, truncates, crawls and restarts',
  counts: 'troubles of 2 s',
  shortCount: 12,
  isPatient: true,
  run: proveFlapping,
};

async function proveFlapping({ count, seed, log }: ProofOptions): Promise<ProofResult> {
  const random = new Random(seed);
  let gate: FaultGate | null = null;
  const household = await Household.open();
  try {
    gate = await FaultGate.open(household.nas.url, random);
    household.nasUrl = gate.url;
    await household.start();
    await household.signIn();
    const ledger = new Ledger();
    const parts = {
      url: () => household.pi.url,
      token: () => household.token,
      folder: FOLDER,
      ledger,
      random,
    };
    const uploader = new Uploader(parts);
    const scene = new Scene(household, gate, uploader, random);
    await uploader.send(KEPT.name, KEPT.sizeBytes);
    for (let round = 1; round <= count; round += 1) {
      await scene.trouble();
      if (round % 10 === 0) log(`${round} troubles, ${ledger.acknowledged.length} acknowledged`);
    }
    gate.trouble = 'none';
    const startedMs = performance.now();
    const failures = [...scene.failures, ...(await household.drain(EMPTY_WITHIN_MS))];
    const emptyMs = Math.round(performance.now() - startedMs);
    failures.push(...(await ledger.faultsAt(household.nas, FOLDER)));
    if (scene.readP95Ms > READ_WITHIN_MS) {
      failures.push(`p95 of kept reads is ${scene.readP95Ms} ms, more than ${READ_WITHIN_MS}`);
    }
    const acknowledged = ledger.acknowledged.length;
    return {
      failures,
      figures: { acknowledged, 'reads, p95 ms': scene.readP95Ms, 'empty after, ms': emptyMs },
    };
  } finally {
    await household.close();
    await gate?.close();
  }
}

class Scene {
  readonly failures: string[] = [];
  readonly #household: Household;
  readonly #gate: FaultGate;
  readonly #uploader: Uploader;
  readonly #random: Random;
  readonly #readMs: number[] = [];
  #uploads = 0;

  constructor(household: Household, gate: FaultGate, uploader: Uploader, random: Random) {
    this.#household = household;
    this.#gate = gate;
    this.#uploader = uploader;
    this.#random = random;
  }

  get readP95Ms(): number {
    const sorted = this.#readMs.toSorted((left, right) => left - right);
    return Math.round(sorted[Math.floor(sorted.length * 0.95)] ?? 0);
  }

  /** Two seconds of a fault, then two without, while a caller uploads and reads. */
  async trouble(): Promise<void> {
    this.#gate.trouble = this.#random.pick(TROUBLES);
    if (this.#random.next() < 0.2) this.#household.nas.restart();
    await this.#live();
    this.#gate.trouble = 'none';
    await this.#live();
  }

  async #live(): Promise<void> {
    this.#uploads += 1;
    const sizeBytes = this.#random.between(1, 300_000);
    const name = `file-${String(this.#uploads)}.bin`;
    const [outcome] = await Promise.all([
      this.#uploader.send(name, sizeBytes),
      this.#read(),
      pause(Math.max(FLAP_MS, UPLOAD_EVERY_MS)),
    ]);
    if (outcome.kind === 'cut') this.failures.push(`the upload of ${name} was cut`);
    if (outcome.kind === 'refused') {
      this.failures.push(`the upload of ${name} was refused: ${outcome.status} ${outcome.code}`);
    }
  }

  /** A file that is on the Pi, whatever happens to the NAS. */
  async #read(): Promise<void> {
    const startedMs = performance.now();
    const answered = await fetch(
      `${this.#household.pi.url}/api/files/download/${FOLDER}/${KEPT.name}`,
      { headers: { Authorization: `Bearer ${this.#household.token}` } },
    );
    const bytes = await answered.arrayBuffer();
    this.#readMs.push(performance.now() - startedMs);
    if (answered.status !== 200 || bytes.byteLength !== KEPT.sizeBytes) {
      this.failures.push(`a kept file was answered ${answered.status}, ${bytes.byteLength} bytes`);
    }
  }
}
