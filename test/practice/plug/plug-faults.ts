import type { ServerResponse } from 'node:http';

/**
 * How the plug misbehaves.
 *
 * - `silent`: takes the request and never answers
 * - `reset`: cuts the connection
 * - `garbage`: answers 200 with bytes that mean nothing
 * - `not_http`: answers with something that is no HTTP
 * - `truncated`: promises more bytes than it sends, then cuts
 * - `endless`: never stops sending
 * - `third_party_off`: 403 on the handshake, as firmware from 1.4.0 on does
 * - `rate_limited`: 429
 * - `tampered`: flips a bit of the encrypted answer
 * - `slow`: answers after `slowMs` of its clock
 * - `absurd`: tells 5 kW
 */
export type PlugFault =
  | 'silent'
  | 'reset'
  | 'garbage'
  | 'not_http'
  | 'truncated'
  | 'endless'
  | 'third_party_off'
  | 'rate_limited'
  | 'tampered'
  | 'slow'
  | 'absurd';

/** The current fault, and for how many more requests. */
export class PlugFaults {
  #fault: PlugFault | null = null;
  #left = 0;

  set(fault: PlugFault | null, requests: number): void {
    this.#fault = fault;
    this.#left = requests;
  }

  /** The fault of the next request. */
  take(): PlugFault | null {
    if (this.#fault === null || this.#left <= 0) return null;
    this.#left -= 1;
    return this.#fault;
  }
}

/** Faults that replace the answer. */
const SPOILERS: Readonly<Partial<Record<PlugFault, (response: ServerResponse) => void>>> = {
  silent: () => undefined,
  reset: (response) => {
    response.socket?.resetAndDestroy();
  },
  garbage: (response) => {
    response.end('<html>not a plug</html>');
  },
  not_http: (response) => {
    response.socket?.end('SSH-2.0-nonsense\r\n');
  },
  truncated: (response) => {
    response.writeHead(200, { 'Content-Length': 4_096 });
    response.write(Buffer.alloc(100), () => {
      response.socket?.destroy();
    });
  },
  endless: sendForEver,
  rate_limited: (response) => {
    response.writeHead(429).end();
  },
};

/** @returns whether the fault has handled the answer */
export function spoil(fault: PlugFault, response: ServerResponse): boolean {
  const spoiler = SPOILERS[fault];
  spoiler?.(response);
  return spoiler !== undefined;
}

function sendForEver(response: ServerResponse): void {
  const more = (): void => {
    while (!response.destroyed && response.write(Buffer.alloc(16_384, 'x')));
  };
  response.on('drain', more);
  more();
}

/** In the last byte: KLAP's signature covers it, and AES's JSON is invalid without it. */
export function flipBit(bytes: Buffer): void {
  const at = bytes.length - 1;
  bytes[at] = (bytes[at] ?? 0) ^ 1;
}
