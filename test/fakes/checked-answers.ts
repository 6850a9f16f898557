import assert from 'node:assert/strict';
import { ENDPOINTS, Matcher, Target } from '../../nodes/lib/api/api.ts';
import { answerFaults } from './answer-faults.ts';

const matcher = new Matcher(ENDPOINTS);
const origins = new Set<string>();
/** For flows whose answers the test itself changes. */
export const uncheckedFetch = globalThis.fetch;

/**
 * Compares every JSON answer of the BaluPi at that origin with its closed description, whichever
 * test of this process fetches it. A test that gets an undescribed answer fails.
 */
export function checkAnswersOf(origin: string): void {
  origins.add(new URL(origin).origin);
  globalThis.fetch = checkedFetch;
}

/** Once a BaluPi has ended, another server may get its port. */
export function forgetAnswersOf(origin: string): void {
  origins.delete(new URL(origin).origin);
}

/** Like {@link checkAnswersOf}, for clients that do not use `fetch`. */
export function checkAnswer(method: string, url: string, status: number, text: string): void {
  const match = matcher.match(method, new Target(url));
  if (match.kind !== 'endpoint' || method === 'HEAD') return;
  const faults = answerFaults(match.endpoint, status, JSON.parse(text));
  assert.deepEqual(faults, [], `${method} ${url} answered ${status} ${text.slice(0, 2_000)}`);
}

async function checkedFetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
  const answered = await uncheckedFetch(input, init);
  const url = new URL(input instanceof Request ? input.url : input);
  const isJson = answered.headers.get('content-type')?.startsWith('application/json') ?? false;
  if (!origins.has(url.origin) || !isJson || answered.body === null) return answered;
  const method = init?.method ?? (input instanceof Request ? input.method : 'GET');
  // If the body is cut, the test fails by itself when it reads it.
  const text = await answered
    .clone()
    .text()
    .catch(() => null);
  if (text !== null) checkAnswer(method, url.pathname + url.search, answered.status, text);
  return answered;
}
