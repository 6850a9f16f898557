/**
 * Reads a MAC address written with colons, dashes or nothing between its bytes.
 * @returns `aa:bb:cc:dd:ee:ff`, or null when it is not one
 */
export function normaliseMac(text: string): string | null {
  const trimmed = text.trim();
  if (!/^([0-9a-f]{2}([:-]?))(?:[0-9a-f]{2}\2){4}[0-9a-f]{2}$/i.test(trimmed)) return null;
  const digits = trimmed.replace(/[:-]/g, '').toLowerCase();
  return digits.replace(/(..)(?=.)/g, '$1:');
}
