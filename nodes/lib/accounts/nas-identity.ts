import type { NasClient, NasJson } from '../nas/nas.ts';
import { readNasUser, saysInactive } from './nas-answers.ts';
import { isRecord } from './token-form.ts';

/** Whose a token is, by the NAS's own word. */
export type Whose =
  | { readonly kind: 'user'; readonly id: number; readonly username: string }
  /** It does not know this token any more. */
  | { readonly kind: 'refused'; readonly detail: string }
  /** Its user is switched off on the NAS, maybe not for good. */
  | { readonly kind: 'inactive' }
  /** It cannot say now. */
  | { readonly kind: 'silent' };

/** Asks the NAS whose a token is; never wakes it. */
export async function whoseToken(nas: Pick<NasClient, 'me'>, token: string): Promise<Whose> {
  const answer = await nas.me(token, { auto: true });
  if (answer.kind !== 'answer') return { kind: 'silent' };
  const fault = refusalIn(answer);
  if (fault !== null) return fault;
  const user = answer.status === 200 ? readNasUser(answer.body) : null;
  if (user === null) return { kind: 'silent' };
  if (!user.isActive) return { kind: 'inactive' };
  return { kind: 'user', id: user.id, username: user.username };
}

/** What a 401 means for the credential it answers; null for any other answer. */
export function refusalIn(
  answer: NasJson,
): Extract<Whose, { kind: 'refused' | 'inactive' }> | null {
  if (answer.kind !== 'answer' || answer.status !== 401) return null;
  if (saysInactive(answer.body)) return { kind: 'inactive' };
  const said = isRecord(answer.body) ? answer.body['detail'] : null;
  return { kind: 'refused', detail: typeof said === 'string' ? said.slice(0, 200) : 'Refused.' };
}
