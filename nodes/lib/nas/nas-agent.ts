import { Agent, type ClientRequest, type ClientRequestArgs } from 'node:http';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls, TLSSocket } from 'node:tls';
import type { Cancel, Clock } from '../time/clock.ts';
import type { IdentityCheck } from './neighbour-table.ts';
import { NasCallError } from './nas-call-error.ts';

/**
 * An idle connection is dropped after this. Uvicorn drops its side after 5 s; being earlier keeps
 * requests from racing into a connection that is just being closed.
 */
export const IDLE_SOCKET_MS = 4_000;

export interface NasAgentOptions {
  readonly url: URL;
  readonly clock: Clock;
  /** SHA-256 of the certificate, 64 hex digits in lower case; null trusts the system's CAs. */
  readonly fingerprint: string | null;
  readonly identityOf: IdentityCheck | null;
  readonly connectMs: number;
  readonly maxSockets: number;
  /** How long an unused connection is kept. */
  readonly idleMs: number;
}

type Connected = (error: Error | null, socket: Duplex) => void;

/**
 * The connections to one address of the NAS. A socket is handed to HTTP only after the certificate
 * (https) and the machine behind the address (http) were checked, so a wrong one gets no byte.
 */
export class NasAgent extends Agent {
  readonly #options: NasAgentOptions;
  readonly #idle = new WeakMap<Duplex, Cancel>();
  #address: string | null = null;

  constructor(options: NasAgentOptions) {
    super({ keepAlive: true, maxSockets: options.maxSockets, maxFreeSockets: 4 });
    this.#options = options;
  }

  /** The IP address the last connection went to. */
  get address(): string | null {
    return this.#address;
  }

  override createConnection(_args: ClientRequestArgs, connected?: Connected): undefined {
    const socket = this.#open();
    const report = connected ?? ((): void => undefined);
    let settled = false;
    const settle = (error: Error | null): void => {
      if (settled) return;
      settled = true;
      stopTimer();
      if (error !== null) socket.destroy();
      report(error, socket);
    };
    const stopTimer = this.#options.clock.after(this.#options.connectMs, () => {
      settle(new NasCallError('timeout'));
    });
    socket.on('error', settle);
    socket.once('close', () => {
      settle(new NasCallError('refused'));
    });
    socket.once(socket instanceof TLSSocket ? 'secureConnect' : 'connect', () => {
      settle(this.#fault(socket));
    });
  }

  override keepSocketAlive(socket: Duplex): boolean {
    const kept: unknown = super.keepSocketAlive(socket);
    if (kept !== true) return false;
    const { clock, idleMs } = this.#options;
    const cancel = clock.after(idleMs, () => {
      socket.destroy();
    });
    this.#idle.set(socket, cancel);
    socket.once('close', cancel);
    return true;
  }

  override reuseSocket(socket: Duplex, request: ClientRequest): void {
    const cancel = this.#idle.get(socket);
    cancel?.();
    if (cancel !== undefined) socket.removeListener('close', cancel);
    super.reuseSocket(socket, request);
  }

  /** Closes the connections nobody uses. */
  dropIdle(): void {
    for (const sockets of Object.values(this.freeSockets)) {
      for (const socket of sockets ?? []) socket.destroy();
    }
  }

  #open(): Socket {
    const { url, fingerprint } = this.#options;
    const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
    if (url.protocol !== 'https:') {
      return connectTcp({ host, port: Number(url.port || 80), noDelay: true });
    }
    return connectTls({
      host,
      port: Number(url.port || 443),
      ALPNProtocols: ['http/1.1'],
      ...(isIP(host) === 0 ? { servername: host } : {}),
      // With a pin the pin is the check, made in #fault before any byte of HTTP; a self-signed
      // certificate has no chain that could be checked instead.
      rejectUnauthorized: fingerprint === null,
    });
  }

  #fault(socket: Socket): NasCallError | null {
    const { fingerprint, identityOf } = this.#options;
    if (socket instanceof TLSSocket && fingerprint !== null) {
      const shown = socket.getPeerX509Certificate()?.fingerprint256.replaceAll(':', '');
      if (shown?.toLowerCase() !== fingerprint) return new NasCallError('tls');
    }
    this.#address = socket.remoteAddress ?? null;
    if (this.#address === null || identityOf === null) return null;
    return identityOf(this.#address) === 'mismatch' ? new NasCallError('mismatch') : null;
  }
}
