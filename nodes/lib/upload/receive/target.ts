import { nameOf, parentOf, parseNasPath } from '../../files/files.ts';
import type { ShownEntry } from '../upload-deps.ts';

/** Where an upload goes. `secondPath` is the other reading, where no listing tells which is meant. */
export interface Target {
  readonly path: string;
  readonly secondPath: string | null;
  /** The name the file came with, where `path` ends in another; null where it is its name. */
  readonly sentName: string | null;
}

export type ReadTarget =
  | { readonly kind: 'target'; readonly target: Target }
  | { readonly kind: 'bad_path'; readonly reason: string };

/** What the sender said about one file. */
export interface SentTarget {
  /** As sent: a folder, or the full path of the file. */
  readonly path: string;
  /** Already checked with {@link readFilename}. */
  readonly filename: string;
  /** Several files came in one request; then `path` is always a folder. */
  readonly several: boolean;
}

/**
 * Decides what `path` means (contract 4): a folder for several files and where a listing shows one;
 * else a full path when its last name is the file's or has a dot. Where only the dot decides and no
 * listing tells, both readings are kept: the first is the full path.
 * @param shows what the caller's stored listings say of a path
 */
export function readTarget(sent: SentTarget, shows: (path: string) => ShownEntry): ReadTarget {
  const parsed = parsePath(sent.path);
  if (parsed.kind === 'bad_path') return parsed;
  const folder = parsed.path;
  const inside = parsePath(folder === '' ? sent.filename : `${folder}/${sent.filename}`);
  if (inside.kind === 'bad_path') return inside;
  const asFolder = target(inside.path);
  if (sent.several || folder === '' || sent.path.endsWith('/')) return asFolder;
  const shown = shows(folder);
  if (shown.kind === 'folder') return asFolder;
  const last = nameOf(folder);
  if (isSameName(last, sent.filename)) return target(folder);
  if (shown.kind === 'file') return target(folder, null, sent.filename);
  if (!last.includes('.')) return asFolder;
  return target(folder, shown.kind === 'unknown' ? inside.path : null, sent.filename);
}

/** Browsers and OkHttp write a quote in a part's file name as `%22`, but not in a path. */
function isSameName(inPath: string, inPart: string): boolean {
  return inPath === inPart || inPath.replaceAll('"', '%22') === inPart;
}

function target(
  path: string,
  secondPath: string | null = null,
  sentName: string | null = null,
): ReadTarget {
  return { kind: 'target', target: { path, secondPath, sentName } };
}

/** The folder part of a path. */
export function folderOf(path: string): string {
  return parentOf(path) ?? '';
}

/**
 * Characters that make a name misleading or a terminal obey: C0, DEL and C1, and the overrides by
 * which `photo\u202Egpj.exe` shows as `photoexe.jpg`. Marks (U+200E, U+200F, U+061C) reverse
 * nothing and are part of many names.
 */
const UNFIT: readonly (readonly [RegExp, string])[] = [
  // eslint-disable-next-line no-control-regex
  [/[\u0000-\u001f\u007f-\u009f]/, 'a control character'],
  [/[\u202a-\u202e\u2066-\u2069]/, 'a character that turns the writing round'],
  // Replaces invalid UTF-8, and two such names would coincide.
  [/\ufffd/, 'bytes that are not UTF-8'],
  // What the NAS would make of one is unknown.
  [/\\/, 'a backslash'],
];

/** Everything of {@link UNFIT} but the backslash, which is shown by its number. */
// eslint-disable-next-line no-control-regex
const UNSHOWABLE = /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;

/** Parses a target path: the rule of the files module, and no characters that disguise a name. */
export function parsePath(text: string): ReturnType<typeof parseNasPath> {
  const fault = UNFIT.find(([unfit]) => unfit.test(text));
  if (fault === undefined) return parseNasPath(text);
  const name = text.split('/').find((part) => fault[0].test(part)) ?? text;
  return { kind: 'bad_path', reason: `The name "${shown(name)}" has ${fault[1]} in it.` };
}

function shown(name: string): string {
  return name.replace(UNSHOWABLE, (character) => {
    const code = character.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0');
    return `<U+${code}>`;
  });
}

export type ReadFilename =
  | { readonly kind: 'filename'; readonly filename: string }
  | { readonly kind: 'bad_path'; readonly reason: string };

/**
 * The name of a part: only its last component counts, as on the NAS (measured: `photos/a.jpg`
 * becomes `a.jpg`). One with `..` is refused like any such path (contract 1).
 */
export function readFilename(raw: string | undefined): ReadFilename {
  const parts = (raw ?? '').split('/');
  if (parts.includes('..')) return { kind: 'bad_path', reason: 'A path has no . or .. in it.' };
  const last = parts.at(-1) ?? '';
  if (last === '') return { kind: 'bad_path', reason: 'Each file needs a name.' };
  const parsed = parsePath(last);
  return parsed.kind === 'path' ? { kind: 'filename', filename: parsed.path } : parsed;
}
