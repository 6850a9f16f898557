import { FlowFileError } from './flow-file-error.ts';
import type { FlowFolder } from './flow-folder.ts';

/** What one deploy changes on disk. */
export interface FlowChanges {
  readonly written: ReadonlyMap<string, string>;
  readonly removed: readonly string[];
}

/** Names start with a dot so that neither Node-RED, git's habit nor we take them for flows. */
const JOURNAL = '.deploy.json';
const NEXT = '.next';

function nextOf(name: string): string {
  return `.${name}${NEXT}`;
}

/**
 * Puts a deploy on disk, wholly or not at all. A node that moves from one tab to another is in two
 * files, and with only one of them replaced its id would be there twice and stop the next start. So
 * every new text is first written beside its file and fsynced; then a journal names them all, which
 * is the moment the deploy counts; then they are renamed, removed tabs go last, and the journal
 * goes. {@link recover} finishes what a power cut left after the journal and forgets what it left
 * before.
 */
export async function applyChanges(folder: FlowFolder, changes: FlowChanges): Promise<void> {
  const { written, removed } = changes;
  if (written.size === 0 && removed.length === 0) return;
  for (const [name, text] of written) await folder.write(nextOf(name), text);
  await folder.write(nextOf(JOURNAL), JSON.stringify({ written: [...written.keys()], removed }));
  await folder.sync();
  await folder.rename(nextOf(JOURNAL), JOURNAL);
  await folder.sync();
  await finish(folder, { written: [...written.keys()], removed });
}

/**
 * Brings the folder to the last deploy that counted.
 * @throws FlowFileError when the journal is not ours
 */
export async function recover(folder: FlowFolder): Promise<void> {
  const names = await folder.list();
  if (names.includes(JOURNAL)) {
    await finish(folder, readJournal(await folder.read(JOURNAL)));
    return;
  }
  for (const name of names) {
    if (name.startsWith('.') && name.endsWith(NEXT)) await folder.remove(name);
  }
}

interface Journal {
  readonly written: readonly string[];
  readonly removed: readonly string[];
}

async function finish(folder: FlowFolder, { written, removed }: Journal): Promise<void> {
  const present = new Set(await folder.list());
  for (const name of written) {
    if (present.has(nextOf(name))) await folder.rename(nextOf(name), name);
  }
  await folder.sync();
  for (const name of removed) {
    if (present.has(name)) await folder.remove(name);
  }
  await folder.remove(JOURNAL);
  await folder.sync();
}

function readJournal(text: string): Journal {
  const journal = parse(text);
  if (typeof journal === 'object' && journal !== null) {
    const { written, removed } = journal as Record<string, unknown>;
    if (areNames(written) && areNames(removed)) return { written, removed };
  }
  throw new FlowFileError(JOURNAL, 'is not a journal of a deploy. Remove it to go on.');
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new FlowFileError(JOURNAL, 'is not a journal of a deploy. Remove it to go on.', {
      cause,
    });
  }
}

function areNames(value: unknown): value is string[] {
  return (
    Array.isArray(value) &&
    value.every((name) => typeof name === 'string' && /^[^./\\\0][^/\\\0]*\.json$/.test(name))
  );
}
