import express, { type ErrorRequestHandler, type Express } from 'express';
import { refuse, answerNow } from '../nodes/lib/http/http.ts';
import type { Log } from '../nodes/lib/log/log.ts';
import type { ApiGuard } from './api-guard.ts';
import type { Docs } from './docs.ts';

/**
 * The app of the API listeners: docs, guard, Node-RED's `http in` routes, and behind them what
 * nobody answered. What is to catch all other routes one day is mounted here, behind Node-RED: as
 * an `http in` wildcard it would come before routes that a later deploy adds.
 */
export function apiApp(parts: {
  readonly docs: Docs;
  readonly guard: ApiGuard;
  readonly flows: Express;
  readonly log: Log;
}): Express {
  const app = express();
  app.disable('x-powered-by');
  app.set('etag', false);
  app.use(parts.docs.handle);
  app.use(parts.guard.handle);
  app.use(parts.flows);
  app.use((request, response) => {
    answerNow(request, response, refuse('not_found'));
  });
  app.use(lastResort(parts.log));
  return app;
}

/** Express hands over what a route threw, and would print its stack to the caller. */
function lastResort(log: Log): ErrorRequestHandler {
  return (problem: unknown, request, response, next) => {
    if (response.headersSent) {
      next(problem);
      return;
    }
    const { status } = problem as { status?: unknown };
    const theirs = typeof status === 'number' && status >= 400 && status < 500;
    if (!theirs) log.error(`A route failed: ${String((problem as Error).stack ?? problem)}`);
    answerNow(request, response, refuse(theirs ? 'malformed' : 'failed'));
  };
}
