import assert from 'node:assert/strict';
import { canonicalJson } from '../../../nodes/lib/handshake/handshake.ts';

describe('JSON as the NAS signs it', () => {
  const table: readonly (readonly [what: string, text: string, canonical: string])[] = [
    ['drops spaces', ' { "a" : [ 1 ,\n2 ] , "b":\t{ } } ', '{"a":[1,2],"b":{}}'],
    ['sorts names at every level', '{"b":{"z":1,"y":2},"a":3}', '{"a":3,"b":{"y":2,"z":1}}'],
    ['sorts by code point', '{"\u{1F600}":1,"\uE000":2}', '{"\\ue000":2,"\\ud83d\\ude00":1}'],
    ['sorts names by what they mean', '{"\\u0062":1,"a":2}', '{"a":2,"\\u0062":1}'],
    ['sorts a name before a longer one', '{"ab":1,"a":2,"":3}', '{"":3,"a":2,"ab":1}'],
    [
      'keeps the letters of numbers',
      '[16.0,9007199254740993,1E5,-0]',
      '[16.0,9007199254740993,1E5,-0]',
    ],
    ['keeps the letters of escapes', '["\\u00e4\\/\\"]"]', '["\\u00e4\\/\\"]"]'],
    ['escapes what is not ASCII', '["ä\u007f\u{1F600}"]', '["\\u00e4\\u007f\\ud83d\\ude00"]'],
    ['takes brackets in texts as text', '{"a":"}],{:"}', '{"a":"}],{:"}'],
    ['takes bare values', ' true ', 'true'],
    ['takes what is empty', '[{},[],""]', '[{},[],""]'],
  ];
  for (const [what, text, canonical] of table) {
    it(what, () => {
      assert.equal(canonicalJson(text), canonical);
    });
  }

  for (const text of ['', '{', '{"a":1,}', 'NaN', '{"a" 1}', '[1] 2', "{'a':1}"]) {
    it(`is nothing for ${JSON.stringify(text)}`, () => {
      assert.equal(canonicalJson(text), null);
    });
  }

  it('gives up on a megabyte of brackets without a word', () => {
    assert.equal(canonicalJson('['.repeat(500_000) + ']'.repeat(500_000)), null);
    assert.equal(canonicalJson('{"a":'.repeat(65) + '1' + '}'.repeat(65)), null);
  });

  it('takes a megabyte of text', () => {
    const text = JSON.stringify({ b: 'x\\"'.repeat(300_000), a: 1 });
    assert.equal(canonicalJson(text)?.length, text.length);
  });
});
