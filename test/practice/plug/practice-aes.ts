import {
  constants,
  createCipheriv,
  createDecipheriv,
  createHash,
  publicEncrypt,
  randomBytes,
} from 'node:crypto';
import {
  asRecordOf,
  jsonAnswer,
  type PracticeAccess,
  type PracticeAnswer,
  type PracticeProtocol,
  type PracticeRequest,
} from './practice-wire.ts';

interface Session {
  readonly key: Buffer;
  readonly iv: Buffer;
  readonly endsAtMs: number;
  token: string | null;
}

/** The plug's side of the legacy protocol (`encrypt_type` AES). */
export class PracticeAes implements PracticeProtocol {
  readonly #access: PracticeAccess;
  readonly #level: number;
  readonly #sessions = new Map<string, Session>();
  logins = 0;

  /** @param level `lv`; from 2 on only the hashed password is accepted */
  constructor(access: PracticeAccess, level: number) {
    this.#access = access;
    this.#level = level;
  }

  answer(request: PracticeRequest): PracticeAnswer | null {
    if (request.path !== '/app') return null;
    const { method, params } = asRecordOf(JSON.parse(request.body.toString('utf8')));
    if (method === 'handshake') return this.#handshake(asRecordOf(params)['key']);
    if (method === 'securePassthrough') {
      return this.#passthrough(request, String(asRecordOf(params)['request']));
    }
    return jsonAnswer({ error_code: -1002 });
  }

  forget(): void {
    this.#sessions.clear();
  }

  #handshake(publicPem: unknown): PracticeAnswer {
    const secret = randomBytes(32);
    const id = randomBytes(16).toString('hex').toUpperCase();
    const endsAtMs = this.#access.nowMs() + this.#access.timeoutSeconds * 1_000;
    this.#sessions.set(id, {
      key: secret.subarray(0, 16),
      iv: secret.subarray(16),
      endsAtMs,
      token: null,
    });
    const key = publicEncrypt(
      { key: String(publicPem), padding: constants.RSA_PKCS1_PADDING },
      secret,
    );
    return jsonAnswer(
      { error_code: 0, result: { key: key.toString('base64') } },
      { 'Set-Cookie': `TP_SESSIONID=${id};TIMEOUT=${this.#access.timeoutSeconds}` },
    );
  }

  #passthrough(request: PracticeRequest, sealed: string): PracticeAnswer {
    const session = this.#sessions.get(request.sessionId);
    if (session === undefined || this.#access.nowMs() >= session.endsAtMs) {
      return jsonAnswer({ error_code: 9999 });
    }
    const opening = createDecipheriv('aes-128-cbc', session.key, session.iv);
    const plain = opening.update(sealed, 'base64', 'utf8') + opening.final('utf8');
    const inner: unknown = JSON.parse(plain);
    const result =
      asRecordOf(inner)['method'] === 'login_device'
        ? this.#login(request.sessionId, session, asRecordOf(asRecordOf(inner)['params']))
        : this.#call(session, request.query.get('token'), inner);
    const sealing = createCipheriv('aes-128-cbc', session.key, session.iv);
    const response = sealing.update(JSON.stringify(result), 'utf8', 'base64');
    const answer = { error_code: 0, result: { response: response + sealing.final('base64') } };
    return { ...jsonAnswer(answer), isSealed: true };
  }

  #login(id: string, session: Session, params: Readonly<Record<string, unknown>>): unknown {
    const { username, password } = this.#access;
    const isRight =
      params['username'] === base64(sha1Hex(username)) &&
      (this.#level >= 2
        ? params['password2'] === base64(sha1Hex(password))
        : params['password'] === base64(password));
    if (!isRight) return { error_code: -1501 };
    if (this.#access.isSingleSession) {
      this.#sessions.clear();
      this.#sessions.set(id, session);
    }
    session.token = randomBytes(16).toString('hex').toUpperCase();
    this.logins += 1;
    return { error_code: 0, result: { token: session.token } };
  }

  #call(session: Session, token: string | null, inner: unknown): unknown {
    if (session.token === null || token !== session.token) return { error_code: 9999 };
    return this.#access.call(inner);
  }
}

function sha1Hex(text: string): string {
  return createHash('sha1').update(text).digest('hex');
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
