import { type Endpoint, endpointById, type EndpointId } from '../api/api.ts';
import { FIELD_WORDS, type FieldWords, type Words } from './field-words.ts';

/** What nodes can do, declared once: requests admitted, dialog and help. */

export type { Words } from './field-words.ts';

/**
 * How a value is entered in the dialog. `plug`: chosen from the list of plugs; `code`: a text of
 * several lines.
 */
export type FieldKind = 'text' | 'number' | 'flag' | 'choice' | 'json' | 'plug' | 'code';

/** One value an operation takes. */
export interface Field {
  readonly name: string;
  readonly kind: FieldKind;
  readonly choices?: readonly string[];
  /**
   * The message property it comes from where the dialog says nothing; null for one that only the
   * dialog sets.
   */
  readonly property: string | null;
  readonly label: Words;
  readonly about: Words;
  /** Its endpoint's description names it, so a request brings it along. */
  readonly isDescribed: boolean;
  /** The node property that held it before there were fields (version 0). */
  readonly was?: string;
}

/** A value that no endpoint describes. */
interface OwnField {
  readonly kind: FieldKind;
  readonly property?: string | null;
  readonly label?: Words;
  readonly about?: Words;
  readonly was?: string;
}

export interface Operation {
  /** The words by which it is chosen in the dialog. */
  readonly words: Words;
  /** `flow`: for an owner's own flow. `balupi`: a step of an endpoint, a page or a schedule. */
  readonly for: 'flow' | 'balupi';
  /** The endpoints whose description lets a request in; in any flow it takes what they take. */
  readonly serves?: readonly [EndpointId, ...EndpointId[]];
  /** What its endpoint takes and it does not. */
  readonly leaves?: readonly string[];
  /** Other words for what its endpoint takes. */
  readonly fieldWords?: Readonly<Record<string, FieldWords>>;
  /** What it takes in addition. */
  readonly takes?: Readonly<Record<string, OwnField>>;
  /** The words for its outputs; left out: one output without words. */
  readonly outputs?: readonly Words[] | 0;
  /** In nodes before version 2 all outcomes left at one output, and still do in these. */
  readonly hadOneOutput?: boolean;
  /** On whose behalf it runs in a flow, where none of its endpoints tells. */
  readonly belongsTo?: 'user';
  /** It emits on its own, so what it takes is set once. */
  readonly isSource?: boolean;
}

/** One line of the help's outputs. */
interface Output extends Words {
  readonly name: string;
  /** As Node-RED's help writes it: `object, array`. */
  readonly type: string;
}

/** A plain text of the dialog that is not a value of a message. */
interface Setting {
  readonly label: Words;
  readonly placeholder?: Words;
  /** The operations it belongs to; all where left out. */
  readonly for?: readonly string[];
}

/**
 * Everything known of a node's operations and their words: dialog, help and locales are generated
 * from it (`npm run docs`), and requests admitted by it.
 */
export interface NodeDeclaration {
  /** The name of its folder, and of its part of the locales. */
  readonly key: string;
  readonly type: string;
  readonly color: string;
  /** The config node it names. */
  readonly config: 'store' | 'nas';
  readonly title: Words;
  /** What it is for: the beginning of its help. */
  readonly about: Words;
  readonly operations: Readonly<Record<string, Operation>>;
  readonly settings?: Readonly<Record<string, Setting>>;
  readonly status?: Readonly<Record<string, Words>>;
  readonly gives: readonly Output[];
  /** The help's details in Markdown. A name in double braces stands for that operation's words. */
  readonly details: Words;
}

/**
 * On whose behalf an endpoint runs where no request says who calls. `pi`: the Pi's own, such as
 * plugs, wake, energy and counts. `user`: somebody's files, uploads, pins or credentials, so a user
 * must be named (contract 7). `request`: it only makes sense as the answer to a request, as it
 * takes or gives a stream, a sign-in or a signature.
 */
export function ownerOf(endpoint: Endpoint): 'pi' | 'user' | 'request' {
  const [tag = ''] = endpoint.tags;
  if (endpoint.access === 'open' && tag !== 'system') return 'request';
  if (tag === 'auth' || isStream(endpoint)) return 'request';
  return endpoint.isUsers ? 'user' : 'pi';
}

/** Whether it only makes sense as the answer to a request: it takes or returns a stream. */
function isStream({ body, responses }: Endpoint): boolean {
  if (body === 'stream' || body === 'bytes' || body === 'relay') return true;
  return Object.values(responses).some(({ content }) => '*/*' in content);
}

interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly anyOf?: readonly (Schema & { readonly const?: unknown })[];
}

