import assert from 'node:assert/strict';
import { RefusedSignIns } from '../../../nodes/lib/accounts/sign-in.ts';
import { KeptLog } from '../../fakes/kept-log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

const WRONG = { kind: 'by_nas', status: 401 } as const;
const RIGHT = { kind: 'by_nas', status: 200 } as const;

describe('refused sign-ins in the log', () => {
  const kept = (): {
    readonly lines: string[];
    readonly clock: ManualClock;
    refused: RefusedSignIns;
  } => {
    const clock = new ManualClock();
    const log = new KeptLog();
    return { lines: log.withLevels, clock, refused: new RefusedSignIns(clock, log) };
  };

  it('are told with whose name, from where and why', () => {
    const { lines, refused } = kept();
    refused.note(WRONG, 'al"ice', '192.168.1.10');
    refused.note({ kind: 'refused', code: 'too_many_tries' }, null, '2001:db8:0:0::/64');
    refused.note({ kind: 'refused', code: 'nas_asleep' }, 'bob', '192.168.1.11');
    refused.note({ kind: 'by_nas', status: 422 }, 'bob', '192.168.1.11');
    assert.deepEqual(lines, [
      'warn sign-in: refused for "al\\"ice" from 192.168.1.10: bad_credentials.',
      'warn sign-in: refused for an unknown name from 2001:db8:0:0::/64: too_many_tries.',
      'info sign-in: refused for "bob" from 192.168.1.11: nas_asleep.',
      'warn sign-in: refused for "bob" from 192.168.1.11: the NAS said 422.',
    ]);
  });

  it('are not those that were let in, or asked for a second factor', () => {
    const { lines, refused } = kept();
    refused.note(RIGHT, 'alice', '192.168.1.10');
    refused.note({ kind: 'by_verifier' }, 'alice', '192.168.1.10');
    assert.deepEqual(lines, []);
  });

  it('are ten a minute at most, and then the number of the rest', async () => {
    const { lines, clock, refused } = kept();
    for (let tried = 0; tried < 5_000; tried += 1) refused.note(WRONG, 'alice', '192.168.1.10');
    assert.equal(lines.length, 10);
    await clock.advance(60_000);
    refused.note(WRONG, 'alice', '192.168.1.10');
    assert.deepEqual(lines.slice(10), [
      'warn sign-in: refused 4990 more times than were logged here.',
      'warn sign-in: refused for "alice" from 192.168.1.10: bad_credentials.',
    ]);
  });
});
