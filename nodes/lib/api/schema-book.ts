import type { TSchema } from '@sinclair/typebox';
import { GLOSSARY } from './glossary.ts';
import { nonNull, partsOf, wordsOf } from './schema-parts.ts';

type Json = Record<string, unknown>;

/**
 * Turns our schemas into published ones. A schema with a title becomes a component and is referred
 * to; a union of words becomes an `enum`, one of named shapes `oneOf`; a field with a default is not `required`.
 */
export class SchemaBook {
  readonly #components = new Map<string, Json>();

  /**
   * @throws Error when two different schemas bear one title
   */
  use(schema: TSchema): Json {
    const { title } = partsOf(schema);
    if (title === undefined) return this.#publish(schema);
    const published = this.#publish(schema);
    const known = this.#components.get(title);
    // TypeBox copies a schema to make it optional, so only the text tells whether it is another.
    if (known !== undefined && JSON.stringify(known) !== JSON.stringify(published)) {
      throw new Error(`Two schemas are called ${title}.`);
    }
    this.#components.set(title, published);
    return { $ref: `#/components/schemas/${title}` };
  }

  /** As {@link use}, of a field or a parameter: where its schema says nothing, its name does. */
  useNamed(name: string, schema: TSchema): Json {
    const published = this.use(schema);
    const word = GLOSSARY[name];
    if (word === undefined || isDescribed(schema)) return published;
    return { ...published, description: word };
  }

  /** Whether a value without any field would be refused. */
  hasRequired(schema: TSchema): boolean {
    return requiredOf(schema).length > 0;
  }

  components(): Json {
    const byName = [...this.#components].sort(([a], [b]) => (a < b ? -1 : 1));
    return Object.fromEntries(byName);
  }

  #publish(schema: TSchema): Json {
    const words = wordsOf(schema);
    if (words !== undefined) {
      const { description, default: standard } = partsOf(schema);
      return {
        type: 'string',
        enum: words,
        ...(description === undefined ? {} : { description }),
        ...(standard === undefined ? {} : { default: standard }),
      };
    }
    const published: Json = {};
    for (const [key, value] of Object.entries(plain(schema))) {
      published[isChoice(key, value) ? 'oneOf' : key] = this.#keyword(key, value);
    }
    if ('required' in published) {
      const required = requiredOf(schema);
      if (required.length === 0) delete published['required'];
      else published['required'] = required;
    }
    return published;
  }

  #keyword(key: string, value: unknown): unknown {
    switch (key) {
      case 'properties':
      case 'patternProperties':
        return mapValues(value as Record<string, TSchema>, (name, property) =>
          this.useNamed(name, property),
        );
      case 'items':
        return this.use(value as TSchema);
      case 'anyOf':
        return (value as TSchema[]).map((variant) => this.use(variant));
      default:
        return value;
    }
  }
}

/** Of shapes that have names just one fits, as they are shut; that much a generator can be told. */
function isChoice(key: string, value: unknown): boolean {
  return key === 'anyOf' && (value as TSchema[]).every((one) => partsOf(one).title !== undefined);
}

function isDescribed(schema: TSchema): boolean {
  return [schema, nonNull(schema)].some((one) => partsOf(one).description !== undefined);
}

function requiredOf(schema: TSchema): string[] {
  const { required = [], properties = {} } = partsOf(schema);
  return required.filter((name) => {
    const property = properties[name];
    return property !== undefined && partsOf(property).default === undefined;
  });
}

/** The schema's string keys; TypeBox keeps notes of its own under symbols. */
function plain(schema: TSchema): Json {
  return Object.fromEntries(Object.entries(schema));
}

function mapValues<T>(
  record: Readonly<Record<string, T>>,
  turn: (name: string, value: T) => Json,
): Json {
  return Object.fromEntries(
    Object.entries(record).map(([name, value]) => [name, turn(name, value)]),
  );
}
