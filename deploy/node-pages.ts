/** Generates each node's dialog, words and help from its declaration. */
import { readFileSync } from 'node:fs';
import {
  type Field,
  type FieldKind,
  fieldsOf,
  isUsers,
  NODE_VERSION,
  type NodeDeclaration,
  type Operation,
  type Words,
} from '../nodes/lib/operations/operations.ts';

type Language = keyof Words;

const ROOT = new URL('../../', import.meta.url);

/** The declarations exported by the nodes of package.json. */
export const DECLARATIONS: readonly NodeDeclaration[] = (
  await Promise.all(nodeFiles().map((file) => import(new URL(file, ROOT).href)))
).flatMap(({ DECLARATION }: { DECLARATION?: NodeDeclaration }) => DECLARATION ?? []);

function nodeFiles(): readonly string[] {
  const { 'node-red': told } = JSON.parse(readFileSync(new URL('package.json', ROOT), 'utf8')) as {
    'node-red': { nodes: Readonly<Record<string, string>> };
  };
  return Object.values(told.nodes);
}

const LANGUAGES: Readonly<Record<Language, string>> = { en: 'en-US', de: 'de' };
const GROUPS = ['flow', 'balupi'] as const;

/** Words that every node has. */
const COMMON = {
  op: { en: 'Operation', de: 'Vorgang' },
  store: { en: 'Pi', de: 'Pi' },
  nas: { en: 'NAS', de: 'NAS' },
  as: { en: 'As', de: 'Als' },
  name: { en: 'Name', de: 'Name' },
  more: {
    en: 'show what API, pages and schedules do, too',
    de: 'auch zeigen, was API, Seiten und Zeitpläne tun',
  },
} as const;
const GROUP_WORDS = {
  flow: { en: 'In a flow of yours', de: 'In einem eigenen Flow' },
  balupi: { en: 'What the API, pages and schedules do', de: 'Was API, Seiten und Zeitpläne tun' },
} as const;
const TYPE_WORDS = {
  plug: { en: 'plug', de: 'Steckdose' },
  choice: { en: 'choice', de: 'Auswahl' },
  all: { en: '(every plug)', de: '(jede Steckdose)' },
  as: { en: 'a user whose credential is stored', de: 'ein Benutzer mit hinterlegtem Zugang' },
} as const;
const HEADINGS: Readonly<Record<Language, readonly [string, string, string]>> = {
  en: ['Inputs', 'Outputs', 'Details'],
  de: ['Eingänge', 'Ausgänge', 'Details'],
};
/** Type names of Node-RED's help. */
const HELP_TYPES: Readonly<Record<FieldKind, string>> = {
  ...{ text: 'string', code: 'string', plug: 'string', choice: 'string' },
  ...{ number: 'number', flag: 'boolean', json: 'object, array' },
};
const NOTHING_READ: Words = {
  en: 'starts the operation; nothing of it is read',
  de: 'stößt den Vorgang an; gelesen wird nichts davon',
};
const HOW_SET: Words = {
  en: 'Each value can be set in the node: as a fixed value, a property of the message, the flow context or the global context, an environment variable, or a JSONata expression. What the node does not set comes from the message, by the name above. A refusal goes to a Catch node with the reason in `msg.code`.',
  de: 'Jeder Wert lässt sich im Knoten setzen: fest, als Eigenschaft der Nachricht, des Flows oder aller Flows, als Umgebungsvariable oder als JSONata-Ausdruck. Was der Knoten nicht setzt, kommt unter dem Namen von oben aus der Nachricht. Eine Ablehnung geht mit dem Grund in `msg.code` an einen Catch-Knoten.',
};
const LIKE_THE_API: Words = {
  en: 'What the API does for a request, these do for any message: the outcome is in `payload`, the status of a refusal in `msg.statusCode`. Behind an `http in` node they act as its caller, and put `statusCode`, `headers` and `payload` into the message; else as the Pi itself.',
  de: 'Was die API für eine Anfrage tut, tun diese Vorgänge für jede Nachricht: das Ergebnis steht in `payload`, der Status einer Ablehnung in `msg.statusCode`. Hinter einem `http in`-Knoten handeln sie als dessen Aufrufer und legen `statusCode`, `headers` und `payload` in die Nachricht, sonst als der Pi selbst.',
};
const AS_A_USER: Words = {
  en: 'What belongs to somebody (files, uploads, pins, credentials) is done as the user named under *As*, whose credential has to be stored, and leaves the NAS asleep unless `msg.wake` is `true`.',
  de: 'Was jemandem gehört (Dateien, Uploads, Angepinntes, Zugänge), geschieht als der unter *Als* genannte Benutzer, dessen Zugang hinterlegt sein muss, und lässt das NAS schlafen, außer `msg.wake` ist `true`.',
};

