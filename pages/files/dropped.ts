import { joined } from './api.ts';
import type { Chosen } from './uploads.ts';

/** Deeper than any family's folders, and no end for a link that leads into itself. */
const MOST_DEPTH = 32;

/**
 * What was dropped on the page, with the folders it lay in.
 *
 * @param into the folder it was dropped on
 */
export async function droppedFiles(transfer: DataTransfer, into: string): Promise<Chosen[]> {
  // Both are gone once the event is over, so they are taken before anything is waited for.
  const files = [...transfer.files];
  const entries = [...transfer.items]
    .map((item) => item.webkitGetAsEntry())
    .filter((entry) => entry !== null);
  if (entries.length === 0) return files.map((file) => ({ file, folder: into, name: file.name }));
  const found = await Promise.all(entries.map((entry) => filesOf(entry, into, 0)));
  return found.flat();
}

/** What a picker gave, also one for whole folders. */
export function pickedFiles(files: Iterable<File>, into: string): Chosen[] {
  return [...files].map((file) => {
    const [, ...above] = file.webkitRelativePath.split('/').reverse();
    return { file, folder: above.reverse().reduce(joined, into), name: file.name };
  });
}

async function filesOf(entry: FileSystemEntry, into: string, depth: number): Promise<Chosen[]> {
  if (isFile(entry)) {
    const file = await new Promise<File>((resolve, reject) => entry.file(resolve, reject));
    return [{ file, folder: into, name: file.name }];
  }
  if (!isFolder(entry) || depth === MOST_DEPTH) return [];
  const folder = joined(into, entry.name);
  const found: Chosen[] = [];
  for (const child of await childrenOf(entry))
    found.push(...(await filesOf(child, folder, depth + 1)));
  return found;
}

/** A browser gives a hundred at a time, and none at the end. */
async function childrenOf(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader();
  const all: FileSystemEntry[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (some.length === 0) return all;
    all.push(...some);
  }
}

function isFile(entry: FileSystemEntry): entry is FileSystemFileEntry {
  return entry.isFile;
}

function isFolder(entry: FileSystemEntry): entry is FileSystemDirectoryEntry {
  return entry.isDirectory;
}
