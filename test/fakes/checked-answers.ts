import assert from 'node:assert/strict';
import { ENDPOINTS, Matcher, Target } from '../../nodes/lib/api/api.ts';
import { answerFaults } from './answer-faults.ts';

const matcher = new Matcher(ENDPOINTS);
const origins = new Set<string>();
/** For the answers of a flow that a test itself made another. */
export const uncheckedFetch = globalThis.fetch;

/**
 * Holds each JSON answer of the BaluPi at that origin against its closed description, whatever test
 * of this process fetches it. A test that gets an answer nobody described fails.
 */
export function checkAnswersOf(origin: string): void {
  origins.add(new URL(origin).origin);
  globalThis.fetch = checkedFetch;
}

/** The port of one that ended may be another server's next. */
export function forgetAnswersOf(origin: string): void {
  origins.delete(new URL(origin).origin);
}

/** As the first, for a client that speaks past `fetch`. */
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
  // A body that is cut is the test's own matter, which reads it again.
  const text = await answered
    .clone()
    .text()
    .catch(() => null);
  if (text !== null) checkAnswer(method, url.pathname + url.search, answered.status, text);
  return answered;
}
