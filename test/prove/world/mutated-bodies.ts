import type { Random } from './random.ts';

export const BOUNDARY = 'xXboundaryXx';

const DISPOSITIONS = [
  'form-data; name="file"; filename="a.txt"',
  'form-data; name="files"; filename="grüße 🎉.jpg"',
  'form-data; name="files"; filename="a\\"b.txt"',
  'form-data; name="files"; filename="a"b.txt"',
  'form-data; name="files"; filename="a%22b.txt"',
  'form-data; name="files"; filename*=UTF-8\'\'gr%C3%BC%C3%9Fe.txt',
  'form-data; name=files; filename=plain.txt',
  'form-data; name="path"',
  'form-data; name="other"',
] as const;

/** Bytes at which the rules of a form are fragile. */
const MORSELS = [
  '\r\n',
  '\r',
  '\n',
  `--${BOUNDARY}`,
  `\r\n--${BOUNDARY}`,
  `\r\n--${BOUNDARY}--`,
  `--${BOUNDARY}--\r\n`,
  '--',
  '"',
  '\\"',
  ';',
  ':',
  '\0',
  ' ',
  '\t',
  "filename*=utf-8''%",
  'filename*=',
  'filename=""',
  'Content-Disposition: form-data',
  'Content-Type: application/octet-stream\r\n',
  'Content-Transfer-Encoding: base64\r\n',
  'name="file"',
  '\r\n\r\n',
  '..%2f',
] as const;

/** A valid body: a few parts in all forms that clients send. */
export function goodBody(random: Random): Buffer {
  const parts: Buffer[] = [];
  for (let part = 0; part <= random.between(0, 3); part += 1) {
    const disposition = random.pick(DISPOSITIONS);
    const type = random.between(0, 1) === 0 ? '' : 'Content-Type: application/octet-stream\r\n';
    const isPath = disposition.includes('"path"');
    const content = isPath ? Buffer.from('alice/fuzz') : random.bytes(random.between(0, 199));
    parts.push(
      Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: ${disposition}\r\n${type}\r\n`),
      content,
      Buffer.from('\r\n'),
    );
  }
  return Buffer.concat([...parts, Buffer.from(`--${BOUNDARY}--\r\n`)]);
}

/** A body of {@link goodBody} with up to four mutations; every eighth stays intact. */
export function mutatedBody(random: Random): Buffer {
  let body = goodBody(random);
  if (random.between(0, 7) === 0) return body;
  for (let wound = 0; wound <= random.between(0, 3); wound += 1) {
    const at =
      random.between(0, 3) === 0 ? lineStart(random, body) : random.between(0, body.length);
    const put =
      random.between(0, 1) === 0
        ? Buffer.from(random.pick(MORSELS))
        : random.bytes(random.between(0, 23));
    const cut = random.between(0, 2) === 0 ? random.between(0, 59) : random.between(0, 2);
    body = Buffer.concat([body.subarray(0, at), put, body.subarray(at + cut)]);
  }
  return body;
}

/** Cuts a body into chunks as a network might. */
export function inChunks(random: Random, body: Buffer): Buffer[] {
  const chunks: Buffer[] = [];
  const most = random.pick([1, 3, 20, 200, 4_000]);
  for (let at = 0; at < body.length;) {
    const length = random.between(1, most);
    chunks.push(Buffer.from(body.subarray(at, at + length)));
    at += length;
  }
  return chunks;
}

/** Right after one of the body's line breaks. */
function lineStart(random: Random, body: Buffer): number {
  const at = body.indexOf('\r\n', random.between(0, body.length - 1));
  return at < 0 ? 0 : at + 2;
}
