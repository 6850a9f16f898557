import { MultipartError } from './multipart-parser.ts';
import { readParameters, TOKEN } from './header-parameters.ts';

/** What the headers of one part say. */
export interface PartHead {
  readonly name: string;
  /** Null where the part is no file. What was not UTF-8 in it is U+FFFD. */
  readonly filename: string | null;
}

const MOST_HEADERS = 20;
/** What a part may be encoded as: nothing that would have to be decoded (RFC 7578, 4.7). */
const PLAIN_ENCODINGS = ['7bit', '8bit', 'binary'];
// eslint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u0008\u000a-\u001f\u007f]/g;

const UNREADABLE = 'a header of a part cannot be read';

function controlsIn(text: string): number {
  return text.match(CONTROL)?.length ?? 0;
}

/**
 * Reads the headers of a part of a form (RFC 7578, 4.2).
 * @throws MultipartError with the reason
 */
export function readPartHead(head: Buffer): PartHead {
  const headers = readHeaders(head.toString('utf8'));
  const disposition = headers.get('content-disposition');
  if (disposition === undefined) {
    throw new MultipartError('a part has no Content-Disposition');
  }
  const encoding = headers.get('content-transfer-encoding') ?? 'binary';
  if (!PLAIN_ENCODINGS.includes(encoding.toLowerCase())) {
    throw new MultipartError(`a part has the Content-Transfer-Encoding ${encoding}`);
  }
  const read = readParameters(disposition);
  if (read?.value.toLowerCase() !== 'form-data') {
    throw new MultipartError('the Content-Disposition of a part is no form-data');
  }
  const { parameters } = read;
  refuseControls(disposition, parameters.get('filename') ?? '');
  const name = parameters.get('name');
  // Left out in silence, a path would be lost and the files put elsewhere (RFC 7578, 4.2).
  if (name === undefined) throw new MultipartError('a part has no name');
  return {
    name,
    filename: parameters.get('filename*') ?? parameters.get('filename') ?? null,
  };
}

/** Where they are in the file's own name alone, the refusal can name the file (contract 1). */
function refuseControls(disposition: string, filename: string): void {
  const found = controlsIn(disposition);
  if (found === 0) return;
  const inName = controlsIn(filename.slice(filename.lastIndexOf('/') + 1));
  throw new MultipartError(UNREADABLE, found === inName ? filename : null);
}

/** Names in lower case. A header of interest that comes twice says two things. */
function readHeaders(text: string): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  // A line that begins with a space goes on with the one before (RFC 5322, 2.2.3).
  const lines = text.replace(/\r\n(?=[ \t])/g, '').split('\r\n');
  if (lines.length > MOST_HEADERS) throw new MultipartError('a part has too many headers');
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(0, colon)).toLowerCase();
    const value = line.slice(colon + 1).trim();
    // Those of a file's name are looked at with the name; those that were trimmed off are not.
    const mayHave = name === 'content-disposition' ? controlsIn(value) : 0;
    const isUnfit = controlsIn(line) > mayHave;
    if (!TOKEN.test(name) || isUnfit) throw new MultipartError(UNREADABLE);
    if (headers.has(name) && name.startsWith('content-')) {
      throw new MultipartError(`a part has ${name} twice`);
    }
    headers.set(name, value);
  }
  return headers;
}
