import type { Plugin } from 'esbuild';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { dashboardFolder, type LightFiles, partHash } from '../host/dashboard-files.ts';
import { type Language, WORDS } from '../nodes/lib/words/words.ts';

/**
 * Builds the light page (ADR 0069): the script of `pages/dashboard` with the Dashboard's own Vue and
 * socket, and the shipped parts precompiled once per language. For a part that an owner changed, the
 * page fetches the compiler.
 */

const SOURCE = join('pages', 'dashboard');
const PARTS = join('flows', 'parts');
const WORD_FILES = join('nodes', 'lib', 'words');
const PART =
  /^<template>([^]*)<\/template>\s*<script>\s*export default (\{[^]*\});\s*<\/script>\s*$/;

/** The part of Vue's compiler that is used. */
interface Compiler {
  compile(template: string, options: object): { readonly code: string };
}

/** The light page's sources. */
export function lightSources(): readonly string[] {
  const folders = [SOURCE, PARTS, WORD_FILES].flatMap((folder) =>
    readdirSync(folder).map((name) => join(folder, name)),
  );
  return [import.meta.filename, ...folders.sort()];
}

/** The Dashboard's own Vue, compiler and socket. */
function brought(): { vue: string; browserCompiler: string; socket: string; compiler: Compiler } {
  const dashboard = createRequire(join(dashboardFolder(), '..', 'package.json'));
  const vueFolder = dirname(dashboard.resolve('vue/package.json'));
  const vue = createRequire(join(vueFolder, 'package.json'));
  const compilerFolder = dirname(vue.resolve('@vue/compiler-dom/package.json'));
  const server = dirname(dashboard.resolve('socket.io/package.json'));
  return {
    vue: join(vueFolder, 'dist', 'vue.runtime.esm-browser.prod.js'),
    browserCompiler: join(compilerFolder, 'dist', 'compiler-dom.esm-browser.prod.js'),
    socket: join(server, 'client-dist', 'socket.io.esm.min.js'),
    compiler: vue('@vue/compiler-dom') as Compiler,
  };
}

/** The text of a part as its node has it (`flows/shipped-flows.ts`). */
function formatOf(file: string): string {
  return readFileSync(join(PARTS, file), 'utf8').replace(/\n$/, '');
}

function partFiles(): readonly string[] {
  return readdirSync(PARTS).filter((name) => /\.(?:vue|css)$/.test(name));
}

/** A part in one language as a module: a Vue component, or the text of a style sheet. */
function partModule(file: string, language: Language, compiler: Compiler): string {
  const format = WORDS.text(language, formatOf(file));
  if (file.endsWith('.css')) return `export default ${JSON.stringify(format)};`;
  const [, template = '', options] = PART.exec(format) ?? [];
  if (options === undefined) throw new Error(`${file} is no part of one template and one script.`);
  const { code } = compiler.compile(template, {
    ...{ mode: 'module', prefixIdentifiers: true, hoistStatic: true, cacheHandlers: true },
  });
  return `${code}\nexport default { ...${options}, render };`;
}

/** Resolves `part:<file>` to that part. */
function partsIn(language: Language, compiler: Compiler): Plugin {
  return {
    name: 'parts',
    setup(own) {
      own.onResolve({ filter: /^part:/ }, ({ path }) => ({
        path: path.slice('part:'.length),
        namespace: 'part',
      }));
      own.onLoad({ filter: /.*/, namespace: 'part' }, ({ path }) => ({
        contents: partModule(path, language, compiler),
        resolveDir: process.cwd(),
      }));
    },
  };
}

async function bundle(
  contents: string,
  vue: string,
  { plugins = [], banner = '' }: { plugins?: Plugin[]; banner?: string } = {},
): Promise<string> {
  const { build } = await import('esbuild');
  const made = await build({
    stdin: { contents, resolveDir: process.cwd(), sourcefile: 'light' },
    ...{ bundle: true, format: 'esm', minify: true, write: false, target: 'es2022' },
    ...{ legalComments: 'none', logLevel: 'error', alias: { vue }, external: ['/dashboard/*'] },
    plugins,
    ...(banner === '' ? {} : { banner: { js: banner } }),
  });
  return made.outputFiles[0]?.text ?? '';
}

/**
 * Makes Chromium (from 136) compile the whole script off the main thread while it loads, rather than
 * each function at its first call. Nearly all of it is called before the first chart, and functions
 * compiled late are parsed twice.
 */
const COMPILED_AT_ONCE = '//# allFunctionsCalledOnLoad';

/** @param compiler address of the compiler */
function entry(socket: string, files: readonly string[], compiler: string): string {
  const parts = files.map((file, at) => `import part${at} from ${JSON.stringify(`part:${file}`)};`);
  const named = files.map((file, at) => `${JSON.stringify(file)}: part${at}`);
  return `
import { io } from ${JSON.stringify(socket)};
import { start } from ${JSON.stringify(resolve('dist', SOURCE, 'main.js'))};
${parts.join('\n')}
start({
  connect: (query) => io({
    path: '/dashboard/socket.io', query, reconnection: false,
    transports: ['websocket', 'polling'], tryAllTransports: true,
  }),
  parts: { ${named.join(', ')} },
  compiler: () => import(${JSON.stringify(compiler)}),
  script: import.meta.url,
});`;
}

/**
 * @param signs the rules of the icons' font
 * @param put writes a file and returns its address below `/dashboard/`
 */
export async function makeLight(
  signs: string,
  put: (name: string, text: string) => string,
): Promise<LightFiles> {
  const { transform } = await import('esbuild');
  const { vue, socket, compiler, browserCompiler } = brought();
  const css = readFileSync(join(SOURCE, 'page.css'), 'utf8') + signs;
  const style = put('light.css', (await transform(css, { loader: 'css', minify: true })).code);
  const reader = `export { compile } from ${JSON.stringify(browserCompiler)};`;
  const compilerFile = put('compiler.js', await bundle(reader, vue));
  const files = partFiles();
  const contents = entry(socket, files, `/dashboard/${compilerFile}`);
  const scripts: Record<Language, string> = {};
  for (const { id } of WORDS.languages) {
    const script = await bundle(contents, vue, {
      plugins: [partsIn(id, compiler)],
      banner: COMPILED_AT_ONCE,
    });
    scripts[id] = put(`light-${id}.js`, script);
  }
  const parts = files.map((file) => [partHash(formatOf(file)), file] as const);
  return { style, compiler: compilerFile, scripts, parts: Object.fromEntries(parts) };
}
