import { asRecord } from '../plug-protocol.ts';

/** What a plug tells of its TPAP, by UDP or over HTTP, to anybody who asks. */
export interface TpapOffer {
  readonly port: number;
  /** 0: plain HTTP; 1: TLS with any certificate; 2: TLS that leads up to the maker's root. */
  readonly tls: 0 | 1 | 2;
  /** It accepts the password of the account it is bound to (`pake` 2). */
  readonly takesPassword: boolean;
  readonly userHashType: 0 | 1;
}

/** Parses the object `tpap`; null for one that cannot be used. */
export function readTpapOffer(value: unknown): TpapOffer | null {
  const offer = asRecord(value);
  if (offer === null) return null;
  const { port, tls, pake, user_hash_type: hash } = offer;
  if (!isPort(port) || (tls !== 0 && tls !== 1 && tls !== 2)) return null;
  const kinds = Array.isArray(pake) ? pake : [];
  return {
    ...{ port, tls },
    takesPassword: kinds.includes(2) && !kinds.includes(0),
    userHashType: hash === 1 ? 1 : 0,
  };
}

function isPort(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= 1 && Number(value) <= 65_535;
}
