import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { dashboardFolder, filesIn } from '../host/dashboard-files.ts';
import { docsAsset } from '../nodes/lib/api/api.ts';

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

/**
 * Packs the Dashboard's scripts and styles once, as small as gzip makes them: packing 4 MB takes a Pi
 * several seconds, and a browser in the house is to have them at once. Their names hold a hash.
 */
function packDashboard(): void {
  const folder = dashboardFolder();
  for (const name of filesIn(folder).filter((file) => /\.(?:js|css|svg|ico)$/.test(file))) {
    pack(join(folder, name), join('dist', 'dashboard', `${name}.gz`));
  }
}

/** The same for the page Files; those who read it by https get it smaller still. */
function packFiles(): void {
  const folder = join('resources', 'files');
  if (!existsSync(folder)) return;
  for (const name of filesIn(folder).filter((file) => /^assets\/.*\.(?:js|css|svg)$/.test(file))) {
    const [file, packed] = [join(folder, name), join('dist', 'files', name)];
    pack(file, `${packed}.gz`);
    if (!existsSync(`${packed}.br`)) {
      writeFileSync(`${packed}.br`, brotliCompressSync(readFileSync(file)));
    }
  }
}

/** The same for what the page /docs is made of. */
function packDocs(): void {
  for (const name of ['swagger-ui-bundle.js', 'swagger-ui.css']) {
    const asset = docsAsset(name);
    if (asset?.kind === 'file') pack(asset.filePath, join('dist', 'docs', `${name}.gz`));
  }
}

function pack(file: string, packed: string): void {
  if (existsSync(packed)) return;
  mkdirSync(dirname(packed), { recursive: true });
  writeFileSync(packed, gzipSync(readFileSync(file), { level: 9 }));
}

packDashboard();
packFiles();
packDocs();
for (const file of assets('nodes')) cpSync(file, join('dist', file));
cpSync('test/fixtures', join('dist', 'test', 'fixtures'), { recursive: true });
