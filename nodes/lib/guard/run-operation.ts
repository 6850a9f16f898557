import type { Caller, User } from '../accounts/caller.ts';
import {
  type Endpoint,
  endpointById,
  validateBody,
  validateParams,
  validateQuery,
} from '../api/api.ts';
import { answerNow, refuse } from '../http/http.ts';
import {
  type FieldReader,
  type Given,
  type NodeDeclaration,
  NOTHING_GIVEN,
  type Operation,
  ownerOf,
} from '../operations/operations.ts';
import type { ApiMessage, Call } from './call.ts';

/**
 * One thing a node can do with a message. What it returns is sent.
 * @param given values its declaration takes besides those an endpoint describes
 */
export type Run<Context> = (context: Context, message: ApiMessage, given: Given) => unknown;

/** An operation that answers requests, with the endpoints whose description lets one in. */
interface Served<Context> extends Runs<Context> {
  readonly endpoints: readonly Endpoint[];
}

/** What a node can be set to. A bare function answers no endpoint: a tick, or a page's own. */
export type Operations<Context> = Readonly<Record<string, Run<Context> | Served<Context>>>;

/** The function that an operation runs. */
interface Runs<Context> {
  readonly run: Run<Context>;
  /** Replaces {@link run} for a message without a request, which would need its stream. */
  readonly forFlows?: ForFlows<Context>;
  /** Overrides the endpoints it serves, where no description is published. */
  readonly endpoints?: readonly Endpoint[];
}

/** A node's operations, each with its words and its function. */
export interface Declared<Context> extends NodeDeclaration {
  readonly operations: Readonly<Record<string, Operation & Runs<Context>>>;
}

/** What a node does. An operation lets in what its declaration says it serves. */
export function operationsOf<Context>({
  operations,
}: Declared<Context>): Readonly<Record<string, Served<Context>>> {
  const runnable = Object.entries(operations).map(([op, { serves = [], ...runs }]) => {
    const { run, forFlows, endpoints = serves.map((id) => endpointById(id)) } = runs;
    return [op, { run, endpoints, ...(forFlows === undefined ? {} : { forFlows }) }] as const;
  });
  return Object.fromEntries(runnable);
}

const NOT_ADMITTED = refuse('not_allowed', {
  detail: 'This needs the address of the API that is made for it.',
});

/**
 * What a node is set to, by its name.
 * @throws Error naming what there is, for a node whose flow file was written by hand
 */
export function named<T>(operations: Readonly<Record<string, T>>, op: string | undefined): T {
  const operation = op === undefined || !Object.hasOwn(operations, op) ? undefined : operations[op];
  if (operation === undefined) {
    const known = Object.keys(operations).join(', ');
    throw new Error(`This node is set to '${op ?? ''}'; it can: ${known}.`);
  }
  return operation;
}

/**
 * The operation a node is set to. It runs for messages without a request, as the Pi itself or as
 * the user the node names ({@link runFromFlow}), and for requests admitted by one of its endpoints.
 * Any other request, such as one of a custom route, arrives without that endpoint's check of role
 * and form: it may read what every signed-in user may read, and nothing more, whatever runs in
 * front.
 * @param as user the node names; empty for the Pi itself
 * @param fields what its dialog sets; a request brings by itself what its endpoint describes
 * @throws Error as {@link named} does
 */
export function operationOf<Context extends FlowActors>(
  operations: Operations<Context>,
  op: string | undefined,
  as = '',
  fields: FieldReader | null = null,
): (context: Context, message: ApiMessage) => unknown {
  const operation = named(operations, op);
  const served: Served<Context> =
    typeof operation === 'function' ? { run: operation, endpoints: [] } : operation;
  const { run, endpoints, forFlows } = fields?.hasOneOutput === true ? joined(served) : served;
  return (context, message) => {
    const [endpoint] = endpoints;
    if (message.req === undefined && endpoint !== undefined) {
      return withGiven(fields, message, (given) =>
        runFromFlow({ run, forFlows }, endpoint, context, message, as, given),
      );
    }
    if (!isAdmitted(message, endpoints)) return turnAway(message, op ?? '');
    return withGiven(fields, message, (given) => run(context, message, given));
  };
}

/** The same operation with every outcome at its first output. */
function joined<Context>({ run, endpoints, forFlows }: Served<Context>): Served<Context> {
  const join =
    (parted: Run<Context>): Run<Context> =>
    async (context, message, given) => {
      const out: unknown = await parted(context, message, given);
      return Array.isArray(out) ? (out.find((one) => one !== null) as unknown) : out;
    };
  return {
    ...{ run: join(run), endpoints },
    ...(forFlows === undefined ? {} : { forFlows: { ...forFlows, run: join(forFlows.run) } }),
  };
}

/** At once where the dialog sets nothing, as for the flows of the API. */
function withGiven(
  fields: FieldReader | null,
  message: ApiMessage,
  run: (given: Given) => unknown,
): unknown {
  if (fields === null) return run(NOTHING_GIVEN);
  return fields.isPlain ? run(fields.plain(message)) : fields.read(message).then(run);
}