/** The text of each file of the nodes, by its path from the project's folder. */
export const NODE_PAGES: Readonly<Record<string, () => string>> = Object.fromEntries(
  DECLARATIONS.flatMap((declaration) => {
    // The folder has the name of its section in the locales.
    const { key } = declaration;
    const inLanguages = (Object.keys(LANGUAGES) as Language[]).flatMap((language) => {
      const beside = `nodes/${key}/locales/${LANGUAGES[language]}/${key}`;
      return [
        [`${beside}.json`, () => catalogue(declaration, language)] as const,
        [`${beside}.html`, () => help(declaration, language)] as const,
      ];
    });
    return [[`nodes/${key}/${key}.html`, () => dialog(declaration)] as const, ...inLanguages];
  }),
);

function operationsOf({ operations }: NodeDeclaration): readonly (readonly [string, Operation])[] {
  return Object.entries(operations);
}

function isOneGroup(declaration: NodeDeclaration): boolean {
  return operationsOf(declaration).every(([, operation]) => operation.for === 'flow');
}

function hasUsers(declaration: NodeDeclaration): boolean {
  return operationsOf(declaration).some(([, operation]) => isUsers(operation));
}

/** The locale key of a field: by its name, or its own if it means something else there. */
function labelKey(declaration: NodeDeclaration, op: string, { name, label }: Field): string {
  const others = operationsOf(declaration)
    .flatMap(([, operation]) => fieldsOf(operation))
    .filter((field) => field.name === name);
  return others[0]?.label.en === label.en ? name : `${op}-${name}`;
}

function dialog(declaration: NodeDeclaration): string {
  const { key, type, config, settings = {} } = declaration;
  const row = (name: string, icon: string, input: string): string =>
    `  <div class="form-row balupi-${name}">
    <label for="node-input-${name}"><i class="fa fa-${icon}"></i> <span data-i18n="${key}.label.${name}"></span></label>
    ${input}
  </div>`;
  const text = (name: string, more = ''): string =>
    `<input type="text" id="node-input-${name}"${more} />`;
  const more = `  <div class="form-row balupi-more">
    <label for="balupi-more" style="width: auto"><input type="checkbox" id="balupi-more" style="width: auto" /> <span data-i18n="${key}.label.more"></span></label>
  </div>`;
  const rows = [
    row(
      'op',
      'tasks',
      `<select id="node-input-op" style="width: 70%">\n${choice(declaration)}\n    </select>`,
    ),
    ...(isOneGroup(declaration) ? [] : [more]),
    ...Object.keys(settings).map((name) => row(name, 'pencil', text(name))),
    '  <div class="balupi-fields"></div>',
    ...(hasUsers(declaration)
      ? [row('as', 'user', text('as', ` data-i18n="[placeholder]${key}.type.as"`))]
      : []),
    row(config, 'hdd-o', text(config)),
    row('name', 'tag', text('name')),
  ];
  return `<!-- Written by npm run docs from ${key}.ts; not by hand. -->
<script type="text/html" data-template-name="${type}">
${rows.join('\n')}
</script>

<script src="resources/balupi/operations.js"></script>
<script type="text/javascript">
  RED.nodes.registerType(
    '${type}',
    globalThis.balupiOperations('${key}', ${JSON.stringify(definition(declaration), null, 2).replaceAll('\n', '\n    ')}),
  );
</script>
`;
}

