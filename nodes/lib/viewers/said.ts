/**
 * Words in a message, put together by {@link said}: pages of every language get the same message, and
 * each reads it in its own.
 */
export interface Said {
  readonly $said: readonly SaidPart[];
}

type SaidPart =
  | string
  | Said
  /** A text of ours, with marked words. */
  | { readonly words: string }
  /** A number that is written in the reader's way. */
  | { readonly number: number; readonly digits: number };

/**
 * A text in words of ours with data in it: ``said`${device}, [[anSdCard]]` ``. Only what stands in the
 * template itself is words; what is put in is data, or was made here before.
 */
export function said(texts: TemplateStringsArray, ...data: readonly (string | Said)[]): Said {
  const parts = texts.flatMap((text, at): SaidPart[] => {
    const next = data[at];
    return [...(text === '' ? [] : [{ words: text }]), ...(next === undefined ? [] : [next])];
  });
  return { $said: parts };
}

/** A number that is written in the reader's way, with that many digits behind the mark. */
export function saidNumber(number: number, digits: number): Said {
  return { $said: [{ number, digits }] };
}

export function isSaid(value: unknown): value is Said {
  return (
    typeof value === 'object' && value !== null && Array.isArray((value as Partial<Said>).$said)
  );
}
