import './formats.ts';
import type { TSchema } from '@sinclair/typebox';
import { Errors, type ValueError, ValueErrorType } from '@sinclair/typebox/errors';
import { nonNull, partsOf, wordsOf } from './schema-parts.ts';

/** What is wrong at one place of a request. */
export interface Fault {
  /** `query`, `body` or `path`, then the way to the value. */
  readonly loc: readonly (string | number)[];
  /** What is wanted there: `must be a number of at least 0`. */
  readonly msg: string;
  /** What came instead, shortened. Never there for secrets. */
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

/** Of a value that may be null, the faults of the value: where they lie, and what is wanted there. */
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
