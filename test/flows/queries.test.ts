import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { FlowNode } from '../../packages/node-red-flow-files/lib/flow-storage.ts';
import { DataFolder } from '../../nodes/lib/store/data-folder.ts';
import { flowTexts } from './flow-rules.ts';

function questionOf(node: FlowNode): string {
  const { sql } = (node['fields'] ?? {}) as { readonly sql?: { readonly value: string } };
  return sql?.value ?? String(node['sql']);
}

const QUERIES = ['flows', 'flows/without/node-red-node-sqlite', 'examples'].flatMap((folder) =>
  flowTexts(folder).flatMap(({ name, nodes }) =>
    nodes
      .filter(({ type, op }) => type === 'sqlite' || (type === 'balupi-sql' && op !== 'copy'))
      .map((node) => ({ name, sql: questionOf(node), id: node.id })),
  ),
);

describe('The queries a tinkerer finds', () => {
  let folder = '';
  let data: DataFolder;
  let reader: DatabaseSync;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'balupi-queries-'));
    data = DataFolder.open(folder);
    reader = new DatabaseSync(join(folder, 'energy.db'), { readOnly: true });
  });

  after(() => {
    reader.close();
    data.close();
    rmSync(folder, { recursive: true });
  });

  it('are there', () => {
    assert.ok(QUERIES.length >= 2);
  });

  for (const { name, id, sql } of QUERIES) {
    it(`run against the tables of this version: ${name}, ${id}`, () => {
      assert.deepEqual(reader.prepare(sql).all({ $days: 7 }), []);
    });
  }
});
