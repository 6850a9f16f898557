import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import {
  REFUSED,
  type PracticeAccess,
  type PracticeAnswer,
  type PracticeProtocol,
  type PracticeRequest,
} from './practice-wire.ts';

interface Handshake {
  readonly local: Buffer;
  readonly remote: Buffer;
}

interface Session extends Handshake {
  readonly endsAtMs: number;
}

/**
 * The plug's side of KLAP 2, written from the protocol's description and not from our client, so
 * that a mistake there shows.
 */
export class PracticeKlap implements PracticeProtocol {
  readonly #access: PracticeAccess;
  readonly #auth: Buffer;
  readonly #handshakes = new Map<string, Handshake>();
  readonly #sessions = new Map<string, Session>();
  logins = 0;

  constructor(access: PracticeAccess) {
    this.#access = access;
    this.#auth = hash('sha256', hash('sha1', access.username), hash('sha1', access.password));
  }

  answer(request: PracticeRequest): PracticeAnswer | null {
    switch (request.path) {
      case '/app/handshake1':
        return this.#handshake1(request);
      case '/app/handshake2':
        return this.#handshake2(request);
      case '/app/request':
        return this.#request(request);
      default:
        return null;
    }
  }

  forget(): void {
    this.#sessions.clear();
  }

  #handshake1(request: PracticeRequest): PracticeAnswer {
    if (request.body.length !== 16) return { status: 400, body: Buffer.alloc(0) };
    const id = randomBytes(16).toString('hex').toUpperCase();
    const shake = { local: request.body, remote: randomBytes(16) };
    this.#handshakes.set(id, shake);
    return {
      status: 200,
      headers: {
        'Set-Cookie': `TP_SESSIONID=${id};TIMEOUT=${this.#access.timeoutSeconds}`,
      },
      body: Buffer.concat([shake.remote, hash('sha256', shake.local, shake.remote, this.#auth)]),
    };
  }

  #handshake2(request: PracticeRequest): PracticeAnswer {
    const shake = this.#handshakes.get(request.sessionId);
    if (shake === undefined) return REFUSED;
    this.#handshakes.delete(request.sessionId);
    if (!hash('sha256', shake.remote, shake.local, this.#auth).equals(request.body)) return REFUSED;
    if (this.#access.isSingleSession) this.#sessions.clear();
    const endsAtMs = this.#access.nowMs() + this.#access.timeoutSeconds * 1_000;
    this.#sessions.set(request.sessionId, { ...shake, endsAtMs });
    this.logins += 1;
    return { status: 200, body: Buffer.alloc(0) };
  }

  #request(request: PracticeRequest): PracticeAnswer {
    const session = this.#sessions.get(request.sessionId);
    if (session === undefined || this.#access.nowMs() >= session.endsAtMs) return REFUSED;
    const seq = Buffer.alloc(4);
    seq.writeInt32BE(Number(request.query.get('seq')));
    const material = (label: string): Buffer =>
      hash('sha256', label, session.local, session.remote, this.#auth);
    const key = material('lsk').subarray(0, 16);
    const iv = Buffer.concat([material('iv').subarray(0, 12), seq]);
    const signatureKey = material('ldk').subarray(0, 28);
    const sealed = request.body.subarray(32);
    if (!hash('sha256', signatureKey, seq, sealed).equals(request.body.subarray(0, 32))) {
      return REFUSED;
    }
    const opening = createDecipheriv('aes-128-cbc', key, iv);
    const plain = Buffer.concat([opening.update(sealed), opening.final()]);
    const result = this.#access.call(JSON.parse(plain.toString('utf8')));
    const sealing = createCipheriv('aes-128-cbc', key, iv);
    const answer = Buffer.concat([sealing.update(JSON.stringify(result)), sealing.final()]);
    return {
      status: 200,
      isSealed: true,
      body: Buffer.concat([hash('sha256', signatureKey, seq, answer), answer]),
    };
  }
}

function hash(algorithm: 'sha1' | 'sha256', ...parts: readonly (string | Buffer)[]): Buffer {
  const digest = createHash(algorithm);
  for (const part of parts) digest.update(part);
  return digest.digest();
}
