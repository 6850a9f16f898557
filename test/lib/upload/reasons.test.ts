import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { REASONS } from '../../../nodes/lib/upload/reasons.ts';
import { WORDS } from '../../../nodes/lib/words/words.ts';
import { UploadBench } from './upload-bench.ts';
import { json, type MemoryNas } from './memory-nas.ts';

type Answers = Readonly<Record<string, string>>;

function answersIn(language: string): Answers {
  const text = readFileSync(`nodes/lib/words/${language}.json`, 'utf8');
  return (JSON.parse(text) as { readonly answers: Answers }).answers;
}

/** A sentence with all placeholders filled, as the queue would write it. */
function sample(sentence: string, inReason: string): string {
  return sentence.replace(/\{(\w+)\}/g, (_, gap: string) => {
    if (gap === 'reason') return inReason;
    return gap === 'status' ? '502' : `alice/A file: its ${gap}.txt`;
  });
}

describe('The reasons of the queue', () => {
  it('are in the English catalogue word for word, and in each other language by the same key', () => {
    const english = answersIn('en');
    for (const [key, sentence] of Object.entries(REASONS)) {
      assert.equal(english[key], sentence, key);
      for (const { id } of WORDS.languages.filter((one) => one.id !== 'en')) {
        const own = answersIn(id)[key];
        assert.ok(own !== undefined && own !== sentence, `${key} has no words in ${id}`);
      }
    }
  });

  for (const { id } of WORDS.languages) {
    const own = answersIn(id);
    it(`are told in ${id} with every value that is in them`, () => {
      for (const [key, sentence] of Object.entries(REASONS)) {
        const said = sample(sentence, 'Whatever the NAS says');
        const expected = sample(own[key] ?? '', 'Whatever the NAS says');
        assert.equal(WORDS.told(id, said), expected, key);
        // A sentence that begins with a value has its path there.
        if (sentence.startsWith('{')) continue;
        assert.equal(WORDS.told(id, `alice/a.txt: ${said}`), `alice/a.txt: ${expected}`, key);
      }
    });
  }

  it('are told in German where one stands in another', () => {
    assert.equal(
      WORDS.told(
        'de',
        "The NAS refused it with 403: Forbidden. Its folder alice/new may not be this user's on the NAS.",
      ),
      'Das NAS hat es mit 403 abgelehnt: Forbidden. Der Ordner alice/new gehört auf dem NAS vielleicht nicht diesem Konto.',
    );
    assert.equal(
      WORDS.told('de', `The NAS answered 500: ${REASONS.onlyInChunks}.`),
      `Das NAS hat mit 500 geantwortet: ${answersIn('de')['onlyInChunks'] ?? ''}.`,
    );
  });

  it('that an earlier version wrote are told as well', () => {
    for (const [stored, german] of [
      ['The NAS is busy (429).', 'Das NAS ist beschäftigt (429).'],
      ['The NAS is busy (200).', 'Das NAS ist beschäftigt (200).'],
      ['Its user alice is gone.', 'Das Konto alice gibt es nicht mehr.'],
      [
        'What the NAS shows is not what was sent. It was sent 4 times.',
        'Auf dem NAS liegt etwas anderes, als gesendet wurde. Es wurde 4-mal gesendet.',
      ],
    ] as const) {
      assert.equal(WORDS.told('de', stored), german);
    }
  });

  describe('for what the NAS answers', () => {
    let bench: UploadBench;

    beforeEach(async () => {
      bench = new UploadBench();
      await bench.start();
    });

    afterEach(async () => {
      await bench.close();
    });

    async function whyAfter(trouble: MemoryNas['trouble']): Promise<string> {
      bench.nas.trouble = trouble;
      await bench.send('alice', 'a.txt', 'one');
      const waits: string[] = [];
      bench.upload.onNews(({ detail }) => {
        if (detail !== null) waits.push(detail);
      });
      await bench.deliver();
      return waits.at(-1) ?? '';
    }

    it('say that it is busy where its proxy finds it not', async () => {
      const why = await whyAfter(() => json(502, {}));
      assert.equal(why, 'The NAS is busy (502).');
      assert.equal(WORDS.told('de', why), 'Das NAS ist beschäftigt (502).');
    });

    it('do not call it busy where its answer could not be read', async () => {
      const why = await whyAfter(() => ({ kind: 'bad_answer', status: 200 }));
      assert.equal(why, 'The answer of the NAS could not be read (200).');
      assert.equal(WORDS.told('de', why), 'Die Antwort des NAS ließ sich nicht lesen (200).');
    });
  });
});
