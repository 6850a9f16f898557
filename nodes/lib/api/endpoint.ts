import {
  FormatRegistry,
  type Static,
  type TLiteral,
  type TNull,
  type TObject,
  type TSchema,
  type TString,
  type TUnion,
  Type,
} from '@sinclair/typebox';
import type { RefusalCode } from '../http/http.ts';

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/**
 * Who may call. `open`: anyone. `caller`: anyone signed in. `caller_or_loopback`: also without a
 * token from the Pi itself. `admin`: admins of the NAS. `wake`: admins and users who may wake it.
 */
export type Access = 'open' | 'caller' | 'caller_or_loopback' | 'admin' | 'wake';

type Content = Readonly<Record<string, TSchema>>;

/** An answer that is not a refusal: what it holds by media type. */
export interface ResponseShape<C extends Content = Content> {
  readonly description: string;
  readonly content: C;
  /** Next to those that every answer carries. */
  readonly headers?: readonly HeaderName[];
}

type Responses = Readonly<Record<number, ResponseShape>>;
type JsonIn<C> = C extends { readonly 'application/json': infer S extends TSchema }
  ? Static<S>
  : never;

/** Read-only view: arrays may be readonly. */
type Frozen<T> = T extends readonly (infer E)[]
  ? readonly Frozen<E>[]
  : T extends object
    ? { readonly [Name in keyof T]: Frozen<T[Name]> }
    : T;

/** The JSON that these answers hold. */
export type JsonOf<R extends Responses> = {
  [Status in keyof R]: R[Status] extends ResponseShape<infer C> ? Frozen<JsonIn<C>> : never;
}[keyof R];

type NameIn<S> = S extends unknown ? keyof S : never;
type FieldIn<S, Name extends PropertyKey> = S extends { readonly [N in Name]?: infer F }
  ? F
  : never;
type EntryIn<S> = S extends readonly (infer E)[] ? E : never;

/**
 * A value with `never` in place of each field its shape does not name, at every depth. The compiler
 * rejects extra fields only in literals; this rejects them everywhere.
 */
export type Only<V, S> = unknown extends S
  ? V
  : V extends readonly (infer E)[]
    ? readonly Only<E, EntryIn<S>>[]
    : V extends object
      ? { readonly [N in keyof V]: N extends NameIn<S> ? Only<V[N], FieldIn<S, N>> : never }
      : V;

/** An example call, usable with the practice world. Published with its description. */
export interface Example<Body = unknown, Json = unknown> {
  /** The JSON of the request, or the fields of its form. */
  readonly body?: Body;
  /** The JSON of the answer, where it is JSON. */
  readonly answer?: Json;
  /** Other possible answers, by media type. */
  readonly texts?: Readonly<Record<string, string>>;
}

const NO_FIELDS = Type.Object({});
type NoFields = typeof NO_FIELDS;

/** One description that routes, validates, types and publishes an endpoint (contract 1). */
export interface Endpoint<
  Id extends string = string,
  Q extends TObject = TObject,
  B extends TSchema = TSchema,
  R extends Responses = Responses,
> {
  readonly id: Id;
  readonly method: Method;
  /** In OpenAPI's style: `/api/tapo/devices/{id}/toggle`. */
  readonly path: string;
  /**
   * The published address, where another method's parameter has another name: to OpenAPI two
   * spellings would be two indistinguishable addresses.
   */
  readonly publishedPath?: string;
  /** `raw`: the last parameter takes everything to the end, slashes too, as it was sent. */
  readonly rest: 'none' | 'raw';
  readonly summary: string;
  readonly tags: readonly string[];
  readonly access: Access;
  /** Also open to a known admin after the offline grace, who may do nothing else (contract 2). */
  readonly wakeScope: boolean;
  /**
   * `stream`: an upload, admitted by its headers. `relay`: JSON passed on as it arrives. `bytes`:
   * JSON passed on without parsing, because its exact bytes are signed or only the NAS reads them.
   */
  readonly body: 'none' | 'json' | 'stream' | 'relay' | 'bytes';
  /** The largest body. Null: the module that takes the stream has a limit of its own. */
  readonly maxBodyBytes: number | null;
  readonly params: TObject;
  /**
   * Closed where the call deletes, because a misspelt parameter would count as left out, which
   * means everything; elsewhere unknown parameters are ignored.
   */
  readonly query: Q;
  /** Request headers with a meaning of their own. Published; read by the module. */
  readonly headers: TObject;
  /** What a `stream` is made of. */
  readonly streamType: 'multipart/form-data' | 'application/octet-stream';
  /**
   * For `stream` this only publishes the form's fields or the bytes. JSON is closed: an unknown
   * field is a fault with its place, since a misspelt filter could mean the widest one.
   */
  readonly bodySchema: B;
  /**
   * A route that BaluHost has too: the apps send fields that nothing here reads, now and in future,
   * and these are ignored. Other methods of that address are the NAS's.
   */
  readonly isBaluHosts: boolean;
  readonly responses: R;
  /** Whether the NAS's own refusals below 500 go on to the caller. */
  readonly passesRefusals: boolean;
  /** Refusals of its own, besides those of its access, query and body. */
  readonly refusals: readonly RefusalCode[];
  /** `host`: it is answered in front of the flows, as the page /docs is. */
  readonly answeredBy: 'flow' | 'host';
  /** Whether the page Files may ask for it, with the cookie's user as the caller. */
  readonly isForFilesPage: boolean;
  /** It belongs to a user, so a flow that runs it names one (contract 7). */
  readonly isUsers: boolean;
  readonly example: Example;
}

