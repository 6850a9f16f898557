import type { Static, TObject, TSchema } from '@sinclair/typebox';
import { coerceQuery } from './query-values.ts';
import { type Fault, faultsOf } from './faults.ts';
import { LONGEST_NAME, MOST_STRANGERS, reduce, strangersIn } from './reduce.ts';

export type Validated<T> =
  | { readonly kind: 'valid'; readonly value: T }
  | { readonly kind: 'invalid'; readonly errors: readonly Fault[] };

/**
 * Checks a query string.
 * @param rawQuery what followed `?`, undecoded. Unknown parameters are ignored unless the schema is
 *   shut, an empty one counts as absent unless it is a path, and one given twice is a fault.
 */
export function validateQuery<S extends TObject>(
  schema: S,
  rawQuery: string,
): Validated<Static<S>> {
  if (rawQuery === '') return withoutQuery(schema) as Validated<Static<S>>;
  return checkQuery(schema, rawQuery);
}

/** Most requests have no query, and what that comes to is the same each time. */
const NO_QUERY = new WeakMap<TObject, Validated<unknown>>();

function withoutQuery(schema: TObject): Validated<unknown> {
  const known = NO_QUERY.get(schema);
  if (known !== undefined) return known;
  const checked = checkQuery(schema, '');
  if (checked.kind === 'valid') Object.freeze(checked.value);
  NO_QUERY.set(schema, checked);
  return checked;
}

function checkQuery<S extends TObject>(schema: S, rawQuery: string): Validated<Static<S>> {
  const { value, twice, strangers } = coerceQuery(schema, rawQuery);
  if (schema.additionalProperties === false && strangers.length > 0) {
    const named = strangers.slice(0, MOST_STRANGERS).map((name) => name.slice(0, LONGEST_NAME));
    return { kind: 'invalid', errors: named.map((name) => undescribed(['query', name])) };
  }
  if (twice.length > 0) {
    const errors = twice.map((name) => ({
      loc: ['query', name],
      msg: 'must be given once only',
    }));
    return { kind: 'invalid', errors };
  }
  return judge(schema, value, 'query');
}

/**
 * Checks a JSON body. Unknown fields are faults where the schema is shut, and let go elsewhere.
 * @param body as `JSON.parse` gave it; undefined where none was sent, which is fine as long as no
 *   field is required
 */
export function validateBody<S extends TSchema>(schema: S, body: unknown): Validated<Static<S>> {
  const sent = body === undefined ? {} : body;
  const judged = judge(schema, reduce(schema, sent), 'body');
  const unknown = strangersIn(schema, sent, ['body']).map(undescribed);
  if (unknown.length === 0) return judged;
  return {
    kind: 'invalid',
    errors: judged.kind === 'valid' ? unknown : [...judged.errors, ...unknown],
  };
}

function undescribed(loc: readonly (string | number)[]): Fault {
  return { loc, msg: 'is not described' };
}

/** Checks the parameters of a path, numbers among them given as text. */
export function validateParams<S extends TObject>(
  schema: S,
  params: Readonly<Record<string, string>>,
): Validated<Static<S>> {
  const raw = Object.entries(params)
    .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
    .join('&');
  return judge(schema, coerceQuery(schema, raw).value, 'path');
}

function judge<S extends TSchema>(schema: S, value: unknown, place: string): Validated<Static<S>> {
  const errors = faultsOf(schema, value, place);
  if (errors.length > 0) return { kind: 'invalid', errors };
  // TypeBox found no fault, so the value has the type its schema says.
  return { kind: 'valid', value: value as Static<S> };
}
