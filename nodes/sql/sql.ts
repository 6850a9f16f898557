import type { Node, NodeAPI, NodeDef } from 'node-red';
import {
  type ApiMessage,
  type Declared,
  NodeGuard,
  operationOf,
  operationsOf,
} from '../lib/guard/guard.ts';
import { FieldReader, type Given, type StoredNode, textIn } from '../lib/operations/operations.ts';
import { type Services, servicesBehind } from '../lib/services/services.ts';
import { askReadOnly } from '../lib/store/read-only-query.ts';

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

/** The services, and this node's own state. */
interface Asking extends Services {
  /** Aborts when the node is taken away. */
  readonly closed: AbortSignal;
  /** The databases that nodes of others have open, by their file. */
  readonly foreign: (file: string) => readonly ForeignDatabase[];
}

/** @throws Error in words for a Catch node, with the code in the message */
async function ask(
  { clock, energyCopy, closed, foreign }: Asking,
  message: SqlMessage,
  given: Given,
): Promise<SqlMessage> {
  // Also by the path of our copy, which older nodes use.
  const named = textIn(given, 'file');
  const file = named === '' || named === energyCopy.file ? energyCopy.source : named;
  if (foreign(file).length > 0) {
    throw refused(message, 'held', 'A node of others has this file open: ask it there.');
  }
  const outcome = await askReadOnly(
    clock,
    {
      ...{ file, sql: textIn(given, 'sql'), params: valuesOf(given['params']) },
      mostRows: within(given['rows'], USUAL_ROWS, MOST_ROWS),
      withinMs: within(given['seconds'], USUAL_SECONDS, MOST_SECONDS) * 1_000,
    },
    closed,
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

/** Text from a request only reaches a query as a parameter. */
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

/** It reopens its file at each deploy. Queries on the old handle still get their answers. */
function reopen(database: ForeignDatabase): void {
  const { db: old } = database;
  database.db = undefined;
  database.doConnect?.();
  old?.close(() => undefined);
}

/** What this node can do, and every word about it: dialog, help and locales are made of it. */
export const DECLARATION = {
  key: 'sql',
  type: 'balupi-sql',
  color: '#b9d7ea',
  config: 'store',
  title: { en: 'ask (SQL)', de: 'fragen (SQL)' },
  about: {
    en: 'Asks a SQLite database a question of your own, with the SQLite that is in Node.js. It reads only: nothing it is asked can change a row.',
    de: 'Stellt einer SQLite-Datenbank eine eigene Frage, mit dem SQLite, das in Node.js steckt. Er liest nur: keine Frage kann eine Zeile ändern.',
  },
  operations: {
    ask: {
      words: { en: 'ask a question', de: 'eine Frage stellen' },
      for: 'flow',
      takes: {
        sql: { kind: 'code', property: null, was: 'sql' },
        params: { kind: 'json' },
        file: { kind: 'text', property: null, was: 'file' },
        rows: { kind: 'number', property: null, was: 'rows' },
        seconds: { kind: 'number', property: null, was: 'seconds' },
      },
      run: ask,
    },
    copy: {
      words: {
        en: 'bring the copy for other nodes up to date',
        de: 'Kopie für andere Knoten erneuern',
      },
      for: 'flow',
      run: copy,
    },
  },
  gives: [
    {
      name: 'payload',
      type: 'array',
      en: 'the rows, each an object by the names of its columns',
      de: 'die Zeilen, jede ein Objekt nach den Namen der Spalten',
    },
    {
      name: 'truncated',
      type: 'boolean',
      en: 'whether there were more rows than *Rows at most*',
      de: 'ob es mehr Zeilen gab als *Zeilen höchstens*',
    },
  ],
  details: {
    en: `{{ask}} asks the Pi's energy database unless *Database* names another file. That must be no file that a node of others, such as *sqlite*, has open in BaluPi: this node refuses it then, with the code \`held\`. In it times are epoch seconds, power is in milliwatts, energy in milliwatt hours. \`SELECT sql FROM sqlite_schema\` shows its tables; they may change with a version of BaluPi.

The query runs on a thread of its own, so that nothing else waits for it, and is given up after *Seconds at most*. What could not be answered goes to a Catch node, with the reason in \`msg.code\`: \`sql\` (SQLite's own words), \`too_long\`, \`too_large\`, \`held\`.

{{copy}} is for nodes with a SQLite of their own, such as *sqlite* of \`node-red-node-sqlite\`. They must never open a database that BaluPi has open: when they close it, BaluPi's lock on it is gone, and what was metered can be lost. They ask the copy that \`\${BALUPI_ENERGY_DATABASE}\` names instead. The message goes on as it came, once the copy holds what is written by now; nothing is copied where nothing was written since.`,
    de: `{{ask}} fragt die Energie-Datenbank des Pi, außer *Datenbank* nennt eine andere Datei. Das darf keine sein, die ein Knoten von anderen, etwa *sqlite*, in BaluPi offen hat: dann lehnt dieser Knoten ab, mit dem Code \`held\`. In ihr sind Zeiten Sekunden seit 1970, Leistung steht in Milliwatt, Energie in Milliwattstunden. \`SELECT sql FROM sqlite_schema\` zeigt ihre Tabellen; eine neue Fassung von BaluPi kann sie ändern.

Die Frage läuft neben allem anderen, auf einem eigenen Thread, und wird nach *Sekunden höchstens* aufgegeben. Was sich nicht beantworten ließ, geht an einen Catch-Knoten, der Grund steht in \`msg.code\`: \`sql\` (die Worte von SQLite), \`too_long\`, \`too_large\`, \`held\`.

{{copy}} ist für Knoten, die ein eigenes SQLite mitbringen, etwa *sqlite* aus \`node-red-node-sqlite\`. Sie dürfen nie eine Datenbank öffnen, die BaluPi offen hat: schließen sie die, ist BaluPis Sperre weg, und Gemessenes kann verloren gehen. Sie fragen stattdessen die Kopie, die \`\${BALUPI_ENERGY_DATABASE}\` nennt. Die Nachricht geht weiter, wie sie kam, sobald die Kopie enthält, was bis jetzt geschrieben ist; wurde seither nichts geschrieben, wird nichts kopiert.`,
  },
} as const satisfies Declared<Asking>;

const OPERATIONS = operationsOf<Asking>(DECLARATION);

async function copy({ energyCopy, foreign }: Asking, message: ApiMessage): Promise<ApiMessage> {
  const isOther = await energyCopy.refresh();
  if (isOther) foreign(energyCopy.file).forEach(reopen);
  return message;
}

/** Node `balupi-sql`. */
export default function register(RED: NodeAPI): void {
  function Sql(this: Node, config: SqlConfig): void {
    RED.nodes.createNode(this, config);
    const closed = new AbortController();
    // Nodes of older versions name no operation: they query.
    const { op = 'ask' } = config;
    const fields = new FieldReader(RED, this, DECLARATION, { ...config, op });
    const guard = new NodeGuard(this);
    const asking = (services: Services): Asking =>
      Object.create(services, {
        closed: { value: closed.signal },
        foreign: { value: (file: string) => foreignDatabases(RED, file) },
      }) as Asking;
    guard.onInput((message) =>
      operationOf(
        OPERATIONS,
        op,
        '',
        fields,
      )(asking(servicesBehind(RED.nodes.getNode(config.store))), message),
    );
    this.on('close', () => {
      closed.abort();
    });
  }
  RED.nodes.registerType('balupi-sql', Sql);
}
