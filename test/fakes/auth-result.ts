import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Accounts, KnownRequest } from '../../nodes/lib/accounts/accounts.ts';
import type { AuthResult } from '../../nodes/lib/accounts/caller.ts';

/**
 * How the authenticator answers a bearer token; an empty one stands for a request without a token.
 */
export function authResultOf(accounts: Accounts, token: string): Promise<AuthResult> {
  const { promise, resolve, reject } = Promise.withResolvers<AuthResult>();
  const headers = token === '' ? {} : { authorization: `Bearer ${token}` };
  const request = { headers } as IncomingMessage as KnownRequest;
  const middleware = accounts.authenticator.before((_request, _response, why) => {
    resolve(why);
  });
  middleware(request, {} as ServerResponse, (error) => {
    if (error !== undefined) reject(error);
    else if (request.caller === undefined) reject(new Error('It went on without a caller.'));
    else resolve({ kind: 'caller', caller: request.caller });
  });
  return promise;
}
