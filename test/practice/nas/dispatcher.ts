import type { Route, Router } from './router.ts';
import type { Sender } from './sending.ts';
import type { SignIn } from './sign-in.ts';
import { isAutomatic, type Sleep } from './sleep.ts';
import type { NasUser } from './users.ts';
import { Refusal, refused, type Answer, type Exchange } from './wire.ts';

const TOO_MANY = {
  error: 'Too Many Requests',
  detail: 'Rate limit exceeded. Please try again later.',
  retry_after: 60,
};

/** Every 429 shows the framework's slip of printing an object (measured). */
const TOO_MANY_HEADERS = {
  'retry-after': '60',
  'x-ratelimit-limit': '<slowapi.wrappers.Limit object>',
  'x-ratelimit-reset': 'N/A',
};

/** From a request to its answer: waking, routing, authentication, limits, handler. */
export class Dispatcher {
  readonly #router: Router;
  readonly #signIn: SignIn;
  readonly #sleep: Sleep;
  readonly #sender: Sender;
  readonly #surprises: unknown[];

  /**
   * @param surprises collects handlers' exceptions other than refusals, which callers see as a 500
   */
  constructor(router: Router, signIn: SignIn, sleep: Sleep, sender: Sender, surprises: unknown[]) {
    this.#router = router;
    this.#signIn = signIn;
    this.#sleep = sleep;
    this.#sender = sender;
    this.#surprises = surprises;
  }

  knows(method: string, path: string): boolean {
    return this.#router.find(method, path).kind === 'found';
  }

  /** `wakes` false: the request does not wake it from soft sleep. */
  async handle(exchange: Exchange, wakes: boolean): Promise<void> {
    try {
      if (wakes) {
        const trigger = exchange.header('x-sync-trigger');
        await this.#sleep.heard(exchange.method, exchange.path, trigger);
      }
      const answer = await this.#route(exchange);
      const { statusAfter } = exchange.effect;
      if (statusAfter !== undefined) throw refused(statusAfter, 'Fault');
      await this.#sender.answer(exchange, answer);
    } catch (error) {
      await this.#fail(exchange, error);
    }
  }

  async #fail(exchange: Exchange, error: unknown): Promise<void> {
    if (exchange.response.headersSent) {
      exchange.request.socket.resetAndDestroy();
      return;
    }
    const refusal = error instanceof Refusal ? error : refused(500, '');
    if (!(error instanceof Refusal)) this.#surprises.push(error);
    await this.#sender.answer(exchange, { kind: 'json', ...pick(refusal) });
    if (refusal.status === 500 && exchange.record.via === 'direct') hangUp(exchange);
  }

  #route(exchange: Exchange): Promise<Answer> | Answer {
    const match = this.#router.find(exchange.method, exchange.path);
    switch (match.kind) {
      case 'found':
        exchange.params = match.params;
        return this.#run(match.route, exchange);
      case 'wrong_method':
        throw refused(405, 'Method Not Allowed', { allow: match.allow });
      case 'unknown':
        throw refused(404, 'Not Found');
      case 'redirect': {
        const query = /\?.*$/s.exec(exchange.request.url ?? '')?.[0] ?? '';
        const host = exchange.header('host') ?? '';
        const location = `http://${host}${encodeURI(match.path)}${query}`;
        return { kind: 'empty', status: 307, headers: { location, 'content-length': '0' } };
      }
    }
  }

  #run(route: Route, exchange: Exchange): Promise<Answer> | Answer {
    if (route.who === 'anyone') {
      this.#limit(route, exchange);
      return route.handle(exchange);
    }
    const user = this.#signIn.identify(exchange);
    exchange.record.user = user.username;
    this.#admit(route, exchange, user);
    this.#limit(route, exchange);
    return route.handle(exchange, user);
  }

  #admit(route: Route, exchange: Exchange, user: NasUser): void {
    if (route.who === 'admin' && user.role !== 'admin') {
      throw refused(403, 'Insufficient permissions: Admin required');
    }
    const automatic = isAutomatic(exchange.header('x-sync-trigger'));
    if (route.syncGuarded && automatic && this.#sleep.state !== 'awake') throw refused(503, '');
  }

  #limit(route: Route, exchange: Exchange): void {
    if (route.limit === null) return;
    const { scope, by } = route.limit;
    const taken = exchange.worker.limits.take(scope, this.#signIn.limitKey(exchange, by));
    if (taken.kind === 'limited') throw new Refusal(429, TOO_MANY, TOO_MANY_HEADERS);
    if (by === 'user') exchange.limitHeaders = taken.headers;
  }
}

/** Uvicorn closes the connection on which a handler failed, unannounced (measured). */
function hangUp({ response, request }: Exchange): void {
  if (response.writableFinished) request.socket.destroySoon();
  else response.once('finish', () => request.socket.destroySoon());
}

function pick(refusal: Refusal): Pick<Refusal, 'status' | 'body' | 'headers'> {
  return { status: refusal.status, body: refusal.body, headers: refusal.headers };
}
