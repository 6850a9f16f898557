import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { canonicalJson } from './canonical-json.ts';

/** What a signature covers. */
export interface SignedCall {
  readonly method: string;
  /** Without query and host. */
  readonly path: string;
  /** Unix seconds, in the letters of the header. */
  readonly timestamp: string;
  readonly body: Uint8Array;
}

const HEX_SHA256 = /^[0-9a-f]{64}$/i;

/**
 * Whether the NAS signed this call: hex HMAC-SHA256 over `METHOD:path:timestamp:sha256hex(body)`.
 * The NAS signs the canonical form of its JSON and sends another one (measured on BaluHost 1.38), so
 * the body counts as it came or in that form.
 */
export function isSignedBy(secret: string, call: SignedCall, signature: string): boolean {
  if (!HEX_SHA256.test(signature)) return false;
  const given = Buffer.from(signature, 'hex');
  const fits = (body: Uint8Array | string): boolean =>
    timingSafeEqual(signatureOf(secret, call, body), given);
  if (fits(call.body)) return true;
  const text = textOf(call.body);
  const canonical = text === null ? null : canonicalJson(text);
  return canonical !== null && fits(canonical);
}

/** @returns null for bytes that are no UTF-8 */
export function textOf(body: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch (error) {
    if (error instanceof TypeError) return null;
    throw error;
  }
}

function signatureOf(secret: string, call: SignedCall, body: Uint8Array | string): Buffer {
  const { method, path, timestamp } = call;
  const bodyHash = createHash('sha256').update(body).digest('hex');
  const signed = `${method.toUpperCase()}:${path}:${timestamp}:${bodyHash}`;
  return createHmac('sha256', secret).update(signed).digest();
}