/** JSON bodies of this API are small, so a larger one is a mistake. */
const JSON_BODY_BYTES = 64 * 1024;
/** Clients send `{}` or an empty form line to routes without a body; that much is ignored. */
const IGNORED_BODY_BYTES = 1024;

type Given<Id extends string, Q extends TObject, B extends TSchema, R extends Responses> = Pick<
  Endpoint<Id, Q, B, R>,
  'id' | 'method' | 'path' | 'summary' | 'access' | 'responses'
> &
  Partial<Omit<Endpoint<Id, Q, B, R>, 'example'>> & {
    readonly tags: readonly string[];
    readonly example: Example<Static<B>, JsonOf<R>>;
  };

/** Everything in these groups belongs to a user. */
const GROUPS_OF_USERS: ReadonlySet<string> = new Set(['files', 'notices', 'uploads']);

/** Fills in what most endpoints share. */
export function endpoint<
  const Id extends string,
  Q extends TObject = NoFields,
  B extends TSchema = TNull,
  R extends Responses = Responses,
>(given: Given<Id, Q, B, R>): Endpoint<Id, Q, B, R> {
  const body = given.body ?? (given.bodySchema === undefined ? 'none' : 'json');
  const { isBaluHosts = false, bodySchema = Type.Null() as unknown as B } = given;
  return {
    rest: 'none',
    wakeScope: false,
    maxBodyBytes: body === 'none' ? IGNORED_BODY_BYTES : body === 'json' ? JSON_BODY_BYTES : null,
    params: NO_FIELDS,
    query: NO_FIELDS as unknown as Q,
    headers: NO_FIELDS,
    streamType: 'multipart/form-data',
    passesRefusals: false,
    refusals: [],
    answeredBy: 'flow',
    isForFilesPage: false,
    isUsers: given.tags.some((tag) => GROUPS_OF_USERS.has(tag)),
    ...given,
    body,
    isBaluHosts,
    ...(given.method === 'DELETE' && given.query !== undefined
      ? { query: closed(given.query) }
      : {}),
    bodySchema: body === 'json' && !isBaluHosts ? closed(bodySchema) : bodySchema,
  };
}

/** The usual answer. It contains exactly what its schema names. */
export function json<S extends TSchema>(
  schema: S,
  description = 'Done.',
  headers: readonly HeaderName[] = [],
): ResponseShape<{ 'application/json': S }> {
  return { description, content: { 'application/json': closed(schema) }, headers };
}

