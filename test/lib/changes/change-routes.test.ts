import assert from 'node:assert/strict';
import { changesFiles, readInput } from '../../../nodes/lib/changes/passed-changes.ts';

function read(line: string, body?: unknown): unknown {
  const [method = '', address = ''] = line.split(' ');
  const segments = address.split('/').map(decodeURIComponent);
  const isPath = method === 'DELETE' && segments[0] === 'files' && segments[1] !== 'delete';
  const from = segments[1] === 'raw' ? 2 : 1;
  const filePath = isPath ? segments.slice(from).join('/') : null;
  const told = readInput({ method, segments, filePath, body }, (id) =>
    id === 7 ? 'alice/seven.txt' : null,
  );
  return told.kind === 'input' ? told.input : told.kind;
}

describe('Changes as callers write them', () => {
  for (const [line, body, wanted] of [
    ['DELETE files/alice/a%20b.txt', undefined, { kind: 'delete', path: 'alice/a b.txt' }],
    ['DELETE files/raw/alice/a.txt', undefined, { kind: 'delete', path: 'alice/a.txt' }],
    ['DELETE files/7', undefined, { kind: 'delete', path: 'alice/seven.txt' }],
    ['DELETE files/8', undefined, 'not_found'],
    ['POST files/delete', { path: '/alice/a.txt' }, { kind: 'delete', path: 'alice/a.txt' }],
    ['POST files/mkdir', { path: 'alice/new/' }, { kind: 'make_folder', path: 'alice/new' }],
    [
      'POST files/folder',
      { path: 'alice', name: 'new' },
      { kind: 'make_folder', path: 'alice/new' },
    ],
    ['POST files/folder', { path: null, name: 'new' }, { kind: 'make_folder', path: 'new' }],
    [
      'PUT files/rename',
      { old_path: 'alice/a.txt', new_name: 'b.txt' },
      { kind: 'rename', path: 'alice/a.txt', name: 'b.txt' },
    ],
    [
      'PUT files/rename',
      { file_id: 7, new_name: 'b.txt' },
      { kind: 'rename', path: 'alice/seven.txt', name: 'b.txt' },
    ],
    [
      'PUT files/rename',
      { path: 'alice/a.txt', new_name: 'b.txt' },
      { kind: 'rename', path: 'alice/a.txt', name: 'b.txt' },
    ],
    ['PUT files/rename', { file_id: 8, new_name: 'b.txt' }, 'not_found'],
    ['PUT files/rename', { old_path: 'alice/a.txt', new_name: '../b' }, 'bad_path'],
    ['PUT files/rename', { old_path: 'alice/a.txt', new_name: 'x/y' }, 'bad_path'],
    ['PUT files/rename', { old_path: 'alice/a.txt', new_name: 'a\u202eb' }, 'bad_path'],
    ['PUT files/rename', { old_path: 'alice/a.txt' }, 'unreadable'],
    [
      'PUT files/move',
      { source_path: 'alice/a.txt', target_path: 'alice/docs' },
      { kind: 'move', path: 'alice/a.txt', target: 'alice/docs' },
    ],
    [
      'PUT files/move',
      { source_path: 'alice/a.txt', destination_path: '/alice/docs/' },
      { kind: 'move', path: 'alice/a.txt', target: 'alice/docs' },
    ],
    [
      'PUT files/move',
      { file_id: 7, new_path: 'alice/docs' },
      { kind: 'move', path: 'alice/seven.txt', target: 'alice/docs' },
    ],
    ['PUT files/move', { source_path: 'alice/../bob', target_path: 'x' }, 'bad_path'],
    [
      'PUT files/permissions',
      { path: 'alice/a.txt', rules: [] },
      { kind: 'permit', path: 'alice/a.txt' },
    ],
    [
      'POST files/transfer-ownership',
      { path: 'alice/a.txt' },
      { kind: 'give', path: 'alice/a.txt' },
    ],
    ['POST shares/user-shares', { file_id: 7 }, { kind: 'share', fileId: 7 }],
    ['DELETE shares/user-shares/12', undefined, { kind: 'change_share', shareId: '12' }],
    ['POST vcl/restore', { version_id: 3 }, { kind: 'restore' }],
    ['POST files/delete', { path: '/' }, 'bad_path'],
    ['POST files/delete', 'text', 'unreadable'],
  ] as const) {
    it(`${line} ${JSON.stringify(body) ?? ''}`, () => {
      const [method = '', address = ''] = line.split(' ');
      assert.ok(changesFiles({ method, segments: address.split('/') }) !== false);
      assert.deepEqual(read(line, body), wanted);
    });
  }

  it('are none of these', () => {
    for (const line of [
      'GET files/permissions',
      'POST files/check-exists',
      'POST files/upload',
      'GET shares/user-shares',
      'PUT mobile/sync/folders/x',
      'POST vcl/versions/3',
    ]) {
      const [method = '', address = ''] = line.split(' ');
      assert.equal(changesFiles({ method, segments: address.split('/') }), false, line);
    }
  });
});
