import { declare } from '../lib/operations/operations.ts';

/** What this node can do, and every word about it: dialog, help and locales are made of it. */
export const DECLARATION = declare({
  key: 'viewer',
  type: 'balupi-viewer',
  color: '#c9b8e8',
  config: 'store',
  title: { en: 'viewer', de: 'Betrachter' },
  about: {
    en: 'Stands between a page of the Dashboard and what it may do. Who a message comes from is looked up by its socket and never read from the message, as a page can send whatever it likes.',
    de: 'Steht zwischen einer Seite des Dashboards und dem, was sie darf. Von wem eine Nachricht kommt, wird an ihrer Verbindung nachgesehen und nie aus der Nachricht gelesen, denn eine Seite kann senden, was sie will.',
  },
  operations: {
    ask: {
      words: { en: 'ask as the viewer', de: 'als Betrachter fragen' },
      for: 'flow',
      outputs: [
        { en: 'allowed', de: 'erlaubt' },
        { en: 'refused', de: 'abgelehnt' },
      ],
    },
    answer: {
      words: { en: 'answer the viewer', de: 'dem Betrachter antworten' },
      for: 'flow',
    },
    who: {
      words: { en: 'say who looks', de: 'sagen, wer schaut' },
      for: 'flow',
    },
    look: {
      words: { en: 'only while somebody looks', de: 'nur solange jemand schaut' },
      for: 'flow',
    },
  },
  settings: {
    endpoint: { label: { en: 'As endpoint', de: 'Wie Endpunkt' }, for: ['ask'] },
    done: { label: { en: 'Says then', de: 'Sagt danach' }, for: ['answer'] },
  },
  gives: [
    {
      name: 'payload',
      type: 'object',
      en: 'for a page',
      de: 'für eine Seite',
    },
    {
      name: 'ok',
      type: 'boolean',
      en: 'whether it went well',
      de: 'ob es gut ging',
    },
    {
      name: 'changes',
      type: 'object',
      en: 'from the answer that a page has to this one',
      de: 'von der Antwort, die eine Seite hat, zu dieser',
    },
    {
      name: 'text',
      type: 'string',
      en: 'what to say about it',
      de: 'was dazu zu sagen ist',
    },
  ],
  details: {
    en: `{{ask}} lets a wish on as the call that it would be over the API, after the same check of role and form. *As endpoint* names the endpoint, such as \`tapo-devices-toggle\`. \`payload\` holds \`params\`, \`query\` and \`body\` as that endpoint takes them. The second output gets refusals.

{{answer}} makes what an act answered one for the page that asked, and for no other. \`ok\` tells whether it went well; \`text\` is what *Says then* holds, or why not. A page that asks the same again puts \`known\`, the \`action\` of the answer it has, into its \`payload\`; where that was the last one, \`changes\` (JSON Patch, RFC 6902) stand in place of the \`payload\`.

{{who}} puts \`username\`, \`is_admin\`, \`may_wake\` and \`language\` into \`payload\`.

{{look}} lets messages through while a page is open, so that a Pi does not count for nobody.

Words in double brackets, such as \`[[energy]]\`, are keys of the catalogues and shown in the reader's language.`,
    de: `{{ask}} lässt einen Wunsch als den Aufruf weiter, der er über die API wäre, nach derselben Prüfung von Rolle und Form. *Wie Endpunkt* nennt den Endpunkt, etwa \`tapo-devices-toggle\`. \`payload\` enthält \`params\`, \`query\` und \`body\`, wie der Endpunkt sie nimmt. Der zweite Ausgang bekommt Ablehnungen.

{{answer}} macht aus der Antwort eine für die Seite, die gefragt hat, und für keine andere. \`ok\` sagt, ob es gelang; \`text\` ist, was in *Sagt danach* steht, oder der Grund. Eine Seite, die dasselbe wieder fragt, legt \`known\`, die \`action\` der Antwort, die sie hat, in ihre \`payload\`; war das die letzte, stehen \`changes\` (JSON Patch, RFC 6902) statt der \`payload\` da.

{{who}} legt \`username\`, \`is_admin\`, \`may_wake\` und \`language\` in \`payload\`.

{{look}} lässt Nachrichten durch, solange eine Seite offen ist, damit ein Pi nicht für niemanden rechnet.

Wörter in doppelten Klammern, etwa \`[[energy]]\`, sind Schlüssel der Kataloge und erscheinen in der Sprache des Lesers.`,
  },
});