/** The fields whose value is a plug, whatever the endpoint calls it. */
const PLUGS: ReadonlySet<string> = new Set(['device_id', 'into']);
const KIND_OF_TYPE: Readonly<Record<string, FieldKind>> = {
  ...{ integer: 'number', number: 'number', boolean: 'flag', array: 'json', object: 'json' },
};
const NO_WORDS: Words = { en: '', de: '' };

/** Whether a flow has to name a user for it. */
export function isUsers({ serves, belongsTo }: Operation): boolean {
  if (belongsTo !== undefined) return true;
  return serves !== undefined && ownerOf(endpointById(serves[0])) === 'user';
}

/** What an operation takes, in the order of its dialog. */
export function fieldsOf(operation: Operation): readonly Field[] {
  const { serves, leaves = [], takes = {}, fieldWords = {} } = operation;
  const own = Object.entries(takes).map(([name, field]) => ownField(name, field));
  const names = new Set([...own.map(({ name }) => name), ...leaves]);
  const described = serves === undefined ? [] : describedFields(serves[0]);
  const others = described.filter(({ name }) => !names.has(name));
  return [...others.map((field) => ({ ...field, ...fieldWords[field.name] })), ...own];
}

function describedFields(id: EndpointId): readonly Field[] {
  if (ownerOf(endpointById(id)) === 'request') return [];
  const { tags, params, query, bodySchema, body } = endpointById(id) as {
    readonly tags: readonly string[];
    readonly params: Schema;
    readonly query: Schema;
    readonly bodySchema: Schema;
    readonly body: string;
  };
  const isPlug = (name: string): boolean =>
    PLUGS.has(name) || (name === 'id' && tags.includes('tapo'));
  const from = ({ properties = {} }: Schema, place: string): readonly Field[] =>
    Object.entries(properties).map(([name, schema]) => ({
      ...{ name, property: `${place}${name}`, isDescribed: true },
      ...(isPlug(name) ? ({ kind: 'plug' } as const) : kindOf(schema)),
      ...wordsOf(isPlug(name) && name === 'id' ? 'device_id' : name),
    }));
  const inAddress = [...from(params, ''), ...from(query, '')];
  const taken = new Set(inAddress.map(({ name }) => name));
  const inBody = body === 'json' ? from(bodySchema, 'payload.') : [];
  return [...inAddress, ...inBody.filter(({ name }) => !taken.has(name))];
}

function ownField(name: string, given: OwnField): Field {
  const { kind, property = name, label, about, was } = given;
  const words = wordsOf(name);
  return {
    ...{ name, kind, property, isDescribed: false },
    ...{ label: label ?? words.label, about: about ?? words.about },
    ...(was === undefined ? {} : { was }),
  };
}

function wordsOf(name: string): { readonly label: Words; readonly about: Words } {
  return FIELD_WORDS[name] ?? { label: { en: name, de: name }, about: NO_WORDS };
}

function kindOf(schema: Schema): Pick<Field, 'kind' | 'choices'> {
  const { anyOf } = schema;
  if (anyOf !== undefined) {
    const choices = anyOf.flatMap((one) => (typeof one.const === 'string' ? [one.const] : []));
    const [first] = anyOf;
    if (choices.length > 0 || first === undefined) return { kind: 'choice', choices };
    return kindOf(first);
  }
  return { kind: KIND_OF_TYPE[schema.type ?? ''] ?? 'text' };
}

/** The values of an operation, by name; one that is set nowhere is missing. */
export type Given = Readonly<Record<string, unknown>>;

/** A value as the dialog stores it: one of Node-RED's typed inputs. */
interface StoredField {
  readonly type: string;
  readonly value: string;
}

/** A node as its flow stores it. */
export interface StoredNode {
  /** The version of what is stored; 0 where there is none. */
  readonly version?: number;
  readonly op?: string;
  readonly fields?: Readonly<Record<string, StoredField>>;
}

/** The part of Node-RED that evaluates a typed input. */
interface Evaluator {
  evaluateNodeProperty(
    value: string,
    type: string,
    node: never,
    message: object,
    done: (error: Error | null, value: unknown) => void,
  ): unknown;
}

/** A value as a text; empty where there is none, or none that is a text. */
export function textIn(given: Given, name: string): string {
  return textOf(given[name]);
}

interface Deps {
  readonly util: Evaluator;
  readonly node: object;
  readonly declaration: NodeDeclaration;
  readonly config: StoredNode;
}

export const NOTHING_GIVEN: Given = {};
/**
 * The current version of what a dialog stores. 1: values are in `fields`. 2: outcomes that left
 * together have their own outputs. An older node keeps its behaviour until its owner chooses
 * another operation.
 */
export const NODE_VERSION = 2;
const FIELDS_SINCE = 1;
const OUTCOMES_SINCE = 2;

