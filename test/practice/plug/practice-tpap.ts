import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  hkdfSync,
  pbkdf2Sync,
  randomBytes,
  randomInt,
} from 'node:crypto';
import { CURVE_ORDER, CurvePoint } from './practice-curve.ts';
import {
  asRecordOf,
  jsonAnswer,
  type PracticeAccess,
  type PracticeAnswer,
  type PracticeProtocol,
  type PracticeRequest,
} from './practice-wire.ts';

const M = '02886e2f97ace46e55ba9dd7242579f2993b64e16ef3dcab95afd497333d8fa12f';
const N = '03d8bbd6c639c62937b04d997f38c3770719c629d7014d49a24b4f98baa1292b49';
const MOST_FAILURES = 15;

/** Its answer to a sealed request of an unknown session. */
export type LostSession = number | '401' | '403' | 'plain success';

/** What a test may fix instead of chance. */
export interface TpapChoices {
  readonly y?: bigint;
  readonly devRandom?: Buffer;
  readonly devSalt?: Buffer;
  readonly startSeq?: number;
  readonly extraCrypt?: unknown;
  readonly iterations?: number;
  readonly lost?: LostSession;
  readonly lockedMinutes?: number;
  /** Fields of `TPAP` as registered that differ from a plug's. */
  readonly registered?: Readonly<Record<string, unknown>>;
}

interface Pending {
  readonly context: Buffer;
  readonly y: bigint;
  readonly share: Buffer;
  readonly w0: bigint;
  readonly l: CurvePoint;
}

interface Session {
  readonly key: Buffer;
  readonly base: Buffer;
  readonly endsAtMs: number;
  next: number;
}

/** The plug's side of TPAP, written from the protocol's description; independent of the driver. */
export class PracticeTpap implements PracticeProtocol {
  readonly #access: PracticeAccess;
  choices: TpapChoices = {};
  #pending: Pending | null = null;
  readonly #sessions = new Map<string, Session>();
  readonly #salt = randomBytes(16);
  #failures = 0;
  #lockedUntilMs = Number.NEGATIVE_INFINITY;
  logins = 0;
  /** Refused passwords. */
  refusals = 0;
  /** Keys of the last login, to compare with recorded ones. */
  last: { readonly devConfirm: Buffer; readonly sharedKey: Buffer } | null = null;

  constructor(access: PracticeAccess) {
    this.#access = access;
  }

  answer(request: PracticeRequest): PracticeAnswer | null {
    if (request.path === '/') return this.#login(request.body);
    const token = /^\/stok=([^/]+)\/ds$/.exec(request.path)?.[1];
    return token === undefined ? null : this.#sealed(token, request.body);
  }

  forget(): void {
    this.#sessions.clear();
  }

  /** Locks as after the last wrong password. */
  lock(): void {
    this.#failures = MOST_FAILURES;
    const minutes = this.choices.lockedMinutes ?? 30;
    this.#lockedUntilMs = this.#access.nowMs() + minutes * 60_000;
  }

