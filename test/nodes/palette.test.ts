import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { flowTexts } from '../flows/flow-rules.ts';

/** What the public palette requires of a package, as far as that can be checked offline. */

interface Manifest {
  readonly name: string;
  readonly description: string;
  readonly license: string;
  readonly keywords: readonly string[];
  readonly engines: { readonly node: string };
  readonly dependencies: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
  readonly 'node-red': {
    readonly version: string;
    readonly nodes: Readonly<Record<string, string>>;
    readonly plugins: Readonly<Record<string, string>>;
  };
}

interface Labels {
  readonly [key: string]: string | Labels;
}

function json(path: string): unknown {
  return JSON.parse(readFileSync(path, 'utf8'));
}

const manifest = json('package.json') as Manifest;
const NODES = Object.entries(manifest['node-red'].nodes);
const PLUGINS = Object.entries(manifest['node-red'].plugins);
const LANGUAGES = ['en-US', 'de'];
const CONFIG_TYPES = ['balupi-store', 'balupi-nas'];
/** From Node-RED's guide to help texts. */
const HELP_HEADINGS: Readonly<Record<string, readonly string[]>> = {
  'en-US': ['Inputs', 'Outputs', 'Details'],
  de: ['Eingänge', 'Ausgänge', 'Details'],
};
/** `: *name* (type, type) : what it is`; stars mark optional properties. */
const PROPERTY =
  /^: \*?[\w.]+\*? \((string|number|boolean|object|array|buffer|any)(, \w+)*\) : \S.+$/;

function keysOf(labels: Labels, place = ''): readonly string[] {
  return Object.entries(labels).flatMap(([key, value]) =>
    typeof value === 'string' ? [`${place}${key}`] : keysOf(value, `${place}${key}.`),
  );
}

function valuesOf(labels: Labels): readonly string[] {
  return Object.values(labels).flatMap((value) =>
    typeof value === 'string' ? [value] : valuesOf(value),
  );
}

/** `[major, minor]` of the first version in a range such as `>=22.14`. */
function lowest(range: string): readonly number[] {
  const [, major = '0', minor = '0'] = /(\d+)(?:\.(\d+))?/.exec(range) ?? [];
  return [Number(major), Number(minor)];
}

