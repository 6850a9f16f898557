import type { PairedDesktopList } from '../lib/api/api.ts';
import type { SignInOutcome } from '../lib/accounts/accounts.ts';
import { type ApiMessage, callerOf, callOf, withAnswer } from '../lib/guard/call.ts';
import { answer, isoSeconds, refuse } from '../lib/http/http.ts';
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

/** `GET /api/auth/desktops`. */
export function desktops({ accounts }: Rooms, message: ApiMessage): ApiMessage {
  const rows = accounts.pairedDesktops(callerOf(message));
  const payload: PairedDesktopList = {
    desktops: rows.map(({ deviceId, deviceName, userId, pairedAtMs, endsAtMs }) => ({
      device_id: deviceId,
      device_name: deviceName,
      username: accounts.userOf(userId)?.username ?? null,
      paired_at: isoSeconds(pairedAtMs),
      valid_until: isoSeconds(endsAtMs),
    })),
  };
  return withAnswer(message, answer(payload));
}

/** `DELETE /api/auth/desktops/{device_id}`. */
export function endDesktop({ accounts }: Rooms, message: ApiMessage): ApiMessage {
  const { device_id: deviceId = '' } = callOf(message).params;
  const found = accounts.endPairedDesktop(callerOf(message), deviceId);
  return withAnswer(message, found ? answer({ message: 'Ended' }) : refuse('not_found'));
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
