import { decrypt } from 'http_ece';
import { createECDH, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { AddressRule, PushTarget } from '../../nodes/lib/notices/push-service.ts';

interface Handed {
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** The common name of the tests' certificate. */
const NAME = 'practice-nas';
const FILES = new URL('../../../test/fixtures/nas-tls/', import.meta.url);

/** A browser vendor's push service on loopback, with one subscribed browser. */
export class PracticePush {
  readonly taken: Handed[] = [];
  answer: {
    readonly status: number;
    readonly headers?: OutgoingHttpHeaders;
    readonly body?: Buffer;
  } = { status: 201 };
  readonly ca = readFileSync(new URL('cert.pem', FILES), 'utf8');
  /** Permits loopback as a target. */
  readonly rule: AddressRule = { url: () => true, address: () => true };
  readonly target: PushTarget;
  readonly #browser = createECDH('prime256v1');
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    const p256dh = this.#browser.generateKeys('base64url');
    const auth = randomBytes(16).toString('base64url');
    const { port } = server.address() as AddressInfo;
    this.target = { endpoint: `https://${NAME}:${port}/send/1`, p256dh, auth };
    server.on('request', (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        this.taken.push({ headers: request.headers, body: Buffer.concat(chunks) });
        response.on('error', () => undefined);
        response.writeHead(this.answer.status, this.answer.headers);
        response.end(this.answer.body);
      });
    });
  }

  static async start(): Promise<PracticePush> {
    const [cert, key] = ['cert.pem', 'key.pem'].map((name) => readFileSync(new URL(name, FILES)));
    const server = createServer({ cert, key });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new PracticePush(server);
  }

  /** Decrypts a message as its browser does. @throws Error for one that is not for it */
  read({ body }: Handed): string {
    const { auth: authSecret } = this.target;
    const keys = { version: 'aes128gcm', privateKey: this.#browser, authSecret } as const;
    return decrypt(body, keys).toString();
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
