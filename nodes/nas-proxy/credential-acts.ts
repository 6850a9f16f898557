import type { CredentialView } from '../lib/accounts/accounts.ts';
import type {
  Credential,
  CredentialBody,
  CredentialDropQuery,
  CredentialList,
} from '../lib/api/api.ts';
import { type ApiMessage, callOf, withAnswer } from '../lib/guard/call.ts';
import { answer, isoSeconds, refuse } from '../lib/http/http.ts';
import type { Rooms } from '../lib/rooms/rooms.ts';

/** `GET /api/nas/credentials`. */
export function credentials({ credentials: stored }: Rooms, message: ApiMessage): ApiMessage {
  const payload: CredentialList = { credentials: stored.list().map(wireCredential) };
  return withAnswer(message, answer(payload));
}

/** `PUT /api/nas/credentials/{username}`. */
export async function putCredential(
  { credentials: stored }: Rooms,
  message: ApiMessage,
): Promise<ApiMessage> {
  const { body, params } = callOf(message);
  const { api_key: apiKey } = body as CredentialBody;
  const done = await stored.storeKey(params['username'] ?? '', apiKey);
  if (done.kind === 'stored') return withAnswer(message, answer(wireCredential(done.credential)));
  const { detail } = done;
  const errors = [{ loc: ['body', 'api_key'], msg: detail }];
  return withAnswer(message, refuse('invalid', { detail, errors }));
}

/** `DELETE /api/nas/credentials/{username}`. */
export async function dropCredentials(
  { credentials: stored }: Rooms,
  message: ApiMessage,
): Promise<ApiMessage> {
  const { query, params } = callOf(message);
  const { kind } = query as CredentialDropQuery;
  const found = await stored.remove(params['username'] ?? '', kind ?? null);
  return withAnswer(message, found ? answer({ message: 'Forgotten' }) : refuse('not_found'));
}

/** Never its secret. */
export function wireCredential(view: CredentialView): Credential {
  return {
    username: view.username,
    kind: view.kind,
    state: view.state,
    last_used: view.lastUsedMs === null ? null : isoSeconds(view.lastUsedMs),
    expires_at: view.expiresAtMs === null ? null : isoSeconds(view.expiresAtMs),
    created_at: isoSeconds(view.createdAtMs),
    detail: view.detail,
  };
}