function choice(declaration: NodeDeclaration): string {
  const { key } = declaration;
  const option = ([op]: readonly [string, Operation]): string =>
    `<option value="${op}" data-i18n="${key}.op.${op}"></option>`;
  const all = operationsOf(declaration);
  if (isOneGroup(declaration)) return all.map((one) => `      ${option(one)}`).join('\n');
  return GROUPS.map((group) => {
    const ofIt = all.filter(([, operation]) => operation.for === group);
    const options = ofIt.map((one) => `        ${option(one)}`).join('\n');
    return `      <optgroup data-i18n="[label]${key}.group.${group}">\n${options}\n      </optgroup>`;
  }).join('\n');
}

/** The dialog's definition for the browser (resources/operations.js). */
function definition(declaration: NodeDeclaration): object {
  const { color, config, key, settings = {} } = declaration;
  const operations = operationsOf(declaration).map(([op, operation]) => {
    const fields = fieldsOf(operation).map((field) => {
      const { name, kind, property, choices, was } = field;
      const label = labelKey(declaration, op, field);
      return {
        ...{ name, kind, property },
        ...(label === name ? {} : { label }),
        ...(choices === undefined ? {} : { choices }),
        ...(was === undefined ? {} : { was }),
      };
    });
    const { isSource = false, hadOneOutput = false } = operation;
    return [
      op,
      {
        outputs: outputsOf(operation).length,
        ...(fields.length === 0 ? {} : { fields }),
        ...(isUsers(operation) ? { isUsers: true } : {}),
        ...(hadOneOutput ? { hadOneOutput } : {}),
        ...(isSource ? { isSource } : {}),
      },
    ];
  });
  return {
    ...{ color, icon: `${key}.svg`, config, version: NODE_VERSION },
    ...(hasUsers(declaration) ? { hasUsers: true } : {}),
    ...(Object.keys(settings).length === 0
      ? {}
      : {
          settings: Object.fromEntries(
            Object.entries(settings).map(([name, setting]) => [name, setting.for ?? []]),
          ),
        }),
    operations: Object.fromEntries(operations) as object,
  };
}

function outputsOf({ outputs }: Operation): readonly (Words | null)[] {
  return outputs === 0 ? [] : (outputs ?? [null]);
}

function catalogue(declaration: NodeDeclaration, language: Language): string {
  const { key, title, config, status, settings = {} } = declaration;
  const all = operationsOf(declaration);
  const said = (words: Readonly<Record<string, Words>>): Record<string, string> =>
    Object.fromEntries(Object.entries(words).map(([name, word]) => [name, word[language]]));
  const fields = all.flatMap(([op, operation]) =>
    fieldsOf(operation).map((field) => [labelKey(declaration, op, field), field.label] as const),
  );
  const outputs = all.flatMap(([op, operation]) =>
    outputsOf(operation).flatMap((words, index) =>
      words === null ? [] : [[`${op}-${index + 1}`, words] as const],
    ),
  );
  const labels: Record<string, Words> = { op: COMMON.op };
  if (!isOneGroup(declaration)) labels['more'] = COMMON.more;
  for (const [name, { label }] of Object.entries(settings)) labels[name] = label;
  if (hasUsers(declaration)) labels['as'] = COMMON.as;
  labels[config] = COMMON[config];
  labels['name'] = COMMON.name;
  const parts: Readonly<Record<string, Record<string, string>>> = {
    label: said(labels),
    op: said(Object.fromEntries(all.map(([op, { words }]) => [op, words]))),
    field: said(Object.fromEntries(fields)),
    output: said(Object.fromEntries(outputs)),
    status: said(status ?? {}),
    type: said(typeWords(declaration)),
    group: isOneGroup(declaration) ? {} : said(GROUP_WORDS),
  };
  const filled = Object.entries(parts).filter(([, words]) => Object.keys(words).length > 0);
  const own = { title: title[language], ...Object.fromEntries(filled) };
  return `${JSON.stringify({ [key]: own }, null, 2)}\n`;
}

