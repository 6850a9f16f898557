const ESCAPES = /(?:%[0-9A-Fa-f]{2})+/g;

/**
 * Undoes percent escapes where they make sense and leaves the rest as it was sent, because BaluApp
 * does not escape `%` itself and `100%.txt` must arrive as such (contract 3). `+` stays. Never
 * throws.
 */
export function decodeLenient(text: string): string {
  if (!text.includes('%')) return text;
  return text.replace(ESCAPES, (escapes) => {
    try {
      return decodeURIComponent(escapes);
    } catch (fault) {
      // URIError: bytes that are no UTF-8. They stay as they were written.
      if (fault instanceof URIError) return escapes;
      throw fault;
    }
  });
}
