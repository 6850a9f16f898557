import fc from 'fast-check';
import assert from 'node:assert/strict';
import { parseDownloadReference } from '../../../nodes/lib/files/locator.ts';
import { parentOf, parseNasPath } from '../../../nodes/lib/files/nas-path.ts';
import { normaliseTime, sameVersion } from '../../../nodes/lib/files/stored-item.ts';

function pathsOf(raw: string): string[] {
  const reference = parseDownloadReference(raw);
  assert.equal(reference.kind, 'candidates');
  return reference.candidates.map((candidate) =>
    candidate.kind === 'path' ? candidate.path : `${candidate.kind}:${candidate.id}`,
  );
}

describe('NAS paths', () => {
  it('keeps every byte of a good path but one slash at either end', () => {
    const names = ['ä b.txt', 'ä.txt', 'C#', '-rf', 'CON', 'x.', '100%.txt', '‏rtl', '~'];
    for (const name of names) {
      assert.deepEqual(parseNasPath(`/alice/${name}/`), { kind: 'path', path: `alice/${name}` });
    }
    assert.deepEqual(parseNasPath('/'), { kind: 'path', path: '' });
    assert.deepEqual(parseNasPath(''), { kind: 'path', path: '' });
  });

  it('refuses what is no name on the NAS', () => {
    const bad = [
      '..',
      'a/../b',
      'a/.',
      './a',
      'a//b',
      '//a',
      'a\0b',
      'a/\ud800',
      'ä'.repeat(128),
      'a/'.repeat(65),
      `${'x'.repeat(250)}/`.repeat(17),
    ];
    for (const text of bad) assert.equal(parseNasPath(text).kind, 'bad_path', JSON.stringify(text));
    assert.equal(parseNasPath('ä'.repeat(127)).kind, 'path');
  });

  it('takes every name that the NAS may list', () => {
    for (const path of ['a\nb', 'a\u007f', 'a\u0085b', 'a\\b', 'a\u202eb', 'a\u200f/b']) {
      assert.deepEqual(parseNasPath(path), { kind: 'path', path });
    }
  });

  it('names the folder of a path', () => {
    assert.equal(parentOf('a/b/c'), 'a/b');
    assert.equal(parentOf('a'), '');
    assert.equal(parentOf(''), null);
  });
});

describe('Download references', () => {
  const table: [string, string[]][] = [
    ['alice/a.jpg', ['alice/a.jpg']],
    ['alice%2Fa%20b.jpg', ['alice/a b.jpg', 'alice%2Fa%20b.jpg']],
    ['alice%2Fa+b.jpg', ['alice/a+b.jpg', 'alice/a b.jpg', 'alice%2Fa+b.jpg', 'alice%2Fa b.jpg']],
    ['alice/a%2Bb.jpg', ['alice/a+b.jpg', 'alice/a%2Bb.jpg']],
    ['alice/100%.txt', ['alice/100%.txt']],
    ['alice/100%25.txt', ['alice/100%.txt', 'alice/100%25.txt']],
    ['alice/%FF.txt', ['alice/%FF.txt']],
    ['alice/%C3%A4', ['alice/ä', 'alice/%C3%A4']],
    ['7', ['nas_file_id:7', '7']],
    ['1000000000', ['pi_id:1000000000', 'nas_file_id:1000000000', '1000000000']],
    ['7.txt', ['7.txt']],
  ];
  for (const [raw, expected] of table) {
    it(`reads ${raw} as ${expected.join(', then ')}`, () => {
      assert.deepEqual(pathsOf(raw), expected);
    });
  }

  it('refuses an escape from the folder however it is written', () => {
    for (const raw of ['..%2f..%2fetc', '%2e%2e/x', 'a/%2e%2e/b', 'a%00b', '', '/']) {
      assert.equal(parseDownloadReference(raw).kind, 'bad_path', raw);
    }
  });

  it('never throws and never yields a path with .. in it', () => {
    const token = fc.constantFrom('%', '%2', '%2f', '%2e', '.', '/', '+', 'ä', '\ud800', 'a', '\0');
    fc.assert(
      fc.property(
        fc.array(token).map((parts) => parts.join('')),
        (raw) => {
          const reference = parseDownloadReference(raw);
          if (reference.kind === 'bad_path') return;
          for (const candidate of reference.candidates) {
            if (candidate.kind !== 'path') continue;
            assert.ok(!candidate.path.split('/').some((name) => ['', '.', '..'].includes(name)));
          }
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

describe('File versions', () => {
  it('writes every form of time the NAS uses as UTC ending in Z', () => {
    const table = [
      ['2026-11-23T15:58:15.674483Z', '2026-11-23T15:58:15.674483Z'],
      ['2026-11-23T15:58:15', '2026-11-23T15:58:15Z'],
      ['2026-11-23 15:58:15', '2026-11-23T15:58:15Z'],
      ['2026-11-23T15:58:15.5+00:00', '2026-11-23T15:58:15.5Z'],
      ['2026-11-23T15:58:15+01:00', '2026-11-23T14:58:15Z'],
      ['yesterday', '1970-01-01T00:00:00Z'],
    ];
    for (const [given, expected] of table) {
      assert.equal(normaliseTime(given ?? '').text, expected);
    }
    assert.equal(normaliseTime('1970-01-01T00:00:01.674483Z').atMs, 1_674);
  });

  it('tells versions apart by microseconds and checksum, where both know them', () => {
    const base = {
      sizeBytes: 1,
      modifiedAtText: '2026-01-01T00:00:00.000001Z',
      modifiedAtMs: 0,
      checksum: 'a',
      etag: null,
    };
    assert.ok(sameVersion(base, { ...base }));
    assert.ok(sameVersion(base, { ...base, checksum: null }));
    assert.ok(!sameVersion(base, { ...base, checksum: 'b' }));
    assert.ok(!sameVersion(base, { ...base, modifiedAtText: '2026-01-01T00:00:00.000002Z' }));
    assert.ok(!sameVersion(base, { ...base, sizeBytes: 2 }));
    assert.ok(sameVersion({ ...base, etag: '"x"' }, { ...base, modifiedAtText: 'y', etag: '"x"' }));
    assert.ok(!sameVersion({ ...base, etag: '"x"' }, { ...base, etag: '"y"' }));
  });
});
