import { isRecord, jsonBody } from './bodies.ts';
import type { RequestLog } from './request-log.ts';
import { open, type Route } from './router.ts';
import type { Sleep } from './sleep.ts';
import { zulu } from './times.ts';
import type { WakeListener } from './wake-listener.ts';
import { json, refused, type Answer, type Exchange } from './wire.ts';

/** One file of the tree as tests and the demo see it; owner null: nobody's, as over Samba. */
export interface TreeFile {
  readonly path: string;
  readonly owner: string | null;
  readonly owner_id: number | null;
  readonly size: number;
  readonly sha256: string;
  readonly modified_at: string;
}

const WHAT =
  'This is a practice NAS for trying out BaluPi: it behaves like BaluHost 1.38, but it is not a real one.';

/** The switches under `/practice`, which no BaluHost has. They also answer while the NAS sleeps. */
export class ControlRoutes {
  readonly #sleep: Sleep;
  readonly #log: RequestLog;
  readonly #wakeListener: WakeListener;
  readonly #tree: () => Promise<readonly TreeFile[]>;

  constructor(
    sleep: Sleep,
    log: RequestLog,
    wakeListener: WakeListener,
    tree: () => Promise<readonly TreeFile[]>,
  ) {
    this.#sleep = sleep;
    this.#log = log;
    this.#wakeListener = wakeListener;
    this.#tree = tree;
  }

  get routes(): readonly Route[] {
    return [
      open('GET /', {}, () => ({
        kind: 'text',
        status: 200,
        type: 'text/plain; charset=utf-8',
        body: `${WHAT}\nPOST /practice/sleep, POST /practice/wake, GET /practice/tree\n`,
      })),
      open('POST /practice/sleep', {}, (exchange) => this.#fallAsleep(exchange)),
      open('POST /practice/wake', {}, async () => {
        await this.#sleep.wake();
        return this.#said({});
      }),
      open('GET /practice/tree', {}, async () => this.#said({ files: await this.#tree() })),
      open('GET /practice/requests', {}, () =>
        this.#said({
          connections: this.#log.connections,
          bytes_sent: this.#log.bytesSent,
          bytes_received: this.#log.bytesReceived,
          requests: this.#log.requests.map((record) => ({
            at: zulu(record.atMs),
            method: record.method,
            url: record.url,
            via: record.via,
            connection: record.connection,
            user: record.user,
            status: record.status,
            headers: withoutSecrets(record.headers),
          })),
        }),
      ),
      open('POST /practice/requests/reset', {}, () => {
        this.#log.reset();
        this.#wakeListener.reset();
        return this.#said({});
      }),
      open('GET /practice/packets', {}, () =>
        this.#said({
          packets: this.#wakeListener.packets.map((packet) => ({
            at: zulu(packet.atMs),
            mac_address: packet.macAddress,
            for_us: packet.forUs,
            with_password: packet.password !== null,
          })),
        }),
      ),
    ];
  }

  async #fallAsleep(exchange: Exchange): Promise<Answer> {
    const mode = await wantedMode(exchange);
    if (mode !== 'soft' && mode !== 'suspend') {
      throw refused(422, "mode is 'soft' or 'suspend'");
    }
    await this.#sleep.fallAsleep(mode);
    return this.#said({});
  }

  #said(more: object): Answer {
    const state = this.#sleep.booting ? 'booting' : this.#sleep.state;
    return json({ practice: true, note: WHAT, state, ...more });
  }
}

/** A body is optional here. */
async function wantedMode(exchange: Exchange): Promise<unknown> {
  const empty =
    exchange.header('transfer-encoding') === undefined &&
    Number(exchange.header('content-length') ?? 0) === 0;
  if (empty) return 'suspend';
  const body: unknown = await jsonBody(exchange, { mode: 'string?' });
  return isRecord(body) ? (body['mode'] ?? 'suspend') : 'suspend';
}

function withoutSecrets(headers: Readonly<Record<string, string>>): Record<string, string> {
  const shown = { ...headers };
  if (shown['authorization'] !== undefined) shown['authorization'] = 'Bearer …';
  if (shown['cookie'] !== undefined) shown['cookie'] = '…';
  return shown;
}
