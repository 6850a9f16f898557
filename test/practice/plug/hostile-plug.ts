import {
  constants,
  createCipheriv,
  createDecipheriv,
  createHash,
  publicEncrypt,
  randomBytes,
} from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PracticeAnnouncer } from './practice-announcer.ts';
import { asRecordOf, jsonAnswer, readBody } from './practice-wire.ts';
import type { PracticeAnswer } from './practice-wire.ts';

/** How it answers the first step of KLAP, to make a client use something weaker. */
export type KlapRefusal = 'not_found' | 'other_protocol' | 'garbage' | 'forbidden' | 'wrong_proof';

interface Account {
  readonly username: string;
  readonly password: string;
}

interface Session {
  readonly key: Buffer;
  readonly iv: Buffer;
}

/**
 * A stranger on the network that poses as a plug to get an account. It announces by UDP what it
 * likes, speaks the legacy protocol with a key of its own, and keeps everything it is sent,
 * decrypted where possible.
 */
export class HostilePlug {
  /** `encrypt_type` of its announcements. */
  says: string;
  /** `AA-BB-CC-DD-EE-FF`; anybody's it likes. */
  mac: string;
  klap: KlapRefusal = 'not_found';
  /** `device_id` of its announcements. */
  discoveryId = 'D15C0000000000000000000000666666';
  readonly #announcer: PracticeAnnouncer;
  readonly #server: Server;
  readonly #sessions = new Map<string, Session>();
  #udpPort = 0;
  /** Everything sent to it over HTTP, oldest first, decrypted where it has the key. */
  readonly took: { readonly path: string; readonly bytes: Buffer }[] = [];

  constructor(says = 'AES', mac = '02-50-4C-66-66-66') {
    this.says = says;
    this.mac = mac;
    this.#announcer = new PracticeAnnouncer(() => ({ error_code: 0, result: this.#claim() }));
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch((error: unknown) => {
        response.destroy(error instanceof Error ? error : new Error('The hostile plug failed.'));
      });
    });
  }

  async start(http = 0): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#server.listen(http, '127.0.0.1', () => {
      resolve(undefined);
    });
    await promise;
    this.#udpPort = await this.#announcer.start('127.0.0.1', 0);
  }

  async stop(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#server.close(() => {
      resolve(undefined);
    });
    this.#server.closeAllConnections();
    await promise;
    await this.#announcer.stop();
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get udpPort(): number {
    return this.#udpPort;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  setQuiet(isQuiet: boolean): void {
    this.#announcer.isSilent = isQuiet;
  }

  /**
   * What it learnt of an account: the paths of requests that contain the password, a plain hash of
   * it or of the user name, in any common encoding, or that answer a KLAP challenge.
   */
  gotOf({ username, password }: Account): readonly string[] {
    const plain = [
      ...[password, username],
      ...['sha1', 'md5', 'sha256'].flatMap((hash) => [
        createHash(hash).update(password).digest('hex'),
        createHash(hash).update(username).digest('hex'),
      ]),
    ];
    const marks = plain.flatMap((text) => [text, Buffer.from(text).toString('base64')]);
    return this.took
      .filter(({ path, bytes }) => {
        const text = bytes.toString('utf8').toLowerCase();
        if (path === '/app/handshake2') return true;
        return marks.some((mark) => text.includes(mark.toLowerCase()));
      })
      .map(({ path }) => path);
  }

  #claim(): object {
    return {
      device_id: this.discoveryId,
      device_type: 'SMART.TAPOPLUG',
      device_model: 'P110(EU)',
      mac: this.mac,
      ip: '127.0.0.1',
      mgt_encrypt_schm: { encrypt_type: this.says, http_port: this.port, lv: 0 },
    };
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? '/', 'http://plug');
    const body = await readBody(request);
    this.took.push({ path: pathname, bytes: body });
    const answer = this.#answer(pathname, body, request.headers.cookie ?? '');
    const bytes = Buffer.from(answer.body);
    response.writeHead(answer.status, { ...answer.headers, 'Content-Length': bytes.length });
    response.end(bytes);
  }

  #answer(path: string, body: Buffer, cookie: string): PracticeAnswer {
    if (path === '/app') return this.#aes(asRecordOf(JSON.parse(body.toString('utf8'))), cookie);
    switch (this.klap) {
      case 'not_found':
        return { status: 404, body: Buffer.alloc(0) };
      case 'forbidden':
        return { status: 403, body: Buffer.alloc(0) };
      case 'other_protocol':
        return jsonAnswer({ error_code: 1003 });
      case 'garbage':
        return { status: 200, body: Buffer.from('<html>200 OK</html>') };
      case 'wrong_proof':
        return {
          status: 200,
          headers: { 'Set-Cookie': 'TP_SESSIONID=66;TIMEOUT=86400' },
          body: randomBytes(48),
        };
    }
  }

  #aes({ method, params }: Readonly<Record<string, unknown>>, cookie: string): PracticeAnswer {
    if (method === 'handshake') return this.#shake(String(asRecordOf(params)['key']));
    const session = this.#sessions.get(/TP_SESSIONID=([0-9A-F]+)/.exec(cookie)?.[1] ?? '');
    if (session === undefined) return jsonAnswer({ error_code: 9999 });
    const opener = createDecipheriv('aes-128-cbc', session.key, session.iv);
    const sealed = Buffer.from(String(asRecordOf(params)['request']), 'base64');
    const plain = Buffer.concat([opener.update(sealed), opener.final()]);
    this.took.push({ path: '/app (opened)', bytes: plain });
    const inner = asRecordOf(JSON.parse(plain.toString('utf8')));
    const sealer = createCipheriv('aes-128-cbc', session.key, session.iv);
    const answer = Buffer.from(JSON.stringify({ error_code: 0, result: this.#resultOf(inner) }));
    const response = Buffer.concat([sealer.update(answer), sealer.final()]).toString('base64');
    return jsonAnswer({ error_code: 0, result: { response } });
  }

  #shake(pem: string): PracticeAnswer {
    const [key, iv, id] = [randomBytes(16), randomBytes(16), randomBytes(8)];
    const name = id.toString('hex').toUpperCase();
    this.#sessions.set(name, { key, iv });
    const padding = constants.RSA_PKCS1_PADDING;
    const sealed = publicEncrypt({ key: pem, padding }, Buffer.concat([key, iv]));
    return jsonAnswer(
      { error_code: 0, result: { key: sealed.toString('base64') } },
      { 'Set-Cookie': `TP_SESSIONID=${name};TIMEOUT=86400` },
    );
  }

  /** Good enough to be accepted as a plug, so that the client goes on talking. */
  #resultOf({ method, params }: Readonly<Record<string, unknown>>): object {
    const info = {
      device_id: '8022000000000000000000000000000000666666',
      mac: this.mac,
      nickname: Buffer.from('NAS').toString('base64'),
      model: 'P110',
      fw_ver: '1.2.3',
      device_on: true,
    };
    if (method === 'login_device') return { token: 'TOKEN' };
    if (method === 'get_device_info') return info;
    const usage = { current_power: 1_000, today_energy: 1, month_energy: 1 };
    if (method === 'get_energy_usage') return usage;
    const requests = asRecordOf(params)['requests'];
    const asked = Array.isArray(requests) ? requests.map(asRecordOf) : [];
    const responses = asked.map((one) => ({
      method: one['method'],
      error_code: 0,
      result: one['method'] === 'get_device_info' ? info : usage,
    }));
    return { responses };
  }
}
