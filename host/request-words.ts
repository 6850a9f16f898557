import {
  literalPathIn,
  type Match,
  type Target,
  validateParams,
  validateQuery,
} from '../nodes/lib/api/api.ts';
import { type Answer, refuse } from '../nodes/lib/http/http.ts';

/** A request that a description fits. */
export type Found = Extract<Match, { kind: 'endpoint' }>;

/** What a request asks for in its address, checked. */
export type Words =
  | {
      readonly kind: 'words';
      readonly query: unknown;
      /** Another reading of the query's `path`; see `Call`. */
      readonly literalPath?: string | undefined;
    }
  | { readonly kind: 'refused'; readonly answer: Answer };

/** An address without a description: the NAS's, or a tinkerer's own. */
export function elsewhere({ match }: { match: Match }): Words {
  if (match.kind === 'never_passed') {
    return { kind: 'refused', answer: refuse('not_through_the_pi') };
  }
  return { kind: 'words', query: {} };
}

export function checkWords(found: Found, target: Target): Words {
  const { endpoint, params } = found;
  const query = validateQuery(endpoint.query, target.query);
  if (query.kind === 'invalid') {
    return { kind: 'refused', answer: refuse('invalid', { errors: query.errors }) };
  }
  const literalPath = literalPathIn(target.query);
  const words: Words = { kind: 'words', query: query.value, literalPath };
  // The rest of a download is a path on the NAS, which the files room reads in its own way.
  if (endpoint.rest === 'raw') return words;
  const checked = validateParams(endpoint.params, params);
  // An id of a form that no id has is an id nobody knows.
  if (checked.kind === 'invalid') return { kind: 'refused', answer: refuse('not_found') };
  return words;
}
