import './formats.ts';
import {
  type Static,
  type TLiteral,
  type TSchema,
  type TString,
  type TUnion,
  Type,
} from '@sinclair/typebox';

/** Pieces that many descriptions are made of. All names on the wire are snake_case (contract 1). */

type Literals<T extends readonly string[]> = T extends readonly [
  infer Head extends string,
  ...infer Rest extends readonly string[],
]
  ? [TLiteral<Head>, ...Literals<Rest>]
  : [];

/** One of the given words. Published as an `enum`. */
export function words<const T extends readonly string[]>(
  values: T,
  options: { readonly description?: string; readonly default?: T[number] } = {},
): TUnion<Literals<T>> {
  const literals = values.map((value) => Type.Literal(value));
  return Type.Union(literals, options) as unknown as TUnion<Literals<T>>;
}

/** The value, or null where it is not known. */
export function nullable<T extends TSchema>(schema: T, description?: string) {
  return Type.Union([schema, Type.Null()], description === undefined ? {} : { description });
}

/** An instant on the wire: UTC, ending in `Z`. */
export function instant(description?: string): TString {
  return Type.String({
    format: 'date-time',
    ...(description === undefined ? {} : { description }),
  });
}

/** A day in TIMEZONE such as `2026-02-22`, or an instant such as `2026-02-22T14:30:00Z`. */
export function moment(description: string): TString {
  return Type.String({ format: 'moment', description });
}

/** A name, or other text that stands in one line wherever it is shown. */
export function oneLine(
  maxLength: number,
  options: { readonly default?: string; readonly description?: string } = {},
): TString {
  return Type.String({ format: 'one-line', minLength: 1, maxLength, ...options });
}

/** A text that is never echoed back. */
export function secret(maxLength: number, description: string): TString {
  return Type.String({ format: 'password', minLength: 1, maxLength, description });
}

/**
 * A path as the NAS writes it, without a leading slash; callers may send one. A raw `+` in a query
 * is a space here, as at the NAS, and `%2B` a plus (contract 1).
 */
export function nasPath(
  options: { readonly default?: string; readonly description?: string } = {},
): TString {
  return Type.String({ format: 'nas-path', maxLength: 8192, ...options });
}

/** A row's number. Never beyond what a JSON number holds exactly. */
export function rowId(description?: string) {
  return Type.Integer({
    minimum: 1,
    maximum: Number.MAX_SAFE_INTEGER,
    ...(description === undefined ? {} : { description }),
  });
}

/** What is counted: bytes, files, seconds. */
export function count(description?: string) {
  return Type.Integer({
    minimum: 0,
    maximum: Number.MAX_SAFE_INTEGER,
    ...(description === undefined ? {} : { description }),
  });
}

/** A text that nothing is asked of. */
export function text(description: string): TString {
  return Type.String({ description });
}

/** Yes or no. */
export function flag(description: string) {
  return Type.Boolean({ description });
}

/** The address of one upload. */
export const UPLOAD_ID = Type.Object({
  id: Type.String({ minLength: 1, maxLength: 64, description: 'Id of the upload or change.' }),
});

/** What an action says that has nothing else to say; BaluHost answers deletes like this. */
export const MessageAnswer = Type.Object({ message: Type.String() }, { title: 'MessageAnswer' });
export type MessageAnswer = Static<typeof MessageAnswer>;
