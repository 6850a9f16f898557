import type { PassBefore, PassHook, PassRequest, PassResult } from './pass-hook.ts';

/** Sees a password being changed, by its user or by an admin: what was paired before is to end. */
export class PasswordHook implements PassHook {
  readonly #changed: (userId: number) => void;

  constructor(changed: (userId: number) => void) {
    this.#changed = changed;
  }

  concerns({ method, segments }: Pick<PassRequest, 'method' | 'segments'>): boolean {
    return isOwn(method, segments) || userIn(method, segments) !== null;
  }

  before({ method, segments, caller }: PassRequest): PassBefore {
    const userId = isOwn(method, segments) ? caller.user.id : userIn(method, segments);
    const after = (result: PassResult): undefined => {
      if (userId !== null && mayHaveHappened(result)) this.#changed(userId);
    };
    return { kind: 'go', after };
  }
}

function isOwn(method: string, segments: readonly string[]): boolean {
  return method === 'POST' && segments.join('/') === 'auth/change-password';
}

/** Whatever an admin sets of a user may be the password, and to read the body is to know it. */
function userIn(method: string, segments: readonly string[]): number | null {
  const [users, id = '', ...more] = segments;
  if (users !== 'users' || more.length > 0 || (method !== 'PUT' && method !== 'PATCH')) return null;
  return /^[1-9]\d{0,14}$/.test(id) ? Number(id) : null;
}

/** Also where the NAS broke off after having done it. */
function mayHaveHappened(result: PassResult): boolean {
  if (result.kind === 'answered') return result.status < 300 || result.status >= 500;
  return result.kind === 'no_answer';
}
