import express from 'express';
import type { Express, RequestHandler } from 'express';
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { type Answer, answerNow, refuse } from '../nodes/lib/http/http.ts';
import type { Log } from '../nodes/lib/log/log.ts';
import { type HostCheck, lastResort, nobodyAnswered } from './common-headers.ts';
import type { NodeRedSettings } from './node-red-host.ts';
import type { RequestWatch } from './request-watch.ts';

/** A sign-in to the editor ends after 12 h (contract 7). */
const SIGN_IN_SECONDS = 12 * 3_600;
/** A name and a password. */
const SIGN_IN_BYTES = 16 * 1_024;

/** What the editor needs of the accounts. */
export interface EditorSignIn {
  /**
   * Signs a NAS admin in; the second factor follows the password after a space.
   * @param address of the attempt: attempts are limited by address
   * @returns null, or why not
   */
  editorSignIn(username: string, password: string, address: string): Promise<Answer | null>;
  /** Whether a signed-in user may still use the editor. */
  editorUser(username: string): Promise<boolean>;
}

interface EditorUser {
  readonly username: string;
  readonly permissions: '*';
}

/**
 * Runs before Node-RED's own sign-in, which knows neither where an attempt comes from nor why it
 * failed, and locks a name for ten minutes after five wrong guesses by anybody. So the accounts check
 * first, and only successful attempts reach Node-RED, with a one-time ticket in place of the password.
 */
export class EditorAuth {
  readonly #signIn: EditorSignIn;
  /** Name by ticket. */
  readonly #tickets = new Map<string, string>();

  constructor(signIn: EditorSignIn) {
    this.#signIn = signIn;
  }

  /** Node-RED's setting `adminAuth`. */
  get auth(): NodeRedSettings {
    const user = (username: string): EditorUser => ({ username, permissions: '*' });
    return {
      type: 'credentials',
      sessionExpiryTime: SIGN_IN_SECONDS,
      users: async (username: string): Promise<EditorUser | null> =>
        (await this.#signIn.editorUser(username)) ? user(username) : null,
      authenticate: (username: string, ticket: string): Promise<EditorUser | null> => {
        const known = this.#tickets.get(ticket) === username;
        this.#tickets.delete(ticket);
        return Promise.resolve(known ? user(username) : null);
      },
    };
  }

  /** Express middleware for `POST /auth/token`, behind the body parsers. */
  handle(addressOf: (request: IncomingMessage) => string): RequestHandler {
    return (request, response, next) => {
      const body = request.body as Record<string, unknown> | undefined;
      const { username, password } = body ?? {};
      if (body === undefined || typeof username !== 'string' || typeof password !== 'string') {
        answerNow(request, response, refuse('invalid'));
        return;
      }
      this.#signIn.editorSignIn(username, password, addressOf(request)).then((no) => {
        if (no !== null) {
          answerNow(request, response, no);
          return;
        }
        const ticket = randomUUID();
        this.#tickets.set(ticket, username);
        response.once('close', () => this.#tickets.delete(ticket));
        body['password'] = ticket;
        next();
      }, next);
    };
  }
}

/** The app of the editor's own listener. */
export function editorApp(parts: {
  readonly editor: Express;
  readonly auth: EditorAuth;
  readonly check: HostCheck;
  readonly addressOf: (request: IncomingMessage) => string;
  readonly watch: RequestWatch;
  readonly log: Log;
}): Express {
  const app = express();
  app.disable('x-powered-by');
  app.use((request, response, next) => {
    response.setHeader('X-Frame-Options', 'SAMEORIGIN');
    response.setHeader('X-Content-Type-Options', 'nosniff');
    response.setHeader('Referrer-Policy', 'no-referrer');
    if (parts.check.allows(request)) next();
    else answerNow(request, response, refuse('not_allowed'));
  });
  app.post(
    '/auth/token',
    (request, response, next) => {
      parts.watch.watch(request, response).belongsTo(null);
      next();
    },
    express.json({ limit: SIGN_IN_BYTES }),
    express.urlencoded({ limit: SIGN_IN_BYTES, extended: false }),
    parts.auth.handle(parts.addressOf),
  );
  app.use(parts.editor);
  app.use(nobodyAnswered);
  app.use(lastResort(parts.log));
  return app;
}
