import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { GERMAN, inWordsOf, languageOf } from '../../../nodes/lib/viewers/viewers.ts';

/** Every marked word of the flows and the nodes. */
function markedWords(): ReadonlySet<string> {
  const files = [
    ...readdirSync('flows').filter((name) => /^(?:dashboard-|shared)/.test(name)),
    ...readdirSync('nodes', { recursive: true }).filter((name) =>
      /^(?!lib).*\.ts$/.test(String(name)),
    ),
  ].map((name) => join(String(name).includes('/') ? 'nodes' : 'flows', String(name)));
  files.push(join('host', 'doctor.ts'));
  const words = files.flatMap((file) =>
    [...readFileSync(file, 'utf8').matchAll(/\[\[([^[\]\n]+)\]\]/g)].map(([, found = '']) => found),
  );
  // `[[#1.5]]` is a number; what has a `$` or a quote in it is put together at run time.
  return new Set(words.filter((found) => !/^#|\$\{|"/.test(found)));
}

describe('The words of the pages', () => {
  it('are all there in German', () => {
    const words = markedWords();
    assert.ok(words.size > 100);
    assert.deepEqual(
      [...words].filter((word) => !GERMAN.has(word)),
      [],
    );
  });

  it('hold nothing that would end a text or a tag where they stand', () => {
    for (const [english, german] of GERMAN) {
      assert.doesNotMatch(english + german, /['"`<>\\{}]/, english);
    }
  });

  it('come in the language of the reader, wherever they stand', () => {
    const config = { label: '[[Energy]]', deep: [{ x: '[[Mon]] 23' }], n: 5, none: null };
    assert.deepEqual(inWordsOf('en', config), {
      label: 'Energy',
      deep: [{ x: 'Mon 23' }],
      n: 5,
      none: null,
    });
    assert.deepEqual(inWordsOf('de', config), {
      label: 'Energie',
      deep: [{ x: 'Mo 23' }],
      n: 5,
      none: null,
    });
  });

  it('come with numbers in the reader’s way', () => {
    assert.equal(inWordsOf('de', '[[#-3.50]] kWh'), '-3,50 kWh');
    assert.equal(inWordsOf('en', '[[#-3.50]] kWh'), '-3.50 kWh');
    assert.equal(inWordsOf('de', '[[#-3.50 €]]'), '-3,50 €');
    assert.equal(inWordsOf('en', '[[#-3.50 €]]'), '-€3.50');
  });

  it('leave alone what nobody marked, and what a plug is called', () => {
    const bytes = Buffer.from('[[Energy]]');
    const message = { name: 'My [[box]]', plain: 'Energy', list: '[[1, 2]]', bytes };
    assert.deepEqual(inWordsOf('de', message), message);
    assert.equal((inWordsOf('de', message) as typeof message).bytes, bytes);
  });

  it('leave the message itself as it was', () => {
    const message = { label: '[[Energy]]' };
    inWordsOf('de', message);
    assert.deepEqual(message, { label: '[[Energy]]' });
  });

  it('follow what the reader chose, else the browser', () => {
    assert.equal(languageOf('de', 'en-GB'), 'de');
    assert.equal(languageOf('en', 'de-DE'), 'en');
    assert.equal(languageOf(undefined, 'de-AT,en;q=0.5'), 'de');
    assert.equal(languageOf('fr', 'fr'), 'en');
    assert.equal(languageOf(undefined, undefined), 'en');
  });
});
