import type { SignInOutcome } from '../lib/accounts/accounts.ts';
import type { LoginBody, RefreshBody, VerifyTwoFactorBody } from '../lib/api/api.ts';
import { type ApiMessage, callerOf, callOf, withAnswer } from '../lib/guard/call.ts';
import { nasRefusal } from '../lib/guard/fault-answers.ts';
import { answer, refuse, type RefusalCode } from '../lib/http/http.ts';
import type { Rooms } from '../lib/rooms/rooms.ts';

/** `POST /api/auth/login`. */
export async function login({ accounts, nas }: Rooms, message: ApiMessage): Promise<ApiMessage> {
  const { body, address } = callOf(message);
  const { username, password } = body as LoginBody;
  return told(message, await accounts.login({ username, password, address }), nas, WRONG);
}

/** `POST /api/auth/verify-2fa`. */
export async function verifyTwoFactor(
  { accounts, nas }: Rooms,
  message: ApiMessage,
): Promise<ApiMessage> {
  const { body, address } = callOf(message);
  const { pending_token: pendingToken, code } = body as VerifyTwoFactorBody;
  return told(message, await accounts.verifyTwoFactor({ pendingToken, code, address }), nas, WRONG);
}

/** `POST /api/auth/refresh`. */
export async function refresh({ accounts, nas }: Rooms, message: ApiMessage): Promise<ApiMessage> {
  const { body, address } = callOf(message);
  const { refresh_token: refreshToken } = body as RefreshBody;
  return told(message, await accounts.refresh(refreshToken, address), nas);
}

/** `GET /api/auth/me`. */
export async function me({ accounts, nas }: Rooms, message: ApiMessage): Promise<ApiMessage> {
  return told(message, await accounts.me(callerOf(message)), nas);
}

/** `POST /api/auth/logout`. */
export async function logout({ accounts, nas }: Rooms, message: ApiMessage): Promise<ApiMessage> {
  return told(message, await accounts.logout(callerOf(message)), nas);
}

/** What the NAS's 401 means where somebody signs in. */
const WRONG = 'bad_credentials';

/** Puts what came of a sign-in into the message. */
export function told(
  message: ApiMessage,
  outcome: SignInOutcome,
  nas: Rooms['nas'],
  denied: RefusalCode = 'bad_token',
): ApiMessage {
  switch (outcome.kind) {
    case 'passed': {
      const { status, body } = outcome;
      const given = status < 400 ? answer(body, status) : nasRefusal(status, body, denied);
      return withAnswer(message, given);
    }
    case 'issued':
      return withAnswer(message, answer(outcome.body));
    case 'refused': {
      const { code, retryAfterSeconds, detail } = outcome;
      const details = {
        ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
        ...(detail === undefined ? {} : { detail }),
      };
      const { sleepState, nextWakeAt, awake } = nas.presence.state;
      const sleeping = !awake && ['nas_asleep', 'nas_never_seen', 'gateway_timeout'].includes(code);
      const sleep = sleeping ? { sleep: { sleepState, nextWakeAt } } : {};
      return withAnswer(message, refuse(code, { ...details, ...sleep }));
    }
  }
}
