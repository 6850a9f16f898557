import { randomUUID } from 'node:crypto';
import type { Caller } from '../accounts/caller.ts';
import { type Endpoint, validateBody, validateParams } from '../api/api.ts';
import type { Call } from '../guard/call.ts';
import { roleFault } from '../guard/role-check.ts';
import { type Answer, refuse } from '../http/http.ts';
import type { Asker } from './asker.ts';

/** What a page sends to have something done: as an API request would, without its address. */
export interface Asked {
  readonly params?: unknown;
  readonly query?: unknown;
  readonly body?: unknown;
}

export type AskOutcome =
  | { readonly kind: 'call'; readonly call: Call }
  | { readonly kind: 'refused'; readonly answer: Answer };

/**
 * Turns what a page asks into the call that the same request over the API would be, after the same
 * checks: who may, and whether it has the form that the endpoint takes.
 */
export function callAs(
  asker: Asker,
  endpoint: Endpoint,
  asked: Asked,
  mayWake: (caller: Caller) => boolean,
): AskOutcome {
  const { caller, language } = asker;
  const code = roleFault(caller, endpoint, mayWake);
  if (code !== null) return { kind: 'refused', answer: refuse(code) };
  const params = textsIn(asked.params);
  if (validateParams(endpoint.params, params).kind === 'invalid') {
    return { kind: 'refused', answer: refuse('not_found') };
  }
  const query = validateBody(endpoint.query, asked.query);
  if (query.kind === 'invalid') return invalid(query.errors);
  const body = endpoint.body === 'json' ? validateBody(endpoint.bodySchema, asked.body) : NO_BODY;
  if (body.kind === 'invalid') return invalid(body.errors);
  const call: Call = {
    id: randomUUID(),
    endpointId: endpoint.id,
    caller,
    query: query.value,
    body: body.value,
    params,
    rest: null,
    address: 'dashboard',
    auto: false,
    language,
    signal: new AbortController().signal,
    holders: { count: 0 },
  };
  return { kind: 'call', call };
}

const NO_BODY = { kind: 'valid', value: undefined } as const;

function invalid(errors: readonly unknown[]): AskOutcome {
  return { kind: 'refused', answer: refuse('invalid', { errors }) };
}

function textsIn(params: unknown): Record<string, string> {
  if (typeof params !== 'object' || params === null) return {};
  return Object.fromEntries(
    Object.entries(params).filter((pair): pair is [string, string] => {
      const [name, value] = pair as [string, unknown];
      return typeof value === 'string' && /^[a-z][a-z_]{0,31}$/.test(name);
    }),
  );
}