describe('The palette', () => {
  it('is a package with a licence, a keyword and the versions it needs', () => {
    assert.equal(manifest.license, 'MIT');
    assert.match(readFileSync('LICENSE', 'utf8'), /^MIT License\n\nCopyright \(c\) \d{4} BaluPi/);
    assert.ok(manifest.keywords.includes('node-red'));
    assert.ok(manifest.description.length > 20);
    const [nodeRed = 0] = lowest(manifest['node-red'].version);
    assert.ok(nodeRed >= 5, 'our nodes are modules, which Node-RED 5 loads');
  });

  it('wants no older Node.js than its Node-RED does', () => {
    const nodeRed = json('node_modules/node-red/package.json') as Manifest;
    const [ours, theirs] = [lowest(manifest.engines.node), lowest(nodeRed.engines.node)];
    assert.ok((ours[0] ?? 0) > (theirs[0] ?? 0) || (ours[1] ?? 0) >= (theirs[1] ?? 0));
    assert.ok((ours[0] ?? 0) >= (theirs[0] ?? 0));
  });

  it('pins every version, as npm would pick another under an older Node.js', () => {
    const { dependencies, optionalDependencies } = manifest;
    const versions = Object.values({ ...dependencies, ...optionalDependencies });
    assert.deepEqual(
      versions.filter((version) => !/^\d+\.\d+\.\d+$/.test(version)),
      [],
    );
  });

  it('lists every folder that holds a node', () => {
    const folders = readdirSync('nodes', { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && entry.name !== 'lib')
      .map(({ name }) => name);
    const listed = [...NODES, ...PLUGINS].map(([, file]) => basename(dirname(file)));
    assert.deepEqual([...listed].sort(), folders.sort());
  });

  for (const [type, file] of NODES) {
    describe(type, () => {
      const folder = dirname(file).replace(/^dist\//, '');
      const name = basename(file, '.js');
      const html = readFileSync(join(folder, `${name}.html`), 'utf8');
      const source = readFileSync(join(folder, `${name}.ts`), 'utf8');
      const labels = LANGUAGES.map(
        (language) => json(join(folder, 'locales', language, `${name}.json`)) as Labels,
      );

      it('has a type that nobody else has', () => {
        assert.match(type, /^balupi-[a-z-]+$/);
        assert.ok(source.includes(`registerType('${type}'`));
        assert.ok(new RegExp(`registerType\\(\\s*'${type}'`).test(html));
      });

      it('has a form, and all words of it in English and German', () => {
        assert.ok(html.includes(`data-template-name="${type}"`));
        const [english, german] = labels.map((words) => [...keysOf(words)].sort());
        assert.deepEqual(german, english);
        const used = [...html.matchAll(/data-i18n="([^"]+)"/g)].map(([, key]) => key ?? '');
        assert.ok(used.length > 0);
        assert.deepEqual(
          used.filter((key) => !english?.includes(key.replace(/^\[\w+\]/, ''))),
          [],
        );
      });

      it('keeps words out of its form', () => {
        const form = html.slice(0, html.indexOf('</script>'));
        const bare = form.replace(/<[^>]*>/g, '').trim();
        assert.equal(bare, '');
      });

      for (const language of LANGUAGES) {
        it(`has help in ${language}`, () => {
          const help = readFileSync(join(folder, 'locales', language, `${name}.html`), 'utf8');
          assert.match(help, new RegExp(`^<script type="text/markdown" data-help-name="${type}">`));
          assert.ok(help.length > 200, 'help is more than a sentence');
        });
      }

      if (!CONFIG_TYPES.includes(type)) {
        it('has help in Node-RED’s form: inputs, outputs and details, with types', () => {
          for (const language of LANGUAGES) {
            const help = readFileSync(join(folder, 'locales', language, `${name}.html`), 'utf8');
            const headings = [...help.matchAll(/^### (.+)$/gm)].map(([, heading]) => heading);
            const wanted = HELP_HEADINGS[language] ?? [];
            const hasInput = !/inputs: 0/.test(html);
            assert.deepEqual(headings, hasInput ? wanted : wanted.slice(1), language);
            const properties = help.split('\n').filter((line) => line.startsWith(': '));
            assert.ok(properties.length > 0);
            for (const line of properties) assert.match(line, PROPERTY);
          }
        });

        it('calls in its help what the form offers by the form’s own words', () => {
          for (const [index, language] of LANGUAGES.entries()) {
            const help = readFileSync(join(folder, 'locales', language, `${name}.html`), 'utf8');
            const words = new Set(valuesOf(labels[index] ?? {}));
            const rows = help.split('\n').filter((line) => line.startsWith(': '));
            const bold = rows.flatMap((row) => [...row.matchAll(/\*\*(.+?)\*\*/g)]);
            assert.deepEqual(
              bold.map(([, word = '']) => word).filter((word) => !words.has(word)),
              [],
              language,
            );
          }
        });

        it('has an icon of its own', () => {
          const [, icon = ''] = /icon"?: ['"]([^'"]+)['"]/.exec(html) ?? [];
          assert.ok(existsSync(join(folder, 'icons', icon)), icon);
        });

        it('says in its help, in both languages, what each act with outputs of its own does', () => {
          const [english, german] = labels.map((words) => words[name] as Labels);
          for (const [index, words] of [english, german].entries()) {
            const language = LANGUAGES[index] ?? '';
            const help = readFileSync(join(folder, 'locales', language, `${name}.html`), 'utf8');
            const acts = (words?.['op'] ?? words?.['kind'] ?? {}) as Readonly<
              Record<string, string>
            >;
            const named = Object.keys(acts).filter((act) => help.includes(`**${acts[act] ?? ''}`));
            const rest = /other acts|übrigen Tätigkeiten/.test(help);
            assert.ok(
              rest || named.length === Object.keys(acts).length,
              `${language}: ${named.join()}`,
            );
          }
        });
      }

      if (!CONFIG_TYPES.includes(type)) {
        it('has an example', () => {
          const shown = flowTexts('examples').flatMap(({ nodes }) =>
            nodes.map((node) => node.type),
          );
          assert.ok(shown.includes(type));
        });
      }
    });
  }
});
