import type { Node, NodeAPI, NodeDef } from 'node-red';
import { actOf, actsOf } from '../lib/guard/acts.ts';
import type { ApiMessage } from '../lib/guard/call.ts';
import { NodeGuard } from '../lib/guard/guarded.ts';
import { FieldReader, type Given, type StoredNode, textIn } from '../lib/operations/operations.ts';
import { type Rooms, roomsBehind } from '../lib/rooms/rooms.ts';
import { askReadOnly } from '../lib/store/read-only-query.ts';
import { DECLARATION } from './operations.ts';

interface SqlConfig extends NodeDef, StoredNode {
  readonly store: string;
}

type SqlMessage = ApiMessage & {
  code?: string;
  truncated?: boolean;
};

const USUAL_ROWS = 1_000;
const MOST_ROWS = 100_000;
const USUAL_SECONDS = 5;
const MOST_SECONDS = 60;

/** What a config node of `node-red-node-sqlite` 1.1.1 has of its connection. */
interface ForeignDatabase {
  readonly type: string;
  readonly dbname?: string;
  db?: { close(closed: () => void): void } | undefined;
  doConnect?(): void;
}

/** @throws Error in words for a Catch node, with the code in the message */
async function ask(
  { clock, energyCopy }: Rooms,
  message: SqlMessage,
  given: Given,
  { signal, isHeldByOthers }: { signal: AbortSignal; isHeldByOthers: (file: string) => boolean },
): Promise<SqlMessage> {
  // Of itself by the name of its copy too, as nodes of before have it.
  const named = textIn(given, 'file');
  const file = named === '' || named === energyCopy.file ? energyCopy.source : named;
  if (isHeldByOthers(file)) {
    throw refused(message, 'held', 'A node of others has this file open: ask it there.');
  }
  const outcome = await askReadOnly(
    clock,
    {
      ...{ file, sql: textIn(given, 'sql'), params: valuesOf(given['params']) },
      mostRows: within(given['rows'], USUAL_ROWS, MOST_ROWS),
      withinMs: within(given['seconds'], USUAL_SECONDS, MOST_SECONDS) * 1_000,
    },
    signal,
  );
  switch (outcome.kind) {
    case 'rows':
      return Object.assign(message, { payload: outcome.rows, truncated: outcome.isCut });
    case 'refused':
      throw refused(message, 'sql', outcome.reason);
    case 'too_long':
      throw refused(message, 'too_long', 'This took too long and was given up.');
    case 'too_large':
      throw refused(message, 'too_large', 'The rows do not fit into memory; ask for fewer.');
  }
}

/** What a request's sender wrote reaches a question as a value alone. */
function valuesOf(params: unknown): Readonly<Record<string, unknown>> {
  return typeof params === 'object' && params !== null ? { ...params } : {};
}

function within(given: unknown, usual: number, most: number): number {
  const wanted = Number(given ?? usual);
  return Number.isFinite(wanted) && wanted > 0 ? Math.min(wanted, most) : usual;
}

function refused(message: SqlMessage, code: string, words: string): Error {
  message.code = code;
  return new Error(words);
}

/** The databases that `node-red-node-sqlite` has open in this process. */
function foreignDatabases(RED: NodeAPI, file: string): readonly ForeignDatabase[] {
  const found: ForeignDatabase[] = [];
  RED.nodes.eachNode(({ id, type }) => {
    const node = RED.nodes.getNode(id) as unknown as ForeignDatabase | null;
    if (type === 'sqlitedb' && node?.dbname === file && node.db !== undefined) found.push(node);
  });
  return found;
}

/** It opens its file once a deploy. What is asked on the old one meanwhile is answered. */
function openAnew(database: ForeignDatabase): void {
  const { db: old } = database;
  database.db = undefined;
  database.doConnect?.();
  old?.close(() => undefined);
}

/** Node `balupi-sql`. */
export default function register(RED: NodeAPI): void {
  function Sql(this: Node, config: SqlConfig): void {
    RED.nodes.createNode(this, config);
    const closed = new AbortController();
    // Nodes of before name no act: they ask.
    const { op = 'ask' } = config;
    const fields = new FieldReader({
      ...{ util: RED.util, node: this, declaration: DECLARATION },
      config: { ...config, op },
    });
    const guard = new NodeGuard(this);
    const isHeldByOthers = (file: string): boolean => foreignDatabases(RED, file).length > 0;
    const acts = actsOf<typeof DECLARATION, Rooms>(DECLARATION, {
      ask: (rooms, message, given) =>
        ask(rooms, message, given, { signal: closed.signal, isHeldByOthers }),
      copy: async ({ energyCopy }, message) => {
        const isOther = await energyCopy.refresh();
        if (isOther) foreignDatabases(RED, energyCopy.file).forEach(openAnew);
        return message;
      },
    });
    guard.onInput((message) =>
      actOf(acts, op, '', fields)(roomsBehind(RED.nodes.getNode(config.store)), message),
    );
    this.on('close', () => {
      closed.abort();
    });
  }
  RED.nodes.registerType('balupi-sql', Sql);
}
