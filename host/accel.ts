import type { IncomingMessage } from 'node:http';
import type { RemoteAddresses } from './remote-address.ts';

/**
 * Whether the nginx a request came through may send a file's bytes for us (deploy/nginx.conf). It
 * says so by a header, which counts from a trusted proxy alone: anybody else would be given the
 * name of a blob where they asked for a file.
 */
export class Accel {
  readonly #isOn: boolean;
  readonly #remotes: RemoteAddresses;

  /** @param mode the setting ACCEL */
  constructor(mode: 'off' | 'nginx', remotes: RemoteAddresses) {
    this.#isOn = mode === 'nginx';
    this.#remotes = remotes;
  }

  allows(request: IncomingMessage): boolean {
    if (!this.#isOn || request.headers['x-balupi-accel'] !== 'nginx') return false;
    return this.#remotes.isFromProxy(request);
  }
}
