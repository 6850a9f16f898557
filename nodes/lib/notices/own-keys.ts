import { generateKeyPairSync, type JsonWebKey } from 'node:crypto';
import type { NoticeRows } from './notice-rows.ts';
import type { PushKeys } from './push-service.ts';

/** How secrets are kept, each bound to its row. */
export interface Sealing {
  readonly seal: (rowId: string, secret: string) => Buffer;
  /** @returns null for what another SECRET_KEY sealed */
  readonly open: (rowId: string, sealed: Uint8Array) => string | null;
}

const ROW = 'push keys';

/**
 * The pair by which push services know this Pi. It is made when it is first wanted, and anew where
 * SECRET_KEY does not open it any more: no subscription can be read then either.
 */
export class OwnKeys {
  readonly #rows: NoticeRows;
  readonly #sealing: Sealing;
  #keys: PushKeys | null = null;

  constructor(rows: NoticeRows, sealing: Sealing) {
    this.#rows = rows;
    this.#sealing = sealing;
  }

  get(): PushKeys {
    this.#keys ??= this.#stored() ?? this.#made();
    return this.#keys;
  }

  #stored(): PushKeys | null {
    const stored = this.#rows.keys();
    const opened = stored === null ? null : this.#sealing.open(ROW, stored.secret);
    if (stored === null || opened === null) return null;
    return { publicKey: stored.publicKey, privateJwk: JSON.parse(opened) as JsonWebKey };
  }

  #made(): PushKeys {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const privateJwk = privateKey.export({ format: 'jwk' });
    const { x = '', y = '' } = privateJwk;
    // An uncompressed point (SEC 1, 2.3.3), as browsers want it.
    const point = [Buffer.from([4]), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')];
    const publicKey = Buffer.concat(point).toString('base64url');
    const secret = this.#sealing.seal(ROW, JSON.stringify(privateJwk));
    this.#rows.keepKeys({ publicKey, secret });
    return { publicKey, privateJwk };
  }
}
