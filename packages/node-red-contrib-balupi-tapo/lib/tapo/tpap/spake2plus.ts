import { createHash, createHmac, hkdfSync, pbkdf2 } from 'node:crypto';
import { promisify } from 'node:util';
import {
  add,
  negative,
  ORDER,
  type Point,
  readPoint,
  times,
  timesBase,
  toBytes,
  toNumber,
  writePoint,
} from './p256.ts';

/** The two numbers a password is turned into; the plug keeps the first and w1 times the base. */
export interface PakeSecrets {
  readonly w0: bigint;
  readonly w1: bigint;
}

/** What both sides have said before the password comes in. */
export interface PakeTalk {
  readonly userRandom: Buffer;
  readonly devRandom: Buffer;
  readonly devShare: Point;
  /** Our secret number of this login, 1 … ORDER - 1. */
  readonly x: bigint;
}

export interface PakeResult {
  readonly userShare: Buffer;
  readonly userConfirm: Buffer;
  /** What the plug has to answer; else it does not know the password. */
  readonly devConfirm: Buffer;
  readonly sharedKey: Buffer;
}

const derive = promisify(pbkdf2);

/** RFC 9383's points M and N of P-256, of which nobody knows the logarithms. */
const M = fixedPoint('02886e2f97ace46e55ba9dd7242579f2993b64e16ef3dcab95afd497333d8fa12f');
const N = fixedPoint('03d8bbd6c639c62937b04d997f38c3770719c629d7014d49a24b4f98baa1292b49');

/** How many bytes each secret is taken from, so that it is even over the whole order. */
const SECRET_BYTES = 40;

export async function pakeSecrets(
  credential: string,
  salt: Buffer,
  iterations: number,
): Promise<PakeSecrets> {
  const bytes = await derive(credential, salt, iterations, 2 * SECRET_BYTES, 'sha256');
  return {
    w0: toNumber(bytes.subarray(0, SECRET_BYTES)) % ORDER,
    w1: toNumber(bytes.subarray(SECRET_BYTES)) % ORDER,
  };
}

/** A number for `x` out of random bytes: 40, so that it is even over the whole order. */
export function pakeNumber(bytes: Buffer): bigint {
  return (toNumber(bytes) % (ORDER - 1n)) + 1n;
}

/**
 * Our side of SPAKE2+ (RFC 9383; P-256, SHA-256), in which neither side learns more about the
 * password than whether the other has the same.
 * @param breathe lets others have a turn between two products
 * @returns null where a share was chosen so that nothing would be secret
 */
export async function pake(
  secrets: PakeSecrets,
  talk: PakeTalk,
  breathe: () => Promise<void>,
): Promise<PakeResult | null> {
  const { w0, w1 } = secrets;
  if (w0 === 0n || w1 === 0n) return null;
  const ours = add(timesBase(talk.x), times(w0, M));
  await breathe();
  const theirs = add(talk.devShare, negative(times(w0, N)));
  if (ours === null || theirs === null) return null;
  await breathe();
  const z = times(talk.x, theirs);
  await breathe();
  const v = times(w1, theirs);
  await breathe();
  return confirmations(w0, talk, [ours, z, v]);
}

function confirmations(
  w0: bigint,
  { userRandom, devRandom, devShare }: PakeTalk,
  [ours, z, v]: readonly [Point, Point, Point],
): PakeResult {
  const context = sha256(Buffer.concat([Buffer.from('PAKE V1'), userRandom, devRandom]));
  const [userShare, share] = [writePoint(ours), writePoint(devShare)];
  const points = [writePoint(M), writePoint(N), userShare, share, writePoint(z), writePoint(v)];
  const parts = [context, Buffer.alloc(0), Buffer.alloc(0), ...points, toBytes(w0)];
  const key = sha256(Buffer.concat(parts.flatMap(withLength)));
  const confirm = hkdf(key, 'ConfirmationKeys', 64);
  return {
    userShare,
    userConfirm: hmac(confirm.subarray(0, 32), share),
    devConfirm: hmac(confirm.subarray(32), userShare),
    sharedKey: hkdf(key, 'SharedKey', 32),
  };
}

function withLength(part: Buffer): readonly Buffer[] {
  const length = Buffer.alloc(8);
  length.writeUInt32LE(part.length);
  return [length, part];
}

function hkdf(key: Buffer, info: string, length: number): Buffer {
  return Buffer.from(hkdfSync('sha256', key, Buffer.alloc(0), info, length));
}

function hmac(key: Buffer, bytes: Buffer): Buffer {
  return createHmac('sha256', key).update(bytes).digest();
}

function sha256(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest();
}

function fixedPoint(hex: string): Point {
  const point = readPoint(Buffer.from(hex, 'hex'));
  if (point === null) throw new Error('A constant of RFC 9383 is no point.');
  return point;
}
