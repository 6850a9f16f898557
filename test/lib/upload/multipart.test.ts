import assert from 'node:assert/strict';
import { boundaryOf, readParameters } from '../../../nodes/lib/upload/receive/admission.ts';
import {
  MultipartError,
  MultipartParser,
  readPartHead,
} from '../../../nodes/lib/upload/receive/multipart.ts';

const HEAD = 'Content-Disposition: form-data; name="file"; filename="a"\r\n';

/** The contents of a body's parts, parsed in chunks of that many bytes. */
function contents(body: string, boundary = 'B', chunkBytes = body.length): string[] {
  const parts: string[] = [];
  const parser = new MultipartParser(boundary, {
    partBegin: () => parts.push(''),
    partData: (bytes) => {
      parts.push(`${parts.pop() ?? ''}${bytes.toString('latin1')}`);
    },
    partEnd: () => undefined,
  });
  const bytes = Buffer.from(body, 'latin1');
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    parser.push(bytes.subarray(at, at + chunkBytes));
  }
  parser.end();
  return parts;
}

describe('taking a multipart body apart', () => {
  const body =
    `preamble\r\n--B\r\n${HEAD}\r\none\r\n-\r\n--\r\n--C\r\r\n--B \t\r\n${HEAD}\r\n\r\n--B\r\n` +
    `${HEAD}\r\n--B\r\n${HEAD}\r\n\r\n\r\n\r\n--B--\r\nepilogue`;

  it('finds the same parts however the body is cut', () => {
    const wanted = ['one\r\n-\r\n--\r\n--C\r', '', '', '\r\n\r\n'];
    for (let chunkBytes = 1; chunkBytes <= body.length; chunkBytes += 1) {
      assert.deepEqual(contents(body, 'B', chunkBytes), wanted, `chunks of ${chunkBytes} bytes`);
    }
  });

  it('may begin with its boundary and end right behind the last', () => {
    assert.deepEqual(contents(`--B\r\n${HEAD}\r\nx\r\n--B--`), ['x']);
    assert.deepEqual(contents('--B--'), []);
  });

  for (const [what, text, reason] of [
    ['the last boundary is missing', `--B\r\n${HEAD}\r\nx\r\n--B`, /ends before/],
    ['it is empty', '', /ends before/],
    ['data begins like the boundary', `--B\r\n${HEAD}\r\nx\r\n--BB\r\n--B--`, /begins like/],
    ['the last boundary goes on', `--B\r\n${HEAD}\r\nx\r\n--B--x`, /begins like/],
    ['parts follow its end', `--B\r\n${HEAD}\r\nx\r\n--B--\r\n\r\n--B\r\n`, /goes on after/],
    ['a boundary ends with a bare line feed', `--B\n${HEAD}\r\nx\r\n--B--`, /begins like/],
    ['the headers of a part never end', `--B\r\n${'x'.repeat(9_000)}`, /headers .* too long/],
    ['a boundary stands in headers', `--B\r\n${HEAD}--B: x\r\n\r\nx\r\n--B--`, /break off/],
    ['its preamble never ends', 'x'.repeat(70_000), /too much before/],
    ['its epilogue never ends', `--B--\r\n${'x'.repeat(70_000)}`, /too much before or after/],
    ['a boundary is followed by too many spaces', `--B${' '.repeat(99)}\r\n`, /begins like/],
  ] as const) {
    it(`refuses a body when ${what}`, () => {
      for (const chunkBytes of [1, 7, Math.max(1, text.length)]) {
        assert.throws(
          () => contents(text, 'B', chunkBytes),
          (error: unknown) => error instanceof MultipartError && reason.test(error.message),
        );
      }
    });
  }

  it('is linear in what resembles a boundary', () => {
    const boundary = 'a'.repeat(70);
    const near = `\r\n--${'a'.repeat(69)}b`.repeat(20_000);
    assert.deepEqual(contents(`--${boundary}\r\n${HEAD}\r\n${near}\r\n--${boundary}--`, boundary), [
      near,
    ]);
  });
});

