import type { TObject, TSchema } from '@sinclair/typebox';
import { decodeLenient } from './decode.ts';
import { isInstant } from './formats.ts';
import { partsOf } from './schema-parts.ts';

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
export function coerceQuery(
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
 * What the query's `path` reads when its raw `+` is meant as one: the name that reads try first
 * (contract 1), because BaluApp sends it so. Undefined where there is no other reading.
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
  // An empty path is the root, not one that was left out.
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

/** An instant in any zone becomes one in UTC; a calendar day stays for the room to place. */
function toMoment(text: string): string {
  const whole = text.replace(LOST_PLUS, '$1+$2');
  return isInstant(whole) ? new Date(whole).toISOString() : whole;
}
