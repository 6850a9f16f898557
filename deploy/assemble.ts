import { cpSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';

/**
 * Lays beside the compiled nodes what Node-RED reads there: the editor's HTML, icons, labels and
 * help. Node-RED looks for all of them next to the `.js` file named in package.json.
 */
const ASSET_ENDINGS = ['.html', '.svg', '.json'];

function assets(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && ASSET_ENDINGS.some((end) => entry.name.endsWith(end)))
    .map((entry) => relative('.', join(entry.parentPath, entry.name)));
}

for (const file of assets('nodes')) cpSync(file, join('dist', file));
cpSync('test/fixtures', join('dist', 'test', 'fixtures'), { recursive: true });
