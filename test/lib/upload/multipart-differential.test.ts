import busboy from 'busboy';
import assert from 'node:assert/strict';
import {
  MultipartError,
  MultipartParser,
  readPartHead,
} from '../../../nodes/lib/upload/receive/multipart.ts';
import { BOUNDARY, inChunks, mutatedBody } from '../../prove/world/mutated-bodies.ts';
import { Random } from '../../prove/world/random.ts';

interface ReadPart {
  readonly name: string;
  /** Null for a field. */
  readonly filename: string | null;
  readonly content: string;
}

type Reading =
  | { readonly kind: 'parts'; readonly parts: readonly ReadPart[] }
  | { readonly kind: 'refused'; readonly reason: string };

function ours(chunks: readonly Buffer[]): Reading {
  const parts: ReadPart[] = [];
  let content: Buffer[] = [];
  let head = { name: '' as string | null, filename: null as string | null };
  const parser = new MultipartParser(BOUNDARY, {
    partBegin: (bytes) => {
      head = readPartHead(bytes);
      content = [];
    },
    partData: (bytes) => {
      content.push(Buffer.from(bytes));
    },
    partEnd: () => {
      const { name, filename } = head;
      parts.push({
        name: name ?? '',
        filename,
        content: Buffer.concat(content).toString('latin1'),
      });
    },
  });
  try {
    for (const chunk of chunks) parser.push(chunk);
    parser.end();
    return { kind: 'parts', parts };
  } catch (error) {
    if (!(error instanceof MultipartError)) throw error;
    return { kind: 'refused', reason: error.message };
  }
}

async function theirs(chunks: readonly Buffer[]): Promise<Reading> {
  const parts: ReadPart[] = [];
  const { promise, resolve } = Promise.withResolvers<Reading>();
  const parser = busboy({
    headers: { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` },
    defParamCharset: 'utf8',
    defCharset: 'latin1',
    preservePath: true,
  });
  const files: Promise<void>[] = [];
  parser.on('file', (name: string | undefined, stream, info: { filename?: string }) => {
    const at = parts.push({ name: name ?? '', filename: '', content: '' }) - 1;
    const content: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => content.push(chunk));
    const ended = Promise.withResolvers<void>();
    files.push(ended.promise);
    stream.on('error', () => undefined);
    stream.on('close', () => {
      const filename = info.filename ?? '';
      parts[at] = {
        name: name ?? '',
        filename,
        content: Buffer.concat(content).toString('latin1'),
      };
      ended.resolve();
    });
  });
  parser.on('field', (name: string | undefined, value) => {
    parts.push({ name: name ?? '', filename: null, content: value });
  });
  parser.on('error', (error: Error) => {
    resolve({ kind: 'refused', reason: error.message });
  });
  parser.on('close', () => {
    void Promise.all(files).then(() => {
      resolve({ kind: 'parts', parts });
    });
  });
  for (const chunk of chunks) parser.write(chunk);
  parser.end();
  return promise;
}

/**
 * What we refuse although busboy accepts it. It silently leaves part of such a body out, and the
 * sender would be told that all was stored.
 */
const REFUSED_BY_US: readonly (readonly [reason: RegExp, why: string])[] = [
  [/begins like its boundary/, 'busboy drops the bytes from there to the next boundary'],
  [/goes on after its last boundary/, 'busboy drops what follows, which has parts in it'],
  [/has no Content-Disposition/, 'busboy drops the part'],
  [/has no name/, 'busboy drops a part without a name'],
  [/is no form-data/, 'busboy drops a part whose Content-Disposition it cannot read'],
  [/content-[a-z-]+ twice/, 'two headers say two things, busboy believes the first'],
  [/ends before its last boundary/, 'the last part has no headers: busboy drops it'],
  [/Content-Transfer-Encoding/, 'the bytes would be stored encoded'],
  [
    /header of a part cannot be read|headers of a part break off/,
    'busboy drops a part whose headers a boundary breaks off',
  ],
];

/** Why two readings of the parts differ; null if they do not. */
function difference(
  our: readonly ReadPart[],
  their: readonly ReadPart[],
  isPadded: boolean,
): string | null {
  let why: string | null = null;
  const left = [...their];
  for (const part of our) {
    const next = left[0];
    if (isSame(part, next)) left.shift();
    else if (part.filename?.includes('"') === true) {
      why = 'busboy drops a part with an unescaped quote in its name';
    } else if (next?.filename === '' && isSame({ ...part, filename: '' }, next)) {
      why = 'busboy takes a field of octets for a file without a name';
      left.shift();
    } else if (part.filename === '' && isSame({ ...part, filename: null }, next)) {
      why = 'busboy takes a file with an empty name for a field';
      left.shift();
    } else if (isPadded) {
      why = 'busboy drops a part whose boundary has white space behind it';
    } else {
      return 'unexplained';
    }
  }
  return left.length === 0 ? why : 'unexplained';
}

function isSame(a: ReadPart, b: ReadPart | undefined): boolean {
  return a.name === b?.name && a.filename === b.filename && a.content === b.content;
}

/** White space after a boundary, which RFC 2046 allows. */
const PADDED = new RegExp(`--${BOUNDARY}[ \\t]+\\r\\n`);

function comparisonOf(body: Buffer, our: Reading, their: Reading): string {
  if (our.kind === 'parts' && their.kind === 'parts') {
    return difference(our.parts, their.parts, PADDED.test(body.toString('latin1'))) ?? 'same';
  }
  if (our.kind === 'parts') {
    const hasEmpty = our.parts.some(({ content }) => content === '');
    return hasEmpty ? 'busboy misses the boundary right behind the headers' : 'unexplained';
  }
  if (their.kind === 'refused') return 'refused by both';
  return REFUSED_BY_US.find(([reason]) => reason.test(our.reason))?.[1] ?? 'unexplained';
}

describe('the multipart parser beside busboy', () => {
  it('reads 10,000 mutated bodies as busboy does, but for differences with a reason', async function () {
    this.timeout(60_000);
    const random = new Random(20_260_222);
    const seen = new Map<string, number>();
    for (let count = 0; count < 10_000; count += 1) {
      const body = mutatedBody(random);
      const chunks = inChunks(random, body);
      const our = ours(chunks);
      const their = await theirs(chunks);
      const comparison = comparisonOf(body, our, their);
      seen.set(comparison, (seen.get(comparison) ?? 0) + 1);
      assert.ok(
        comparison !== 'unexplained',
        `${comparison}: ${JSON.stringify([body.toString('latin1'), our, their])}`,
      );
    }
    for (const comparison of ['same', 'refused by both', ...REFUSED_BY_US.map(([, why]) => why)]) {
      assert.ok(seen.has(comparison), `never seen: ${comparison}`);
    }
    assert.ok((seen.get('same') ?? 0) > 2_000, 'too few bodies were readable');
  });
});
