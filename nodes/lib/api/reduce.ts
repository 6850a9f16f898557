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

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
