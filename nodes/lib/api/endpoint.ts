import { type TNull, type TObject, type TSchema, Type } from '@sinclair/typebox';
import type { RefusalCode } from '../http/http.ts';
import type { HeaderName } from './response-headers.ts';
import { closed } from './schema-parts.ts';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/**
 * Who may call. `open`: anyone. `caller`: anyone signed in. `caller_or_loopback`: also without a
 * token from the Pi itself. `admin`: admins of the NAS. `wake`: admins and users who may wake it.
 */
export type Access = 'open' | 'caller' | 'caller_or_loopback' | 'admin' | 'wake';

/** An answer that is not a refusal: what it holds by media type. */
export interface ResponseShape {
  readonly description: string;
  readonly content: Readonly<Record<string, TSchema>>;
  /** Beside those that every answer carries. */
  readonly headers?: readonly HeaderName[];
}

export const NO_FIELDS = Type.Object({});
type NoFields = typeof NO_FIELDS;

/** One description that routes, validates, types and publishes an endpoint (contract 1). */
export interface Endpoint<
  Id extends string = string,
  Q extends TObject = TObject,
  B extends TSchema = TSchema,
> {
  readonly id: Id;
  readonly method: Method;
  /** In OpenAPI's style: `/api/tapo/devices/{id}/toggle`. */
  readonly path: string;
  /**
   * The same address in the document, where another method of it has another name for its parameter:
   * to a reader of OpenAPI two spellings would be two addresses that nobody can tell apart.
   */
  readonly publishedPath?: string;
  /** `raw`: the last parameter takes everything to the end, slashes too, as it was sent. */
  readonly rest: 'none' | 'raw';
  readonly summary: string;
  readonly tags: readonly string[];
  readonly access: Access;
  /** Also open to a known admin after the offline grace, who else may do nothing (contract 2). */
  readonly wakeScope: boolean;
  /**
   * `stream`: an upload, admitted by its headers. `relay`: JSON that goes on as it comes.
   * `bytes`: JSON whose very bytes count, as they are signed or the NAS's to read; handed on unread.
   */
  readonly body: 'none' | 'json' | 'stream' | 'relay' | 'bytes';
  /** Most the body may hold. Null: the room that takes the stream has a limit of its own. */
  readonly maxBodyBytes: number | null;
  readonly params: TObject;
  /** Shut where something is deleted, as left out means all there is; else what is odd is let go. */
  readonly query: Q;
  /** Request headers with a meaning of their own. Published; read by the room. */
  readonly headers: TObject;
  /** What a `stream` is made of. */
  readonly streamType: 'multipart/form-data' | 'application/octet-stream';
  /**
   * For `stream` it only publishes the fields of the form, or the bytes. JSON is shut: a field that
   * it does not name is a fault with its place, as one misspelt could mean the widest there is.
   */
  readonly bodySchema: B;
  /**
   * A route that BaluHost has too: the apps send it fields that nothing here reads, today's and
   * tomorrow's, and these are let go. Other methods of that address are the NAS's.
   */
  readonly isBaluHosts: boolean;
  readonly responses: Readonly<Record<number, ResponseShape>>;
  /** Whether the NAS's own refusals below 500 go on to the caller. */
  readonly passesRefusals: boolean;
  /** Refusals of its own, beside those that its access, query and body bring. */
  readonly refusals: readonly RefusalCode[];
}

/** A JSON body of ours is small; what is larger is not one. */
const JSON_BODY_BYTES = 64 * 1024;
/** Clients send `{}` or a form's empty line where nothing is wanted; it is read past. */
const IGNORED_BODY_BYTES = 1024;

type Given<Id extends string, Q extends TObject, B extends TSchema> = Pick<
  Endpoint<Id, Q, B>,
  'id' | 'method' | 'path' | 'summary' | 'access' | 'responses'
> &
  Partial<Endpoint<Id, Q, B>> & { readonly tags: readonly string[] };

/** Fills in what most endpoints share. */
export function endpoint<
  const Id extends string,
  Q extends TObject = NoFields,
  B extends TSchema = TNull,
>(given: Given<Id, Q, B>): Endpoint<Id, Q, B> {
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
    ...given,
    body,
    isBaluHosts,
    ...(given.method === 'DELETE' && given.query !== undefined
      ? { query: closed(given.query) }
      : {}),
    bodySchema: body === 'json' && !isBaluHosts ? closed(bodySchema) : bodySchema,
  };
}

/** The usual answer. It holds what its schema names and nothing else. */
export function json(
  schema: TSchema,
  description = 'Done.',
  headers: readonly HeaderName[] = [],
): ResponseShape {
  return { description, content: { 'application/json': closed(schema) }, headers };
}