function isAdmitted({ req }: ApiMessage, endpoints: readonly Endpoint[]): boolean {
  if (req === undefined) return true;
  const { call } = req;
  if (call === undefined) return false;
  if (endpoints.some(({ id }) => id === call.endpointId)) return true;
  if (endpoints.length === 0) return isAdmin(call);
  return call.caller?.scope === 'all' && endpoints.every(isOpenToRead);
}

/** A tick has no description, and may wake the NAS or ask every plug. */
function isAdmin({ caller }: Call): boolean {
  return caller?.scope === 'all' && caller.user.role === 'admin';
}

function isOpenToRead({ method, access }: Endpoint): boolean {
  return method === 'GET' && access !== 'admin' && access !== 'wake';
}

/** Bypasses the flow, as its next node may take the message for a success. */
function turnAway(message: ApiMessage, op: string): null {
  const response = message.res?._res;
  if (message.req === undefined || response === undefined) {
    throw new Error(`No description of '${op}' lets this message in.`);
  }
  answerNow(message.req, response, NOT_ADMITTED);
  return null;
}

/** The part of the services that tells who a flow may act as. */
interface FlowActors {
  readonly accounts: { readonly users: { userNamed(username: string): User | null } };
  readonly credentials: {
    holdsFor(userId: number): boolean;
    credentialFor(userId: number): Promise<string | null>;
  };
}

/** What a flow uses instead of a stream, and on whose behalf. */
interface ForFlows<Context> {
  readonly run: Run<Context>;
  readonly owner: 'pi' | 'user';
}

/** A message of a flow, with whatever the flow laid into it. */
type FlowMessage = ApiMessage & Readonly<Record<string, unknown>>;

/** The Pi's own name where something records who did it. */
const THE_PI: Caller = {
  user: { id: 0, username: 'balupi', role: 'admin' },
  kind: 'pi',
  nasToken: null,
  scope: 'all',
};

/**
 * Does for a flow's message what the endpoint does for a request: the same fields by the same
 * description, from the node's dialog or else from the message (parameters and query by name, the
 * body in `payload`), as the Pi itself or as a user with a stored credential. The outcome is in
 * `payload`.
 * @param as username to act as; empty for the Pi
 * @param given what the dialog sets, and what no description names
 * @throws Error with the refusal's sentence; its code and status are then in the message
 */
async function runFromFlow<Context extends FlowActors>(
  operations: { readonly run: Run<Context>; readonly forFlows?: ForFlows<Context> | undefined },
  endpoint: Endpoint,
  context: Context,
  message: ApiMessage,
  as: string,
  given: Given = NOTHING_GIVEN,
): Promise<unknown> {
  const { run, forFlows } = operations;
  const caller = await actorOf(forFlows?.owner ?? ownerOf(endpoint), endpoint, context, as);
  const call = callFrom(endpoint, message as FlowMessage, caller, given);
  // The fake request never leaves the operation.
  const asRequest: ApiMessage = {
    ...message,
    req: { call, headers: {}, method: endpoint.method } as never,
  };
  const out = await (forFlows?.run ?? run)(context, asRequest, given);
  if (!Array.isArray(out)) return out === asRequest ? settled(asRequest, message) : out;
  // A refusal that has an output of its own leaves there.
  return out.map((one, output) => {
    if (one !== asRequest) return one as unknown;
    return output === 0 ? settled(asRequest, message) : told(asRequest, message);
  });
}

/** @throws Error in words for whoever wired the node */
async function actorOf(
  owner: ReturnType<typeof ownerOf>,
  endpoint: Endpoint,
  services: FlowActors,
  as: string,
): Promise<Caller> {
  if (owner === 'request') {
    throw new Error('This only answers a request; wire it behind an http in node.');
  }
  if (as === '' && owner === 'pi') return THE_PI;
  if (as === '') throw new Error('This belongs to a user: name one in the node, under "as".');
  const user = services.accounts.users.userNamed(as);
  if (user === null) throw new Error(`No user ${as} has signed in through this Pi yet.`);
  if (!services.credentials.holdsFor(user.id)) {
    throw new Error(`No credential of ${as} is stored, so nothing may be done as them.`);
  }
  if (endpoint.access === 'admin' && user.role !== 'admin') {
    throw new Error(`Only an admin may do this, and ${as} is none.`);
  }
  const nasToken = await services.credentials.credentialFor(user.id);
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

/** The payload that an `inject` sends by itself, a time, is not a body. */
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
function settled(asRequest: ApiMessage, message: ApiMessage): ApiMessage {
  const { statusCode = 200, payload } = asRequest;
  if (statusCode < 400) return told(asRequest, message);
  const { code = 'failed', detail } = payload as { code?: string; detail?: unknown };
  const words = typeof detail === 'string' ? detail : (detail as { message?: string }).message;
  throw refused(message, code, statusCode, words ?? code);
}

/** @returns the message with the outcome, of a refusal with its code too */
function told({ statusCode = 200, payload }: ApiMessage, message: ApiMessage): ApiMessage {
  if (statusCode < 400) return Object.assign(message, { payload });
  const { code = 'failed' } = payload as { code?: string };
  return Object.assign(message, { payload, code, statusCode });
}

function refused(message: object, code: string, statusCode: number, words: string): Error {
  // A Catch node gets the message, and only the text of the error.
  Object.assign(message, { code, statusCode });
  return new Error(words);
}
