/** What an app sees of an answer, and how it handles the unexpected. */
export interface Answered {
  readonly status: number;
  readonly reason: string;
  readonly text: string;
}

export type Fields = Readonly<Record<string, unknown>>;

export function isSuccess({ status }: Answered): boolean {
  return status >= 200 && status < 300;
}

/** @throws Error unless it is a success */
export function ok(answered: Answered): Answered {
  if (isSuccess(answered)) return answered;
  throw new Error(`HTTP ${String(answered.status)}: ${answered.text.slice(0, 500)}`);
}

export function parsed(answered: Answered): Fields {
  return JSON.parse(ok(answered).text) as Fields;
}

/** For answers that have to be a bare list. */
export function listIn(answered: Answered): readonly Fields[] {
  const told = JSON.parse(ok(answered).text) as unknown;
  if (!Array.isArray(told)) throw new Error('A list was expected, and came something else.');
  return told as readonly Fields[];
}

/** A value of an unexpected type fails an app's whole answer. */
export function textOf(value: unknown): string {
  if (typeof value !== 'string') throw new Error(`A text was expected, and came ${String(value)}.`);
  return value;
}

export function numberOf(value: unknown): number {
  if (typeof value !== 'number') throw new Error(`A number was expected, came ${String(value)}.`);
  return value;
}

export function booleanOf(value: unknown): boolean {
  if (typeof value !== 'boolean') throw new Error(`Yes or no was expected, came ${String(value)}.`);
  return value;
}

/** Escapes each segment, and not the slashes between them. */
export function escapedPath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}
