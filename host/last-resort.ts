import type { ErrorRequestHandler, RequestHandler } from 'express';
import { answerNow, refuse } from '../nodes/lib/http/http.ts';
import type { Log } from '../nodes/lib/log/log.ts';

/** Behind all routes of an app. Express would say it in HTML. */
export const nobodyAnswered: RequestHandler = (request, response) => {
  answerNow(request, response, refuse('not_found'));
};

/** Express hands over what a route threw, and would print its stack to the caller. */
export function lastResort(log: Log): ErrorRequestHandler {
  return (problem: unknown, request, response, next) => {
    if (response.headersSent) {
      next(problem);
      return;
    }
    const { status } = problem as { status?: unknown };
    const theirs = typeof status === 'number' && status >= 400 && status < 500;
    if (!theirs) log.error(`A route failed: ${String((problem as Error).stack ?? problem)}`);
    answerNow(request, response, refuse(theirs ? codeOf(status) : 'failed'));
  };
}

function codeOf(status: number): 'too_large' | 'wrong_body_type' | 'malformed' {
  if (status === 413) return 'too_large';
  return status === 415 ? 'wrong_body_type' : 'malformed';
}
