import type { Node, NodeAPI, NodeDef } from 'node-red';
import type { ApiMessage } from '../lib/guard/call.ts';
import { NodeGuard } from '../lib/guard/guarded.ts';
import { type Rooms, roomsBehind } from '../lib/rooms/rooms.ts';
import { askReadOnly } from '../lib/store/read-only-query.ts';

interface SqlConfig extends NodeDef {
  readonly store: string;
  /** The database's file; a setting such as `${BALUPI_ENERGY_DATABASE}` is put in by Node-RED. */
  readonly file: string;
  readonly sql: string;
  readonly rows?: number | string;
  readonly seconds?: number | string;
}

type SqlMessage = ApiMessage & {
  readonly params?: unknown;
  code?: string;
  truncated?: boolean;
};

const USUAL_ROWS = 1_000;
const MOST_ROWS = 100_000;
const USUAL_SECONDS = 5;
const MOST_SECONDS = 60;

/** @throws Error in words for a Catch node, with the code in the message */
async function ask(
  { clock }: Rooms,
  message: SqlMessage,
  config: SqlConfig,
  signal: AbortSignal,
): Promise<SqlMessage> {
  const outcome = await askReadOnly(
    clock,
    {
      ...{ file: config.file, sql: config.sql, params: paramsOf(message) },
      mostRows: within(config.rows, USUAL_ROWS, MOST_ROWS),
      withinMs: within(config.seconds, USUAL_SECONDS, MOST_SECONDS) * 1_000,
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
function paramsOf({ params }: SqlMessage): Readonly<Record<string, unknown>> {
  return typeof params === 'object' && params !== null ? { ...params } : {};
}

function within(given: number | string | undefined, usual: number, most: number): number {
  const wanted = Number(given ?? usual);
  return Number.isFinite(wanted) && wanted > 0 ? Math.min(wanted, most) : usual;
}

function refused(message: SqlMessage, code: string, words: string): Error {
  message.code = code;
  return new Error(words);
}

/** Node `balupi-sql`. */
export default function register(RED: NodeAPI): void {
  function Sql(this: Node, config: SqlConfig): void {
    RED.nodes.createNode(this, config);
    const closed = new AbortController();
    const guard = new NodeGuard(this);
    guard.onInput((message) =>
      ask(roomsBehind(RED.nodes.getNode(config.store)), message, config, closed.signal),
    );
    this.on('close', () => {
      closed.abort();
    });
  }
  RED.nodes.registerType('balupi-sql', Sql);
}
