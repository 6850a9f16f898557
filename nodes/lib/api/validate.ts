import type { Static, TObject, TSchema } from '@sinclair/typebox';
import { Errors, type ValueError, ValueErrorType } from '@sinclair/typebox/errors';
import { isInstant, nonNull, partsOf, wordsOf } from './endpoint.ts';
import { decodeLenient } from './normalise.ts';

export type Validated<T> =
  | { readonly kind: 'valid'; readonly value: T }
  | { readonly kind: 'invalid'; readonly errors: readonly Fault[] };

/**
 * Checks a query string.
 * @param rawQuery what followed `?`, undecoded. Unknown parameters are ignored unless the schema is
 * closed, an empty one counts as absent unless it is a path, and a repeated one is a fault.
 */
export function validateQuery<S extends TObject>(
  schema: S,
  rawQuery: string,
): Validated<Static<S>> {
  if (rawQuery === '') return withoutQuery(schema) as Validated<Static<S>>;
  return checkQuery(schema, rawQuery);
}

/** Most requests have no query, and its result is always the same. */
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
 * Checks a JSON body. Unknown fields are faults where the schema is closed, and ignored elsewhere.
 * @param body as `JSON.parse` returned it; undefined where none was sent, which is fine if no field
 * is required
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

/** What is wrong at one place of a request. */
export interface Fault {
  /** `query`, `body` or `path`, then the way to the value. */
  readonly loc: readonly (string | number)[];
  /** What is expected there: `must be a number of at least 0`. */
  readonly msg: string;
  /** What was sent instead, shortened. Never for secrets. */
  readonly got?: string;
}

/** Enough to act on; a body full of faults is not worth more. */
const MOST_FAULTS = 20;
const GOT_CHARS = 60;
/** Names that hold a secret even where a caller put it in the wrong field. */
const SECRET_NAME = /pass|secret|token|code|key|authorization/i;

/**
 * What is wrong with a value, at most twenty faults, one per place.
 * @param place first element of each fault's `loc`
 */
export function faultsOf(schema: TSchema, value: unknown, place: string): readonly Fault[] {
  const faults = new Map<string, Fault>();
  for (const { path, schema: wanted, value: got, type } of leaves(schema, value)) {
    if (faults.has(path)) continue;
    const loc = [place, ...steps(path)];
    const isExtra = type === ValueErrorType.ObjectAdditionalProperties;
    faults.set(path, isExtra ? { loc, msg: 'is not described' } : fault(loc, wanted, got));
    if (faults.size === MOST_FAULTS) break;
  }
  return [...faults.values()];
}

/**
 * For a value that may be null, the faults of the value: their places, and what is expected there.
 */
function* leaves(schema: TSchema, value: unknown): Generator<ValueError> {
  for (const error of Errors(schema, value)) {
    const shape = nonNull(error.schema);
    if (error.type !== ValueErrorType.Union || shape === error.schema || error.value === null) {
      yield error;
      continue;
    }
    for (const inner of leaves(shape, error.value)) {
      const isItself = inner.path === '';
      yield {
        ...inner,
        path: error.path + inner.path,
        ...(isItself ? { schema: error.schema } : {}),
      };
    }
  }
}

function steps(pointer: string): (string | number)[] {
  return pointer
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
    .map((step) => (/^\d+$/.test(step) ? Number(step) : step));
}

function fault(loc: readonly (string | number)[], schema: TSchema, got: unknown): Fault {
  if (got === undefined) return { loc, msg: 'is required' };
  const msg = `must be ${wanted(schema)}`;
  return isSecret(loc, schema) ? { loc, msg } : { loc, msg, got: shown(got, loc.length === 1) };
}

function isSecret(loc: readonly (string | number)[], schema: TSchema): boolean {
  if (partsOf(nonNull(schema)).format === 'password') return true;
  return loc.some((step) => typeof step === 'string' && SECRET_NAME.test(step));
}

/** A whole body is never shown: it may be a secret sent as bare text. */
function shown(got: unknown, whole: boolean): string {
  if (got === null) return 'null';
  if (Array.isArray(got)) return 'a list';
  if (typeof got === 'object') return 'an object';
  if (whole) return `a ${typeof got}`;
  // JSON would show 1e400, which is read as Infinity, as null.
  const text = typeof got === 'number' ? String(got) : JSON.stringify(got);
  return text.length > GOT_CHARS ? `${text.slice(0, GOT_CHARS)}…` : text;
}

const FORMAT_WORDS: Readonly<Record<string, string>> = {
  'date-time': 'a time such as 2026-02-22T14:30:00Z',
  date: 'a day such as 2026-02-22',
  moment: 'a day such as 2026-02-22 or a time such as 2026-02-22T14:30:00Z',
};

function wanted(schema: TSchema): string {
  const shape = nonNull(schema);
  const orNull = shape === schema ? '' : ' or null';
  const choice = wordsOf(shape);
  if (choice !== undefined) return `one of ${choice.map(String).join(', ')}${orNull}`;
  const { type, description } = partsOf(shape);
  switch (type) {
    case 'string':
      return `${wantedText(shape)}${orNull}`;
    case 'integer':
      return `a whole number${range(shape)}${orNull}`;
    case 'number':
      return `a number${range(shape)}${orNull}`;
    case 'boolean':
      return `true or false${orNull}`;
    case 'array':
      return `${wantedList(shape)}${orNull}`;
    case 'object':
      return `an object${orNull}`;
    case undefined:
    default:
      return description ?? 'of the described form';
  }
}

