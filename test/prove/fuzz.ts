import type { Proof, ProofOptions, ProofResult } from './proof.ts';
import { Household } from './world/household.ts';
import { BOUNDARY, inChunks, mutatedBody } from './world/mutated-bodies.ts';
import { Onlooker } from './world/onlooker.ts';
import { Random } from './world/random.ts';
import { contractFault, exchange } from './world/raw-exchange.ts';

const CLIENTS = 6;
const WARM_UP = 100;
const ALLOWED = [200, 400, 403, 413, 415, 422, 429, 507];

/** Forms broken in every way, sent to the upload route. */
export const fuzz: Proof = {
  title: 'mutated multipart bodies: no exit, no answer outside the contract, nobody else disturbed',
  counts: 'bodies',
  shortCount: 400,
  run: proveFuzz,
};

async function proveFuzz({ count, seed, log }: ProofOptions): Promise<ProofResult> {
  const household = await Household.open();
  try {
    await household.start();
    await household.signIn();
    const scene = new Scene(household, new Random(seed));
    await scene.send(WARM_UP);
    const onlooker = new Onlooker(household);
    onlooker.start();
    for (let done = 0; done < count; done += 1_000) {
      await household.signIn();
      await scene.send(Math.min(1_000, count - done));
      log(`${Math.min(count, done + 1_000)} bodies`);
    }
    const watched = await onlooker.stop();
    const failures = [...new Set(scene.failures), ...watched.failures];
    return { failures, figures: { ...scene.figures(), ...watched.figures } };
  } finally {
    await household.close();
  }
}

class Scene {
  readonly failures: string[] = [];
  readonly #seen = new Map<string, number>();
  readonly #household: Household;
  readonly #random: Random;

  constructor(household: Household, random: Random) {
    this.#household = household;
    this.#random = random;
  }

  async send(count: number): Promise<void> {
    let left = count;
    const client = async (): Promise<void> => {
      while (left > 0 && this.#household.pi.isRunning) {
        left -= 1;
        await this.#sendOne();
      }
    };
    await Promise.all(Array.from({ length: CLIENTS }, client));
  }

  figures(): Record<string, number> {
    return Object.fromEntries([...this.#seen].sort());
  }

  async #sendOne(): Promise<void> {
    const random = this.#random;
    const cut = random.between(0, 29) === 0;
    const answered = await exchange(this.#household.pi.port, this.#request(), cut);
    const key = answered.kind === 'answer' ? `answered ${answered.status}` : answered.kind;
    this.#seen.set(key, (this.#seen.get(key) ?? 0) + 1);
    const fault = cut ? null : contractFault(answered, ALLOWED);
    if (fault !== null) this.failures.push(fault);
  }

  #request(): Buffer {
    const random = this.#random;
    const body = mutatedBody(random);
    const type = random.pick([
      ...Array.from({ length: 12 }, () => `multipart/form-data; boundary=${BOUNDARY}`),
      `multipart/form-data; boundary="${BOUNDARY}"`,
      'multipart/form-data',
      'multipart/form-data; boundary=',
      'application/json',
    ]);
    const chunked = random.between(0, 3) === 0;
    const head =
      `POST /api/files/upload?path=alice/fuzz HTTP/1.1\r\nHost: pi\r\nConnection: close\r\n` +
      `Authorization: Bearer ${this.#household.token}\r\nContent-Type: ${type}\r\n` +
      (chunked ? 'Transfer-Encoding: chunked\r\n\r\n' : `Content-Length: ${body.length}\r\n\r\n`);
    if (!chunked) return Buffer.concat([Buffer.from(head), body]);
    const chunks = inChunks(random, body).flatMap((chunk) => [
      Buffer.from(`${chunk.length.toString(16)}\r\n`),
      chunk,
      Buffer.from('\r\n'),
    ]);
    return Buffer.concat([Buffer.from(head), ...chunks, Buffer.from('0\r\n\r\n')]);
  }
}
