import { declare } from '../lib/operations/operations.ts';

/** What this node can do, and every word about it: dialog, help and locales are made of it. */
export const DECLARATION = declare({
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
    },
    copy: {
      words: {
        en: 'bring the copy for other nodes up to date',
        de: 'Kopie für andere Knoten erneuern',
      },
      for: 'flow',
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

The question runs beside everything else, on a thread of its own, and is given up after *Seconds at most*. What could not be answered goes to a Catch node, with the reason in \`msg.code\`: \`sql\` (SQLite's own words), \`too_long\`, \`too_large\`, \`held\`.

{{copy}} is for nodes with a SQLite of their own, such as *sqlite* of \`node-red-node-sqlite\`. They must never open a database that BaluPi has open: when they close it, BaluPi's lock on it is gone, and what was metered can be lost. They ask the copy that \`\${BALUPI_ENERGY_DATABASE}\` names instead. The message goes on as it came, once the copy holds what is written by now; nothing is copied where nothing was written since.`,
    de: `{{ask}} fragt die Energie-Datenbank des Pi, außer *Datenbank* nennt eine andere Datei. Das darf keine sein, die ein Knoten von anderen, etwa *sqlite*, in BaluPi offen hat: dann lehnt dieser Knoten ab, mit dem Code \`held\`. In ihr sind Zeiten Sekunden seit 1970, Leistung steht in Milliwatt, Energie in Milliwattstunden. \`SELECT sql FROM sqlite_schema\` zeigt ihre Tabellen; eine neue Fassung von BaluPi kann sie ändern.

Die Frage läuft neben allem anderen, auf einem eigenen Thread, und wird nach *Sekunden höchstens* aufgegeben. Was sich nicht beantworten ließ, geht an einen Catch-Knoten, der Grund steht in \`msg.code\`: \`sql\` (die Worte von SQLite), \`too_long\`, \`too_large\`, \`held\`.

{{copy}} ist für Knoten, die ein eigenes SQLite mitbringen, etwa *sqlite* aus \`node-red-node-sqlite\`. Sie dürfen nie eine Datenbank öffnen, die BaluPi offen hat: schließen sie die, ist BaluPis Sperre weg, und Gemessenes kann verloren gehen. Sie fragen stattdessen die Kopie, die \`\${BALUPI_ENERGY_DATABASE}\` nennt. Die Nachricht geht weiter, wie sie kam, sobald die Kopie enthält, was bis jetzt geschrieben ist; wurde seither nichts geschrieben, wird nichts kopiert.`,
  },
});
