import express, { type Express } from 'express';
import type { Log } from '../nodes/lib/log/log.ts';
import type { ApiGuard } from './api-guard.ts';
import { setCommonHeaders } from './common-headers.ts';
import type { Cors } from './cors.ts';
import type { DashboardDoor } from './dashboard-door.ts';
import type { Docs } from './docs.ts';
import type { FrontPage } from './front-page.ts';
import { lastResort, nobodyAnswered } from './last-resort.ts';
import type { Passing } from './passing.ts';

/**
 * The app of the API listeners: docs, the Dashboard's door, guard, Node-RED's `http in` routes, once
 * more for what goes to the NAS, and behind them what nobody answered.
 */
export function apiApp(parts: {
  readonly cors: Cors;
  readonly docs: Docs;
  readonly front: FrontPage;
  readonly dashboard: DashboardDoor;
  readonly guard: ApiGuard;
  readonly passing: Passing;
  readonly flows: Express;
  readonly log: Log;
}): Express {
  const app = express();
  app.disable('x-powered-by');
  app.set('etag', false);
  app.use((request, response, next) => {
    setCommonHeaders(response);
    parts.cors.apply(request, response);
    next();
  });
  app.use(parts.front.handle);
  app.use(parts.docs.handle);
  app.use(parts.dashboard.handle);
  app.use(parts.guard.handle);
  app.use(parts.flows);
  app.use(parts.passing.again);
  app.use(parts.flows);
  app.use(nobodyAnswered);
  app.use(lastResort(parts.log));
  return app;
}
