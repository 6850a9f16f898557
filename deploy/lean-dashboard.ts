import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { dashboardFolder, type LeanFiles } from '../host/dashboard-files.ts';
import { lightSources, makeLight } from './light-page.ts';

/**
 * A lean copy of the Dashboard's page, for flows that need none of what it omits (ADR 0049): the
 * Dashboard's charts and gauges, Markdown with its diagrams and 190 languages of code, and all icons
 * but those named by our pages or the Dashboard itself. The rest is the Dashboard's own code, bundled
 * into one script. Replacements match its exact text: if a new version differs, there is no lean copy
 * and everybody gets the full page.
 */

/** Icons that a page or its widgets name. */
const ICON = /\bmdi-[a-z0-9-]+/g;
/** A rule of the icons' own style sheet, with the sign itself: `.mdi-cog:before{content:"…"}`. */
const ICON_RULE = /\.(mdi-[a-z0-9-]+):{1,2}before\{content:"([^"]*)"\}/g;
const ICON_FONT = /@font-face\{font-family:"?Material Design Icons"?;[^}]*\}/;

/** Stands for what the lean script lacks: a reader who needs it gets the full page. */
const GONE = `const gone = () => { location.reload(); throw new Error('left out'); };`;

/** Replaces the chunk with Markdown's diagrams, which also holds small shared helpers. */
const HELPERS = `
import DOMPurify from 'dompurify';
${GONE}
const preload = (load) => load();
const fromCjs = (module) => module && module.__esModule && Object.hasOwn(module, 'default') ? module.default : module;
const diagrams = { initialize() {}, run: gone };
const root = globalThis;
`;

interface Import {
  readonly exported: string;
  readonly local: string;
}

/** @throws Error naming what has changed in a new version of the Dashboard */
function must<T>(value: T | null | undefined, what: string): T {
  if (value === null || value === undefined) throw new Error(`The Dashboard has no ${what}.`);
  return value;
}

/** The names that the page's script takes from one of its chunks. */
function importsFrom(script: string, chunk: string): readonly Import[] {
  const found = new RegExp(`import\\{([^}]*)\\}from"\\./${chunk}-[^"]+\\.js"`).exec(script);
  const [, names = ''] = must(found, `chunk ${chunk}`);
  return names.split(',').map((name) => {
    const [exported = '', local = exported] = name.split(' as ');
    return { exported, local };
  });
}

const HELPER_OF: Readonly<Record<string, string>> = {
  __vitePreload: 'preload',
  purify: 'DOMPurify',
  getDefaultExportFromCjs: 'fromCjs',
  commonjsGlobal: 'root',
  mermaid_default: 'diagrams',
};

function helpers(script: string): string {
  const exported = importsFrom(script, 'mermaid').map(
    ({ exported: name, local }) => `${HELPER_OF[local] ?? 'gone'} as ${name}`,
  );
  return `${HELPERS}export { ${exported.join(', ')} };`;
}

function charts(script: string): string {
  const exported = importsFrom(script, 'echarts').map(({ exported: name }) => `gone as ${name}`);
  return `${GONE}export { ${exported.join(', ')} };`;
}

/**
 * Replaces a parser and a generator that take a template's script apart and reassemble it: the browser
 * evaluates it, and the same exports are used.
 */
const READER = `const VueParser = { parse(script) {
  const body = /^\\s*export\\s+default\\s+(\\{[^]*\\})\\s*;?\\s*$/.exec(script);
  if (body === null) return { js: script };
  const { name, data, computed, methods, watch, mounted, unmounted } = (0, eval)('(' + body[1] + ')');
  const read = { name, data, computed, methods, watch, mounted, unmounted };
  return Object.fromEntries(Object.entries(read).filter(([, one]) => one !== undefined));
} }`;

