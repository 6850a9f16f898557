import { mayAsk } from './asking.ts';
import type { NasPresence } from '../nas/nas.ts';
import { pendingTokenOf } from './nas-answers.ts';
import { refused, type PersonOutcome } from './outcomes.ts';
import type { Checked, SignIn } from './sign-in.ts';

export interface PersonTry {
  readonly username: string;
  /** May end with a space and the six digits of the second factor. */
  readonly password: string;
  readonly address: string;
}

const WITH_CODE = /^(.+) (\d{6})$/s;
const CODE_NEEDED = refused('bad_credentials', {
  detail: 'This account has a second factor: add a space and its six digits to the password.',
});

/**
 * Signs a person in to a page of the Pi that has one field for password and code. No token comes
 * of it: the page keeps its own session.
 */
export class PersonSignIn {
  readonly #signIn: SignIn;
  readonly #presence: NasPresence;

  constructor(signIn: SignIn, presence: NasPresence) {
    this.#signIn = signIn;
    this.#presence = presence;
  }

  async signIn(given: PersonTry): Promise<PersonOutcome> {
    const [, password, code] = WITH_CODE.exec(given.password) ?? [];
    // A second factor is only ever checked by the NAS itself.
    if (password === undefined || code === undefined || !mayAsk(this.#presence.state)) {
      return read(await this.#signIn.password(given));
    }
    const checked = await this.#signIn.password({ ...given, password });
    const pendingToken = checked.kind === 'by_nas' ? pendingTokenOf(checked.body) : null;
    if (pendingToken !== null) {
      return read(await this.#signIn.secondFactor({ pendingToken, code, address: given.address }));
    }
    // The digits may belong to the password itself.
    const wrong = checked.kind === 'by_nas' && checked.status >= 300;
    if (wrong) return read(await this.#signIn.password(given));
    return checked.kind === 'refused' ? checked : refused('bad_credentials');
  }
}

function read(checked: Checked): PersonOutcome {
  if (checked.kind === 'refused') return checked;
  if (checked.kind === 'by_verifier') {
    return checked.scope === 'all'
      ? { kind: 'person', user: checked.user }
      : refused('nas_asleep', {
          detail: 'The NAS has not answered for this account for too long. Wake it first.',
        });
  }
  if (checked.user !== null) return { kind: 'person', user: checked.user };
  return pendingTokenOf(checked.body) === null ? refused('bad_credentials') : CODE_NEEDED;
}
