import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Caller } from '../accounts/caller.ts';
import type { PassedAddress } from '../api/api.ts';
import type { Answer } from '../http/http.ts';

/** What the guard in front of Node-RED found out about a request before a flow sees it. */
export interface Call {
  /** Also sent as `X-Request-Id`. */
  readonly id: string;
  /** The description in `api` that this request matched; null for a tinkerer's own route. */
  readonly endpointId: string | null;
  /** Where it goes on the NAS, for routes that BaluPi does not answer itself. */
  readonly passed?: PassedAddress | undefined;
  /** Null on routes that are open to all. */
  readonly caller: Caller | null;
  /** Checked against the endpoint's schemas. */
  readonly query: unknown;
  readonly body: unknown;
  readonly params: Readonly<Record<string, string>>;
  /** The query's `path` with its raw `+` taken literally, where it has one; reads try it first. */
  readonly literalPath?: string | undefined;
  /** What follows `/api/files/download/`, undecoded; null elsewhere. */
  readonly rest: string | null;
  readonly address: string;
  /** The nginx in front may send a file's bytes itself. */
  readonly offload?: boolean;
  /** `X-Sync-Trigger: auto`: nothing this call does may wake the NAS. */
  readonly auto: boolean;
  readonly language: string;
  /** Aborts when the caller goes away or the deadline passes. */
  readonly signal: AbortSignal;
  /** How many nodes are working on it. A call without any after a redeploy was lost. */
  readonly holders: { count: number };
}

/** A request that went through the guard. */
export interface GuardedRequest extends IncomingMessage {
  call?: Call;
}

/** The part of a Node-RED message an API flow carries. */
export interface ApiMessage {
  _msgid?: string;
  req?: GuardedRequest;
  res?: { readonly _res: ServerResponse };
  payload?: unknown;
  statusCode?: number;
  headers?: Record<string, string>;
}

/**
 * The call a message came with.
 * @throws Error when the message did not come from an `http in` node behind the guard
 */
export function callOf(message: ApiMessage): Call {
  const call = message.req?.call;
  if (call === undefined) {
    throw new Error('This message came from no API request; wire the node behind an http in node.');
  }
  return call;
}

/**
 * The caller.
 * @throws Error on a route whose description is open to all
 */
export function callerOf(message: ApiMessage): Caller {
  const { caller } = callOf(message);
  if (caller === null) throw new Error('This route is open to all, and the node needs a caller.');
  return caller;
}

/** The raw response of a message, for nodes that stream. */
export function responseOf(message: ApiMessage): ServerResponse {
  const response = message.res?._res;
  if (response === undefined) {
    throw new Error('This message has no response; wire the node behind an http in node.');
  }
  return response;
}

/** Puts an answer into the message for the `http response` node. */
export function withAnswer<M extends ApiMessage>(message: M, given: Answer): M {
  message.statusCode = given.statusCode;
  message.payload = given.payload;
  message.headers = { ...given.headers };
  return message;
}
