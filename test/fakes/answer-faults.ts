import type { Endpoint } from '../../nodes/lib/api/endpoint.ts';
import { type Fault, faultsOf } from '../../nodes/lib/api/faults.ts';
import { refusalSchemaOf } from '../../nodes/lib/api/refusal-schemas.ts';

/**
 * Holds an answer against its description, so that both stay in step.
 * @returns the faults; a status the description does not know is one
 */
export function answerFaults(
  endpoint: Endpoint,
  statusCode: number,
  payload: unknown,
): readonly Fault[] {
  if (statusCode >= 400) {
    return faultsOf(refusalSchemaOf(endpoint, statusCode), payload, 'answer');
  }
  const schema = endpoint.responses[statusCode]?.content['application/json'];
  if (schema !== undefined) return faultsOf(schema, payload, 'answer');
  if (endpoint.responses[statusCode] !== undefined) return [];
  return [{ loc: ['status'], msg: 'must be a described status', got: String(statusCode) }];
}
