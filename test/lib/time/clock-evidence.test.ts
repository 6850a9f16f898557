import assert from 'node:assert/strict';
import {
  ClockEvidence,
  type ClockMarks,
  readClockMarks,
} from '../../../nodes/lib/time/trusted-time.ts';
import { KeptLog } from '../../fakes/kept-log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

const MINUTE_MS = 60_000;

describe('Whether the clock may be believed', () => {
  let log: KeptLog;
  let clock: ManualClock;
  let marks: ClockMarks;
  let isBehind: boolean;
  const buildDateMs = Date.parse('2026-02-01T00:00:00Z');
  let evidence: ClockEvidence;

  beforeEach(() => {
    log = new KeptLog();
    clock = new ManualClock();
    marks = { isSynchronized: false, startsFromGuess: true, uptimeMs: 30_000 };
    isBehind = false;
    evidence = new ClockEvidence({
      clock,
      log,
      buildDateMs,
      isBehind: () => isBehind,
      readMarks: () => marks,
    });
  });

  const nasSays = (offByMs: number): void => {
    evidence.heardFromNas(new Date(clock.nowMs() + offByMs).toUTCString());
  };

  it('doubts a plausible time that a Pi without a battery booted with', () => {
    assert.equal(evidence.isTrusted, false);
  });

  it('believes it once timesyncd has set it, whatever the NAS says', () => {
    nasSays(3 * 3_600_000);
    assert.equal(evidence.isTrusted, false);
    marks = { ...marks, isSynchronized: true };
    assert.equal(evidence.isTrusted, true);
  });

  it('believes it when the NAS tells the same time', () => {
    nasSays(2_000);
    assert.equal(evidence.isTrusted, true);
    assert.deepEqual(log.problems, []);
  });

  it('doubts it when the NAS tells another, with systemd and without', () => {
    nasSays(-5 * MINUTE_MS);
    assert.equal(evidence.isTrusted, false);
    marks = { ...marks, startsFromGuess: false };
    assert.equal(evidence.isTrusted, false);
    nasSays(0);
    assert.equal(evidence.isTrusted, true);
  });

  it('believes a machine with a clock of its own, or without systemd, at once', () => {
    marks = { ...marks, startsFromGuess: false };
    assert.equal(evidence.isTrusted, true);
  });

  it('goes by it after 20 minutes all the same, and says so once', () => {
    marks = { ...marks, uptimeMs: 20 * MINUTE_MS };
    assert.equal(evidence.isTrusted, true);
    assert.equal(evidence.isTrusted, true);
    assert.equal(log.problems.length, 1);
  });

  it('believes a clock that is behind the newest stored time only where something confirms it', () => {
    isBehind = true;
    marks = { ...marks, startsFromGuess: false, uptimeMs: 19 * MINUTE_MS };
    assert.equal(evidence.isTrusted, false);
    nasSays(5 * MINUTE_MS);
    assert.equal(evidence.isTrusted, false);
    nasSays(2_000);
    assert.equal(evidence.isTrusted, true);
    marks = { ...marks, isSynchronized: true };
    nasSays(5 * MINUTE_MS);
    assert.equal(evidence.isTrusted, true);
  });

  it('goes after 20 minutes by a clock that is behind, where it can be right at all', () => {
    isBehind = true;
    marks = { ...marks, uptimeMs: 20 * MINUTE_MS };
    assert.equal(evidence.isTrusted, true);
    clock.stepWallTo(buildDateMs - 1);
    assert.equal(evidence.isTrusted, false);
  });

  it('has two proofs where time synchronisation and the NAS agree within five minutes', async () => {
    nasSays(5 * MINUTE_MS);
    assert.equal(evidence.proofs, null);
    marks = { ...marks, isSynchronized: true };
    const nasMs = clock.nowMs() + 5 * MINUTE_MS;
    assert.deepEqual(evidence.proofs, { wallMs: clock.nowMs(), nasMs });
    await clock.advance(MINUTE_MS);
    assert.deepEqual(evidence.proofs, { wallMs: clock.nowMs(), nasMs: nasMs + MINUTE_MS });
    clock.stepWallTo(clock.nowMs() - 1_000);
    assert.equal(evidence.proofs, null);
  });

  it('has none without the NAS, or without time synchronisation', () => {
    marks = { ...marks, isSynchronized: true };
    assert.equal(evidence.proofs, null);
    marks = { ...marks, isSynchronized: false };
    nasSays(0);
    assert.equal(evidence.proofs, null);
  });

  it('is ahead where the NAS tells an earlier time and nobody set it', () => {
    nasSays(-4 * MINUTE_MS);
    assert.equal(evidence.isAhead, false);
    nasSays(-6 * MINUTE_MS);
    assert.equal(evidence.isAhead, true);
    marks = { ...marks, isSynchronized: true };
    assert.equal(evidence.isAhead, false);
  });

  it('ignores a date that is none', () => {
    evidence.heardFromNas('soon');
    assert.equal(evidence.isTrusted, false);
  });

  it('reads what this machine tells without failing', () => {
    assert.ok(readClockMarks().uptimeMs > 0);
  });
});
