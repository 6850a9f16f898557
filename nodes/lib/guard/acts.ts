import { type Endpoint, endpointById, type EndpointId } from '../api/api.ts';
import { answerNow, refuse } from '../http/http.ts';
import type { ApiMessage, Call } from './call.ts';
import { type FlowActors, type ForFlows, runFromFlow } from './from-flow.ts';

/** One thing a node can do with a message. What it returns goes out. */
export type Act<Context> = (context: Context, message: ApiMessage) => unknown;

/** An act that answers requests, with the endpoints whose description lets one in. */
export interface Served<Context> {
  readonly run: Act<Context>;
  readonly endpoints: readonly Endpoint[];
  /** Does it for a message that carries no request, where {@link run} wants one for its stream. */
  readonly forFlows?: ForFlows<Context>;
}

/** What a node can be set to. A bare act answers no endpoint: a tick, or a page's own. */
export type Acts<Context> = Readonly<Record<string, Act<Context> | Served<Context>>>;

/** Says which endpoints an act answers. */
export function serving<Context>(
  run: Act<Context>,
  ...ids: readonly [EndpointId, ...EndpointId[]]
): Served<Context> {
  return { run, endpoints: ids.map((id) => endpointById(id)) };
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
 * @throws Error as {@link named} does
 */
export function actOf<Context extends FlowActors>(
  acts: Acts<Context>,
  op: string | undefined,
  as = '',
): Act<Context> {
  const act = named(acts, op);
  const { run, endpoints, forFlows }: Served<Context> =
    typeof act === 'function' ? { run: act, endpoints: [] } : act;
  return (context, message) => {
    const [endpoint] = endpoints;
    if (message.req === undefined && endpoint !== undefined) {
      return runFromFlow({ run, forFlows }, endpoint, context, message, as);
    }
    if (isAdmitted(message, endpoints)) return run(context, message);
    return turnAway(message, op ?? '');
  };
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
