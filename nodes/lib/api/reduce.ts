import type { TSchema } from '@sinclair/typebox';
import { nonNull, partsOf } from './schema-parts.ts';

/**
 * Copies what the schema names, fills in its defaults and leaves the rest behind. Only names from
 * the schema are ever written, so a `__proto__` or `constructor` that was sent goes nowhere.
 */
export function reduce(schema: TSchema, value: unknown): unknown {
  const shape = nonNull(schema);
  const { properties, items } = partsOf(shape);
  if (items !== undefined && Array.isArray(value)) {
    return value.map((item) => reduce(items, item));
  }
  if (properties === undefined || !isRecord(value)) return value;
  const kept: Record<string, unknown> = {};
  for (const [name, property] of Object.entries(properties)) {
    if (Object.hasOwn(value, name)) kept[name] = reduce(property, value[name]);
    else if (partsOf(property).default !== undefined) kept[name] = partsOf(property).default;
  }
  return kept;
}

/** Enough to act on. */
export const MOST_STRANGERS = 10;
export const LONGEST_NAME = 60;

/**
 * Where a value has fields that a shut schema does not name.
 * @param place where the value stands, as the first steps of each answer
 */
export function strangersIn(
  schema: TSchema,
  value: unknown,
  place: readonly (string | number)[],
): readonly (readonly (string | number)[])[] {
  const shape = nonNull(schema);
  const { properties, items, additionalProperties } = partsOf(shape);
  if (items !== undefined && Array.isArray(value)) {
    return first(value.flatMap((item, index) => strangersIn(items, item, [...place, index])));
  }
  if (properties === undefined || !isRecord(value)) return [];
  const isShut = additionalProperties === false;
  return first(
    Object.entries(value).flatMap(([name, inner]) => {
      const property = Object.hasOwn(properties, name) ? properties[name] : undefined;
      if (property !== undefined) return strangersIn(property, inner, [...place, name]);
      return isShut ? [[...place, name.slice(0, LONGEST_NAME)]] : [];
    }),
  );
}

function first<T>(found: readonly T[]): readonly T[] {
  return found.slice(0, MOST_STRANGERS);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
