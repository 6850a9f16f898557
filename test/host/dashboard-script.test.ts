import fc from 'fast-check';
import assert from 'node:assert/strict';
import { runInNewContext } from 'node:vm';
import { intlScript, pageScript } from '../../host/dashboard-files.ts';
import { changesOf } from '../../nodes/lib/viewers/viewers.ts';

interface PageWriting {
  readonly locale: string;
  readonly number: (value: number, digits: number) => string;
  readonly money: (euro: number) => string;
  readonly when: (moment: string) => string;
  readonly read: (text: string) => number;
  readonly written: (value: number) => string;
  readonly dayOf: (moment: string) => string;
  readonly clockOf: (moment: string) => string;
  readonly momentOf: (local: string) => string;
  readonly addDays: (day: string, days: number) => string;
  readonly addMonths: (day: string, months: number) => string;
  readonly changed: (value: unknown, changes: readonly object[]) => unknown;
}

/** What a page gets whose user chose `language` in a browser with these languages. */
function writing(language: 'en' | 'de', languages: readonly string[]): PageWriting {
  const window: { balupi?: PageWriting } = {};
  runInNewContext(pageScript(language, 'Europe/Berlin'), {
    ...{ window, structuredClone, navigator: { languages } },
  });
  assert.ok(window.balupi);
  return window.balupi;
}

const plainOf = (value: unknown): unknown => JSON.parse(JSON.stringify(value)) as unknown;
const plain = (text: string): string => text.replaceAll(/[\u00A0\u202F]/g, ' ');

describe('What pages write with', () => {
  it('follows the reader’s language, and the region of a browser that speaks it', () => {
    assert.equal(writing('en', ['en-GB', 'de']).when('2026-02-01T23:30:00Z'), '02/02/2026, 00:30');
    const american = writing('en', ['de-DE', 'en-US']);
    assert.equal(plain(american.when('2026-02-01T23:30:00Z')), '2/2/26, 12:30 AM');
    const german = writing('de', ['en-GB']);
    assert.equal(german.when('2026-02-01T23:30:00Z'), '02.02.26, 00:30');
    assert.deepEqual(
      [german.number(1_234.5, 2), plain(german.money(-0.5)), german.locale],
      ['1.234,50', '-0,50 €', 'de-DE'],
    );
  });

  it('has a worker do the first of it, which begins no other and ends', () => {
    const begun: string[] = [];
    class Worker {
      constructor(address: string) {
        begun.push(address);
      }
    }
    const navigator = { languages: ['en-GB'] };
    runInNewContext(pageScript('en', 'UTC'), { window: { Worker }, navigator });
    assert.deepEqual(begun, ['/dashboard/balupi-intl.js']);
    let ends = 0;
    const self = { close: () => (ends += 1) };
    runInNewContext(intlScript('en', 'UTC'), { self, navigator, Worker });
    assert.deepEqual([begun.length, ends], [1, 1]);
  });

  it('reads numbers as anybody writes them', () => {
    const { read } = writing('de', ['de-DE']);
    const texts = ['32,5', '32.5', '-1,25', ' 1.234,5 ', '1,234.5', '1.234.567', '12', '.5'];
    assert.deepEqual(texts.map(read), [32.5, 32.5, -1.25, 1_234.5, 1_234.5, 1_234_567, 12, 0.5]);
    for (const none of ['', 'x', '1,2,3.4.5', '--1', '1e5', '12 ct']) {
      assert.ok(Number.isNaN(read(none)), none);
    }
  });

  it('writes a number into a form with all its digits, and reads it back', () => {
    for (const language of ['de', 'en'] as const) {
      const { read, written } = writing(language, [language]);
      for (const value of [32, -1.234567, 0.000001, 99_999.5]) {
        assert.equal(read(written(value)), value);
      }
    }
  });

  it('knows days and times of the home, also where the clocks change', () => {
    const { dayOf, clockOf, momentOf } = writing('en', ['en-GB']);
    for (const moment of ['2026-03-29T00:45:00Z', '2026-03-29T01:15:00Z', '2026-10-25T03:00:00Z']) {
      assert.equal(momentOf(`${dayOf(moment)}T${clockOf(moment)}`), moment);
    }
    assert.deepEqual(
      [dayOf('2026-02-28T23:00:00Z'), clockOf('2026-02-28T23:00:00Z')],
      ['2026-03-01', '00:00'],
    );
  });

  it('counts days and months on the calendar', () => {
    const { addDays, addMonths } = writing('en', ['en-GB']);
    assert.equal(addDays('2026-03-01', -1), '2026-02-28');
    assert.equal(addDays('2026-03-29', 1), '2026-03-30');
    assert.equal(addMonths('2026-01-31', 1), '2026-02-01');
    assert.equal(addMonths('2026-01-31', -12), '2025-01-01');
  });

  it('makes of an answer and its changes the next one, and leaves the first as it was', () => {
    const { changed } = writing('en', ['en-GB']);
    // No answer of ours has a JSON field called `__proto__`.
    const key = fc.oneof(
      fc.constantFrom('a', 'b', '0', 'a/b', '~1', ''),
      fc.string({ maxLength: 3 }),
    );
    const answers = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        ...[fc.constantFrom(null, true, 0, 1, 'a', ''), tie('list'), tie('record')],
      ),
      list: fc.array(tie('value'), { maxLength: 5 }),
      record: fc.dictionary(
        key.filter((name) => name !== '__proto__'),
        tie('value'),
        { maxKeys: 5, noNullPrototype: true },
      ),
    }));
    fc.assert(
      fc.property(answers.record, answers.record, (before, after) => {
        const kept = JSON.stringify(before);
        const sent = JSON.parse(JSON.stringify(changesOf(before, after))) as object[];
        assert.deepEqual(plainOf(changed(before, sent)), plainOf(after));
        assert.equal(JSON.stringify(before), kept);
      }),
    );
  });
});
