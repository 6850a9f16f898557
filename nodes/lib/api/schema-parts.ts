import type { TSchema } from '@sinclair/typebox';

/** JSON Schema as data: what our schemas use of it. */
export interface SchemaParts {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, TSchema>>;
  readonly required?: readonly string[];
  readonly items?: TSchema;
  readonly anyOf?: readonly TSchema[];
  readonly const?: unknown;
  readonly default?: unknown;
  readonly format?: string;
  readonly title?: string;
  readonly description?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly uniqueItems?: boolean;
  readonly additionalProperties?: boolean | TSchema;
}

/** TypeBox types its schemas by kind; read as JSON Schema they are all this. */
export function partsOf(schema: TSchema): SchemaParts {
  return schema;
}

/** The one variant that is not null, where the schema is a value or null. */
export function nonNull(schema: TSchema): TSchema {
  const variants = partsOf(schema).anyOf?.filter((variant) => partsOf(variant).type !== 'null');
  const only = variants?.length === 1 ? variants[0] : undefined;
  return only ?? schema;
}

/** The words of a union of literals; undefined for any other schema. */
export function wordsOf(schema: TSchema): readonly unknown[] | undefined {
  const { anyOf } = partsOf(schema);
  if (anyOf === undefined || !anyOf.every((variant) => 'const' in variant)) return undefined;
  return anyOf.map((variant) => partsOf(variant).const);
}

/**
 * The same schema, shut: what it does not name is a fault, at every depth. A schema
 * that says itself what else it takes is left as it is.
 */
export function closed<T extends TSchema>(schema: T): T {
  const { properties, items, anyOf, additionalProperties = false } = partsOf(schema);
  return {
    ...schema,
    ...(properties === undefined ? {} : { additionalProperties }),
    ...(properties === undefined ? {} : { properties: mapped(properties) }),
    ...(items === undefined ? {} : { items: closed(items) }),
    ...(anyOf === undefined ? {} : { anyOf: anyOf.map((variant) => closed(variant)) }),
  };
}

function mapped(properties: Readonly<Record<string, TSchema>>): Record<string, TSchema> {
  return Object.fromEntries(
    Object.entries(properties).map(([name, property]) => [name, closed(property)]),
  );
}
