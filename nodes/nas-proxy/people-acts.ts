import type { User } from '../lib/accounts/accounts.ts';
import type { People } from '../lib/api/api.ts';
import { type ApiMessage, callerOf, callOf, withAnswer } from '../lib/guard/call.ts';
import { answer, isoSeconds, refuse } from '../lib/http/http.ts';
import type { Rooms } from '../lib/rooms/rooms.ts';
import { wireCredential } from './credential-acts.ts';

/** `GET /api/people`: an admin's everybody, anybody else's themselves. */
export function people(rooms: Rooms, message: ApiMessage): ApiMessage {
  const { accounts, credentials } = rooms;
  const caller = callerOf(message);
  const isAdmin = accounts.isAdmin(caller);
  const users = isAdmin ? accounts.everybody() : [caller.user];
  const signIns = accounts.signIns.list(isAdmin ? null : caller.user.id);
  const stored = credentials.list();
  const payload: People = {
    users: users.map((user) => ({
      ...whoIs(rooms, user),
      credentials: stored.filter(({ username }) => username === user.username).map(wireCredential),
      sign_ins: signIns
        .filter(({ userId }) => userId === user.id)
        .map(({ id, kind, name, sinceMs, endsAtMs }) => ({
          ...{ id, kind, name },
          since: isoSeconds(sinceMs),
          ends_at: endsAtMs === null ? null : isoSeconds(endsAtMs),
        })),
    })),
  };
  return withAnswer(message, answer(payload));
}

/** `DELETE /api/people/sign-ins/{id}`. */
export function endSignIn({ accounts }: Rooms, message: ApiMessage): ApiMessage {
  const caller = callerOf(message);
  const whose = accounts.isAdmin(caller) ? null : caller.user.id;
  const isDone = accounts.signIns.end(callOf(message).params['id'] ?? '', whose);
  return withAnswer(message, isDone ? answer({ message: 'Ended' }) : refuse('not_found'));
}

function whoIs({ accounts }: Rooms, user: User) {
  const { username, role } = user;
  const mayWake = accounts.mayWake({ user, kind: 'pi', nasToken: null, scope: 'all' });
  return {
    ...{ username, role },
    may_wake: mayWake,
    answered_at: isoSeconds(accounts.answeredAtMs(user.id)),
  };
}
