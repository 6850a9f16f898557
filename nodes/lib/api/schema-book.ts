import type { TSchema } from '@sinclair/typebox';
import { partsOf, wordsOf } from './schema-parts.ts';

type Json = Record<string, unknown>;

/**
 * Turns our schemas into published ones. A schema with a title becomes a component and is referred
 * to; a union of words becomes an `enum`; a field with a default is not `required`.
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
      published[key] = this.#keyword(key, value);
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
        return mapValues(value as Record<string, TSchema>, (property) => this.use(property));
      case 'items':
        return this.use(value as TSchema);
      case 'anyOf':
        return (value as TSchema[]).map((variant) => this.use(variant));
      default:
        return value;
    }
  }
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

function mapValues<T>(record: Readonly<Record<string, T>>, turn: (value: T) => Json): Json {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, turn(value)]));
}
