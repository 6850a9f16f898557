/** A JSON object's members, or null when the value is not an object. */
export function asRecord(value: unknown): Readonly<Record<string, unknown>> | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  return value as Readonly<Record<string, unknown>>;
}

/** A text of at most `maxLength` UTF-16 units that has a UTF-8 form, else null. */
export function asText(value: unknown, maxLength: number): string | null {
  if (typeof value !== 'string' || value.length > maxLength) return null;
  return value.isWellFormed() ? value : null;
}
