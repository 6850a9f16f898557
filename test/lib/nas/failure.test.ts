import { strict as assert } from 'node:assert';
import {
  failureOf,
  failureOfStatus,
  goodBodyOf,
  isCannotAsk,
  isInDoubt,
  isSignInRefused,
} from '../../../nodes/lib/nas/failure.ts';
import type { NasJson } from '../../../nodes/lib/nas/nas-client.ts';

const GONE: NasJson = { kind: 'unreachable', cause: new Error('gone') };

function json(status: number, body: unknown = {}): NasJson {
  return { kind: 'answer', status, body };
}

function page(status: number): NasJson {
  return { kind: 'bad_answer', status };
}

/**
 * Status, its kind, whether it only means that the NAS could not be asked, whether it may have been
 * done.
 */
const SORTED = [
  [400, 'refused', false, false],
  [401, 'token_refused', false, false],
  [403, 'forbidden', false, false],
  [404, 'not_found', false, false],
  [408, 'not_now', false, false],
  [409, 'refused', false, false],
  [416, 'bad_range', false, false],
  [422, 'refused', false, false],
  [425, 'not_now', false, false],
  [429, 'throttled', true, false],
  [500, 'failing', true, true],
  [502, 'gateway', true, true],
  [503, 'unavailable', true, true],
  [504, 'gateway', true, true],
  [507, 'full', true, true],
  [599, 'failing', true, true],
] as const;

describe('A failure of the NAS', () => {
  for (const [status, kind, cannotAsk, inDoubt] of SORTED) {
    it(`is ${kind} where it says ${status}`, () => {
      const failure = failureOf(json(status));
      assert.ok(failure !== null);
      assert.equal(failure.kind, kind);
      assert.equal(isCannotAsk(failure), cannotAsk);
      assert.equal(isInDoubt(failure), inDoubt);
      assert.equal(isSignInRefused(failure), status === 401 || status === 403);
      assert.equal(failureOf({ kind: 'refused', status }).kind, kind);
      assert.equal(failureOfStatus(status)?.kind, kind);
    });

    it(`of a page with ${status} is ${status === 429 || status >= 500 ? 'the same' : 'none of its own'}`, () => {
      const failure = failureOf(page(status));
      assert.equal(failure?.kind, status === 429 || status >= 500 ? kind : 'bad_answer');
      assert.equal(isCannotAsk(failure), true);
      assert.equal(isSignInRefused(failure), false);
    });
  }

  it('is none where the NAS did it and said so', () => {
    const answer = json(201, { id: 1 });
    assert.equal(failureOf(answer), null);
    assert.deepEqual(goodBodyOf(answer), { id: 1 });
    assert.equal(failureOf({ kind: 'listing', items: [] }), null);
    assert.equal(isCannotAsk(null), false);
    assert.equal(isSignInRefused(null), false);
  });

  it('is an answer that was not understood: a page, nothing at all, a redirect', () => {
    for (const answer of [page(200), page(204), page(307)]) {
      assert.equal(failureOf(answer)?.kind, 'bad_answer');
      assert.equal(goodBodyOf(answer), undefined);
    }
    assert.equal(failureOfStatus(307)?.kind, 'bad_answer');
    assert.equal(failureOf({ kind: 'bad_answer', status: 204 }).kind, 'bad_answer');
  });

  it('is its silence, of which nobody knows what it did', () => {
    const failure = failureOf(GONE);
    assert.ok(failure !== null);
    assert.equal(failure.kind, 'unreachable');
    assert.equal(isCannotAsk(failure), true);
    assert.equal(isInDoubt(failure), true);
    assert.equal(goodBodyOf(GONE), undefined);
  });

  it('has the words and the wait that came with it, where they make sense', () => {
    const told = (body: unknown) => failureOfStatus(429, body);
    assert.partialDeepStrictEqual(told({ detail: 'Slow down', retry_after: 42 }), {
      detail: 'Slow down',
      retryAfterMs: 42_000,
    });
    for (const body of [undefined, null, 'x', [], {}, { detail: '' }, { detail: [1] }]) {
      assert.partialDeepStrictEqual(told(body), { detail: null, retryAfterMs: null });
    }
    for (const wait of [0, 0.5, -1, 3_601, NaN, '60', null]) {
      assert.equal(told({ retry_after: wait })?.retryAfterMs, null, String(wait));
    }
  });
});
