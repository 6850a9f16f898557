import { request as plainRequest } from 'node:http';
import { request as tlsRequest } from 'node:https';
import { connect } from 'node:net';

/** How one asks a machine whether it is there. */
export type HostAddress =
  | { readonly kind: 'http'; readonly url: URL }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

/** What a machine that boots may take to answer, and one that is off never does. */
const PATIENCE_MS = 1_500;

/**
 * @param text `host:port`, `[ipv6]:port` or an http(s) URL
 * @returns null when it is none of these
 */
export function parseHostAddress(text: string): HostAddress | null {
  const trimmed = text.trim();
  if (/^https?:\/\//i.test(trimmed)) {
    const url = URL.parse(trimmed);
    return url === null ? null : { kind: 'http', url };
  }
  const parts = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+)):(\d{1,5})$/i.exec(trimmed);
  const host = parts?.[1] ?? parts?.[2];
  const port = Number(parts?.[3]);
  if (host === undefined || port < 1 || port > 65_535) return null;
  return { kind: 'tcp', host, port };
}

/**
 * Whether a machine answers within 1.5 s. By http any answer counts, whatever its status; a
 * certificate is not looked at, as nothing is told that anybody could want.
 */
export function answers(address: HostAddress): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const attempt = address.kind === 'tcp' ? opened(address, resolve) : asked(address.url, resolve);
  attempt.setTimeout(PATIENCE_MS, () => {
    attempt.destroy();
    resolve(false);
  });
  attempt.once('error', () => {
    resolve(false);
  });
  return promise;
}

function opened(
  { host, port }: { readonly host: string; readonly port: number },
  tell: (isThere: boolean) => void,
): ReturnType<typeof connect> {
  const socket = connect({ host, port });
  socket.once('connect', () => {
    socket.destroy();
    tell(true);
  });
  return socket;
}

function asked(url: URL, tell: (isThere: boolean) => void): ReturnType<typeof plainRequest> {
  const options = { agent: false, rejectUnauthorized: false };
  const asking =
    url.protocol === 'https:' ? tlsRequest(url, options) : plainRequest(url, { agent: false });
  asking.once('response', (response) => {
    response.destroy();
    tell(true);
  });
  asking.end();
  return asking;
}
