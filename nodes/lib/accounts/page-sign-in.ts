import type { User } from './caller.ts';
import { pendingTokenOf } from './nas-answers.ts';
import { refused, type PageOutcome } from './outcomes.ts';
import type { Checked, LoginTry, SecondFactorTry, SignIn } from './sign-in.ts';
import { isRecord } from './token-form.ts';

/** Hears whom the NAS just let in, and by which token; awaited. */
type LetIn = (user: User, token: string) => Promise<void>;

/** Signs a person in to a page of the Pi that asks for the second factor in a step of its own. */
export class PageSignIn {
  readonly #signIn: SignIn;
  readonly #letIn: LetIn;

  constructor(signIn: SignIn, letIn: LetIn) {
    this.#signIn = signIn;
    this.#letIn = letIn;
  }

  async password(given: LoginTry): Promise<PageOutcome> {
    return await this.#read(await this.#signIn.password(given));
  }

  async secondFactor(given: SecondFactorTry): Promise<PageOutcome> {
    return await this.#read(await this.#signIn.secondFactor(given));
  }

  async #read(checked: Checked): Promise<PageOutcome> {
    if (checked.kind === 'refused') return checked;
    if (checked.kind === 'by_verifier') {
      const kind = checked.scope === 'all' ? 'person' : 'wake_only';
      return { kind, user: checked.user };
    }
    const { user, body } = checked;
    if (user !== null) {
      const token = isRecord(body) ? body['access_token'] : undefined;
      if (typeof token === 'string') await this.#letIn(user, token);
      return { kind: 'person', user };
    }
    const pendingToken = pendingTokenOf(body);
    if (pendingToken !== null) return { kind: 'second_factor', pendingToken };
    return refused('bad_credentials');
  }
}
