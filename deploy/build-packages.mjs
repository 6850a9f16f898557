/**
 * Makes `packages/<name>/dist/` of each published package: its own modules, the files it uses of `time`,
 * `log`, `limits` and `store` under `dist/shared/`, and the editor's files beside its nodes. Only what a
 * package loads goes in, so none can reach BaluPi by accident.
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { dirname, join, relative } from 'node:path';

const RELATIVE = /(\bfrom\s*|\bimport\s*\(?\s*|\bnew URL\(\s*)(['"])(\.{1,2}\/[^'"\n]+)\.ts\2/g;
const MODULES = 'nodes/lib/';

/** @returns the folders of all packages, relative to the project's */
export function packageFolders(root) {
  const folder = join(root, 'packages');
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .map((name) => join('packages', name))
    .filter((place) => existsSync(join(root, place, 'package.json')));
}

/** @param root the project's folder */
export function buildPackages(root) {
  for (const place of packageFolders(root)) buildPackage(root, place);
}

function buildPackage(root, place) {
  const dist = join(root, place, 'dist');
  rmSync(dist, { recursive: true, force: true });
  const manifest = JSON.parse(readFileSync(join(root, place, 'package.json'), 'utf8'));
  const nodes = Object.values(manifest['node-red']?.nodes ?? {});
  const entries = [...nodes, ...Object.values(manifest.exports ?? {})].map((file) =>
    join(place, relative('dist', file).replace(/\.js$/, '.ts')),
  );
  const sources = new Set(entries);
  // Iterating a set also visits what is added meanwhile.
  for (const source of sources) {
    const code = stripTypeScriptTypes(readFileSync(join(root, source), 'utf8'));
    const to = placeOf(place, source);
    const moved = code.replace(RELATIVE, (_all, before, quote, path) => {
      const used = join(dirname(source), `${path}.ts`);
      sources.add(used);
      const from = relative(dirname(to), placeOf(place, used)).replace(/\.ts$/, '.js');
      return `${before}${quote}${from.startsWith('.') ? from : `./${from}`}${quote}`;
    });
    const file = join(dist, to.replace(/\.ts$/, '.js'));
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, moved);
  }
  for (const node of nodes) {
    const folder = dirname(relative('dist', node));
    cpSync(join(root, place, folder), join(dist, folder), {
      recursive: true,
      filter: (file) => !file.endsWith('.ts'),
    });
  }
}

/** A source's place in `dist`. */
function placeOf(place, source) {
  if (source.startsWith(`${place}/`)) return relative(place, source);
  if (source.startsWith(MODULES)) return join('shared', relative(MODULES, source));
  throw new Error(`${place} uses ${source}, which is of no package and no module.`);
}
