import { AsyncLocalStorage } from 'node:async_hooks';
import express, { type Express } from 'express';
import { refuse, answerNow } from '../nodes/lib/http/http.ts';
import type { HostCheck } from './host-check.ts';
import type { NodeRedSettings } from './node-red-host.ts';

/** A sign-in to the editor ends after 12 h (contract 7). */
const SIGN_IN_SECONDS = 12 * 3_600;

/** The accounts' part that the editor needs. */
export interface EditorSignIn {
  /**
   * True for a NAS admin; the second factor follows the password behind a space.
   * @param address where the try comes from, as each address has tries of its own
   */
  editorSignIn(username: string, password: string, address: string): Promise<boolean>;
  /** Whether a signed-in name may go on. */
  editorUser(username: string): Promise<boolean>;
}

interface EditorUser {
  readonly username: string;
  readonly permissions: '*';
}

/**
 * Who is at the other end of the request being served: Node-RED hands its sign-in a name and a
 * password alone, and one guesser must not use up everybody's tries.
 */
const remoteAddress = new AsyncLocalStorage<string>();

/** Node-RED's own sign-in, asking the accounts instead of a list of passwords. */
export function editorAuth(signIn: EditorSignIn): NodeRedSettings {
  const user = (username: string): EditorUser => ({ username, permissions: '*' });
  return {
    type: 'credentials',
    sessionExpiryTime: SIGN_IN_SECONDS,
    users: async (username: string): Promise<EditorUser | null> =>
      (await signIn.editorUser(username)) ? user(username) : null,
    authenticate: async (username: string, password: string): Promise<EditorUser | null> =>
      (await signIn.editorSignIn(username, password, remoteAddress.getStore() ?? 'editor'))
        ? user(username)
        : null,
  };
}

/** The app of the editor's own listener. */
export function editorApp(editor: Express, check: HostCheck): Express {
  const app = express();
  app.disable('x-powered-by');
  app.use((request, response, next) => {
    response.setHeader('X-Frame-Options', 'SAMEORIGIN');
    response.setHeader('X-Content-Type-Options', 'nosniff');
    response.setHeader('Referrer-Policy', 'no-referrer');
    if (check.allows(request)) remoteAddress.run(request.socket.remoteAddress ?? '', next);
    else answerNow(request, response, refuse('not_allowed'));
  });
  app.use(editor);
  return app;
}
