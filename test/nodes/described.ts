import assert from 'node:assert/strict';
import { endpointById, type EndpointId } from '../../nodes/lib/api/api.ts';
import type { Call } from '../../nodes/lib/guard/call.ts';
import { answerFaults } from '../fakes/answer-faults.ts';
import type { Stage } from './stage.ts';

/**
 * Sends a request to an endpoint's node, and checks the answer against the endpoint's description.
 * @returns the payload
 */
export async function answerOf(
  stage: Stage,
  endpointId: EndpointId,
  call: Partial<Call> = {},
  wantedStatus = 200,
): Promise<unknown> {
  const { status, payload } = await stage.ask({ endpointId, ...call });
  assert.equal(status, wantedStatus, JSON.stringify(payload));
  assert.deepEqual(answerFaults(endpointById(endpointId), status, payload), []);
  return payload;
}

/** The stable code of a refusal. */
export async function codeOf(
  stage: Stage,
  endpointId: EndpointId,
  call: Partial<Call>,
  wantedStatus: number,
): Promise<string> {
  const payload = await answerOf(stage, endpointId, call, wantedStatus);
  return (payload as { readonly code: string }).code;
}