/** JSON Schema as data: the part that our schemas use. */
interface SchemaParts {
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
 * The same schema, closed: an unknown field is a fault, at every depth. A schema that already says
 * what else it takes is left alone.
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

type Json = Readonly<Record<string, unknown>>;

interface HeaderShape {
  readonly description: string;
  readonly schema: Json;
}

const textHeader = (description: string, example: string): HeaderShape => ({
  description,
  schema: { type: 'string', examples: [example] },
});
const whole = (description: string, example: number): HeaderShape => ({
  description,
  schema: { type: 'integer', minimum: 0, examples: [example] },
});

/** What the headers of our answers mean. */
const HEADERS = {
  'X-Request-Id': textHeader(
    'An id of this one answer, new each time.',
    '9b2f6c1e-8a53-4f0d-b7c4-2f1f3a6f0c11',
  ),
  'Cache-Control': textHeader(
    'Nothing between the Pi and the caller may keep the answer; parts of the page /docs, a day.',
    'no-store',
  ),
  'X-Content-Type-Options': textHeader('The answer is of no other type than it says.', 'nosniff'),
  'Referrer-Policy': textHeader(
    'No page that is led to from here learns from where.',
    'no-referrer',
  ),
  'X-Balupi-Cache': {
    description:
      'How it was answered. hit: from a kept copy. miss: from the NAS, and kept. stale: from a copy that the NAS could not confirm, as it sleeps. bypass: from the NAS, past the cache. queued: from an upload of the caller that the NAS does not have yet. Missing on a listing that the NAS told just now.',
    schema: { type: 'string', enum: ['hit', 'miss', 'stale', 'bypass', 'queued'] },
  },
  Age: whole('Seconds since the NAS confirmed what is served; only where a kept one is.', 42),
  ETag: textHeader(
    'The version of the file, for If-None-Match, If-Match and If-Range.',
    '"5f2b-6630"',
  ),
  'Last-Modified': textHeader(
    'When the file was changed last, to the second.',
    'Sun, 22 Feb 2026 14:30:00 GMT',
  ),
  'Accept-Ranges': textHeader('Parts may be asked for by Range.', 'bytes'),
  'Content-Range': textHeader(
    'Which bytes of how many these are; not with several parts.',
    'bytes 0-99/2048',
  ),
  'Content-Length': whole('Bytes of the body.', 2048),
  'Content-Disposition': textHeader(
    'The name to keep it under. Never inline: a page stored on the NAS must not run as one of ours.',
    'attachment; filename="a.jpg"',
  ),
  'Content-Encoding': textHeader('How the body is packed, where the caller takes it so.', 'gzip'),
  Vary: textHeader('The request headers that change the answer.', 'Accept-Encoding'),
  'Content-Security-Policy': textHeader(
    'What the page may load: itself alone.',
    "default-src 'none'",
  ),
  'Retry-After': whole('Seconds until a new try makes sense.', 30),
  'WWW-Authenticate': textHeader('How to say who calls.', 'Bearer'),
} as const satisfies Readonly<Record<string, HeaderShape>>;

export type HeaderName = keyof typeof HEADERS;

const OF_EVERY_ANSWER: readonly HeaderName[] = [
  'X-Request-Id',
  'Cache-Control',
  'X-Content-Type-Options',
  'Referrer-Policy',
];

/** The headers of one answer: those named, and those that all have. */
export function headersOf(names: readonly HeaderName[]): Json {
  const all = [...names, ...OF_EVERY_ANSWER];
  return Object.fromEntries(all.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
}

/** The schemas that answers refer to. */
export function headerComponents(): Json {
  return HEADERS;
}

/** Building blocks of many descriptions. All names on the wire are snake_case (contract 1). */

type Literals<T extends readonly string[]> = T extends readonly [
  infer Head extends string,
  ...infer Rest extends readonly string[],
]
  ? [TLiteral<Head>, ...Literals<Rest>]
  : T extends readonly []
    ? []
    : [TLiteral<T[number]>];

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

/** A name, or other text that is shown on one line. */
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

/** Any text. */
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

/** The body of an action that has nothing else to say; BaluHost answers deletes like this. */
export const MessageAnswer = Type.Object({ message: Type.String() }, { title: 'MessageAnswer' });
export type MessageAnswer = Static<typeof MessageAnswer>;

const DATE = /^(\d{4})-(\d{2})-(\d{2})$/;
const TIME_OF_DAY =
  /^(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d)(?:\.\d{1,9})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

/** Whether the text is a day that exists, such as `2026-02-28`. */
function isCalendarDay(text: string): boolean {
  const parts = DATE.exec(text);
  if (parts === null) return false;
  const [year, month, day] = parts.slice(1).map(Number);
  const date = new Date(`${text}T00:00:00Z`);
  return (
    !Number.isNaN(date.getTime()) &&
    date.getUTCFullYear() === year &&
    date.getUTCMonth() + 1 === month &&
    date.getUTCDate() === day
  );
}

/** Whether the text is an instant: a day that exists, `T`, a time, and `Z` or an offset. */
export function isInstant(text: string): boolean {
  return (
    text.charAt(10) === 'T' && isCalendarDay(text.slice(0, 10)) && TIME_OF_DAY.test(text.slice(11))
  );
}

/** Line breaks, control characters, and overrides of the text direction that hide what is there. */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u202A-\u202E\u2066-\u2069]/u;
/** Characters without any visible form. */
const INVISIBLE = /[\p{C}\p{Z}]/gu;

/** Whether the text is a single line with something visible in it, such as a name. */
function isOneLine(text: string): boolean {
  return !UNPRINTABLE.test(text) && text.replace(INVISIBLE, '') !== '';
}

/**
 * The formats of our schemas. TypeBox refuses unknown formats and keeps them in one registry for
 * the process, so they are registered once, here.
 */
const FORMATS: Readonly<Record<string, (text: string) => boolean>> = {
  'date-time': (text) => isInstant(text) && text.endsWith('Z'),
  date: isCalendarDay,
  /** A calendar day in TIMEZONE, or an instant. */
  moment: (text) => isCalendarDay(text) || isInstant(text),
  'one-line': isOneLine,
  /** A path on the NAS; only the files module can tell whether it is valid. */
  'nas-path': () => true,
  /** Marks what is never echoed, logged or shown. */
  password: () => true,
};

for (const [name, check] of Object.entries(FORMATS)) FormatRegistry.Set(name, check);
