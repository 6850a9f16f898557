import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type { Proof, ProofOptions, ProofResult } from './proof.ts';
import { Household } from './world/household.ts';
import { BOUNDARY } from './world/mutated-bodies.ts';
import { Onlooker } from './world/onlooker.ts';
import { Random } from './world/random.ts';

/** How long the connections are held, and how often each sends a byte. */
const HELD_MS = 20_000;
const DRIP_MS = 1_000;
/** Opened together; a machine can only open so many ports at once. */
const TOGETHER = 100;

/** Connections that request everything and send next to nothing. */
export const slow: Proof = {
  title: 'slow connections: headers, bodies and readers that crawl, and the others go on',
  counts: 'connections',
  shortCount: 120,
  isPatient: true,
  run: proveSlow,
};

async function proveSlow({ count, seed, log }: ProofOptions): Promise<ProofResult> {
  const household = await Household.open();
  const crowd = new Crowd();
  try {
    await household.start();
    await household.signIn();
    const random = new Random(seed);
    const onlooker = new Onlooker(household);
    await household.ask('/api/files/uploads');
    onlooker.start();
    for (let opened = 0; opened < count; opened += TOGETHER) {
      const wave = Array.from({ length: Math.min(TOGETHER, count - opened) }, () =>
        crowd.open(household.pi.port, beginning(random, household.token)),
      );
      await Promise.all(wave);
    }
    log(`${crowd.size} connections open`);
    const endMs = performance.now() + HELD_MS;
    while (performance.now() < endMs) {
      crowd.drip();
      await pause(DRIP_MS);
    }
    log(`${crowd.size} are left`);
    const watched = await onlooker.stop();
    const failures = [...watched.failures];
    crowd.close();
    await pause(DRIP_MS);
    const { pending_uploads: pending } = await household.ask('/api/files/sync/status');
    if (pending !== 0) failures.push(`${String(pending)} uploads came of nothing`);
    return { failures, figures: { 'held, s': HELD_MS / 1_000, ...watched.figures } };
  } finally {
    crowd.close();
    await household.close();
  }
}

/** The beginning of a request that never ends. */
function beginning(random: Random, token: string): string {
  const who = `Host: pi\r\nAuthorization: Bearer ${token}\r\n`;
  return random.pick([
    'GET /api/health HTTP/1.1\r\nHost: pi\r\nX-Slow: ',
    'P',
    '',
    `POST /api/auth/login HTTP/1.1\r\n${who}Content-Type: application/json\r\nContent-Length: 90\r\n\r\n{`,
    `POST /api/files/upload HTTP/1.1\r\n${who}Content-Length: 90000\r\n` +
      `Content-Type: multipart/form-data; boundary=${BOUNDARY}\r\n\r\n--${BOUNDARY}\r\n`,
    `POST /api/files/upload HTTP/1.1\r\n${who}Content-Length: 90000\r\n` +
      `Content-Type: multipart/form-data; boundary=${BOUNDARY}\r\n\r\n--${BOUNDARY}\r\n` +
      'Content-Disposition: form-data; name="file"; filename="slow"\r\n\r\n',
    `GET /api/openapi.json HTTP/1.1\r\n${who}\r\n`,
  ]);
}

class Crowd {
  readonly #sockets = new Set<Socket>();

  get size(): number {
    return this.#sockets.size;
  }

  async open(port: number, first: string): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const socket = connect(port, '127.0.0.1');
    const done = (): void => {
      resolve(undefined);
    };
    socket.once('connect', () => {
      this.#sockets.add(socket);
      socket.write(first);
      // Reads nothing, so that BaluPi's answer fills the connection.
      socket.pause();
      done();
    });
    socket.on('error', done);
    socket.on('close', () => {
      this.#sockets.delete(socket);
      done();
    });
    await promise;
  }

  drip(): void {
    for (const socket of this.#sockets) socket.write('x');
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}
