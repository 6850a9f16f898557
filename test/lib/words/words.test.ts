import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { pageScript } from '../../../host/dashboard-files.ts';
import { EVENT_KINDS, sentence } from '../../../nodes/lib/events/events.ts';
import { said, saidNumber, Words, WORDS } from '../../../nodes/lib/words/words.ts';

const FOLDER = join('nodes', 'lib', 'words');
const CATALOGUES = readdirSync(FOLDER).filter((name) => name.endsWith('.json'));
type Sections = Readonly<Record<string, string | Readonly<Record<string, string>>>>;

function catalogue(name: string): Sections {
  return JSON.parse(readFileSync(join(FOLDER, name), 'utf8')) as Sections;
}

const ENGLISH = catalogue('en.json');
const PAGES = ENGLISH['pages'] as Readonly<Record<string, string>>;

/** Each key of a catalogue, prefixed with its section. */
function keysOf(sections: Sections): string[] {
  return Object.entries(sections)
    .flatMap(([section, words]) =>
      typeof words === 'string' ? [section] : Object.keys(words).map((key) => `${section}.${key}`),
    )
    .sort();
}

/** The sources that use words, by file. */
function speakers(): ReadonlyMap<string, string> {
  const ofFlows = readdirSync('flows').filter((name) => name.endsWith('.json'));
  const parts = readdirSync(join('flows', 'parts')).map((name) => join('parts', name));
  const code = ['nodes', 'host'].flatMap((folder) =>
    readdirSync(folder, { recursive: true })
      .map((name) => join(folder, String(name)))
      .filter((name) => name.endsWith('.ts')),
  );
  const files = [...[...ofFlows, ...parts].map((name) => join('flows', name)), ...code];
  return new Map(files.map((file) => [file, readFileSync(file, 'utf8')]));
}

const MARK = /\[\[([A-Za-z][A-Za-z0-9]*)\]\]/g;

