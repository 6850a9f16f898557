import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import { PACKAGES } from '../../deploy/pack.ts';
import { NOT_FOR_BALUPI } from '../../host/node-red-settings.ts';

/**
 * Node-RED's scorecard (node-red/node-red-dev-cli, docs/P01 to N02), as far as it can be seen without a
 * network, by its own numbers; and what else we promise of a package.
 */

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly license: string;
  readonly keywords: readonly string[];
  readonly files: readonly string[];
  readonly engines: { readonly node: string };
  readonly exports?: Readonly<Record<string, string>>;
  readonly scripts?: unknown;
  readonly repository?: unknown;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly 'node-red'?: {
    readonly version: string;
    readonly nodes?: Readonly<Record<string, string>>;
  };
}

interface Labels {
  readonly [key: string]: string | Labels;
}

const LANGUAGES = ['en-US', 'de'];
const HELP_HEADINGS: Readonly<Record<string, readonly string[]>> = {
  'en-US': ['Inputs', 'Outputs', 'Details'],
  de: ['Eingänge', 'Ausgänge', 'Details'],
};
/** What the scorecard reads of a definition; it looks at a literal and at nothing else. */
const INLINE = /(?:category|color|icon): '[^']+'|(?:in|out)puts: \d|defaults: \{/g;

function json<T>(path: string): T {
  return JSON.parse(readFileSync(path, 'utf8')) as T;
}

function filesIn(folder: string): readonly string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
}

function keysOf(labels: Labels, place = ''): readonly string[] {
  return Object.entries(labels).flatMap(([key, value]) =>
    typeof value === 'string' ? [`${place}${key}`] : keysOf(value, `${place}${key}.`),
  );
}

/** Whether a version is at or above the one that a range such as `>=4.1.0` begins with. */
function isIn(range: string, version: string): boolean {
  const [low, have] = [range, version].map((text) => /(\d+)\.(\d+)/.exec(text) ?? []);
  const [major, minor] = [Number(low?.[1]), Number(low?.[2])];
  const [ours, inner] = [Number(have?.[1]), Number(have?.[2])];
  return range.startsWith('>=') && (ours > major || (ours === major && inner >= minor));
}

const root = json<Manifest>('package.json');
const BALUPIS = Object.keys(root['node-red']?.nodes ?? {});

describe('The packages', () => {
  it('are all packed, and all left out of BaluPi’s own Node-RED', () => {
    const folders = readdirSync('packages').sort();
    assert.deepEqual([...PACKAGES].sort(), folders);
    assert.deepEqual([...NOT_FOR_BALUPI].sort(), folders);
  });

  it('have nodes of types that no other package of ours and no node of BaluPi has (N01)', () => {
    const types = PACKAGES.flatMap((name) => {
      const { 'node-red': nodeRed } = json<Manifest>(join('packages', name, 'package.json'));
      return Object.keys(nodeRed?.nodes ?? {});
    });
    assert.ok(types.length > 0);
    for (const type of types) assert.match(type, /^balupi-[a-z-]+$/);
    assert.equal(new Set([...types, ...BALUPIS]).size, types.length + BALUPIS.length);
  });
});