/** Replacements in the page's script, each with its expected number of matches. */
const REPLACED: readonly (readonly [what: string, pattern: RegExp, by: string, times: number])[] = [
  ['languages of code', /\bhljs\.registerLanguage\("[^"]+",require\w+\(\)\);/g, '', 100],
  ['reader of templates', /const VueParser=\{parse:parseSFC\}/g, READER, 1],
  ['old templates', /\beval\(component\.js\)/g, 'new Function(component.js).call(this)', 1],
  // A direct eval keeps the whole module from being tree-shaken; this one is never called.
  ['evals of the parser', /(?<=[^.\w])eval\("/g, '(0,eval)("', 6],
];

function prepared(script: string): string {
  return REPLACED.reduce((text, [what, pattern, by, times]) => {
    if ((text.match(pattern)?.length ?? 0) < times)
      throw new Error(`The Dashboard has no ${what}.`);
    return text.replace(pattern, () => by);
  }, script);
}

async function bundled(folder: string, entry: string): Promise<string> {
  const { build } = await import('esbuild');
  const script = readFileSync(join(folder, entry), 'utf8');
  const parts = new Map([
    ['mermaid', helpers(script)],
    ['echarts', charts(script)],
  ]);
  const made = await build({
    stdin: { contents: prepared(script), resolveDir: folder, sourcefile: entry },
    ...{ bundle: true, format: 'esm', minify: true, write: false, target: 'es2022' },
    ...{ legalComments: 'none', logLevel: 'error' },
    plugins: [
      {
        name: 'lean',
        setup(own) {
          own.onResolve({ filter: /^\.\/(?:mermaid|echarts)-/ }, ({ path }) => ({
            path: /(mermaid|echarts)/.exec(path)?.[1] ?? '',
            namespace: 'lean',
          }));
          // Loaded on demand from its own address.
          own.onResolve({ filter: /^\.\/workbox-/ }, ({ path }) => ({ path, external: true }));
          own.onLoad({ filter: /.*/, namespace: 'lean' }, ({ path }) => ({
            contents: parts.get(path) ?? '',
            resolveDir: process.cwd(),
          }));
        },
      },
    ],
  });
  return must(made.outputFiles[0], 'script').text;
}

/** Every icon named by our pages or the Dashboard's script. */
function usedIcons(script: string): ReadonlySet<string> {
  const flows = readdirSync('flows', { recursive: true })
    .map((name) => join('flows', String(name)))
    .filter((name) => /\.(?:json|vue)$/.test(name))
    .map((name) => readFileSync(name, 'utf8'));
  return new Set([script, ...flows].flatMap((text) => text.match(ICON) ?? []));
}

interface Style {
  readonly text: string;
  readonly font: string;
  readonly icons: readonly string[];
  /** The style rules of the font and its icons only. */
  readonly signs: string;
}

/** @param put writes the font and returns its address */
async function style(
  { assets, sheet, icons: used }: Sources,
  put: (bytes: Buffer) => string,
): Promise<Style> {
  const { default: subsetFont } = await import('subset-font');
  const whole = readFileSync(join(assets, sheet), 'utf8');
  const [wholeFace] = must(ICON_FONT.exec(whole), 'icon font');
  const [, font = ''] = must(/url\(([^)?]+\.woff2)[^)]*\)/.exec(wholeFace), 'woff2 of the icons');
  const icons = new Map<string, string>();
  const without = whole.replace(ICON_RULE, (rule, icon: string, sign: string) => {
    if (!used.has(icon)) return '';
    icons.set(icon, sign);
    return rule;
  });
  const bytes = await subsetFont(
    readFileSync(join(assets, basename(font))),
    [...icons.values()].join(''),
    { targetFormat: 'woff2' },
  );
  const fontFile = put(bytes);
  const face = `@font-face{font-family:"Material Design Icons";src:url("/dashboard/${fontFile}") format("woff2");font-weight:400;font-style:normal;font-display:block}`;
  const rules = [...icons].map(([name, sign]) => `.${name}::before{content:"${sign}"}`);
  return {
    text: without.replace(ICON_FONT, face),
    font: fontFile,
    icons: [...icons.keys()].sort(),
    signs: face + rules.join(''),
  };
}

interface Sources {
  readonly assets: string;
  readonly script: string;
  readonly sheet: string;
  readonly icons: ReadonlySet<string>;
}

function sources(): Sources {
  const assets = join(dashboardFolder(), 'assets');
  const names = readdirSync(assets);
  const named = (pattern: RegExp, what: string): string =>
    must(
      names.find((name) => pattern.test(name)),
      what,
    );
  const script = named(/^index-.*\.js$/, 'script');
  const sheet = named(/^index-.*\.css$/, 'style sheet');
  return { assets, script, sheet, icons: usedIcons(readFileSync(join(assets, script), 'utf8')) };
}

/** A key of the copy's sources, whose names hold content hashes. */
function keyOf({ script, sheet, icons }: Sources): string {
  const hash = createHash('sha256').update(readFileSync(import.meta.filename));
  for (const file of lightSources()) hash.update(readFileSync(file));
  return hash.update(JSON.stringify([script, sheet, [...icons].sort()])).digest('hex');
}

function isMade(target: string, key: string): boolean {
  const file = join(target, 'lean.json');
  if (!existsSync(file)) return false;
  return (JSON.parse(readFileSync(file, 'utf8')) as { readonly key?: string }).key === key;
}

/** Writes a file of the copy, also compressed. @returns its address below `/dashboard/` */
function put(target: string, name: string, bytes: Buffer): string {
  const hash = createHash('sha256').update(bytes).digest('base64url').slice(0, 10);
  const file = `assets/lean-${hash}-${name}`;
  writeFileSync(join(target, file), bytes);
  if (name.endsWith('.woff2')) return file;
  writeFileSync(join(target, `${file}.gz`), gzipSync(bytes, { level: 9 }));
  const params = { [constants.BROTLI_PARAM_QUALITY]: 10 };
  writeFileSync(join(target, `${file}.br`), brotliCompressSync(bytes, { params }));
  return file;
}

function clear(target: string): void {
  rmSync(join(target, 'lean.json'), { force: true });
  const assets = join(target, 'assets');
  mkdirSync(assets, { recursive: true });
  for (const name of readdirSync(assets)) {
    if (name.startsWith('lean-')) rmSync(join(assets, name));
  }
}

/**
 * Makes the lean copy unless it exists. If this version of the Dashboard cannot be made lean, or the
 * tools are not installed, there is none, and the build says why.
 * @param target folder of the Dashboard's compressed files
 */
export async function makeLean(target: string): Promise<void> {
  try {
    const from = sources();
    const key = keyOf(from);
    if (isMade(target, key)) return;
    clear(target);
    const script = await bundled(from.assets, from.script);
    const { text, font, icons, signs } = await style(from, (bytes) =>
      put(target, 'icons.woff2', bytes),
    );
    const lean: LeanFiles = {
      script: put(target, 'page.js', Buffer.from(script)),
      style: put(target, 'page.css', Buffer.from(text)),
      ...{ font, icons },
      light: await makeLight(signs, (name, text) => put(target, name, Buffer.from(text))),
    };
    writeFileSync(join(target, 'lean.json'), JSON.stringify({ ...lean, key }));
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    process.stdout.write(`No lean copy of the Dashboard: ${error.message}\n`);
  }
}
