/** Textbook P-256 in projective coordinates; slow, plain, and independent of the driver's. */
const P = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn;
const B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;
export const CURVE_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/** x = X/Z², y = Y/Z³; Z = 0 is infinity. */
type Jacobian = readonly [X: bigint, Y: bigint, Z: bigint];

export class CurvePoint {
  static readonly base = CurvePoint.at(
    0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296n,
    0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5n,
  );
  readonly #of: Jacobian;

  private constructor(of: Jacobian) {
    this.#of = of;
  }

  private static at(x: bigint, y: bigint): CurvePoint {
    return new CurvePoint([x, y, 1n]);
  }

  /** @throws Error for 33 or 65 bytes that encode no point */
  static parse(bytes: Buffer): CurvePoint {
    const x = BigInt(`0x${bytes.subarray(1, 33).toString('hex')}`);
    const right = rest(x ** 3n - 3n * x + B);
    const root = raised(right, (P + 1n) >> 2n);
    if (rest(root * root) !== right) throw new Error('Not on the curve.');
    const isOdd = bytes.length === 65 ? (bytes[64] ?? 0) & 1 : (bytes[0] ?? 0) & 1;
    const y = Number(root & 1n) === isOdd ? root : P - root;
    if (bytes.length === 65 && BigInt(`0x${bytes.subarray(33).toString('hex')}`) !== y) {
      throw new Error('Not on the curve.');
    }
    return CurvePoint.at(x, y);
  }

  get isInfinity(): boolean {
    return this.#of[2] === 0n;
  }

  bytes(): Buffer {
    const [X, Y, Z] = this.#of;
    const inverse = raised(Z, P - 2n);
    const square = rest(inverse * inverse);
    const hex = [rest(X * square), rest(Y * square * inverse)]
      .map((number) => number.toString(16).padStart(64, '0'))
      .join('');
    return Buffer.from(`04${hex}`, 'hex');
  }

  minus(other: CurvePoint): CurvePoint {
    const [X, Y, Z] = other.#of;
    return this.plus(new CurvePoint([X, rest(-Y), Z]));
  }

  plus(other: CurvePoint): CurvePoint {
    const [X1, Y1, Z1] = this.#of;
    const [X2, Y2, Z2] = other.#of;
    if (Z1 === 0n) return other;
    if (Z2 === 0n) return this;
    const [u1, u2] = [rest(X1 * Z2 * Z2), rest(X2 * Z1 * Z1)];
    const [s1, s2] = [rest(Y1 * Z2 ** 3n), rest(Y2 * Z1 ** 3n)];
    if (u1 === u2) return s1 === s2 ? this.#doubled() : new CurvePoint([1n, 1n, 0n]);
    const [h, r] = [rest(u2 - u1), rest(s2 - s1)];
    const h2 = rest(h * h);
    const X3 = rest(r * r - h2 * h - 2n * u1 * h2);
    return new CurvePoint([X3, rest(r * (u1 * h2 - X3) - s1 * h2 * h), rest(h * Z1 * Z2)]);
  }

  times(factor: bigint): CurvePoint {
    let sum = new CurvePoint([1n, 1n, 0n]);
    for (const bit of factor.toString(2)) {
      sum = sum.#doubled();
      if (bit === '1') sum = sum.plus(this);
    }
    return sum;
  }

  #doubled(): CurvePoint {
    const [X, Y, Z] = this.#of;
    if (Z === 0n) return this;
    const s = rest(4n * X * Y * Y);
    const m = rest(3n * X * X - 3n * Z ** 4n);
    const X2 = rest(m * m - 2n * s);
    return new CurvePoint([X2, rest(m * (s - X2) - 8n * Y ** 4n), rest(2n * Y * Z)]);
  }
}

function rest(number: bigint): bigint {
  return ((number % P) + P) % P;
}

function raised(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  for (const bit of exponent.toString(2)) {
    result = (result * result) % P;
    if (bit === '1') result = (result * base) % P;
  }
  return result;
}
