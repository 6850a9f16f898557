import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';

/** One received magic packet. */
export interface MagicPacket {
  readonly atMs: number;
  readonly macAddress: string;
  /** Whether it is addressed to this NAS. */
  readonly forUs: boolean;
  /** The SecureOn password after the packet, 4 or 6 bytes in hex, or null. */
  readonly password: string | null;
}

const MAC_BYTES = 6;
const REPEATS = 16;
const SYNC = Buffer.alloc(MAC_BYTES, 0xff);

/**
 * Parses a magic packet: six bytes of 0xff, then sixteen times the address, anywhere in the
 * payload, as a network card searches for it.
 * @returns the address in lower case and what follows, or null
 */
export function readMagicPacket(
  payload: Buffer,
): Pick<MagicPacket, 'macAddress' | 'password'> | null {
  const length = SYNC.length + MAC_BYTES * REPEATS;
  for (let at = payload.indexOf(SYNC); at !== -1; at = payload.indexOf(SYNC, at + 1)) {
    if (at + length > payload.length) return null;
    const mac = payload.subarray(at + SYNC.length, at + SYNC.length + MAC_BYTES);
    const repeated = payload.subarray(at + SYNC.length, at + length);
    if (!repeated.equals(Buffer.concat(Array.from({ length: REPEATS }, () => mac)))) continue;
    const rest = payload.subarray(at + length);
    const password = rest.length === 4 || rest.length === 6 ? rest.toString('hex') : null;
    return { macAddress: mac.toString('hex').replace(/(..)(?!$)/g, '$1:'), password };
  }
  return null;
}

/** Listens for magic packets, as a sleeping machine's network card does. */
export class WakeListener {
  readonly #macAddress: string;
  readonly #nowMs: () => number;
  readonly #onWake: () => void;
  readonly #packets: MagicPacket[] = [];
  #socket: Socket | null = null;

  constructor(macAddress: string, nowMs: () => number, onWake: () => void) {
    this.#macAddress = macAddress.toLowerCase();
    this.#nowMs = nowMs;
    this.#onWake = onWake;
  }

  get packets(): readonly MagicPacket[] {
    return this.#packets;
  }

  reset(): void {
    this.#packets.length = 0;
  }

  /** @returns the UDP port */
  async start(port: number, host: string): Promise<number> {
    const socket = createSocket('udp4');
    socket.on('message', (payload) => {
      this.#take(payload);
    });
    socket.bind(port, host);
    await once(socket, 'listening');
    this.#socket = socket;
    return socket.address().port;
  }

  async stop(): Promise<void> {
    const socket = this.#socket;
    if (socket === null) return;
    this.#socket = null;
    const closed = once(socket, 'close');
    socket.close();
    await closed;
  }

  #take(payload: Buffer): void {
    const packet = readMagicPacket(payload);
    if (packet === null) return;
    const forUs = packet.macAddress === this.#macAddress;
    this.#packets.push({ atMs: this.#nowMs(), forUs, ...packet });
    if (forUs) this.#onWake();
  }
}
