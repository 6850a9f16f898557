import { connect, createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';

/** A connection between a browser and a BaluPi that breaks on request, as Wi-Fi does. */
export class BrokenLine {
  readonly #server: Server;
  readonly #open = new Set<Socket>();
  #isCut = false;
  #bytes = 0;
  #cutAtBytes = Infinity;

  private constructor(port: number) {
    this.#server = createServer((near) => this.#join(near, port));
  }

  static async to(port: number): Promise<BrokenLine> {
    const line = new BrokenLine(port);
    line.#server.listen(0, '127.0.0.1');
    await once(line.#server, 'listening');
    return line;
  }

  get url(): string {
    const address = this.#server.address();
    return `http://127.0.0.1:${typeof address === 'object' ? (address?.port ?? 0) : 0}`;
  }

  get isCut(): boolean {
    return this.#isCut;
  }

  /** Cuts after that many more uploaded bytes, in the middle of whatever they are. */
  cutAfter(bytes: number): void {
    this.#cutAtBytes = this.#bytes + bytes;
  }

  mend(): void {
    this.#isCut = false;
  }

  async close(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #join(near: Socket, port: number): void {
    if (this.#isCut) {
      near.destroy();
      return;
    }
    const far = connect(port, '127.0.0.1');
    for (const socket of [near, far]) {
      this.#open.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => {
        this.#open.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    near.on('data', (chunk) => {
      this.#bytes += chunk.length;
      if (this.#bytes >= this.#cutAtBytes) this.cut();
    });
    near.pipe(far).pipe(near);
  }

  cut(): void {
    this.#isCut = true;
    this.#cutAtBytes = Infinity;
    for (const socket of this.#open) socket.destroy();
  }
}
