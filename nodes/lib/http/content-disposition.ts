/** Characters RFC 8187 lets stand unescaped, less those `encodeURIComponent` leaves alone. */
const STILL_TO_ESCAPE = /['()*!]/g;

/** Everything that could end the quoted string, be decoded again, or is not plain ASCII. */
const NOT_PLAIN = /[^\x20-\x7e]|["\\%/]/gu;

/**
 * `Content-Disposition` for saving a file under a name of any bytes (RFC 6266): an ASCII form for
 * old readers and, where it differs, the exact one in UTF-8. No name can break out of the header.
 */
export function attachment(filename: string): string {
  return named('attachment', filename);
}

/** The same for a file that is shown, and keeps its name where it is saved. */
export function inline(filename: string): string {
  return named('inline', filename);
}

function named(how: 'attachment' | 'inline', filename: string): string {
  const name = filename.toWellFormed();
  const plain = name.replace(NOT_PLAIN, '_');
  const quoted = `${how}; filename="${plain}"`;
  return plain === name ? quoted : `${quoted}; filename*=UTF-8''${extendedValue(name)}`;
}

function extendedValue(name: string): string {
  return encodeURIComponent(name).replace(
    STILL_TO_ESCAPE,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
