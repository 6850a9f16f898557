import type { IncomingMessage, ServerResponse } from 'node:http';
import { ENDPOINTS, PASSED } from '../nodes/lib/api/api.ts';
import type { Call, GuardedRequest } from '../nodes/lib/guard/call.ts';
import { answerNow, refuse } from '../nodes/lib/http/http.ts';
import type { Log } from '../nodes/lib/log/log.ts';
import { takeOwnBody } from './read-body.ts';

/** A request inside the route of an `http in` node, as Express hands it over. */
interface RoutedRequest extends GuardedRequest {
  readonly route: { readonly path: string };
  body?: unknown;
}

type Next = (step?: 'route') => void;

/** The address of the `http in` nodes in `flows/api-nas-routes.json`, and of nobody else's. */
const NAS_ROUTE = '/api/:nas*';

/** By method and address, parameters without their names. */
const OURS: ReadonlySet<string> = new Set(
  ENDPOINTS.map(({ method, path }) => routeKey(method, path)),
);

/**
 * Sees to it that the route which the guard found for a request is the one that runs: BaluPi's own,
 * else a tinkerer's, else the NAS's. The NAS's `http in` nodes take any address, so on the first way
 * through Node-RED they step aside; what nobody answered goes through it a second time, to them.
 */
export class Passing {
  readonly #log: Log;
  readonly #again = new WeakSet<IncomingMessage>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** Node-RED's `httpNodeMiddleware`: in front of each `http in` node whose address fits. */
  readonly inRoute = (request: RoutedRequest, response: ServerResponse, next: Next): void => {
    const { call, route, method = 'GET' } = request;
    const endpointId = call?.endpointId ?? null;
    if (route.path === NAS_ROUTE) next(this.#again.has(request) ? undefined : 'route');
    else if (this.#again.has(request)) next('route');
    else if (OURS.has(routeKey(method === 'HEAD' ? 'GET' : method, route.path))) {
      next(endpointId === null ? 'route' : undefined);
    } else if (endpointId === null) this.#takeBody(request, response, next);
    else next('route');
  };

  /** Express middleware between the first way through Node-RED and the second. */
  readonly again = (request: GuardedRequest, _response: ServerResponse, next: Next): void => {
    const { call } = request;
    if (call?.passed !== undefined && call.endpointId === null) {
      this.#again.add(request);
      // A getter of the call must go on working, so it is not spread.
      request.call = Object.create(call, { endpointId: { value: PASSED.id } }) as Call;
    }
    next();
  };

  /** Only now is it sure that the body is no file for the NAS. */
  #takeBody(request: RoutedRequest, response: ServerResponse, next: Next): void {
    takeOwnBody(request, response).then(
      (taken) => {
        if (taken.kind === 'refused') answerNow(request, response, taken.answer);
        if (taken.kind !== 'body') return;
        request.body = taken.body;
        if (request.call !== undefined) {
          request.call = Object.create(request.call, { body: { value: taken.body } }) as Call;
        }
        next();
      },
      (problem: unknown) => {
        this.#log.error(`A body could not be read: ${String(problem)}`);
        answerNow(request, response, refuse('failed'));
      },
    );
  }
}

function routeKey(method: string, path: string): string {
  return `${method} ${path.replace(/:\w+|\*|\{\w+\}/g, '{}')}`;
}