describe('The words of the pages', () => {
  const texts = speakers();
  const all = [...texts.values()].join('\n');

  it('are all in the English catalogue, wherever a page marks one', () => {
    const marked = [...texts]
      .filter(([file]) => file !== join('nodes', 'lib', 'words', 'words.ts'))
      .flatMap(([file, text]) => [...text.matchAll(MARK)].map(([, key = '']) => `${file} ${key}`));
    assert.ok(marked.length > 300);
    const known = new Set(Object.keys(PAGES));
    assert.deepEqual(
      marked.filter((one) => !known.has(one.split(' ')[1] ?? '')),
      [],
    );
  });

  it('are all used', () => {
    const marked = new Set([...all.matchAll(MARK)].map(([, key = '']) => key));
    assert.deepEqual(
      Object.keys(PAGES).filter((key) => !marked.has(key)),
      [],
    );
    const { answers, signIn, refused, setup } = ENGLISH as Record<string, Record<string, string>>;
    // Some contain a number: `was sent ${count} times`.
    const isSaid = (text: string): boolean =>
      text
        .split(/\d+|\(|\)|(?<=\.) /)
        .map((part) => part.trim())
        .every((part) => all.includes(part) || all.includes(part.replaceAll("'", "\\'")));
    assert.deepEqual(
      Object.values(answers ?? {}).filter((text) => !isSaid(text)),
      [],
    );
    const isNamed = (key: string): boolean =>
      new RegExp(`\\b(?:words|setup|signIn|refused)\\.${key}\\b|\\b${key}\\b[,:} ]`).test(all);
    const steps = /^(?:house|nas|admin|account|plugs|price|keys|done)(?:Title|Lead)$/;
    for (const section of [signIn, setup]) {
      assert.deepEqual(
        Object.keys(section ?? {}).filter((key) => !isNamed(key) && !steps.test(key)),
        [],
      );
    }
    assert.deepEqual(
      Object.keys(refused ?? {}).filter(
        (code) => !all.includes(`'${code}'`) && code !== 'otherwise',
      ),
      [],
    );
  });

  it('of what happens are there for each kind, and each state that a kind tells', () => {
    const fields = { state: 'low', level: 'high', path: 'a.txt', name: 'Fridge' };
    for (const kind of EVENT_KINDS) assert.notEqual(sentence(kind, fields, 'en'), '', kind);
    for (const [kind, told] of [
      ['disk', ['ok', 'low', 'full', 'failing'].map((state) => ({ state }))],
      ['unusual', ['high', 'low', 'usual'].map((level) => ({ level }))],
      ['correction', [true, false].map((is_undone) => ({ is_undone }))],
    ] as const) {
      const said = told.map((one) => sentence(kind, one, 'de'));
      assert.equal(new Set(said.filter((text) => text !== '')).size, told.length, kind);
    }
  });

  for (const name of CATALOGUES) {
    it(`have every key in ${name}, with the gaps that are filled, and no other`, () => {
      const own = catalogue(name);
      assert.deepEqual(keysOf(own), keysOf(ENGLISH));
      const gaps = (text: string): string[] => (text.match(/\{\w+\}/g) ?? []).sort();
      for (const [section, words] of Object.entries(own)) {
        if (typeof words === 'string') continue;
        for (const [key, text] of Object.entries(words)) {
          // The singular may leave its number out.
          if (section === 'files' && key.endsWith('One')) continue;
          const english = (ENGLISH[section] as Readonly<Record<string, string>>)[key] ?? '';
          assert.deepEqual(gaps(text), gaps(english), `${section}.${key}`);
        }
      }
    });

    it(`hold nothing in ${name} that would end a text or a tag where they stand`, () => {
      for (const [key, text] of Object.entries(catalogue(name)['pages'] ?? {})) {
        assert.doesNotMatch(text, /['"`<>\\{}[\]]/, key);
      }
    });
  }

  it('come in the language of the reader, wherever they stand in a template', () => {
    const config = { label: '[[energy]]', deep: [{ x: '[[plugs]] 23' }], n: 5, none: null };
    assert.deepEqual(WORDS.inTemplate('en', config), {
      label: 'Energy',
      deep: [{ x: 'Plugs 23' }],
      n: 5,
      none: null,
    });
    assert.deepEqual(WORDS.inTemplate('de', config), {
      label: 'Energie',
      deep: [{ x: 'Steckdosen 23' }],
      n: 5,
      none: null,
    });
    assert.deepEqual(config.label, '[[energy]]', 'the configuration itself stays');
  });

  it('leave alone in a template what is no word', () => {
    const bytes = Buffer.from('[[energy]]');
    const config = {
      key: '[[noSuchWord]]',
      plain: 'energy',
      list: '[[1, 2]]',
      proto: '[[constructor]]',
      bytes,
    };
    assert.deepEqual(WORDS.inTemplate('de', config), config);
    assert.equal((WORDS.inTemplate('de', config) as typeof config).bytes, bytes);
  });

  it('never touch what a plug or a file is called', () => {
    const message = { payload: [{ name: '[[energy]]', path: 'alice/[[plugs]].txt' }] };
    assert.deepEqual(WORDS.spoken('de', message), message);
    const row = { found: said`${'[[energy]]'}: [[energy]]` };
    assert.deepEqual(WORDS.spoken('de', { payload: [row] }), {
      payload: [{ found: '[[energy]]: Energie' }],
    });
    assert.equal(
      WORDS.told('de', '[[energy]]: That did not work.'),
      '[[energy]]: Das hat nicht geklappt.',
    );
  });

  it('write numbers in the reader’s way', () => {
    const power = said`${saidNumber(-3.5, 2)} kWh`;
    assert.equal(WORDS.spoken('de', power), '-3,50 kWh');
    assert.equal(WORDS.spoken('en', power), '-3.50 kWh');
  });

  it('say what the API says in English, with the path before it as it is', () => {
    assert.equal(
      WORDS.told('de', 'alice/a.txt: The NAS went away.'),
      'alice/a.txt: Das NAS war plötzlich weg.',
    );
    assert.equal(WORDS.told('en', 'The NAS went away.'), 'The NAS went away.');
    assert.equal(WORDS.told('de', 'Said by nobody here.'), 'Said by nobody here.');
    const german = WORDS.told('de', 'The NAS went away.');
    assert.equal(WORDS.told('de', 'a: b: c.txt: The NAS went away.'), `a: b: c.txt: ${german}`);
    // Searching after each colon of a hostile name would block everybody else.
    const hostile = `${'a: '.repeat(1_000)}The NAS went away.`;
    assert.equal(WORDS.told('de', hostile), hostile);
  });

  it('follow what the reader chose, else the browser', () => {
    assert.equal(WORDS.languageOf('de', 'en-GB'), 'de');
    assert.equal(WORDS.languageOf('en', 'de-DE'), 'en');
    assert.equal(WORDS.languageOf(undefined, 'de-AT,en;q=0.5'), 'de');
    assert.equal(WORDS.languageOf(undefined, 'fr-FR,de;q=0.8,en;q=0.5'), 'de');
    assert.equal(WORDS.languageOf('fr', 'fr'), 'en');
    assert.equal(WORDS.languageOf('../en', '*'), 'en');
    assert.equal(WORDS.languageOf(undefined, undefined), 'en');
  });

  describe('of a third language, which is a file', () => {
    let folder: string;
    const read = (): Words => Words.read(pathToFileURL(folder));

    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), 'balupi-words-'));
      cpSync(FOLDER, folder, { recursive: true });
    });

    afterEach(() => {
      rmSync(folder, { recursive: true });
    });

    it('are offered and shown, and what it lacks is English', () => {
      const french = { language: 'Français', pages: { energy: 'Énergie' } };
      writeFileSync(join(folder, 'fr.json'), JSON.stringify(french));
      const words = read();
      assert.deepEqual(
        words.languages.map(({ name }) => name),
        ['English', 'Deutsch', 'Français'],
      );
      assert.match(pageScript('fr', 'UTC', words), /\("fr", "UTC", .*"name":"Français"\}\]\);\n$/);
      assert.equal(words.languageOf(undefined, 'fr-CA'), 'fr');
      assert.equal(words.inTemplate('fr', '[[energy]] [[plugs]]'), 'Énergie Plugs');
      assert.equal(words.of('fr').signIn.username, 'Username');
      assert.equal(words.spoken('fr', said`${saidNumber(1.5, 1)} W`), '1,5 W');
    });

    it('are refused by the name of the file where it is no catalogue', () => {
      writeFileSync(join(folder, 'fr.json'), JSON.stringify({ language: 'Français', pages: 5 }));
      assert.throws(read, /fr\.json/);
    });
  });
});
