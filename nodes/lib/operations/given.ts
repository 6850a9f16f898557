import { type Field, fieldsOf, type NodeDeclaration } from './declaration.ts';

/** The values of an operation, by name; one that is nowhere set is not there. */
export type Given = Readonly<Record<string, unknown>>;

/** A value as the dialog keeps it: one of Node-RED's typed inputs. */
export interface StoredField {
  readonly type: string;
  readonly value: string;
}

/** A node as its flow keeps it. */
export interface StoredNode {
  /** Of the form of what is kept; 0 where it says none. */
  readonly version?: number;
  readonly op?: string;
  readonly fields?: Readonly<Record<string, StoredField>>;
}

/** The part of Node-RED that works out a typed input. */
export interface Evaluator {
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
/** The version of what a dialog keeps now. */
export const NODE_VERSION = 1;

/** What the types of a typed input of ours are called by Node-RED. */
const FIXED: Readonly<Record<string, string>> = { plug: 'str', choice: 'str', code: 'str' };

/**
 * Reads what a node's operation takes: from its dialog where that sets it (a fixed value, a property
 * of the message or a context, an environment variable, a JSONata expression), else from the
 * message's own property.
 */
export class FieldReader {
  readonly #deps: Deps;
  readonly #fields: readonly Field[];
  readonly #stored: Readonly<Record<string, StoredField>>;
  /** As a node of version 0 has it: what the message names goes before what the dialog says. */
  readonly #isOfMessageFirst: boolean;

  constructor(deps: Deps) {
    this.#deps = deps;
    const { declaration, config } = deps;
    const operation = declaration.operations[config.op ?? ''];
    this.#fields = operation === undefined ? [] : fieldsOf(operation);
    this.#stored = storedFields(config, this.#fields);
    this.#isOfMessageFirst = versionOf(config) < NODE_VERSION;
  }

  /** Whether every value is the message's own. */
  get isPlain(): boolean {
    return Object.keys(this.#stored).length === 0;
  }

  /**
   * What no description names, and of the rest what the dialog sets: undefined for a value that is
   * to come from somewhere and is not there.
   * @throws Error naming the field that cannot be worked out
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

  /** What no description names, out of the message's own properties. */
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

/** JSONata throws objects that are no errors. */
function reasonOf(error: unknown): string {
  const { message } = (error ?? {}) as { readonly message?: unknown };
  return typeof message === 'string' ? message : String(error);
}

function versionOf({ version = 0 }: StoredNode): number {
  return version;
}

/** What a node of an earlier version kept elsewhere is a fixed value. */
function storedFields(config: StoredNode, fields: readonly Field[]): Record<string, StoredField> {
  const stored: Record<string, StoredField> = { ...config.fields };
  if (versionOf(config) >= NODE_VERSION) return stored;
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
