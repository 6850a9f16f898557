import { setTimeout as pause } from 'node:timers/promises';
import type { Proof, ProofOptions, ProofResult } from './proof.ts';
import { Family, Served } from './world/family.ts';
import { Household } from './world/household.ts';
import { BOUNDARY } from './world/mutated-bodies.ts';
import { Random } from './world/random.ts';
import { type Attack, Siege } from './world/siege.ts';

/** All are addresses of this machine, and different ones for BaluPi. */
const FAMILY = '127.0.0.2';
const STRANGER = '127.0.0.66';
const MOST_GROWTH_BYTES = 30 * 1024 * 1024;
const WARM_MS = 2_000;
/** With fewer requests, a share is only judged together with those under other attacks. */
const FEW = 200;
/** Fewer connections at once are no attack. */
const LEAST_HELD = 90;
const SAMPLE_EVERY_MS = 100;
const FILES = 3;
const FILE_BYTES = 6_000_000;
const LARGE_OPEN = ['/docs/swagger-ui-bundle.js', '/docs/swagger-ui.css', '/api/openapi.json'];

/** One address holds as many connections as it can, while a family at another goes on. */
export const crowd: Proof = {
  title: 'a stranger who sits on connections in each of many ways, and the others go on',
  counts: 'seconds of each',
  shortCount: 1,
  run: proveCrowd,
};

async function proveCrowd({ count, seed, log }: ProofOptions): Promise<ProofResult> {
  const household = await Household.open();
  try {
    const random = new Random(seed);
    for (let at = 0; at < FILES; at += 1)
      await household.nas.putFile(fileName(at), random.bytes(FILE_BYTES), 'alice');
    await household.start();
    await household.signIn();
    await useAll(household);
    const attacks = allAttacks(household, await dashboardCookie(household));
    const readers = attacks.at(-1);
    if (readers === undefined) throw new Error('There are no attacks.');
    // The buffers that downloads are served from stay allocated once that many have run.
    await oneAttack(household, readers, WARM_MS);
    const beforeBytes = household.pi.residentBytes;
    let mostBytes = beforeBytes;
    const all: Served[] = [];
    const failures: string[] = [];
    for (const attack of attacks) {
      await household.signIn();
      const { served, siege, ...round } = await oneAttack(household, attack, count * 1_000);
      const grownBytes = round.mostBytes - round.beforeBytes;
      mostBytes = Math.max(mostBytes, round.mostBytes);
      all.push(served);
      const faults = served.asked >= FEW ? served.failures : [];
      if (grownBytes > MOST_GROWTH_BYTES) faults.push(`memory grew by ${mbOf(grownBytes)} MB`);
      if (siege.most < LEAST_HELD) faults.push('there was no attack to speak of');
      if (!household.pi.isRunning) faults.push('BaluPi ended');
      failures.push(...faults.map((fault) => `${attack.name}: ${fault}`));
      log(
        `${attack.name}: ${String(siege.opened)} connections opened; ` +
          `of ${String(served.asked)} of the family's requests ${String(served.failed)} failed, ` +
          `p95 ${String(served.p95Ms)} ms; memory + ${mbOf(grownBytes)} MB`,
      );
    }
    const together = Served.together(all);
    failures.push(...together.failures);
    return {
      failures,
      figures: {
        'each held, s': count,
        'asked by the family': together.asked,
        'p95 of the family, ms': together.p95Ms,
        'most memory since the first, MB': mbOf(mostBytes - beforeBytes),
      },
    };
  } finally {
    await household.close();
  }
}

async function oneAttack(household: Household, attack: Attack, forMs: number) {
  const { port } = household.pi;
  const family = new Family({
    ...{ port, address: FAMILY, token: household.token },
    requests: [
      { path: '/api/health' },
      { path: '/api/files/sync/status' },
      { path: '/api/files/list?path=alice/crowd' },
      { path: '/api/files/download/alice/small.bin' },
      { path: '/dashboard/sign-in' },
    ],
  });
  const siege = new Siege(port, STRANGER, attack);
  const beforeBytes = household.pi.residentBytes;
  let mostBytes = beforeBytes;
  siege.start();
  family.start();
  for (const endMs = performance.now() + forMs; performance.now() < endMs;) {
    if (household.pi.isRunning) mostBytes = Math.max(mostBytes, household.pi.residentBytes);
    await pause(SAMPLE_EVERY_MS);
  }
  const served = await family.stop();
  return { served, siege: await siege.stop(), beforeBytes, mostBytes };
}

