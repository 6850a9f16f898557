import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import type { Random } from './random.ts';

/** How the connection to the NAS is broken. */
export type Trouble = 'none' | 'refuse' | 'reset' | 'blackhole' | 'truncate' | 'slow';

export const TROUBLES: readonly Trouble[] = ['refuse', 'reset', 'blackhole', 'truncate', 'slow'];

/** Bytes a second that `slow` passes on each connection. */
const SLOW_BYTES = 1_000;
const SLOW_STEP_MS = 100;

/** A proxy between BaluPi and the NAS that passes bytes badly, or not at all. */
export class FaultGate {
  readonly #server: Server;
  readonly #random: Random;
  readonly #nasPort: number;
  readonly #pairs = new Set<Pair>();
  #trouble: Trouble = 'none';

  private constructor(nasUrl: string, random: Random) {
    this.#nasPort = Number(new URL(nasUrl).port);
    this.#random = random;
    this.#server = createServer({ pauseOnConnect: true }, (socket) => {
      this.#accept(socket);
    });
  }

  static async open(nasUrl: string, random: Random): Promise<FaultGate> {
    const gate = new FaultGate(nasUrl, random);
    gate.#server.listen(0, '127.0.0.1');
    await once(gate.#server, 'listening');
    return gate;
  }

  get url(): string {
    return `http://127.0.0.1:${String((this.#server.address() as AddressInfo).port)}`;
  }

  /** Applies from now on, to open connections too. */
  set trouble(trouble: Trouble) {
    this.#trouble = trouble;
    for (const pair of this.#pairs) this.#meet(pair);
  }

  async close(): Promise<void> {
    for (const pair of this.#pairs) pair.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #accept(socket: Socket): void {
    if (this.#trouble === 'refuse') {
      socket.resetAndDestroy();
      return;
    }
    const pair = new Pair(socket, connect(this.#nasPort, '127.0.0.1'));
    this.#pairs.add(pair);
    pair.ended.then(
      () => this.#pairs.delete(pair),
      () => this.#pairs.delete(pair),
    );
    this.#meet(pair);
  }

  #meet(pair: Pair): void {
    if (this.#trouble === 'reset') pair.cut();
    else if (this.#trouble === 'truncate') pair.cutAfter(this.#random.between(0, 4_000));
    else if (this.#trouble === 'slow') pair.pace(SLOW_BYTES);
    else if (this.#trouble === 'blackhole') pair.pace(0);
    else pair.pace(Infinity);
  }
}

/** A client's connection and its upstream. Bytes pass as fast as allowed, each way. */
class Pair {
  readonly ended: Promise<unknown>;
  readonly #sides: readonly [Socket, Socket];
  #bytesPerSecond = Infinity;
  #leftBytes = Infinity;
  #timer: NodeJS.Timeout | null = null;

  constructor(client: Socket, nas: Socket) {
    this.#sides = [client, nas];
    this.ended = Promise.race([once(client, 'close'), once(nas, 'close')]);
    for (const [from, to] of [
      [client, nas],
      [nas, client],
    ] as const) {
      from.on('error', () => {
        this.cut();
      });
      from.on('close', () => {
        this.cut();
      });
      from.on('data', (bytes: Buffer) => {
        this.#pass(bytes, to);
      });
    }
  }

  cut(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    for (const side of this.#sides) side.destroy();
  }

  /** Passes that many more bytes, both ways together, then cuts. */
  cutAfter(bytes: number): void {
    this.pace(Infinity);
    this.#leftBytes = bytes;
  }

  pace(bytesPerSecond: number): void {
    this.#bytesPerSecond = bytesPerSecond;
    this.#leftBytes = Infinity;
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    for (const side of this.#sides) {
      if (bytesPerSecond === Infinity) side.resume();
      else side.pause();
    }
    if (bytesPerSecond === 0 || bytesPerSecond === Infinity) return;
    this.#timer = setInterval(() => {
      this.#trickle();
    }, SLOW_STEP_MS);
  }

  #trickle(): void {
    const most = Math.max(1, Math.floor((this.#bytesPerSecond * SLOW_STEP_MS) / 1_000));
    // Data read out of a paused socket is emitted to its listener as usual.
    for (const side of this.#sides) side.read(Math.min(most, side.readableLength));
  }

  #pass(bytes: Buffer, to: Socket): void {
    const passed = bytes.subarray(0, this.#leftBytes);
    this.#leftBytes -= passed.length;
    if (to.writable) to.write(passed);
    if (this.#leftBytes <= 0) this.cut();
  }
}
