import { createECDH } from 'node:crypto';

/** A point of the curve other than the point at infinity. */
export interface Point {
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
export function toBytes(number: bigint): Buffer {
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
