import fc from 'fast-check';
import assert from 'node:assert/strict';
import {
  fileHeaders,
  type FileRequest,
  parseRange,
  preconditionOf,
  rangeApplies,
  type RangeRequest,
} from '../../../nodes/lib/http/http.ts';

function attachment(name: string): string {
  const { headers } = fileHeaders({} as FileRequest, { name, mimeType: null });
  return headers['Content-Disposition'] ?? '';
}

function shortOf(request: RangeRequest): string {
  if (request.kind !== 'ranges') return request.kind;
  return request.ranges.map((range) => `${range.first}-${range.last}`).join(',');
}

describe('Range', () => {
  const table: [string | undefined, string][] = [
    [undefined, 'whole'],
    ['', 'whole'],
    ['bytes=0-0', '0-0'],
    ['bytes=0-', '0-99'],
    ['bytes=5-9', '5-9'],
    ['Bytes = 5-9', '5-9'],
    ['bytes=90-500', '90-99'],
    ['bytes=-1', '99-99'],
    ['bytes=-500', '0-99'],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=100-', 'unsatisfiable'],
    ['bytes=99999999999999999999-', 'unsatisfiable'],
    ['bytes=0-99999999999999999999', '0-99'],
    ['bytes=0-1,4-5', '0-1,4-5'],
    ['bytes=0-1, ,-2', '0-1,98-99'],
    ['bytes=0-1,200-', '0-1'],
    ['bytes=9-5', 'whole'],
    ['bytes=a-5', 'whole'],
    ['bytes=-', 'whole'],
    ['bytes=', 'whole'],
    ['items=0-5', 'whole'],
    ['bytes=0-5,x', 'whole'],
    ['bytes=0-99,0-99', 'whole'],
    [`bytes=${'0-0,'.repeat(17)}`, 'whole'],
  ];
  for (const [header, expected] of table) {
    it(`reads ${String(header).slice(0, 40)} of 100 bytes as ${expected}`, () => {
      assert.equal(shortOf(parseRange(header, 100)), expected);
    });
  }

  it('has no range of an empty file', () => {
    for (const header of ['bytes=0-', 'bytes=-5', 'bytes=0-0']) {
      assert.equal(parseRange(header, 0).kind, 'unsatisfiable');
    }
  });

  it('never leaves the file, whatever is sent', () => {
    const token = fc.constantFrom(
      'bytes=',
      '-',
      ',',
      '0',
      '9',
      '100',
      ' ',
      'x',
      '99999999999999999',
    );
    fc.assert(
      fc.property(fc.array(token), fc.nat(200), (tokens, size) => {
        const parsed = parseRange(`bytes=${tokens.join('')}`, size);
        if (parsed.kind !== 'ranges') return;
        for (const { first, last } of parsed.ranges) {
          assert.ok(first >= 0 && first <= last && last < size);
        }
      }),
    );
  });
});

describe('Conditional requests', () => {
  const now = { etag: '"v1"', lastModifiedMs: Date.parse('2026-02-20T10:00:00.900Z') };
  const same = 'Fri, 20 Feb 2026 10:00:00 GMT';
  const before = 'Fri, 20 Feb 2026 09:59:59 GMT';

  it('says not modified for a tag that is listed, strong or weak', () => {
    for (const tag of ['"v1"', 'W/"v1"', '"a, b", "v1"', '*']) {
      assert.equal(preconditionOf({ 'if-none-match': tag }, now), 'not_modified', tag);
    }
    for (const tag of ['"v2"', '""', 'v1']) {
      assert.equal(preconditionOf({ 'if-none-match': tag }, now), 'go', tag);
    }
  });

  it('looks at the date only where no tag is sent', () => {
    assert.equal(preconditionOf({ 'if-modified-since': same }, now), 'not_modified');
    assert.equal(preconditionOf({ 'if-modified-since': before }, now), 'go');
    assert.equal(preconditionOf({ 'if-modified-since': 'yesterday' }, now), 'go');
    const both = { 'if-none-match': '"v2"', 'if-modified-since': same };
    assert.equal(preconditionOf(both, now), 'go');
    assert.equal(preconditionOf({}, now), 'go');
  });

  it('fails where the version is not the one that was asked for, before anything else', () => {
    const table: [Record<string, string>, string][] = [
      [{ 'if-match': '"v1"' }, 'go'],
      [{ 'if-match': '*' }, 'go'],
      [{ 'if-match': '"v2", "listed"' }, 'go'],
      [{ 'if-match': '"v2"' }, 'failed'],
      [{ 'if-match': 'W/"v1"' }, 'failed'],
      [{ 'if-unmodified-since': same }, 'go'],
      [{ 'if-unmodified-since': before }, 'failed'],
      [{ 'if-unmodified-since': 'nonsense' }, 'go'],
      [{ 'if-match': '"v1"', 'if-unmodified-since': before }, 'go'],
      [{ 'if-match': '"v2"', 'if-none-match': '"v1"' }, 'failed'],
      [{ 'if-match': '"v1"', 'if-none-match': '"v1"' }, 'not_modified'],
    ];
    for (const [headers, expected] of table) {
      const told = { ...now, otherTag: () => '"listed"' };
      assert.equal(preconditionOf(headers, told), expected, JSON.stringify(headers));
    }
  });

  it('honours a range only for the very same version', () => {
    const table: [string, boolean][] = [
      ['"v1"', true],
      ['"v2"', false],
      ['W/"v1"', false],
      [same, true],
      [before, false],
      ['nonsense', false],
    ];
    for (const [ifRange, expected] of table) {
      assert.equal(rangeApplies({ 'if-range': ifRange }, now), expected, ifRange);
    }
    assert.equal(rangeApplies({}, now), true);
  });
});

describe('Content-Disposition', () => {
  it('writes plain names plainly and others in UTF-8 beside', () => {
    assert.equal(attachment('hello.txt'), 'attachment; filename="hello.txt"');
    assert.equal(
      attachment('umlaut ä #1.txt'),
      `attachment; filename="umlaut _ #1.txt"; filename*=UTF-8''umlaut%20%C3%A4%20%231.txt`,
    );
    assert.match(attachment(`a'(b)*!.txt`), /filename="a'\(b\)\*!\.txt"/);
  });

  it('lets no name out of its quotes or into another header', () => {
    const hostile = [
      'a"; filename=b.exe',
      'a\r\nSet-Cookie: x',
      '\u202ecod.exe',
      'a\\"b',
      '\ud800',
      '€',
    ];
    for (const name of hostile) {
      const header = attachment(name);
      assert.match(
        header,
        /^attachment; filename="[^"\\\r\n%]*"; filename\*=UTF-8''[\w.~%-]+$/,
        name,
      );
    }
  });

  it('is a legal header for any name', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (name) => {
        assert.match(attachment(name), /^[\x20-\x7e]+$/);
      }),
    );
  });
});