  #login(body: Buffer): PracticeAnswer {
    const { method, params } = asRecordOf(JSON.parse(body.toString('utf8')));
    if (method !== 'login') return jsonAnswer({ error_code: 1_003 });
    if (this.#access.nowMs() < this.#lockedUntilMs) {
      return jsonAnswer({ error_code: -2_101, ...this.#errorInfo() });
    }
    const asked = asRecordOf(params);
    switch (asked['sub_method']) {
      case 'discover':
        return jsonAnswer({ error_code: 0, result: this.#access.tpapOffer?.() ?? {} });
      case 'pake_register':
        return this.#register(asked);
      case 'pake_share':
        return this.#share(asked);
      default:
        return jsonAnswer({ error_code: -1_002 });
    }
  }

  #register(asked: Readonly<Record<string, unknown>>): PracticeAnswer {
    const { choices } = this;
    const user = createHash('md5').update('admin').digest('hex');
    const takes = JSON.stringify([asked['cipher_suites'], asked['encryption']]);
    if (asked['username'] !== user) return this.#refuse();
    if (takes !== '[[1],["aes_128_ccm"]]') return jsonAnswer({ error_code: -2_201 });
    if (asked['passcode_type'] !== 'userpw') return jsonAnswer({ error_code: -2_202 });
    const salt = choices.devSalt ?? this.#salt;
    const random = choices.devRandom ?? randomBytes(32);
    const y = choices.y ?? big(randomBytes(40)) % CURVE_ORDER;
    const iterations = choices.iterations ?? 3_000;
    const credential = createHash('sha1').update(this.#access.password).digest('hex');
    const secrets = pbkdf2Sync(credential, salt, iterations, 80, 'sha256');
    const w0 = big(secrets.subarray(0, 40)) % CURVE_ORDER;
    const w1 = big(secrets.subarray(40)) % CURVE_ORDER;
    const y0 = CurvePoint.base.times(y).plus(CurvePoint.parse(hex(N)).times(w0));
    const userRandom = Buffer.from(String(asked['user_random']), 'base64');
    const context = createHash('sha256')
      .update('PAKE V1')
      .update(userRandom)
      .update(random)
      .digest();
    this.#pending = { context, y, share: y0.bytes(), w0, l: CurvePoint.base.times(w1) };
    const crypt = { type: 'password_shadow', params: { passwd_id: 2 } };
    const result = {
      dev_random: random.toString('base64'),
      dev_salt: salt.toString('base64'),
      dev_share: y0.bytes().toString('base64'),
      cipher_suites: 1,
      iterations,
      encryption: 'aes_128_ccm',
      extra_crypt: choices.extraCrypt ?? crypt,
      ...choices.registered,
    };
    return jsonAnswer({ error_code: 0, result });
  }

  #share(asked: Readonly<Record<string, unknown>>): PracticeAnswer {
    const pending = this.#pending;
    this.#pending = null;
    if (pending === null) return jsonAnswer({ error_code: -2_402 });
    const { context, y, share, w0, l } = pending;
    const theirs = Buffer.from(String(asked['user_share']), 'base64');
    const x = CurvePoint.parse(theirs).minus(CurvePoint.parse(hex(M)).times(w0));
    if (x.isInfinity) return this.#refuse();
    const points = [CurvePoint.parse(hex(M)).bytes(), CurvePoint.parse(hex(N)).bytes()];
    const ends = [x.times(y).bytes(), l.times(y).bytes(), hex(w0.toString(16).padStart(64, '0'))];
    const parts = [context, Buffer.alloc(0), Buffer.alloc(0), ...points, theirs, share, ...ends];
    const hash = createHash('sha256');
    for (const part of parts) {
      const length = Buffer.alloc(8);
      length.writeBigUInt64LE(BigInt(part.length));
      hash.update(length).update(part);
    }
    const key = hash.digest();
    const confirm = spread(key, '', 'ConfirmationKeys', 64);
    const userConfirm = createHmac('sha256', confirm.subarray(0, 32)).update(share).digest();
    if (String(asked['user_confirm']) !== userConfirm.toString('base64')) return this.#refuse();
    const devConfirm = createHmac('sha256', confirm.subarray(32)).update(theirs).digest();
    const sharedKey = spread(key, '', 'SharedKey', 32);
    this.last = { devConfirm, sharedKey };
    return this.#begin(devConfirm, sharedKey);
  }

  #begin(devConfirm: Buffer, sharedKey: Buffer): PracticeAnswer {
    this.logins += 1;
    this.#failures = 0;
    if (this.#access.isSingleSession) this.#sessions.clear();
    const token = `${randomBytes(12).toString('hex')}!*()~abc`;
    const startSeq = this.choices.startSeq ?? randomInt(-(2 ** 31), 2 ** 31 - 1);
    this.#sessions.set(token, {
      key: spread(sharedKey, 'tp-kdf-salt-aes128-key', 'tp-kdf-info-aes128-key', 16),
      base: spread(sharedKey, 'tp-kdf-salt-aes128-iv', 'tp-kdf-info-aes128-iv', 12),
      endsAtMs: this.#access.nowMs() + this.#access.timeoutSeconds * 1_000,
      next: startSeq,
    });
    const begun = { stok: token, start_seq: startSeq, expired: this.#access.timeoutSeconds };
    const result = { dev_confirm: devConfirm.toString('base64'), ...begun };
    return jsonAnswer({ error_code: 0, result });
  }

  #sealed(token: string, body: Buffer): PracticeAnswer {
    const session = this.#sessions.get(token);
    const isAlive = session !== undefined && this.#access.nowMs() < session.endsAtMs;
    if (!isAlive || body.length < 20) return this.#lost();
    const seq = body.readInt32BE();
    if (seq !== session.next) return this.#lost();
    session.next = (seq + 1) | 0;
    const nonce = Buffer.concat([session.base.subarray(0, 8), body.subarray(0, 4)]);
    const options = { authTagLength: 16 };
    const opener = createDecipheriv('aes-128-ccm', session.key, nonce, options);
    opener.setAuthTag(body.subarray(-16));
    const plain = opener.update(body.subarray(4, -16));
    opener.final();
    const told = this.#access.call(JSON.parse(plain.toString('utf8')));
    const sealer = createCipheriv('aes-128-ccm', session.key, nonce, options);
    const sealed = Buffer.concat([sealer.update(JSON.stringify(told)), sealer.final()]);
    return {
      status: 200,
      body: Buffer.concat([body.subarray(0, 4), sealed, sealer.getAuthTag()]),
      isSealed: true,
    };
  }

  #lost(): PracticeAnswer {
    const { lost = -2_402 } = this.choices;
    if (lost === '401' || lost === '403') return { status: Number(lost), body: Buffer.alloc(0) };
    if (lost !== 'plain success') return jsonAnswer({ error_code: lost });
    const responses = [{ method: 'get_energy_usage', error_code: 0, result: { current_power: 1 } }];
    return jsonAnswer({ error_code: 0, result: { responses } });
  }

  #refuse(): PracticeAnswer {
    this.refusals += 1;
    this.#failures += 1;
    if (this.#failures >= MOST_FAILURES) this.lock();
    return jsonAnswer({ error_code: -2_203, ...this.#errorInfo() });
  }

  #errorInfo(): object {
    const left = Math.max(0, MOST_FAILURES - this.#failures);
    const lockedMinute = left === 0 ? (this.choices.lockedMinutes ?? 30) : 0;
    return {
      error_info: { failedAttempts: this.#failures, remainAttempts: left, lockedMinute },
    };
  }
}

function spread(key: Buffer, salt: string, info: string, length: number): Buffer {
  return Buffer.from(hkdfSync('sha256', key, salt, info, length));
}

function big(bytes: Buffer): bigint {
  return BigInt(`0x${bytes.toString('hex')}`);
}

function hex(text: string): Buffer {
  return Buffer.from(text, 'hex');
}
