import assert from 'node:assert/strict';
import { quoted } from '../../../nodes/lib/log/log.ts';

describe('a name in the log', () => {
  for (const [what, name, shown] of [
    ['an ordinary one', 'Änne O’Neill', '"Änne O’Neill"'],
    ['one with quotes', 'a" from 1.2.3.4: ok "b\\', '"a\\" from 1.2.3.4: ok \\"b\\\\"'],
    ['one with lines', 'a\r\nstop: SIGTERM\u2028b', '"a\\u{d}\\u{a}stop: SIGTERM\\u{2028}b"'],
    ['one that turns round', 'a\u202Egpj\u2066', '"a\\u{202e}gpj\\u{2066}"'],
    ['one that a terminal obeys', '\u001b[2J\u009b', '"\\u{1b}[2J\\u{9b}"'],
    ['one that is not seen', '\u200Ba\uFEFF', '"\\u{200b}a\\u{feff}"'],
    ['half a character', '\ud83d', '"\\u{d83d}"'],
    ['an empty one', '', '""'],
    ['a long one', '😀'.repeat(65), `"${'😀'.repeat(64)}…"`],
  ] as const) {
    it(`is ${what}`, () => {
      assert.equal(quoted(name), shown);
    });
  }
});