describe('the headers of a part', () => {
  const filenameOf = (disposition: string): string | null =>
    readPartHead(Buffer.from(`Content-Disposition: form-data; name="file"; ${disposition}`))
      .filename;

  for (const [who, disposition, filename] of [
    ['a browser', 'filename="grüße 🎉.jpg"', 'grüße 🎉.jpg'],
    ['a browser with a quote in the name', 'filename="a%22b.txt"', 'a%22b.txt'],
    ['an older libcurl with a quote', 'filename="a\\"b.txt"', 'a"b.txt'],
    ['an older libcurl with a backslash', 'filename="a\\\\b.txt"', 'a\\b.txt'],
    ['a browser with a backslash', 'filename="C:\\dir\\a.txt"', 'C:\\dir\\a.txt'],
    ['one that escapes nothing', 'filename="a"b"c.txt"', 'a"b"c.txt'],
    ['one that quotes nothing', 'filename=plain.txt', 'plain.txt'],
    ['RFC 8187', "filename*=UTF-8''gr%C3%BC%C3%9Fe.txt", 'grüße.txt'],
    ['both at once', 'filename="gr__e.txt"; filename*=utf-8\'de\'gr%C3%BC%C3%9Fe', 'grüße'],
    ['RFC 8187 in Latin-1', "filename*=ISO-8859-1''gr%FC%DFe", 'grüße'],
    ['one with a semicolon in the name', 'filename="a;b=c.txt"', 'a;b=c.txt'],
    ['one with spaces around', 'filename="a.txt" \t', 'a.txt'],
    ['a field', 'x=y', null],
  ] as const) {
    it(`give the file name as ${who} means it`, () => {
      assert.equal(filenameOf(disposition), filename);
    });
  }

  for (const [what, head] of [
    ['no Content-Disposition', 'Content-Type: text/plain'],
    ['nothing', ''],
    ['another disposition', 'Content-Disposition: attachment; filename="a"'],
    ['two of them', `${HEAD}${HEAD}`.trimEnd()],
    ['two names', 'Content-Disposition: form-data; name="a"; name="b"'],
    ['a name that may end in two places', 'Content-Disposition: form-data; filename="a"; b"'],
    ['a quote that never ends', 'Content-Disposition: form-data; filename="a'],
    ['a quote in a field’s name', 'Content-Disposition: form-data; name="a"b"'],
    ['a broken percent code', "Content-Disposition: form-data; filename*=UTF-8''%C3%B"],
    ['an unknown charset', "Content-Disposition: form-data; filename*=KOI8-R''%C3"],
    ['a NUL', 'Content-Disposition: form-data; filename="a\0b"'],
    ['a bare line feed', 'Content-Disposition: form-data; filename="a"\nX: y'],
    ['a line that is no header', 'Content-Disposition: form-data; name="a"\r\nwhatever'],
    ['content that is encoded', `${HEAD}Content-Transfer-Encoding: base64`],
    ['21 of them', `${HEAD}${'X: y\r\n'.repeat(20)}`.trimEnd()],
  ] as const) {
    it(`are refused with ${what}`, () => {
      assert.throws(() => readPartHead(Buffer.from(head)), MultipartError);
    });
  }

  it('may go on in the next line, and be encoded as nothing', () => {
    const head = `Content-Disposition: form-data;\r\n name="file";\r\n\tfilename="a"\r\n`;
    const read = readPartHead(Buffer.from(`${head}Content-Transfer-Encoding: BINARY`));
    assert.deepEqual(read, { name: 'file', filename: 'a' });
  });
});

describe('the boundary of a body', () => {
  for (const [type, boundary] of [
    [
      'multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW',
      '----WebKitFormBoundary7MA4YWxkTrZu0gW',
    ],
    ['Multipart/Form-Data; charset=utf-8; BOUNDARY="a b:c"', 'a b:c'],
    ['multipart/form-data;boundary=0f3c7a52-61d4', '0f3c7a52-61d4'],
    [`multipart/form-data; boundary=${'a'.repeat(70)}`, 'a'.repeat(70)],
    [`multipart/form-data; boundary=${'a'.repeat(71)}`, null],
    ['multipart/form-data; boundary=""', null],
    ['multipart/form-data; boundary="a "', null],
    ['multipart/form-data; boundary="a\u0000b"', null],
    ['multipart/form-data; boundary=a; boundary=b', null],
    ['multipart/form-data', null],
    ['multipart/mixed; boundary=a', null],
    ['text/plain; boundary=a', null],
  ] as const) {
    it(`is ${boundary ?? 'none'} in ${JSON.stringify(type)}`, () => {
      assert.equal(boundaryOf(type), boundary);
    });
  }

  it('cannot be hidden by parameters that cannot be read', () => {
    assert.equal(readParameters('a; b'), null);
    assert.equal(readParameters('a; b=c d'), null);
    for (const empty of ['a', 'a;', 'a ; ', 'a;;', 'a; ; ;']) {
      assert.deepEqual(readParameters(empty), { value: 'a', parameters: new Map() }, empty);
    }
    for (const some of ['a; b=c;', 'a;;b=c', 'a; ; b=c ; ;', 'a; b="c";']) {
      const wanted = { value: 'a', parameters: new Map([['b', 'c']]) };
      assert.deepEqual(readParameters(some), wanted, some);
    }
    assert.equal(readParameters('a; =c'), null);
  });
});
