import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';

export interface Published {
  readonly topic: string;
  readonly payload: string;
  readonly qos: number;
  readonly isRetained: boolean;
}

const CONNECT = 1;
const PUBLISH = 3;
const PINGREQ = 12;

/**
 * The part of an MQTT 3.1.1 broker (OASIS, chapter 3) that accepts and keeps published messages.
 */
export class TinyBroker {
  readonly published: Published[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor() {
    this.#server = createServer((socket) => {
      this.#serve(socket);
    });
  }

  async start(): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    let waiting = Buffer.alloc(0);
    socket.on('data', (bytes: Buffer) => {
      waiting = Buffer.concat([waiting, bytes]);
      for (let packet = cutPacket(waiting); packet !== null; packet = cutPacket(waiting)) {
        waiting = waiting.subarray(packet.sizeBytes);
        this.#take(packet.head, packet.body, socket);
      }
    });
  }

  #take(head: number, body: Buffer, socket: Socket): void {
    switch (head >> 4) {
      case CONNECT:
        socket.write(Buffer.from([0x20, 2, 0, 0]));
        return;
      case PINGREQ:
        socket.write(Buffer.from([0xd0, 0]));
        return;
      case PUBLISH: {
        const qos = (head >> 1) & 3;
        const topicEnd = 2 + body.readUInt16BE(0);
        const topic = body.toString('utf8', 2, topicEnd);
        if (qos > 0)
          socket.write(
            Buffer.concat([Buffer.from([0x40, 2]), body.subarray(topicEnd, topicEnd + 2)]),
          );
        const payload = body.toString('utf8', topicEnd + (qos > 0 ? 2 : 0));
        this.published.push({ topic, payload, qos, isRetained: (head & 1) === 1 });
      }
    }
  }
}

/** The first complete packet; null while some of it is missing. */
function cutPacket(bytes: Buffer): { head: number; body: Buffer; sizeBytes: number } | null {
  let length = 0;
  for (let at = 1; at <= 4; at += 1) {
    const byte = bytes[at];
    if (byte === undefined) return null;
    length += (byte & 127) * 128 ** (at - 1);
    if (byte >= 128) continue;
    const sizeBytes = at + 1 + length;
    if (bytes.length < sizeBytes) return null;
    return { head: bytes[0] ?? 0, body: bytes.subarray(at + 1, sizeBytes), sizeBytes };
  }
  return null;
}
