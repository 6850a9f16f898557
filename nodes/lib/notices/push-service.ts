import { encrypt } from 'http_ece';
import jwt from 'jsonwebtoken';
import { createECDH, createPrivateKey, hash, type JsonWebKey } from 'node:crypto';
import type { LookupAddress } from 'node:dns';
import { lookup } from 'node:dns/promises';
import { request } from 'node:https';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { networkInterfaces } from 'node:os';
import { errorKind } from '../log/log.ts';

/** Where one browser is reached, as its `PushSubscription` tells (W3C Push API). */
export interface PushTarget {
  readonly endpoint: string;
  /** The browser's public key, base64url, 65 bytes. */
  readonly p256dh: string;
  /** A secret of 16 bytes, base64url. */
  readonly auth: string;
}

interface PushMessage {
  readonly text: string;
  /** A later message on the same topic replaces one that was not delivered yet. */
  readonly topic: string;
}

export type PushOutcome =
  | { readonly kind: 'sent' }
  /** That browser has cancelled its subscription. */
  | { readonly kind: 'gone' }
  /** The service does not take this message, now or later. */
  | { readonly kind: 'refused'; readonly status: number }
  /** Not now: nobody answered, or the service is busy. */
  | { readonly kind: 'later'; readonly afterMs: number | null; readonly why: string };

/** The Pi's own key pair, by which a browser's service recognises it (RFC 8292). */
export interface PushKeys {
  /** What `pushManager.subscribe` expects: 65 bytes, base64url. */
  readonly publicKey: string;
  readonly privateJwk: JsonWebKey;
}

interface Deps {
  readonly keys: () => PushKeys;
  /** Whom a push service writes to when something is wrong: `mailto:…` or `https://…`. */
  readonly contact: string;
  readonly nowMs: () => number;
  readonly rule?: AddressRule;
  /** Looks up a name; the system's own resolver when left out. */
  readonly resolve?: (host: string) => Promise<readonly LookupAddress[]>;
  /** Certificate authority of a practice service. */
  readonly ca?: string;
}

const LIMIT_MS = 10_000;
/** A day: anybody whose phone was off for longer looks at the page anyway. */
const TTL_S = 86_400;
const TOKEN_S = 12 * 3_600;
const LONGEST_WAIT_MS = 3_600_000;
const PUBLIC_KEY_BYTES = 65;
const AUTH_BYTES = 16;
/** All messages are padded to this length, so that their size reveals nothing. */
const PADDED_BYTES = 1_500;
const TOPIC_CHARS = 32;

/** Sends to browsers by their makers' push services, which carry it and cannot read it (RFC 8291). */
export class PushService {
  readonly #deps: Deps;
  readonly #rule: AddressRule;

  constructor(deps: Deps) {
    this.#deps = deps;
    this.#rule = deps.rule ?? PUBLIC;
  }

  get publicKey(): string {
    return this.#deps.keys().publicKey;
  }

