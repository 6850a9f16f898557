import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import {
  type CodeOutcome,
  meantCode,
  newCode,
  Setup,
  type SetupRecord,
  spokenCode,
} from '../../../nodes/lib/setup/setup.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

const HOUR_MS = 3_600_000;

describe('The setup code', () => {
  let clock: ManualClock;
  let record: SetupRecord;
  let hasAdmin: boolean;
  let lines: string[];
  let setup: Setup;

  /** Starts as a process that finds what the previous one left. */
  function begin(): void {
    const said = (line: string): void => void lines.push(line);
    setup = new Setup({
      clock,
      time: {
        nowMs: () => clock.nowMs(),
        unsynced: false,
        isProved: true,
        accepted: () => undefined,
      },
      store: {
        read: () => record,
        write: (next) => {
          record = next;
        },
      },
      log: { debug: said, info: said, warn: said, error: said },
      randomBytes,
      knowsAdmin: () => hasAdmin,
    });
    setup.start();
  }

  beforeEach(() => {
    clock = new ManualClock();
    record = { isOver: false, given: null };
    hasAdmin = false;
    lines = [];
    begin();
  });

  const code = (): string => record.given?.code ?? '';
  /** A wrong code of the same length. */
  const wrong = (): string => `${code().startsWith('A') ? 'B' : 'A'}${code().slice(1)}`;
  function letIn(outcome: CodeOutcome): string {
    assert.equal(outcome.kind, 'let_in');
    return outcome.kind === 'let_in' ? outcome.pass : '';
  }
  /** Tries wrong codes as fast as they are accepted. */
  async function guess(times: number): Promise<void> {
    for (let done = 0; done < times; done += 1) {
      if (done % 5 === 0) await clock.advance(60_000);
      assert.equal(setup.enter(wrong()).kind, 'wrong');
    }
  }

  it('has ten signs that nobody takes for others, and is told in the log', () => {
    assert.match(code(), /^[0-9A-HJKMNP-TV-Z]{10}$/);
    assert.equal(lines.length, 1);
    assert.ok(lines[0]?.includes(spokenCode(code())));
    const codes = new Set(Array.from({ length: 500 }, () => newCode(randomBytes)));
    assert.equal(codes.size, 500);
  });

  it('is taken however it is typed', () => {
    for (const [typed, meant] of [
      ['abcde-01z89', 'ABCDE01Z89'],
      [' ABCDE OIZ89 ', 'ABCDE01Z89'],
      ['abcde–olz89', 'ABCDE01Z89'],
      ['a b c d e 0 1 z 8 9', 'ABCDE01Z89'],
    ] as const) {
      assert.equal(meantCode(typed), meant);
    }
    assert.equal(setup.enter(` ${spokenCode(code()).toLowerCase()} `).kind, 'let_in');
  });

  it('lets the browser go on that entered it, over a restart, and no other', () => {
    const pass = letIn(setup.enter(code()));
    assert.ok(setup.holds(pass));
    begin();
    assert.ok(setup.holds(pass));
    for (const other of [undefined, '', 'x', code(), 'a'.repeat(43)]) {
      assert.equal(setup.holds(other), false);
    }
    assert.ok(!JSON.stringify(record).includes(pass));
  });

  it('stays good after it was entered, until the setup is done', () => {
    letIn(setup.enter(code()));
    assert.equal(setup.enter(code()).kind, 'let_in');
    assert.equal(record.given?.tries, 0);
  });

  it('is over after a day, with all that it let in', async () => {
    const pass = letIn(setup.enter(code()));
    await clock.advance(24 * HOUR_MS - 1);
    assert.ok(setup.holds(pass));
    await clock.advance(1);
    assert.equal(setup.holds(pass), false);
    assert.equal(setup.enter(code()).kind, 'code_over');
    const before = code();
    begin();
    assert.notEqual(code(), before, 'a start makes a new one');
  });

  it('takes five tries a minute from all together, and says how long to wait', async () => {
    for (let tries = 0; tries < 5; tries += 1) assert.equal(setup.enter(wrong()).kind, 'wrong');
    await clock.advance(20_000);
    assert.deepEqual(setup.enter(code()), { kind: 'too_many_tries', retryAfterSeconds: 40 });
    assert.equal(record.given?.tries, 5, 'one that is not looked at is no try');
    await clock.advance(40_000);
    assert.equal(setup.enter(code()).kind, 'let_in');
  });

  it('is over after fifty wrong ones, over restarts too', async () => {
    await guess(30);
    begin();
    await guess(20);
    await clock.advance(60_000);
    assert.equal(setup.enter(code()).kind, 'code_over');
    assert.ok(lines.some((line) => line.includes('used up')));
    assert.ok(!lines.some((line) => line.includes(wrong())));
  });

  it('gives no free try to whoever can cut the process', () => {
    const kept = record;
    setup.enter(wrong());
    assert.equal(record.given?.tries, (kept.given?.tries ?? 0) + 1);
  });

  it('is another one once the shell made one, whose day begins when it is seen', async () => {
    const pass = letIn(setup.enter(code()));
    await guess(5);
    record = {
      isOver: false,
      given: { code: 'ABCDE00000', seenAtMs: null, tries: 0, browsers: [] },
    };
    await clock.advance(5_000);
    assert.equal(record.given?.seenAtMs, clock.nowMs());
    assert.ok(lines.at(-1)?.includes('ABCDE-00000'));
    assert.equal(setup.holds(pass), false, 'who had the old one begins anew');
    record = {
      isOver: false,
      given: { code: 'ABCDE23456', seenAtMs: null, tries: 0, browsers: [] },
    };
    assert.equal(setup.enter('abcde-23456').kind, 'let_in');
  });

  it('ends with the first admin of the NAS that is known here, for good', async () => {
    const pass = letIn(setup.enter(code()));
    const known = code();
    hasAdmin = true;
    assert.equal(setup.isOpen, false);
    assert.equal(setup.holds(pass), false);
    assert.equal(setup.enter(known).kind, 'setup_over');
    assert.deepEqual(record, { isOver: true, given: null });
    hasAdmin = false;
    begin();
    assert.equal(setup.isOpen, false, 'accounts that are lost open nothing');
    assert.equal(setup.enter(known).kind, 'setup_over');
    await clock.advance(60_000);
    assert.equal(record.given, null);
  });

  it('spares whoever did it the password for half an hour', async () => {
    const pass = letIn(setup.enter(code()));
    assert.equal(setup.isJustDone(pass), false, 'not done yet');
    hasAdmin = true;
    assert.ok(setup.isJustDone(pass));
    assert.equal(setup.isJustDone('a'.repeat(43)), false);
    await clock.advance(HOUR_MS / 2);
    assert.equal(setup.isJustDone(pass), false);
  });

  it('is never made where an admin is known already', () => {
    record = { isOver: false, given: null };
    hasAdmin = true;
    lines = [];
    begin();
    assert.deepEqual(lines, []);
    assert.equal(setup.isOpen, false);
  });
});
