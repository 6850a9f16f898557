import { type Endpoint, endpointById } from '../api/api.ts';
import { answerNow, refuse } from '../http/http.ts';
import {
  type FieldReader,
  type Given,
  type NodeDeclaration,
  NOTHING_GIVEN,
} from '../operations/operations.ts';
import type { ApiMessage, Call } from './call.ts';
import { type FlowActors, type ForFlows, runFromFlow } from './from-flow.ts';

/**
 * One thing a node can do with a message. What it returns goes out.
 * @param given what its declaration takes beside what an endpoint describes
 */
export type Act<Context> = (context: Context, message: ApiMessage, given: Given) => unknown;

/** An act that answers requests, with the endpoints whose description lets one in. */
export interface Served<Context> {
  readonly run: Act<Context>;
  readonly endpoints: readonly Endpoint[];
  /** Does it for a message that carries no request, where {@link run} wants one for its stream. */
  readonly forFlows?: ForFlows<Context>;
}

/** What a node can be set to. A bare act answers no endpoint: a tick, or a page's own. */
export type Acts<Context> = Readonly<Record<string, Act<Context> | Served<Context>>>;

/** What an operation runs: the act, and another one where it wants a request for its stream. */
type Runs<Context> = Act<Context> | Partial<Served<Context>>;

/** The acts of all operations a node declares. */
export type Runners<Declaration extends NodeDeclaration, Context> = Readonly<
  Record<keyof Declaration['operations'], Runs<Context>>
>;

/** Joins each operation with what it runs. An act lets in what its declaration says it serves. */
export function actsOf<Declaration extends NodeDeclaration, Context>(
  { operations }: Declaration,
  runners: Runners<Declaration, Context>,
): Acts<Context> {
  const acts = Object.entries(operations).map(([op, { serves = [] }]) => {
    const runs = runners[op as keyof Declaration['operations']];
    const endpoints = serves.map((id) => endpointById(id));
    return [op, typeof runs === 'function' ? { run: runs, endpoints } : { endpoints, ...runs }];
  });
  return Object.fromEntries(acts) as Acts<Context>;
}

const NOT_ADMITTED = refuse('not_allowed', {
  detail: 'This needs the address of the API that is made for it.',
});

/**
 * What a node is set to, by its name.
 * @throws Error naming what there is, for a node whose flow file was written by hand
 */
export function named<T>(acts: Readonly<Record<string, T>>, op: string | undefined): T {
  const act = op === undefined || !Object.hasOwn(acts, op) ? undefined : acts[op];
  if (act === undefined) {
    const known = Object.keys(acts).join(', ');
    throw new Error(`This node is set to '${op ?? ''}'; it can: ${known}.`);
  }
  return act;
}

/**
 * The act a node is set to. It runs for what carries no request, as the Pi itself or as whom the node
 * names ({@link runFromFlow}), and for a request
 * that the description of one of its endpoints let in. Any other request, such as one of a
 * tinkerer's own route, gets here without that description's check of role and form: it may read
 * what everybody who is signed in may read, and nothing more. This holds whatever stands in front.
 * @param as whom the node names; empty for the Pi itself
 * @param fields what its dialog sets; a request brings by itself what its endpoint describes
 * @throws Error as {@link named} does
 */
export function actOf<Context extends FlowActors>(
  acts: Acts<Context>,
  op: string | undefined,
  as = '',
  fields: FieldReader | null = null,
): (context: Context, message: ApiMessage) => unknown {
  const act = named(acts, op);
  const { run, endpoints, forFlows }: Served<Context> =
    typeof act === 'function' ? { run: act, endpoints: [] } : act;
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

/** Past the flow, as its next node may take the message for one that went well. */
function turnAway(message: ApiMessage, op: string): null {
  const response = message.res?._res;
  if (message.req === undefined || response === undefined) {
    throw new Error(`No description of '${op}' lets this message in.`);
  }
  answerNow(message.req, response, NOT_ADMITTED);
  return null;
}
