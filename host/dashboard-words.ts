import type { RefusalCode } from '../nodes/lib/http/http.ts';
import { filled, type Language, WORDS } from '../nodes/lib/words/words.ts';

/** A refusal as a person in front of the sign-in page reads it. */
export function refusalWords(
  language: Language,
  code: RefusalCode,
  retryAfterSeconds: number | undefined,
): string {
  const { refused, signIn } = WORDS.of(language);
  const sentence = Object.hasOwn(refused, code)
    ? refused[code as keyof typeof refused]
    : refused.otherwise;
  if (retryAfterSeconds === undefined) return sentence;
  return `${sentence} ${filled(signIn.retryIn, { seconds: retryAfterSeconds })}`;
}
