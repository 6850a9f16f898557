import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const FOLDER = join('pages', 'files', 'words');

function catalogue(name: string): Readonly<Record<string, string>> {
  return JSON.parse(readFileSync(join(FOLDER, name), 'utf8')) as Readonly<Record<string, string>>;
}

function gapsOf(text: string): readonly string[] {
  return [...text.matchAll(/\{(\w+)\}/g)].map(([gap]) => gap).sort();
}

describe('The words of the page Files', () => {
  const english = catalogue('en.json');

  for (const name of readdirSync(FOLDER)) {
    it(`${name} has all of them, and the same gaps in each`, () => {
      const own = catalogue(name);
      assert.deepEqual(Object.keys(own), Object.keys(english));
      for (const [key, text] of Object.entries(own)) {
        // One of a thing may be written without its number.
        if (!key.endsWith('One')) assert.deepEqual(gapsOf(text), gapsOf(english[key] ?? ''), key);
      }
    });
  }
});
