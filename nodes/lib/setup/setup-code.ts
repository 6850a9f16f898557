import { createHash, timingSafeEqual } from 'node:crypto';

/** Crockford's 32 signs, without those that are read as others: ten of them are 50 bits. */
const SIGNS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const LENGTH = 10;

/** Makes a code of ten signs, each as likely as any other. */
export function newCode(randomBytes: (count: number) => Buffer): string {
  return [...randomBytes(LENGTH)].map((byte) => SIGNS[byte % SIGNS.length] ?? '').join('');
}

/** As it is read to somebody: `ABCDE-FGHJK`. */
export function spokenCode(code: string): string {
  return `${code.slice(0, LENGTH / 2)}-${code.slice(LENGTH / 2)}`;
}

/** As it was meant, however it was typed: small letters, spaces, dashes, O for 0, I and L for 1. */
export function meantCode(typed: string): string {
  const bare = typed.toUpperCase().replace(/[\s._–—-]/g, '');
  return bare.replace(/O/g, '0').replace(/[IL]/g, '1');
}

/** In a time that tells nothing of where they differ. */
export function isSame(one: string, other: string): boolean {
  return timingSafeEqual(digest(one), digest(other));
}

export function hashOf(text: string): string {
  return digest(text).toString('hex');
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
