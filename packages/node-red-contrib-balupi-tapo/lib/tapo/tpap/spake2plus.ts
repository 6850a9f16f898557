import { createECDH, createHash, createHmac, hkdfSync, pbkdf2 } from 'node:crypto';
import { promisify } from 'node:util';

/** A point of the curve other than the point at infinity. */
interface Point {
  readonly x: bigint;
  readonly y: bigint;
}

/** The field and the curve y² = x³ - 3x + b of NIST P-256. */
const FIELD = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n;
const B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;
/** How many points the curve has; a prime. */
export const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

const BYTES = 32;

/** Reads a point of 65 bytes, or compressed of 33; null when it is none of the curve. */
export function readPoint(bytes: Buffer): Point | null {
  const x = bytes.length > BYTES ? toNumber(bytes.subarray(1, 1 + BYTES)) : FIELD;
  if (x >= FIELD) return null;
  if (bytes.length === 1 + BYTES && (bytes[0] === 2 || bytes[0] === 3)) {
    // The field is 3 mod 4, so this power is the root where there is one.
    const root = power(rightSide(x), (FIELD + 1n) / 4n);
    const y = (root & 1n) === BigInt(bytes[0] & 1) ? root : FIELD - root;
    return isOnCurve({ x, y }) ? { x, y } : null;
  }
  if (bytes.length !== 1 + 2 * BYTES || bytes[0] !== 4) return null;
  const point = { x, y: toNumber(bytes.subarray(1 + BYTES)) };
  return isOnCurve(point) ? point : null;
}

/** The point in 65 bytes. */
export function writePoint({ x, y }: Point): Buffer {
  return Buffer.concat([Buffer.of(4), toBytes(x), toBytes(y)]);
}

/** @param k 1 … {@link ORDER} - 1 */
export function timesBase(k: bigint): Point {
  const ecdh = createECDH('prime256v1');
  ecdh.setPrivateKey(toBytes(k));
  const bytes = ecdh.getPublicKey();
  return { x: toNumber(bytes.subarray(1, 1 + BYTES)), y: toNumber(bytes.subarray(1 + BYTES)) };
}

/**
 * `k` times a point, by OpenSSL's constant-time products: ECDH gives their x alone. With Q = kP, the
 * x of Q + P tells y of Q by the addition law: x(Q+P) = ((yQ - yP) / (xQ - xP))² - xQ - xP, where
 * yQ² is known from the curve, is linear in yQ.
 *
 * @param k 1 … {@link ORDER} - 1
 */
export function times(k: bigint, point: Point): Point {
  if (k === 1n) return point;
  if (k === ORDER - 1n) return negative(point);
  const bytes = writePoint(point);
  const x = xOf(k, bytes);
  const dx = mod(x - point.x);
  const known = rightSide(x) + point.y * point.y - (xOf(k + 1n, bytes) + x + point.x) * dx * dx;
  return { x, y: mod(mod(known) * inverse(mod(2n * point.y))) };
}

/** Null for the point at infinity. */
export function add(one: Point, other: Point): Point | null {
  const isSame = one.x === other.x;
  if (isSame && one.y !== other.y) return null;
  const slope = isSame
    ? mod(mod(3n * one.x * one.x - 3n) * inverse(mod(2n * one.y)))
    : mod(mod(one.y - other.y) * inverse(mod(one.x - other.x)));
  const x = mod(slope * slope - one.x - other.x);
  return { x, y: mod(slope * (one.x - x) - one.y) };
}

export function negative({ x, y }: Point): Point {
  return { x, y: mod(-y) };
}

export function toNumber(bytes: Buffer): bigint {
  return bytes.length === 0 ? 0n : BigInt(`0x${bytes.toString('hex')}`);
}

/** In 32 bytes, big-endian. */
function toBytes(number: bigint): Buffer {
  return Buffer.from(number.toString(16).padStart(2 * BYTES, '0'), 'hex');
}

function xOf(k: bigint, point: Buffer): bigint {
  const ecdh = createECDH('prime256v1');
  ecdh.setPrivateKey(toBytes(k));
  return toNumber(ecdh.computeSecret(point));
}

function isOnCurve({ x, y }: Point): boolean {
  return x < FIELD && y < FIELD && mod(y * y) === rightSide(x);
}

function rightSide(x: bigint): bigint {
  return mod(x * x * x - 3n * x + B);
}

function mod(number: bigint): bigint {
  const rest = number % FIELD;
  return rest < 0n ? rest + FIELD : rest;
}

function inverse(number: bigint): bigint {
  return power(number, FIELD - 2n);
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  let square = base;
  for (let left = exponent; left > 0n; left >>= 1n) {
    if ((left & 1n) === 1n) result = (result * square) % FIELD;
    square = (square * square) % FIELD;
  }
  return result;
}

/** The two numbers derived from a password; the plug stores the first, and w1 times the base. */
interface PakeSecrets {
  readonly w0: bigint;
  readonly w1: bigint;
}

/** What both sides have sent before the password is used. */
interface PakeTalk {
  readonly userRandom: Buffer;
  readonly devRandom: Buffer;
  readonly devShare: Point;
  /** Our secret number for this login, 1 … ORDER - 1. */
  readonly x: bigint;
}

export interface PakeResult {
  readonly userShare: Buffer;
  readonly userConfirm: Buffer;
  /** The expected answer; a plug that answers differently does not know the password. */
  readonly devConfirm: Buffer;
  readonly sharedKey: Buffer;
}

const derive = promisify(pbkdf2);

/** RFC 9383's points M and N of P-256, of which nobody knows the logarithms. */
const M = fixedPoint('02886e2f97ace46e55ba9dd7242579f2993b64e16ef3dcab95afd497333d8fa12f');
const N = fixedPoint('03d8bbd6c639c62937b04d997f38c3770719c629d7014d49a24b4f98baa1292b49');

/** How many bytes each secret is derived from, so that it is uniform over the whole order. */
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

/** A number for `x` from random bytes: 40, so that it is uniform over the whole order. */
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
