import type { Caller, User } from '../accounts/caller.ts';
import { type Endpoint, validateBody, validateParams, validateQuery } from '../api/api.ts';
import { type Given, NOTHING_GIVEN, ownerOf } from '../operations/operations.ts';
import type { ApiMessage, Call } from './call.ts';

/** The part of the rooms that says who a flow may act as. */
export interface FlowActors {
  readonly accounts: { userNamed(username: string): User | null };
  readonly credentials: {
    holdsFor(userId: number): boolean;
    credentialFor(userId: number): Promise<string | null>;
  };
}

/** What a flow gets in the place of a stream, and whose operation that is. */
export interface ForFlows<Context> {
  readonly run: Run<Context>;
  readonly owner: 'pi' | 'user';
}

type Run<Context> = (context: Context, message: ApiMessage, given: Given) => unknown;

/** A message of a flow, with whatever the flow laid into it. */
type FlowMessage = ApiMessage & Readonly<Record<string, unknown>>;

/** The Pi's own name where something notes who did it. */
const THE_PI: Caller = {
  user: { id: 0, username: 'balupi', role: 'admin' },
  kind: 'pi',
  nasToken: null,
  scope: 'all',
};

/**
 * Does for a message of a flow what the endpoint does for a request: the same fields by the same
 * description, from what the node's dialog sets or else from the message's properties (parameters and
 * query by their names, the body in `payload`), as the Pi itself or as a user whose credential is
 * stored. What comes of it is in `payload`.
 * @param as username of whom to act as; empty for the Pi
 * @param given what the dialog sets, and what no description names
 * @throws Error with the refusal's sentence; its code and status are in the message then
 */
export async function runFromFlow<Context extends FlowActors>(
  acts: { readonly run: Run<Context>; readonly forFlows?: ForFlows<Context> | undefined },
  endpoint: Endpoint,
  context: Context,
  message: ApiMessage,
  as: string,
  given: Given = NOTHING_GIVEN,
): Promise<unknown> {
  const { run, forFlows } = acts;
  const caller = await actorOf(forFlows?.owner ?? ownerOf(endpoint), endpoint, context, as);
  const call = callFrom(endpoint, message as FlowMessage, caller, given);
  // What looks like a request to the operation never leaves it.
  const shadow: ApiMessage = {
    ...message,
    req: { call, headers: {}, method: endpoint.method } as never,
  };
  const out = await (forFlows?.run ?? run)(context, shadow, given);
  return Array.isArray(out)
    ? out.map((one) => (one === shadow ? settled(shadow, message) : (one as unknown)))
    : out === shadow
      ? settled(shadow, message)
      : out;
}

/** @throws Error in words for whoever wired the node */
async function actorOf(
  owner: ReturnType<typeof ownerOf>,
  endpoint: Endpoint,
  rooms: FlowActors,
  as: string,
): Promise<Caller> {
  if (owner === 'request') {
    throw new Error('This only answers a request; wire it behind an http in node.');
  }
  if (as === '' && owner === 'pi') return THE_PI;
  if (as === '') throw new Error('This belongs to a user: name one in the node, under "as".');
  const user = rooms.accounts.userNamed(as);
  if (user === null) throw new Error(`No user ${as} has signed in through this Pi yet.`);
  if (!rooms.credentials.holdsFor(user.id)) {
    throw new Error(`No credential of ${as} is stored, so nothing may be done as them.`);
  }
  if (endpoint.access === 'admin' && user.role !== 'admin') {
    throw new Error(`Only an admin may do this, and ${as} is none.`);
  }
  const nasToken = await rooms.credentials.credentialFor(user.id);
  return { user, kind: nasToken === null ? 'pi' : 'nas', nasToken, scope: 'all' };
}

function callFrom(endpoint: Endpoint, message: FlowMessage, caller: Caller, given: Given): Call {
  const named: FlowMessage = { ...message, ...given };
  const params = textsOf(endpoint.params, named);
  const query = new URLSearchParams(textsOf(endpoint.query, named)).toString();
  const checked = {
    params: valid(message, validateParams(endpoint.params, params)),
    query: valid(message, validateQuery(endpoint.query, query)),
    body:
      endpoint.body === 'none' || endpoint.body === 'stream'
        ? {}
        : valid(message, validateBody(endpoint.bodySchema, bodyOf(endpoint, message, given))),
  };
  return {
    ...{ id: 'flow', endpointId: endpoint.id, caller, rest: null, address: '' },
    ...{ params, query: checked.query, body: checked.body },
    // A flow that wants the NAS awake says so; a tick that only looks must not keep it up.
    auto: named['wake'] !== true,
    language: 'en',
    signal: new AbortController().signal,
    holders: { count: 0 },
  };
}

/** What an `inject` sends by itself, a time, is no body. */
function bodyOf({ bodySchema }: Endpoint, { payload }: FlowMessage, given: Given): unknown {
  const sent = typeof payload === 'object' && payload !== null ? payload : {};
  const names = Object.keys(bodySchema['properties'] as object).filter((name) => name in given);
  if (names.length === 0) return sent;
  const body = { ...sent, ...Object.fromEntries(names.map((name) => [name, given[name]])) };
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined));
}

function textsOf(schema: Endpoint['query'], message: FlowMessage): Record<string, string> {
  const names = Object.keys(schema.properties);
  const given = names.filter((name) => message[name] !== undefined && message[name] !== null);
  return Object.fromEntries(given.map((name) => [name, String(message[name])]));
}

function valid<T>(
  message: FlowMessage,
  checked:
    | { readonly kind: 'valid'; readonly value: T }
    | {
        readonly kind: 'invalid';
        readonly errors: readonly { loc: readonly unknown[]; msg: string }[];
      },
): T {
  if (checked.kind === 'valid') return checked.value;
  const faults = checked.errors.map(({ loc, msg }) => `${placeOf(loc)} ${msg}`);
  throw refused(message, 'invalid', 422, faults.join('; '));
}

/** As the flow knows the place. */
function placeOf([where, ...rest]: readonly unknown[]): string {
  const name = rest.join('.');
  return where === 'body' ? ['msg.payload', name].filter(Boolean).join('.') : `msg.${name}`;
}

/** @returns the message with the outcome. @throws Error for a refusal */
function settled(shadow: ApiMessage, message: ApiMessage): ApiMessage {
  const { statusCode = 200, payload } = shadow;
  if (statusCode >= 400) {
    const { code = 'failed', detail } = payload as { code?: string; detail?: unknown };
    const words = typeof detail === 'string' ? detail : (detail as { message?: string }).message;
    throw refused(message, code, statusCode, words ?? code);
  }
  return Object.assign(message, { payload });
}

function refused(message: object, code: string, statusCode: number, words: string): Error {
  // A Catch node gets the message, and of the error its words alone.
  Object.assign(message, { code, statusCode });
  return new Error(words);
}
