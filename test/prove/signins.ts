import { request } from 'node:http';
import { json } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import type { Proof, ProofOptions, ProofResult } from './proof.ts';
import { Household } from './world/household.ts';
import { Random } from './world/random.ts';

/** The most a correct sign-in may take, whoever attacks. */
const WITHIN_MS = 3_000;
const AWAKE_MS = 30_000;
const ASLEEP_MS = 6_000;
/** Between two tries of the stranger, most of which are rejected. */
const TRY_EVERY_MS = 100;
/** How often each of the family signs in while the NAS is awake. */
const AGAIN_MS = 10_000;
/** A second factor costs a sign-in at the NAS each time, which allows few a minute. */
const SECOND_FACTOR_AGAIN_MS = 62_000;

/** BaluPi probes once a second here. */
const SEEN_AGAIN_MS = 2_500;

const STRANGER = '127.0.0.66';
const CODE = '246810';

interface Member {
  readonly name: string;
  readonly from: string;
  readonly hasSecondFactor: boolean;
}

const FAMILY: readonly Member[] = [
  { name: 'alice', from: '127.0.0.11', hasSecondFactor: false },
  { name: 'admin', from: '127.0.0.12', hasSecondFactor: false },
  { name: 'dora', from: '127.0.0.13', hasSecondFactor: true },
];

/** One address guesses made-up and known names, codes and refresh tokens, awake and asleep. */
export const signins: Proof = {
  title: 'one stranger guesses, and everybody signs in from where they did before',
  counts: 'rounds of 40 s',
  shortCount: 2,
  isPatient: true,
  run: proveSignIns,
};

async function proveSignIns({ count, seed, log }: ProofOptions): Promise<ProofResult> {
  const household = await Household.open();
  const random = new Random(seed);
  const figures = { guesses: 0, 'right sign-ins': 0, 'slowest, ms': 0 };
  const failures: string[] = [];
  const lastAtMs = new Map<string, number>();
  let attacking = true;

  async function ask(path: string, body: object, from: string): Promise<Answered> {
    return await post(household.pi.port, path, body, from);
  }

  async function signIn(member: Member, when: string): Promise<void> {
    const { name, from } = member;
    lastAtMs.set(name, performance.now());
    const startedMs = performance.now();
    let answered = await ask('/api/auth/login', { username: name, password: right(name) }, from);
    const { pending_token } = answered.body;
    if (typeof pending_token === 'string') {
      answered = await ask('/api/auth/verify-2fa', { pending_token, code: CODE }, from);
    }
    const tookMs = performance.now() - startedMs;
    figures['right sign-ins'] += 1;
    figures['slowest, ms'] = Math.max(figures['slowest, ms'], Math.round(tookMs));
    const isIn = answered.status === 200 && typeof answered.body['access_token'] === 'string';
    if (!isIn) failures.push(`${name} got ${answered.status} ${when}`);
    if (tookMs > WITHIN_MS) failures.push(`${name} waited ${Math.round(tookMs)} ms ${when}`);
  }

  async function guess(): Promise<void> {
    figures.guesses += 1;
    const names = [...FAMILY.map(({ name }) => name), `made-up-${figures.guesses}`];
    const what = random.pick(['login', 'login', 'code', 'refresh']);
    if (what === 'login') {
      const given = { username: random.pick(names), password: `guess ${figures.guesses}` };
      await ask('/api/auth/login', given, STRANGER);
    } else if (what === 'code') {
      const given = { pending_token: `made.up.${figures.guesses}`, code: '000000' };
      await ask('/api/auth/verify-2fa', given, STRANGER);
    } else {
      const given = { refresh_token: `made.up.${figures.guesses}` };
      await ask('/api/auth/refresh', given, STRANGER);
    }
  }

  async function attack(): Promise<void> {
    while (attacking) {
      await guess();
      await pause(TRY_EVERY_MS);
    }
  }

  async function family(forMs: number, isAwake: boolean): Promise<void> {
    const endMs = performance.now() + forMs;
    while (performance.now() < endMs) {
      for (const member of FAMILY) {
        // Only the NAS can check a second factor.
        if (member.hasSecondFactor && !isAwake) continue;
        const sinceMs = performance.now() - (lastAtMs.get(member.name) ?? -Infinity);
        const everyMs = member.hasSecondFactor ? SECOND_FACTOR_AGAIN_MS : AGAIN_MS;
        if (sinceMs < (isAwake ? everyMs : 0)) continue;
        await signIn(member, isAwake ? 'awake' : 'asleep');
      }
      await pause(random.between(200, 1_500));
    }
  }

  try {
    household.nas.setRateLimits('production');
    await household.start();
    for (const member of FAMILY) await signIn(member, 'before anybody attacked');
    lastAtMs.delete('alice');
    const attacks = attack();
    for (let round = 1; round <= count; round += 1) {
      await family(AWAKE_MS, true);
      await household.nas.sleep('suspend');
      await family(ASLEEP_MS, false);
      await household.nas.wake();
      // Until BaluPi has noticed, only verifiers can be asked.
      await pause(SEEN_AGAIN_MS);
      log(`round ${round}: ${figures['right sign-ins']} right sign-ins, ${failures.length} failed`);
    }
    attacking = false;
    await attacks;
    return { failures, figures };
  } finally {
    attacking = false;
    await household.close();
  }
}

interface Answered {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

function right(name: string): string {
  return `Practice-${name}-1`;
}

/** From a loopback address of its own, as another device of the home would. */
async function post(port: number, path: string, body: object, from: string): Promise<Answered> {
  const { promise, resolve, reject } = Promise.withResolvers<Answered>();
  const sent = request(
    {
      host: '127.0.0.1',
      port,
      path,
      method: 'POST',
      localAddress: from,
      agent: false,
      headers: { 'Content-Type': 'application/json' },
    },
    (answered) => {
      json(answered).then((read) => {
        resolve({ status: answered.statusCode ?? 0, body: read as Answered['body'] });
      }, reject);
    },
  );
  sent.on('error', reject);
  sent.end(JSON.stringify(body));
  return await promise;
}
