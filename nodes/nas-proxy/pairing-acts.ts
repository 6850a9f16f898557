import type { SignInOutcome } from '../lib/accounts/accounts.ts';
import { type ApiMessage, callOf, withAnswer } from '../lib/guard/call.ts';
import { refuse } from '../lib/http/http.ts';
import type { Rooms } from '../lib/rooms/rooms.ts';
import { told } from './sign-in-acts.ts';

/** `POST /api/mobile/register`. */
export function register(rooms: Rooms, message: ApiMessage): Promise<ApiMessage> {
  return asked(rooms, message, (body, address) => rooms.accounts.pairing.register(body, address));
}

/** `POST /api/desktop-pairing/device-code`. */
export function deviceCode(rooms: Rooms, message: ApiMessage): Promise<ApiMessage> {
  return asked(rooms, message, (body, address) => rooms.accounts.pairing.deviceCode(body, address));
}

/** `POST /api/desktop-pairing/poll`. */
export function poll(rooms: Rooms, message: ApiMessage): Promise<ApiMessage> {
  return asked(rooms, message, (body, address) => rooms.accounts.pairing.poll(body, address));
}

/** The NAS says what it wants in there; that it is JSON is all that is looked at here. */
async function asked(
  { nas }: Rooms,
  message: ApiMessage,
  ask: (body: unknown, address: string) => Promise<SignInOutcome>,
): Promise<ApiMessage> {
  const { body: bytes, address } = callOf(message);
  if (!(bytes instanceof Uint8Array)) throw new Error('The guard handed no bytes on.');
  let body: unknown;
  try {
    body = JSON.parse(Buffer.from(bytes).toString('utf8')) as unknown;
  } catch {
    return withAnswer(message, refuse('malformed', { detail: 'The body is no JSON.' }));
  }
  return told(message, await ask(body, address), nas, 'bad_credentials');
}
