import { Refusal, type Exchange } from './wire.ts';

/** Longer bodies than any JSON route of the NAS gets. */
const JSON_LIMIT_BYTES = 8 * 1024 * 1024;

interface KindTypes {
  readonly string: string;
  readonly integer: number;
  readonly boolean: boolean;
  readonly array: readonly unknown[];
  readonly object: Readonly<Record<string, unknown>>;
}

type Kind = keyof KindTypes;
type FieldKind = Kind | `${Kind}?`;
export type Shape = Readonly<Record<string, FieldKind>>;

export type Body<S extends Shape> = {
  readonly [K in keyof S]: S[K] extends `${infer T extends Kind}?`
    ? KindTypes[T] | undefined
    : S[K] extends Kind
      ? KindTypes[S[K]]
      : never;
};

interface Fault {
  readonly type: string;
  readonly loc: readonly (string | number)[];
  readonly msg: string;
  readonly input: unknown;
}

const TYPE_FAULTS: Readonly<Record<Kind, readonly [type: string, msg: string]>> = {
  string: ['string_type', 'Input should be a valid string'],
  integer: ['int_type', 'Input should be a valid integer'],
  boolean: ['bool_type', 'Input should be a valid boolean'],
  array: ['list_type', 'Input should be a valid list'],
  object: [
    'model_attributes_type',
    'Input should be a valid dictionary or object to extract fields from',
  ],
};

export function unprocessable(...faults: readonly (Fault & { readonly ctx?: string })[]): Refusal {
  return new Refusal(422, { detail: faults });
}

/** As Python prints a value, which is how BaluHost's validation errors show their input. */
function pythonText(value: unknown): string {
  if (value === null) return 'None';
  if (typeof value === 'string') return `'${value}'`;
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (Array.isArray(value)) return `[${value.map(pythonText).join(', ')}]`;
  if (typeof value === 'number') return String(value);
  if (!isRecord(value)) return '';
  const entries = Object.entries(value).map(([key, inner]) => `'${key}': ${pythonText(inner)}`);
  return `{${entries.join(', ')}}`;
}

function isKind(value: unknown, kind: Kind): boolean {
  switch (kind) {
    case 'string':
      return typeof value === 'string';
    case 'integer':
      return Number.isInteger(value);
    case 'boolean':
      return typeof value === 'boolean';
    case 'array':
      return Array.isArray(value);
    case 'object':
      return isRecord(value);
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function faultOf(
  name: string,
  kind: FieldKind,
  body: Readonly<Record<string, unknown>>,
  at: readonly string[],
  shown: Readonly<Record<string, unknown>>,
): Fault | null {
  const optional = kind.endsWith('?');
  const wanted = (optional ? kind.slice(0, -1) : kind) as Kind;
  const value = body[name];
  if (optional && (value === undefined || value === null)) return null;
  const loc = [...at, name];
  if (value === undefined) {
    return { type: 'missing', loc, msg: 'Field required', input: pythonText(shown) };
  }
  if (isKind(value, wanted)) return null;
  const [type, msg] = TYPE_FAULTS[wanted];
  return { type, loc, msg, input: value };
}

async function readAll(exchange: Exchange): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of exchange.body() as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > JSON_LIMIT_BYTES) throw new Refusal(413, { detail: 'Request body too large' });
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function parse(bytes: Buffer, type: string): unknown {
  if (!/^application\/([\w.-]+\+)?json\b/i.test(type)) return null;
  try {
    return JSON.parse(bytes.toString('utf8')) as unknown;
  } catch (cause) {
    const msg = cause instanceof Error ? cause.message : 'not JSON';
    throw unprocessable({
      type: 'json_invalid',
      loc: ['body', 0],
      msg: 'JSON decode error',
      input: {},
      ctx: msg,
    });
  }
}

/**
 * Reads a JSON body of this shape; a kind with `?` may be missing or null.
 * @throws Refusal 422 in the format of BaluHost's validation
 */
export async function jsonBody<const S extends Shape>(
  exchange: Exchange,
  shape: S,
): Promise<Body<S>> {
  return shaped(await jsonObject(exchange), shape);
}

/** As `jsonBody`, for routes that accept a name in camelCase or snake_case. */
export async function aliasedBody<const S extends Shape>(
  exchange: Exchange,
  shape: S,
): Promise<Body<S>> {
  return shapedByAlias(await jsonObject(exchange), shape);
}

async function jsonObject(exchange: Exchange): Promise<Readonly<Record<string, unknown>>> {
  const bytes = await readAll(exchange);
  if (bytes.length === 0) {
    throw unprocessable({ type: 'missing', loc: ['body'], msg: 'Field required', input: null });
  }
  const body = parse(bytes, exchange.header('content-type') ?? '');
  if (!isRecord(body)) {
    const [type, msg] = TYPE_FAULTS.object;
    const input = body === null ? `b'${bytes.toString('latin1')}'` : body;
    throw unprocessable({ type, loc: ['body'], msg, input });
  }
  return body;
}

/** Checks a parsed value. @throws Refusal 422 */
export function shapedByAlias<const S extends Shape>(
  body: Readonly<Record<string, unknown>>,
  shape: S,
  at: readonly string[] = ['body'],
): Body<S> {
  const snake = (name: string): string => name.replace(/[A-Z]/g, (big) => `_${big.toLowerCase()}`);
  const aliases = Object.keys(shape).map((name) => [name, body[name] ?? body[snake(name)]]);
  return shaped(Object.fromEntries(aliases) as Record<string, unknown>, shape, at, body);
}

function shaped<const S extends Shape>(
  body: Readonly<Record<string, unknown>>,
  shape: S,
  at: readonly string[] = ['body'],
  shown: Readonly<Record<string, unknown>> = body,
): Body<S> {
  const faults = Object.entries(shape).flatMap(
    ([name, kind]) => faultOf(name, kind, body, at, shown) ?? [],
  );
  if (faults.length > 0) throw unprocessable(...faults);
  const read = Object.keys(shape).map((name) => [name, body[name] ?? undefined]);
  return Object.fromEntries(read) as Body<S>;
}
