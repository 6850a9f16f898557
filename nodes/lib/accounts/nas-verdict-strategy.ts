import { Strategy } from 'passport-strategy';
import type { AuthVerdict } from './outcomes.ts';
import { bearerOf } from './token-form.ts';
import type { PlainRequest } from './plain-request.ts';

export const NAS_VERDICT = 'nas-verdict';

/** What a failed strategy hands to passport, so that the reason is not lost on the way. */
export interface VerdictChallenge {
  readonly verdict: AuthVerdict;
}

/**
 * Lets in whom the NAS lets in. Passport works on objects made with Object.create(strategy), which
 * have none of the strategy's #private fields, hence the plain property.
 */
export class NasVerdictStrategy extends Strategy {
  readonly name = NAS_VERDICT;
  readonly judge: (token: string) => Promise<AuthVerdict>;

  constructor(judge: (token: string) => Promise<AuthVerdict>) {
    super();
    this.judge = judge;
  }

  override authenticate(request: PlainRequest): void {
    const token = bearerOf(request.headers.authorization);
    if (token === null) {
      const verdict: AuthVerdict = { kind: 'refused', code: 'no_token' };
      this.fail({ verdict } satisfies VerdictChallenge, 401);
      return;
    }
    this.judge(token).then(
      (verdict) => {
        if (verdict.kind === 'caller') this.success(verdict.caller);
        else this.fail({ verdict } satisfies VerdictChallenge, 401);
      },
      (error: unknown) => {
        this.error(error instanceof Error ? error : new Error('No verdict', { cause: error }));
      },
    );
  }
}
