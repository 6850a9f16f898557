/**
 * Makes `dist/` from the sources by erasing types only, so every line and column stays where it is and
 * no source map is needed. `npm run lint` checks the types. A Pi builds the whole tree in a second or
 * two; the compiler took 540 MB there.
 */
// Node 20 also loads this file, for the hashes only; it has no `stripTypeScriptTypes`.
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import * as nodeModule from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What runs on a Pi, and what runs here only. */
const PLACES = {
  program: [
    'compose',
    'compose.ts',
    'deploy',
    'flows',
    'host',
    'nodes',
    // Its version is in the API's description.
    'package.json',
    'packages',
    'pages',
    'server.ts',
    'settings.ts',
  ],
  tests: ['test'],
};
const SOURCE =
  /\.(?:ts|mjs|html|svg)$|\/(?:locales|words)\/.*\.json$|^pages\/.*\.(?:css|json)$|^packages\/[^/]+\/package\.json$/;
/** A package's build output is beside its sources. */
const MADE = /^packages\/[^/]+\/dist\//;
/** Node does not load `.ts` from a package's folder, so imports name the build output. */
const LOCAL_IMPORT = /(\bfrom\s*|\bimport\s*\(?\s*|\bnew URL\(\s*)(['"])(\.{1,2}\/[^'"\n]+)\.ts\2/g;

function filesIn(root, place) {
  const from = join(root, place);
  if (!existsSync(from)) return [];
  if (/\.(?:ts|json)$/.test(place)) return [place];
  return readdirSync(from, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .filter((file) => SOURCE.test(file) && !MADE.test(file));
}

/**
 * @param root the project's folder
 * @param part `program` or `tests`
 * @returns a hash of names and texts of that part's sources, not their times: a copied folder and a
 *   `git pull` without changes stay built
 */
export function sourcesHash(root, part) {
  const hash = createHash('sha256');
  const files = PLACES[part].flatMap((place) => filesIn(root, place)).sort();
  for (const file of files) {
    const text = readFileSync(join(root, file));
    hash.update(`${file}\0${text.length}\0`).update(text);
  }
  return hash.digest('hex');
}

/** @returns the hashes of the sources of `dist/`, or null without a build */
export function builtFrom(root) {
  const mark = markIn(root);
  return existsSync(mark) ? JSON.parse(readFileSync(mark, 'utf8')) : null;
}

function markIn(root) {
  return join(root, 'dist', '.balupi-built');
}

/** Rebuilds `dist/`. The mark comes last, so that an interrupted build does not count. */
function makeDist(root) {
  rmSync(markIn(root), { force: true });
  for (const place of [...PLACES.program, ...PLACES.tests]) {
    rmSync(join(root, 'dist', place.replace(/\.ts$/, '.js')), { recursive: true, force: true });
    for (const file of filesIn(root, place)) strip(root, file);
  }
}

function strip(root, file) {
  // The catalogues are read as the code is loaded, which the rest of this build does.
  if (/\/words\/[^/]+\.json$/.test(file)) {
    mkdirSync(dirname(join(root, 'dist', file)), { recursive: true });
    copyFileSync(join(root, file), join(root, 'dist', file));
  }
  if (!file.endsWith('.ts') || file.endsWith('.d.ts')) return;
  const to = join(root, 'dist', file.replace(/\.ts$/, '.js'));
  const code = nodeModule.stripTypeScriptTypes(readFileSync(join(root, file), 'utf8'));
  mkdirSync(dirname(to), { recursive: true });
  writeFileSync(to, code.replace(LOCAL_IMPORT, '$1$2$3.js$2'));
}

function markBuilt(root) {
  const mark = { program: sourcesHash(root, 'program'), tests: sourcesHash(root, 'tests') };
  writeFileSync(markIn(root), JSON.stringify(mark));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = resolve(import.meta.dirname, '..');
  makeDist(root);
  const { buildPackages } = await import('./build-packages.mjs');
  buildPackages(root);
  await import(join(root, 'dist', 'deploy', 'assemble.js'));
  markBuilt(root);
}
