/** The package ships no types. */
declare module 'http_ece' {
  import type { ECDH } from 'node:crypto';

  interface Params {
    readonly version: 'aes128gcm';
    /** The other side's public key, base64url; for `encrypt`. */
    readonly dh?: string;
    /** One's own pair. */
    readonly privateKey: ECDH;
    /** base64url */
    readonly authSecret: string;
    /** Bytes of padding. */
    readonly pad?: number;
  }
  /** @throws Error for keys that are none */
  export function encrypt(data: Buffer, params: Params): Buffer;
  /** @throws Error for what was not encrypted for these keys */
  export function decrypt(data: Buffer, params: Params): Buffer;
}
