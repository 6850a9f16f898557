import assert from 'node:assert/strict';
import { largestBelow } from '../../../nodes/lib/files/files.ts';
import type { StoredItem } from '../../../nodes/lib/files/stored-item.ts';

function item(path: string, sizeBytes: number | 'folder'): StoredItem {
  const isDirectory = sizeBytes === 'folder';
  return { path, isDirectory, sizeBytes: isDirectory ? 0 : sizeBytes } as StoredItem;
}

describe('The largest files', () => {
  const folders: Readonly<Record<string, readonly StoredItem[]>> = {
    alice: [item('alice/a', 5), item('alice/deep', 'folder'), item('alice/never', 'folder')],
    'alice/deep': [item('alice/deep/b', 50), item('alice/deep/c', 7), item('alice', 'folder')],
  };
  const shownIn = (path: string) => folders[path] ?? null;

  it('are those of all folders below, the largest first, and say what nobody knows', async () => {
    const found = await largestBelow(shownIn, ['alice'], 2);
    assert.deepEqual(
      found?.files.map(({ path }) => path),
      ['alice/deep/b', 'alice/deep/c'],
    );
    assert.equal(found.unlistedFolders, 1);
  });

  it('are none of a folder that was never listed', async () => {
    assert.equal(await largestBelow(shownIn, ['bob'], 2), null);
  });

  it('are looked for in what is known where not all of the beginnings were listed', async () => {
    const found = await largestBelow(shownIn, ['alice', 'Shared'], 1);
    assert.equal(found?.files[0]?.path, 'alice/deep/b');
    assert.equal(found.unlistedFolders, 2);
  });

  it('let others have their turn in a large folder', async () => {
    const many = Array.from({ length: 5_000 }, (_, index) => item(`alice/${index}`, index));
    let turns = 0;
    const turn = (): void => {
      turns += 1;
      if (turns < 100) setImmediate(turn);
    };
    setImmediate(turn);
    const found = await largestBelow(() => many, ['alice'], 3);
    assert.deepEqual(
      found?.files.map(({ sizeBytes }) => sizeBytes),
      [4_999, 4_998, 4_997],
    );
    assert.ok(turns >= 5, String(turns));
  });
});