function typeWords(declaration: NodeDeclaration): Readonly<Record<string, Words>> {
  const all = operationsOf(declaration);
  const has = (kind: FieldKind, isSource = false): boolean =>
    all.some(
      ([, operation]) =>
        (!isSource || operation.isSource === true) &&
        fieldsOf(operation).some((field) => field.kind === kind),
    );
  return {
    ...(has('plug') ? { plug: TYPE_WORDS.plug } : {}),
    ...(has('choice') ? { choice: TYPE_WORDS.choice } : {}),
    ...(has('plug', true) ? { all: TYPE_WORDS.all } : {}),
    ...(hasUsers(declaration) ? { as: TYPE_WORDS.as } : {}),
  };
}

function help(declaration: NodeDeclaration, language: Language): string {
  const { type, about, gives, details } = declaration;
  const [inputs, outputs, more] = HEADINGS[language];
  const withWords = (text: string): string =>
    text.replaceAll(/\{\{([\w-]+)\}\}/g, (_all, op: string) => {
      const operation = declaration.operations[op];
      if (operation === undefined) throw new Error(`${type} has no operation ${op}.`);
      return `**${operation.words[language]}**`;
    });
  const given = gives.map((one) => `: ${one.name} (${one.type}) : ${withWords(one[language])}`);
  const paragraphs = [
    withWords(details[language]),
    takesLines(declaration, language).join('\n'),
    ...(taking(declaration).length === 0 ? [] : [HOW_SET[language]]),
    ...(servesAny(declaration) ? [LIKE_THE_API[language]] : []),
    ...(hasUsers(declaration) ? [AS_A_USER[language]] : []),
    shippedOperations(declaration, language),
  ];
  return `<script type="text/markdown" data-help-name="${type}">
${about[language]}

### ${inputs}

${inputLines(declaration, language).join('\n')}

### ${outputs}

${given.join('\n')}

### ${more}

${paragraphs.filter((text) => text !== '').join('\n\n')}
</script>
`;
}

/** Only operations for an owner's flow: the others take what their endpoint describes. */
function forFlows(
  declaration: NodeDeclaration,
): readonly (readonly [Operation, readonly Field[]])[] {
  return operationsOf(declaration)
    .filter(([, operation]) => operation.for === 'flow')
    .map(([, operation]) => [operation, fieldsOf(operation)] as const);
}

function taking(declaration: NodeDeclaration): readonly (readonly [Operation, readonly Field[]])[] {
  return forFlows(declaration).filter(([, fields]) => fields.length > 0);
}

function inputLines(declaration: NodeDeclaration, language: Language): readonly string[] {
  const lines = taking(declaration).flatMap(([, fields]) =>
    fields
      .filter(({ property }) => property !== null)
      .map(
        ({ property, kind, about }) => `: *${property}* (${HELP_TYPES[kind]}) : ${about[language]}`,
      ),
  );
  if (lines.length === 0) return [`: *payload* (any) : ${NOTHING_READ[language]}`];
  return [...new Set(lines)];
}

function takesLines(declaration: NodeDeclaration, language: Language): readonly string[] {
  return forFlows(declaration).map(([operation, fields]) => {
    const names = fields.map(({ label }) => `*${label[language]}*`).join(', ');
    return `- **${operation.words[language]}**${names === '' ? '' : `: ${names}`}`;
  });
}

/** The operations of shipped tabs, for readers who come across them. */
function shippedOperations(declaration: NodeDeclaration, language: Language): string {
  const names = operationsOf(declaration)
    .filter(([, operation]) => operation.for === 'balupi')
    .map(([, { words }]) => `**${words[language]}**`);
  return names.length === 0 ? '' : `${GROUP_WORDS.balupi[language]}: ${names.join(', ')}.`;
}

function servesAny(declaration: NodeDeclaration): boolean {
  return operationsOf(declaration).some(
    ([, operation]) => operation.for === 'flow' && operation.serves !== undefined,
  );
}
