import { existsSync } from 'node:fs';
import { dirname, extname, join } from 'node:path';

/** The project's own folder, whether this runs compiled or from source. */
export const PROJECT_FOLDER = findProject(import.meta.dirname);

/** The folder of the traces in the repository. */
export const TRACES_FOLDER = join(PROJECT_FOLDER, 'test', 'fixtures', 'traces');

/** The extension of this program's files: `.js` once compiled. */
export const PROGRAM_ENDING = extname(import.meta.filename);

function findProject(from: string): string {
  if (existsSync(join(from, 'package.json'))) return from;
  const above = dirname(from);
  if (above === from) throw new Error('The project folder was not found.');
  return findProject(above);
}
