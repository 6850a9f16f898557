import { createSocket, type Socket } from 'node:dgram';
import { crc32 } from 'node:zlib';
import { asRecordOf } from './practice-wire.ts';

const HEADER_BYTES = 16;

/** The plug's side of discovery: answers valid queries, and only those, on UDP. */
export class PracticeAnnouncer {
  #socket: Socket | null = null;
  readonly #announcement: () => unknown;
  /** Called for each valid query. */
  onQuery: () => void = () => undefined;
  /** Valid queries so far. */
  queries = 0;
  isSilent = false;

  constructor(announcement: () => unknown) {
    this.#announcement = announcement;
  }

  async start(host: string, port: number): Promise<number> {
    const socket = createSocket('udp4');
    this.#socket = socket;
    socket.on('message', (packet, from) => {
      if (!isQuery(packet)) return;
      this.queries += 1;
      this.onQuery();
      if (this.isSilent) return;
      const body = Buffer.from(JSON.stringify(this.#announcement()));
      socket.send(Buffer.concat([packet.subarray(0, HEADER_BYTES), body]), from.port, from.address);
    });
    const { promise, resolve } = Promise.withResolvers<undefined>();
    socket.bind(port, host, () => {
      resolve(undefined);
    });
    await promise;
    return socket.address().port;
  }

  async stop(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    if (this.#socket === null) return;
    this.#socket.close(() => {
      resolve(undefined);
    });
    this.#socket = null;
    await promise;
  }
}

/** Version 2, operation 1, the right size, the right checksum, and a key. */
function isQuery(packet: Buffer): boolean {
  if (packet.length <= HEADER_BYTES || packet[0] !== 2 || packet.readUInt16BE(2) !== 1)
    return false;
  if (packet.readUInt16BE(4) !== packet.length - HEADER_BYTES || packet[6] !== 17) return false;
  const preset = Buffer.from(packet);
  preset.writeUInt32BE(0x5a6b7c8d, 12);
  if (crc32(preset) !== packet.readUInt32BE(12)) return false;
  const body = asRecordOf(JSON.parse(packet.subarray(HEADER_BYTES).toString('utf8')));
  return String(asRecordOf(body['params'])['rsa_key']).includes('BEGIN PUBLIC KEY');
}