function wantedText(schema: TSchema): string {
  const { format, description, minLength = 0, maxLength } = partsOf(schema);
  const byFormat = format === undefined ? undefined : FORMAT_WORDS[format];
  if (byFormat !== undefined) return byFormat;
  if (format === 'one-line') {
    return `text of ${minLength} to ${maxLength} characters, not all of them blank, without line breaks or control characters`;
  }
  if ('pattern' in schema && description !== undefined) return `text of this form: ${description}`;
  return maxLength === undefined ? 'text' : `text of ${minLength} to ${maxLength} characters`;
}

function wantedList(schema: TSchema): string {
  const { minItems = 0, maxItems, uniqueItems, description } = partsOf(schema);
  const most = maxItems === undefined ? ' or more' : ` to ${maxItems}`;
  const isCounted = maxItems !== undefined || minItems > 0;
  const different = uniqueItems === true ? 'different ' : '';
  const entries = isCounted ? `${minItems}${most} ${different}entries` : `${different}entries`;
  return `a list of ${entries}${description === undefined ? '' : ` (${description.replace(/\.$/, '')})`}`;
}

function range(schema: TSchema): string {
  const { minimum, maximum } = partsOf(schema);
  if (minimum === undefined) return maximum === undefined ? '' : ` of at most ${maximum}`;
  if (maximum === undefined || maximum === Number.MAX_SAFE_INTEGER)
    return ` of at least ${minimum}`;
  return ` from ${minimum} to ${maximum}`;
}

/**
 * Copies what the schema names, fills in its defaults, and drops the rest. Only names from the
 * schema are ever written, so a `__proto__` or `constructor` in the request goes nowhere.
 */
function reduce(schema: TSchema, value: unknown): unknown {
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
const MOST_STRANGERS = 10;
const LONGEST_NAME = 60;

/**
 * Where a value has fields that a closed schema does not name.
 * @param place where the value is, as the first steps of each answer
 */
function strangersIn(
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

const NUMBER = /^[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d{1,3})?$/;
const INTEGER = /^[+-]?\d{1,16}$/;
const TRUE = new Set(['true', '1', 'yes', 'on']);
const FALSE = new Set(['false', '0', 'no', 'off']);
/** `+01:00` arrives as ` 01:00` from clients that do not escape it. */
const LOST_PLUS = /^(.{10}T[\d:.]+) (\d{2}:\d{2})$/;

/**
 * Reads the parameters the schema names from a query string. Text that does not read as what the
 * schema wants stays text, for the check to complain about.
 * @returns the values, the names that were given more than once, and those the schema does not name
 */
function coerceQuery(
  schema: TObject,
  rawQuery: string,
): {
  readonly value: Record<string, unknown>;
  readonly twice: readonly string[];
  readonly strangers: readonly string[];
} {
  const given = new Map<string, string>();
  const twice = new Set<string>();
  const strangers = new Set<string>();
  for (const pair of rawQuery.split('&')) {
    const mark = pair.indexOf('=');
    const name = decodeLenient(mark === -1 ? pair : pair.slice(0, mark));
    if (!Object.hasOwn(schema.properties, name)) {
      if (name !== '') strangers.add(name);
      continue;
    }
    if (given.has(name)) twice.add(name);
    given.set(name, mark === -1 ? '' : pair.slice(mark + 1));
  }
  const value: Record<string, unknown> = {};
  for (const [name, property] of Object.entries(schema.properties)) {
    const read = readParameter(property, given.get(name));
    if (read !== undefined) value[name] = read;
  }
  return { value, twice: [...twice], strangers: [...strangers] };
}

/**
 * The query's `path` with its raw `+` taken literally: the name that reads try first (contract 1),
 * because BaluApp sends it so. Undefined where there is no other reading.
 */
export function literalPathIn(rawQuery: string): string | undefined {
  if (!rawQuery.includes('+')) return undefined;
  for (const pair of rawQuery.split('&')) {
    const mark = pair.indexOf('=');
    if (mark === -1 || decodeLenient(pair.slice(0, mark)) !== 'path') continue;
    const raw = pair.slice(mark + 1);
    return raw.includes('+') ? decodeLenient(raw) : undefined;
  }
  return undefined;
}

function readParameter(property: TSchema, raw: string | undefined): unknown {
  const { format, default: standard } = partsOf(property);
  if (raw === undefined) return standard;
  // An empty path means the root, not a missing parameter.
  if (format === 'nas-path') return decodeLenient(raw.replaceAll('+', ' '));
  if (raw === '') return standard;
  return coerceText(property, decodeLenient(raw.replaceAll('+', ' ')));
}

function coerceText(property: TSchema, text: string): unknown {
  const { type, format } = partsOf(property);
  switch (type) {
    case 'integer':
      return INTEGER.test(text) ? Number(text) : text;
    case 'number':
      return NUMBER.test(text) ? Number(text) : text;
    case 'boolean':
      return toBoolean(text);
    case undefined:
    default:
      return format === 'moment' ? toMoment(text) : text;
  }
}

function toBoolean(text: string): unknown {
  const word = text.toLowerCase();
  if (TRUE.has(word)) return true;
  return FALSE.has(word) ? false : text;
}

/** An instant in any zone is converted to UTC; a calendar day is left for the module to place. */
function toMoment(text: string): string {
  const whole = text.replace(LOST_PLUS, '$1+$2');
  return isInstant(whole) ? new Date(whole).toISOString() : whole;
}
