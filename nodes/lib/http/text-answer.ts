import type { IncomingHttpHeaders, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Transform } from 'node:stream';
import { promisify } from 'node:util';
import {
  brotliCompress,
  constants,
  createBrotliCompress,
  createGzip,
  gzip,
  type BrotliOptions,
} from 'node:zlib';

export type Coding = 'gzip' | 'br';

/** JSON of a listing shrinks to a tenth at once; more work would buy a Pi's reader little. */
const GZIP = { level: 2 };
const BROTLI: BrotliOptions = { params: { [constants.BROTLI_PARAM_QUALITY]: 2 } };
/** What fits into one packet gains nothing. */
const WORTH_PACKING_BYTES = 1_400;

const gzipText = promisify(gzip);
const brotliText = promisify<Buffer, BrotliOptions, Buffer>(brotliCompress);

/** The coding a caller takes best, gzip where it is all the same; null for none (RFC 9110, 12.5.3). */
export function codingFor(headers: IncomingHttpHeaders): Coding | null {
  const wanted = headers['accept-encoding'];
  if (typeof wanted !== 'string') return null;
  const weights = new Map<string, number>();
  for (const entry of wanted.split(',')) {
    const [name = '', ...parameters] = entry.split(';').map((part) => part.trim().toLowerCase());
    const weight = parameters.find((parameter) => parameter.startsWith('q='));
    weights.set(name, weight === undefined ? 1 : Number(weight.slice(2)));
  }
  const weightOf = (name: string): number => weights.get(name) ?? weights.get('*') ?? 0;
  const [gz, br] = [weightOf('gzip'), weightOf('br')];
  if (gz > 0 && gz >= br) return 'gzip';
  return br > 0 ? 'br' : null;
}

/** A whole text packed; null where it would gain nothing. */
export async function packed(text: string, coding: Coding | null): Promise<Buffer | null> {
  const bytes = Buffer.from(text);
  if (coding === null || bytes.length < WORTH_PACKING_BYTES) return null;
  return coding === 'gzip' ? gzipText(bytes, GZIP) : brotliText(bytes, BROTLI);
}

/** A text that goes out piece by piece, packed where the caller wants it, as fast as it is read. */
export class TextAnswer {
  readonly #response: ServerResponse;
  readonly #packer: Transform | null;
  #goOn: () => void = () => undefined;

  constructor(response: ServerResponse, headers: OutgoingHttpHeaders, coding: Coding | null) {
    this.#response = response;
    this.#packer = coding === null ? null : packerFor(coding);
    response.writeHead(200, headers);
    // A reset connection is told by 'close' as well.
    response.on('error', () => undefined);
    response.once('close', () => {
      this.#packer?.destroy();
      this.#goOn();
    });
    this.#packer?.once('error', () => {
      this.cut();
    });
    this.#packer?.pipe(response);
  }

  /** @returns whether the caller is still there, once there is room for more */
  async write(text: string): Promise<boolean> {
    if (this.#response.destroyed) return false;
    const sink = this.#packer ?? this.#response;
    if (sink.write(text)) return true;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#goOn = () => {
      resolve(undefined);
    };
    sink.once('drain', this.#goOn);
    await promise;
    return !this.#response.destroyed;
  }

  end(): void {
    (this.#packer ?? this.#response).end();
  }

  /** Breaks the connection, so that what was sent can never be taken for the whole. */
  cut(): void {
    this.#response.destroy();
  }
}

function packerFor(coding: Coding): Transform {
  return coding === 'gzip' ? createGzip(GZIP) : createBrotliCompress(BROTLI);
}