  /** @returns what is wrong with a browser's subscription; null where it can be sent to */
  faultOf({ endpoint, p256dh, auth }: PushTarget): string | null {
    if (pushUrl(endpoint, this.#rule) === null) {
      return 'The endpoint is no https address of a push service on the internet.';
    }
    if (sizeOf(auth) !== AUTH_BYTES || sizeOf(p256dh) !== PUBLIC_KEY_BYTES) {
      return 'The keys are not those of a push subscription.';
    }
    try {
      sealed('', { endpoint, p256dh, auth });
      return null;
    } catch {
      return 'The keys are not those of a push subscription.';
    }
  }

  async send(target: PushTarget, message: PushMessage, signal: AbortSignal): Promise<PushOutcome> {
    const url = pushUrl(target.endpoint, this.#rule);
    if (url === null) return { kind: 'gone' };
    try {
      const body = sealed(message.text, target);
      const { status, retryAfter } = await this.#post(url, body, message.topic, signal);
      return outcomeOf(status, retryAfter);
    } catch (error) {
      return { kind: 'later', afterMs: null, why: errorKind(error) };
    }
  }

  async #post(
    url: URL,
    body: Buffer,
    topic: string,
    signal: AbortSignal,
  ): Promise<{ readonly status: number; readonly retryAfter: string | undefined }> {
    const { promise, resolve, reject } = Promise.withResolvers<{
      readonly status: number;
      readonly retryAfter: string | undefined;
    }>();
    const asked = request(url, {
      method: 'POST',
      agent: false,
      ...(this.#deps.ca === undefined ? {} : { ca: this.#deps.ca }),
      lookup: this.#lookup,
      signal: AbortSignal.any([signal, AbortSignal.timeout(LIMIT_MS)]),
      headers: {
        Authorization: this.#authorization(url.origin),
        'Content-Type': 'application/octet-stream',
        'Content-Encoding': 'aes128gcm',
        'Content-Length': body.length,
        TTL: TTL_S,
        Topic: hash('sha256', topic, 'base64url').slice(0, TOPIC_CHARS),
        Urgency: 'normal',
      },
    });
    asked.once('response', ({ statusCode = 0, headers }) => {
      resolve({ status: statusCode, retryAfter: headers['retry-after'] });
    });
    asked.on('error', reject);
    asked.end(body);
    try {
      return await promise;
    } finally {
      // Nobody reads its body; only the status counts.
      asked.destroy();
    }
  }

  /** Only addresses that the rule allows are connected to, whatever a name server says. */
  readonly #lookup: LookupFunction = (host, options, told) => {
    const { resolve = resolveAll } = this.#deps;
    resolve(host).then(
      (all) => {
        const allowed = all.filter(({ address }) => this.#rule.address(address));
        const [first] = allowed;
        if (first === undefined) told(new FarError(), '');
        else if (options.all === true) told(null, allowed);
        else told(null, first.address, first.family);
      },
      (error: unknown) => {
        told(error as NodeJS.ErrnoException, '');
      },
    );
  };

  /** RFC 8292, section 3. */
  #authorization(audience: string): string {
    const { keys, contact, nowMs } = this.#deps;
    const { publicKey, privateJwk } = keys();
    const key = createPrivateKey({ key: privateJwk, format: 'jwk' });
    const claims = { aud: audience, exp: Math.floor(nowMs() / 1_000) + TOKEN_S, sub: contact };
    const token = jwt.sign(claims, key, { algorithm: 'ES256', noTimestamp: true });
    return `vapid t=${token}, k=${publicKey}`;
  }
}

/** The name leads to no address on the internet. */
class FarError extends Error {
  readonly code = 'not_public';
}

function resolveAll(host: string): Promise<readonly LookupAddress[]> {
  return lookup(host, { all: true });
}

function outcomeOf(status: number, retryAfter: string | undefined): PushOutcome {
  if (status >= 200 && status < 300) return { kind: 'sent' };
  if (status === 404 || status === 410) return { kind: 'gone' };
  // A token it rejects may be due to the clock, which corrects itself.
  const isPassing = status === 401 || status === 403 || status === 408 || status === 429;
  if (!isPassing && status < 500) return { kind: 'refused', status };
  const seconds = Number(retryAfter);
  const afterMs = seconds > 0 ? Math.min(seconds * 1_000, LONGEST_WAIT_MS) : null;
  return { kind: 'later', afterMs, why: String(status) };
}

/** A fresh key pair for each message (RFC 8291, section 3.1). */
function sealed(text: string, { p256dh, auth }: PushTarget): Buffer {
  const pair = createECDH('prime256v1');
  pair.generateKeys();
  const bytes = Buffer.from(text);
  const pad = Math.max(0, PADDED_BYTES - bytes.length);
  return encrypt(bytes, {
    ...{ version: 'aes128gcm', dh: p256dh, privateKey: pair, authSecret: auth },
    pad,
  });
}

function sizeOf(base64url: string): number {
  return /^[\w-]+$/.test(base64url) ? Buffer.from(base64url, 'base64url').length : 0;
}

/** Where a browser may have its messages sent. Another rule is for tests only. */
export interface AddressRule {
  readonly url: (url: URL) => boolean;
  readonly address: (address: string) => boolean;
}

const LONGEST = 2_048;
/** IANA's special-purpose registries (RFC 6890) and multicast: none of these is on the internet. */
const SPECIAL = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const) {
  SPECIAL.addSubnet(network, prefix);
}
for (const [network, prefix] of [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const) {
  SPECIAL.addSubnet(network, prefix, 'ipv6');
}
/**
 * The range of IPv6 that is on the internet (RFC 4291); all else is local, mapped or translated.
 */
const GLOBAL = new BlockList();
GLOBAL.addSubnet('2000::', 3, 'ipv6');

/**
 * Push services are on the internet, by name and https. An address of the home network would
 * otherwise have the Pi probe it.
 */
export const PUBLIC: AddressRule = {
  url: ({ protocol, hostname, port, username, password }) => {
    const isName = isIP(hostname.replace(/^\[|\]$/g, '')) === 0 && hostname.includes('.');
    return protocol === 'https:' && isName && port === '' && username + password === '';
  },
  address: (address) => {
    if (isIP(address) === 4) return !SPECIAL.check(address);
    const isGlobal = GLOBAL.check(address, 'ipv6') && !SPECIAL.check(address, 'ipv6');
    return isGlobal && !ownNetworks().check(address, 'ipv6');
  },
};

/** @returns null for an address that no browser's push service could have given out */
function pushUrl(text: string, rule: AddressRule): URL | null {
  const url = text.length > LONGEST ? null : URL.parse(text);
  return url !== null && rule.url(url) ? url : null;
}

/** A home's IPv6 addresses are global ones, of the networks that this machine is in. */
function ownNetworks(): BlockList {
  const own = new BlockList();
  for (const { cidr, family } of Object.values(networkInterfaces()).flatMap((one) => one ?? [])) {
    const [network, prefix] = (cidr ?? '').split('/');
    if (family === 'IPv6' && network !== undefined && network !== '') {
      own.addSubnet(network, Math.min(Number(prefix), 64), 'ipv6');
    }
  }
  return own;
}
