import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { dashboardFolder, filesIn } from '../host/dashboard-files.ts';
import { makeLean } from './lean-dashboard.ts';
import { docsAsset, ENDPOINTS } from '../nodes/lib/api/api.ts';
import { openApiDocument } from '../nodes/lib/api/openapi.ts';

/**
 * Copies the editor's HTML, icons, labels and help next to the compiled nodes: Node-RED looks for all
 * of them beside the `.js` file named in package.json.
 */
const ASSET_ENDINGS = ['.html', '.svg', '.json'];

function assets(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && ASSET_ENDINGS.some((end) => entry.name.endsWith(end)))
    .map((entry) => relative('.', join(entry.parentPath, entry.name)));
}

/**
 * Compresses the Dashboard's scripts and styles at build time: 4 MB take a Pi several seconds, while
 * browsers should get them at once. Their names hold a hash.
 */
function packDashboard(): void {
  const folder = dashboardFolder();
  for (const name of filesIn(folder).filter((file) => /\.(?:js|css|svg|ico)$/.test(file))) {
    pack(join(folder, name), join('dist', 'dashboard', `${name}.gz`));
  }
}

/** The page Files' imports, as addresses for the browser. */
const BROWSER_MODULES: Readonly<Record<string, string>> = {
  preact: 'preact.js',
  'preact/hooks': 'preact-hooks.js',
};

/**
 * Builds the page Files: its modules without their types, and Preact's own, in a folder named by their
 * hash, so that browsers cache it for ever and fetch it again for another build.
 */
function makeFilesPage(): void {
  const from = join('dist', 'pages', 'files');
  const source = join('pages', 'files');
  const ours = filesIn(source).filter((name) => /\.(?:css|json)$/.test(name));
  const made = new Map([
    ...ours.map((name): [string, string] => [name, readFileSync(join(source, name), 'utf8')]),
    ...filesIn(from).map((name): [string, string] => [name, browserModule(join(from, name))]),
    ...Object.entries(BROWSER_MODULES).map(([name, file]): [string, string] => [
      file,
      browserModule(fileURLToPath(import.meta.resolve(name))),
    ]),
  ]);
  const hash = createHash('sha256').update(JSON.stringify([...made].sort()));
  const folder = `assets/${hash.digest('hex').slice(0, 12)}`;
  rmSync(join('dist', 'files'), { recursive: true, force: true });
  for (const [name, text] of made) {
    const file = join('dist', 'files', folder, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    pack(file, `${file}.gz`);
  }
  const index = readFileSync(join(source, 'index.html'), 'utf8');
  writeFileSync(join('dist', 'files', 'index.html'), indexOf(index, folder, [...made.keys()]));
}

/** @returns a module with addresses as imports, as browsers know no packages */
function browserModule(file: string): string {
  return readFileSync(file, 'utf8')
    .replace(
      /(\bfrom\s*)(['"])(preact(?:\/hooks)?)\2/g,
      (_whole, from: string, _q, name: string) => {
        return `${from}'./${BROWSER_MODULES[name] ?? ''}'`;
      },
    )
    .replace(/^\/\/# sourceMappingURL=.*$/m, '');
}

/** Preloads all modules, which would otherwise be discovered one after the other. */
function indexOf(html: string, folder: string, names: readonly string[]): string {
  const address = '/dashboard/files/assets/';
  const preloads = names
    .filter((name) => name.endsWith('.js'))
    .map((name) => `<link rel="modulepreload" href="${address}${name}" />`);
  return html
    .replace('</head>', `${preloads.join('\n')}\n</head>`)
    .replaceAll(address, `/dashboard/files/${folder}/`);
}

/**
 * The same for the page /docs, with the API's description beside it: making that at run time would
 * cost start-up time and memory for what few ever read.
 */
function packDocs(): void {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
  const description = JSON.stringify(openApiDocument(ENDPOINTS, version));
  const file = join('dist', 'docs', 'openapi.json');
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, description);
  writeFileSync(`${file}.gz`, gzipSync(description, { level: 9 }));
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
makeFilesPage();
await makeLean(join('dist', 'dashboard'));
packDocs();
for (const file of assets('nodes')) cpSync(file, join('dist', file));
cpSync('test/fixtures', join('dist', 'test', 'fixtures'), { recursive: true });