function mbOf(bytes: number): string {
  return String(Math.round(bytes / 1024 ** 2));
}

function fileName(at: number): string {
  return `alice/crowd/film-${String(at)}.bin`;
}

/** What first requests load and compile, and first readers allocate, is no attack's doing. */
async function useAll(household: Household): Promise<void> {
  await household.nas.putFile('alice/small.bin', Buffer.alloc(50_000, 'x'), 'alice');
  const films = Array.from({ length: FILES }, (_, at) => `/api/files/download/${fileName(at)}`);
  const paths = [
    ...['/api/health', '/api/files/sync/status', '/dashboard/sign-in', '/dashboard/'],
    ...['/api/files/list?path=alice/crowd', '/api/files/download/alice/small.bin'],
    ...[...films, ...films, ...LARGE_OPEN],
  ];
  const headers = { Authorization: `Bearer ${household.token}` };
  for (let round = 0; round < 3; round += 1) {
    await Promise.all(
      paths.map(async (path) => {
        const answered = await fetch(`${household.pi.url}${path}`, { headers });
        await answered.arrayBuffer();
      }),
    );
  }
}

async function dashboardCookie({ pi }: Household): Promise<string> {
  const answered = await fetch(`${pi.url}/dashboard/sign-in`, {
    method: 'POST',
    headers: { Origin: pi.url },
    body: new URLSearchParams({ username: 'bob', password: 'Practice-bob-1' }),
    redirect: 'manual',
  });
  const cookie = /^balupi_dashboard=[^;]+/.exec(answered.headers.getSetCookie()[0] ?? '')?.[0];
  if (cookie === undefined) throw new Error('Nobody could sign in to the Dashboard.');
  return cookie;
}

function allAttacks(household: Household, cookie: string): Attack[] {
  const { port } = household.pi;
  const host = `Host: 127.0.0.1:${String(port)}\r\n`;
  const json = `${host}Content-Type: application/json\r\n`;
  const form =
    `${host}Content-Length: 90000\r\n` +
    `Content-Type: multipart/form-data; boundary=${BOUNDARY}\r\n\r\n--${BOUNDARY}\r\n`;
  const signIn = `POST /api/auth/login HTTP/1.1\r\n${json}Content-Length: 90\r\n\r\n{`;
  const socket =
    `GET /dashboard/socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n${host}` +
    `Origin: http://127.0.0.1:${String(port)}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
    'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n';
  const get = (path: string, more = ''): string => `GET ${path} HTTP/1.1\r\n${host}${more}\r\n`;
  const pageForm = `POST /dashboard/sign-in HTTP/1.1\r\n${host}Content-Length: 900\r\n\r\n`;
  const bearer = `Authorization: Bearer ${household.token}\r\n`;
  const film = get(`/api/files/download/${fileName(0)}`, bearer);
  const madeUp = `POST /api/files/upload HTTP/1.1\r\nAuthorization: Bearer made.up.token\r\n${form}`;
  const upload = `POST /api/files/upload?path=alice/x HTTP/1.1\r\n${bearer}${form}`;
  const openAnswers = LARGE_OPEN.map((path) => get(path)).join('');
  return [
    { name: 'sign-ins without a body', words: signIn, reads: true },
    { name: 'sign-ins that drip', words: signIn, drip: 'x', reads: true },
    { name: 'forms of the Dashboard without a body', words: pageForm, reads: true },
    { name: 'headers without an end', words: 'GET /api/health HTTP/1.1\r\nX-Slow: ', drip: 'x' },
    { name: 'connections that say nothing', words: '', reads: true },
    { name: 'silent sockets', words: `${socket}Cookie: ${cookie}\r\n\r\n`, reads: true },
    { name: 'sockets of nobody', words: `${socket}\r\n`, reads: true },
    { name: 'readers of open answers who stop', words: openAnswers },
    { name: 'the same, asked for 30 times', words: openAnswers.repeat(10), held: 100 },
    { name: 'uploads with made-up tokens', words: madeUp, reads: true },
    { name: 'signed-in uploads that drip', words: upload, drip: 'x', reads: true },
    { name: 'signed-in readers who stop', words: film, held: 100 },
  ];
}
