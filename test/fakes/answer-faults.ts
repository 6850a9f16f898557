import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import type { Endpoint } from '../../nodes/lib/api/endpoint.ts';
import {
  codesByStatus,
  mayBeTheirs,
  NasErrorAnswer,
  ownRefusalOf,
} from '../../nodes/lib/api/openapi.ts';
import { type Fault, faultsOf } from '../../nodes/lib/api/validate.ts';

/**
 * Compares an answer with its description, so that the two stay in step.
 * @returns the faults; a status the description does not know is one
 */
export function answerFaults(
  endpoint: Endpoint,
  statusCode: number,
  payload: unknown,
): readonly Fault[] {
  if (statusCode >= 400) {
    const ours = ownRefusalOf(statusCode);
    const schema = mayBeTheirs(endpoint, statusCode) ? Type.Union([ours, NasErrorAnswer]) : ours;
    const faults = faultsOf(schema, payload, 'answer');
    return faults.length > 0 ? faults : codeFaults(endpoint, statusCode, payload);
  }
  const schema = endpoint.responses[statusCode]?.content['application/json'];
  // Faults are looked for where there are some: their paths alone cost ten times the look.
  if (schema !== undefined) {
    return Value.Check(schema, payload) ? [] : faultsOf(schema, payload, 'answer');
  }
  if (endpoint.responses[statusCode] !== undefined) return [];
  return [{ loc: ['status'], msg: 'must be a described status', got: String(statusCode) }];
}

/** Our refusals carry a code that the description names at that status. */
function codeFaults(endpoint: Endpoint, status: number, payload: unknown): readonly Fault[] {
  if (mayBeTheirs(endpoint, status)) return [];
  const { code } = payload as { readonly code: string };
  const described: readonly string[] = codesByStatus(endpoint).get(status) ?? [];
  if (described.includes(code)) return [];
  return [{ loc: ['answer', 'code'], msg: `must be one of ${described.join(', ')}`, got: code }];
}