for (const name of PACKAGES) {
  const folder = join('packages', name);
  const manifest = json<Manifest>(join(folder, 'package.json'));
  const nodes = Object.entries(manifest['node-red']?.nodes ?? {});
  const dependencies = manifest.dependencies ?? {};
  const paper = (file: string): string => readFileSync(join(folder, file), 'utf8');

  describe(`The package ${name}`, () => {
    it('has a licence (P01), the keyword (P05), and says what it is', () => {
      assert.equal(manifest.license, 'MIT');
      assert.equal(paper('LICENSE'), readFileSync('LICENSE', 'utf8'));
      assert.ok(manifest.keywords.includes('node-red'));
      assert.ok(manifest.description.length > 20);
      assert.equal(manifest.name, name);
    });

    it('is named as the scorecard wants it of a package with nodes (P04)', () => {
      if (nodes.length > 0) assert.match(name, /^node-red-contrib-/);
    });

    it('is for the Node-REDs it is tried in (P06), on the Node.js that both load it with (P07)', () => {
      for (const place of ['node-red', 'node-red-4']) {
        const { version } = json<Manifest>(join('node_modules', place, 'package.json'));
        assert.ok(isIn(manifest['node-red']?.version ?? '', version), version);
      }
      assert.equal(manifest.engines.node, '>=22.13');
      assert.ok(isIn(manifest.engines.node, process.versions.node));
      assert.match(paper('README.md'), /Node-RED 4\.1 or 5, Node\.js 22\.13 or newer/);
    });

    it('has few dependencies (D01), the versions BaluPi is tried with, and no Node-RED', () => {
      assert.ok(Object.keys(dependencies).length <= 6);
      const { dependencies: ours = {} } = root;
      for (const [dependency, version] of Object.entries(dependencies)) {
        assert.equal(version, ours[dependency], dependency);
        assert.doesNotMatch(dependency, /node-red|flowfuse/);
      }
    });

    it('has no dependency known to harm Node-RED (D02)', () => {
      const { packages } = json<{ packages: Record<string, { version: string }> }>(
        'package-lock.json',
      );
      const harmful = Object.entries(packages).filter(
        ([place, { version }]) => place.endsWith('/agent-base') && !isIn('>=6.0', version),
      );
      assert.deepEqual(harmful, []);
    });

    it('ships what was built, its examples and papers, and runs nothing when it is installed', () => {
      assert.deepEqual(manifest.files, ['dist', 'examples', 'CHANGELOG.md']);
      assert.equal(manifest.scripts, undefined);
      const built = filesIn(join(folder, 'dist'));
      assert.ok(built.length > 0);
      assert.deepEqual(
        built.filter((file) => !/\.(?:js|html|svg|json)$/.test(file)),
        [],
      );
    });

    it('loads nothing that is not in it, in Node.js or among its dependencies', () => {
      for (const file of filesIn(join(folder, 'dist')).filter((one) => one.endsWith('.js'))) {
        const text = readFileSync(join(folder, 'dist', file), 'utf8');
        for (const [, wanted = ''] of text.matchAll(
          /^(?:import|export)\b[^;]*?\bfrom '([^']+)';/gm,
        )) {
          const isThere = wanted.startsWith('.')
            ? existsSync(join(folder, 'dist', dirname(file), wanted))
            : Object.hasOwn(dependencies, wanted) ||
              builtinModules.includes(wanted.replace(/^node:/, '')) ||
              wanted === 'node:sqlite';
          assert.ok(isThere, `${file} loads ${wanted}`);
        }
      }
    });

    it('has a README, a changelog that knows its version, and no address that is not there', () => {
      assert.ok(paper('README.md').startsWith(`# ${name}\n`));
      assert.ok(paper('CHANGELOG.md').includes(`\n## ${manifest.version}\n`));
      assert.equal(manifest.repository, undefined);
      for (const [, target = ''] of paper('README.md').matchAll(/\]\((?!https?:)([^)#]+)\)/g)) {
        assert.ok(existsSync(join(folder, target)), target);
      }
    });

    it('has examples that Node-RED imports as they are, one for each node (N02)', () => {
      const examples = filesIn(join(folder, 'examples')).filter((file) => file.endsWith('.json'));
      assert.ok(examples.length > 0);
      const shown = examples.flatMap((file) =>
        json<{ type: string }[]>(join(folder, 'examples', file)).map(({ type }) => type),
      );
      const missing = nodes.filter(([type, file]) => {
        const html = readFileSync(join(folder, file.replace(/\.js$/, '.html')), 'utf8');
        return !/category: 'config'/.test(html) && !shown.includes(type);
      });
      assert.deepEqual(missing, []);
    });
  });

  for (const [type, file] of nodes) {
    describe(`The node ${type}`, () => {
      const place = join(folder, dirname(relative('dist', file)));
      const own = basename(file, '.js');
      const html = readFileSync(join(place, `${own}.html`), 'utf8');
      const isConfig = /category: 'config'/.test(html);

      it('is defined in a literal, as the scorecard reads it, with an icon that is there', () => {
        assert.ok(html.includes(`RED.nodes.registerType('${type}', {`));
        const told = [...html.matchAll(INLINE)].map(([text]) => text);
        assert.ok(told.length >= (isConfig ? 2 : 6), told.join(', '));
        if (isConfig) return;
        const [, icon = ''] = /icon: '([^']+)'/.exec(html) ?? [];
        assert.ok(existsSync(join(place, 'icons', icon)), icon);
        assert.ok(existsSync(join(folder, dirname(file), 'icons', icon)), icon);
      });

      it('has all words of its form in English and German, and none in the form itself', () => {
        const [english, german] = LANGUAGES.map((language) =>
          [...keysOf(json<Labels>(join(place, 'locales', language, `${own}.json`)))].sort(),
        );
        assert.deepEqual(german, english);
        const used = [...html.matchAll(/data-i18n="([^"]+)"/g)].map(([, key = '']) =>
          key.replace(/^\[\w+\]/, ''),
        );
        assert.ok(used.length > 0);
        assert.deepEqual(
          used.filter((key) => english?.includes(key) !== true),
          [],
        );
        const form = html.slice(0, html.indexOf('</script>'));
        assert.equal(form.replace(/<[^>]*>/g, '').trim(), '');
      });

      it('has a label for each field of its form', () => {
        const fields = [...html.matchAll(/<(?:input|select)[^>]* id="([^"]+)"/g)];
        assert.ok(fields.length > 0);
        for (const [, id = ''] of fields) assert.ok(html.includes(`for="${id}"`), id);
      });

      for (const language of LANGUAGES) {
        it(`has help in ${language}, in Node-RED’s own form`, () => {
          const help = readFileSync(join(place, 'locales', language, `${own}.html`), 'utf8');
          assert.ok(help.startsWith(`<script type="text/markdown" data-help-name="${type}">`));
          assert.ok(help.length > 200);
          const headings = [...help.matchAll(/^### (.+)$/gm)].map(([, heading]) => heading);
          const wanted = HELP_HEADINGS[language] ?? [];
          assert.deepEqual(headings, isConfig ? wanted.slice(-1) : wanted);
        });
      }
    });
  }
}