/** What Node-RED calls the types of our typed inputs. */
const FIXED: Readonly<Record<string, string>> = { plug: 'str', choice: 'str', code: 'str' };

/**
 * Reads what a node's operation takes: from its dialog if set there (a fixed value, a property of
 * the message or a context, an environment variable, a JSONata expression), else from the message's
 * own property.
 */
export class FieldReader {
  readonly #deps: Deps;
  readonly #fields: readonly Field[];
  readonly #stored: Readonly<Record<string, StoredField>>;
  /** As in a node of version 0: what the message names wins over the dialog. */
  readonly #isOfMessageFirst: boolean;

  constructor(
    { util }: Pick<Deps, 'util'>,
    node: Deps['node'],
    declaration: NodeDeclaration,
    config: StoredNode,
  ) {
    this.#deps = { util, node, declaration, config };
    const operation = declaration.operations[config.op ?? ''];
    this.#fields = operation === undefined ? [] : fieldsOf(operation);
    this.#stored = storedFields(config, this.#fields);
    this.#isOfMessageFirst = versionOf(config) < FIELDS_SINCE;
  }

  /** Whether all outcomes of the operation leave at the node's only output. */
  get hasOneOutput(): boolean {
    const { declaration, config } = this.#deps;
    const { hadOneOutput = false } = declaration.operations[config.op ?? ''] ?? {};
    return hadOneOutput && isBeforeOutcomes(config);
  }

  /** Whether every value comes from the message. */
  get isPlain(): boolean {
    return Object.keys(this.#stored).length === 0;
  }

  /**
   * What no description names, and of the rest what the dialog sets; undefined for a value that
   * should come from somewhere and is missing.
   * @throws Error naming the field that cannot be evaluated
   */
  async read(message: object): Promise<Given> {
    const given: Record<string, unknown> = { ...this.plain(message) };
    for (const { name, label } of this.#fields) {
      const stored = this.#stored[name];
      if (stored === undefined) continue;
      if (this.#isOfMessageFirst && typeof given[name] === 'string') continue;
      const value = await this.#evaluated(stored, message, label.en);
      given[name] = value === '' ? undefined : value;
    }
    return given;
  }

  /** What no description names, from the message's own properties. */
  plain(message: object): Given {
    const given: Record<string, unknown> = {};
    for (const { name, property, isDescribed } of this.#fields) {
      if (isDescribed || property === null) continue;
      given[name] = propertyOf(message, property);
    }
    return given;
  }

  async #evaluated({ type, value }: StoredField, message: object, label: string): Promise<unknown> {
    const { util, node } = this.#deps;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const done = (error: Error | null, found: unknown): void => {
      if (error === null || error === undefined) resolve(found);
      else reject(error);
    };
    try {
      util.evaluateNodeProperty(value, FIXED[type] ?? type, node as never, message, done);
      return await promise;
    } catch (error) {
      throw new Error(`"${label}" of this node cannot be worked out: ${reasonOf(error)}`, {
        cause: error,
      });
    }
  }
}

function textOf(value: unknown): string {
  const isText = typeof value === 'string' || typeof value === 'number' || value === true;
  return isText ? String(value) : '';
}

/** JSONata throws objects that are not errors. */
function reasonOf(error: unknown): string {
  const { message } = (error ?? {}) as { readonly message?: unknown };
  return typeof message === 'string' ? message : String(error);
}

/** Whether a node's version had one output for what are separate ones now. */
export function isBeforeOutcomes(config: StoredNode): boolean {
  return versionOf(config) < OUTCOMES_SINCE;
}

function versionOf({ version = 0 }: StoredNode): number {
  return version;
}

/** What a node of an earlier version stored elsewhere becomes a fixed value. */
function storedFields(config: StoredNode, fields: readonly Field[]): Record<string, StoredField> {
  const stored: Record<string, StoredField> = { ...config.fields };
  if (versionOf(config) >= FIELDS_SINCE) return stored;
  const older = config as Readonly<Record<string, unknown>>;
  for (const { name, kind, was } of fields) {
    const value = was === undefined ? undefined : older[was];
    const text = textOf(value);
    if (text === '' || value === false) continue;
    stored[name] ??= { type: FIXED_TYPES[kind], value: text };
  }
  return stored;
}

const FIXED_TYPES: Readonly<Record<Field['kind'], string>> = {
  ...{ text: 'str', number: 'num', flag: 'bool', choice: 'choice', json: 'json' },
  ...{ plug: 'plug', code: 'code' },
};

function propertyOf(message: object, property: string): unknown {
  return property
    .split('.')
    .reduce<unknown>(
      (held, name) =>
        typeof held === 'object' && held !== null
          ? (held as Readonly<Record<string, unknown>>)[name]
          : undefined,
      message,
    );
}
