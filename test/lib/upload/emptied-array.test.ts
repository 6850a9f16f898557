import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { EmptiedArray } from '../../../nodes/lib/upload/spool/emptied-array.ts';

async function passed(json: string, chunkBytes: number): Promise<[string, number]> {
  const bytes = Buffer.from(json);
  const chunks = Array.from({ length: Math.ceil(bytes.length / chunkBytes) }, (_, index) =>
    bytes.subarray(index * chunkBytes, (index + 1) * chunkBytes),
  );
  const emptied = new EmptiedArray('to_delete');
  return [await text(Readable.from(chunks).pipe(emptied)), emptied.removed];
}

/** Input, expected output, and how many elements are removed. */
const CASES: readonly (readonly [string, string, number])[] = [
  ['{"to_delete":[]}', '{"to_delete":[]}', 0],
  ['{"to_delete": [ ], "a": 1}', '{"to_delete":[], "a": 1}', 0],
  ['{"a":[1],"to_delete":["x","y"],"b":{}}', '{"a":[1],"to_delete":[],"b":{}}', 2],
  ['{"to_delete":[{"path":"],}"},{"path":"\\"]"}]}', '{"to_delete":[]}', 2],
  ['{"to_delete":[[1,2],[3]] ,"z":null}', '{"to_delete":[],"z":null}', 2],
  ['{"to\\u005fdelete":["x"]}', '{"to\\u005fdelete":[]}', 1],
  ['{"to_delete":["x"],"to_delete":["y"]}', '{"to_delete":[],"to_delete":[]}', 2],
  ['{"to_delete":null}', '{"to_delete":[]}', 0],
  ['{"a":"to_delete","b":["to_delete"]}', '{"a":"to_delete","b":["to_delete"]}', 0],
  ['{"a":{"to_delete":["kept"]}}', '{"a":{"to_delete":["kept"]}}', 0],
  ['["to_delete",["kept"]]', '["to_delete",["kept"]]', 0],
  ['{"detail":"Device not registered"}', '{"detail":"Device not registered"}', 0],
  ['', '', 0],
];

describe('an answer with one array emptied', () => {
  for (const [sent, expected, removed] of CASES) {
    it(`turns ${sent === '' ? 'nothing' : sent} into ${expected === '' ? 'nothing' : expected}, wherever it is cut`, async () => {
      for (const chunkBytes of [1, 2, 7, 1_000]) {
        assert.deepEqual(await passed(sent, chunkBytes), [expected, removed]);
      }
    });
  }
});
