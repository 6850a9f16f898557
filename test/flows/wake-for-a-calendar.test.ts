import assert from 'node:assert/strict';
import { runInNewContext } from 'node:vm';
import { flowTexts } from './flow-rules.ts';

const NOW = Date.UTC(2026, 1, 22, 14, 30);

describe('The example that wakes the NAS for a calendar', () => {
  const { nodes } = flowTexts('examples').find(({ name }) => name.startsWith('17 ')) ?? {};
  const code = String(nodes?.find(({ type }) => type === 'function')?.['func']);

  class SteadyDate extends Date {
    static override now(): number {
      return NOW;
    }
  }

  const goesOn = (...lines: readonly string[]): boolean => {
    const msg = { payload: ['BEGIN:VCALENDAR', ...lines, 'END:VCALENDAR'].join('\r\n') };
    return runInNewContext(`(() => {${code}})()`, { msg, Date: SteadyDate }) !== null;
  };

  it('goes on when an event begins within ten minutes', () => {
    assert.ok(goesOn('DTSTART:20260222T143500Z'));
    assert.ok(goesOn('DTSTART:20250101T000000Z', 'DTSTART;X-A=1:20260222T\r\n 144000Z'));
  });

  it('does not for one that began, is far off, or lasts the whole day', () => {
    assert.ok(!goesOn('DTSTART:20260222T142900Z'));
    assert.ok(!goesOn('DTSTART:20260222T144100Z'));
    assert.ok(!goesOn('DTSTART;VALUE=DATE:20260222', 'SUMMARY:DTSTART:20260222T143500Z'));
  });

  it('takes a time without a zone for one of the home', () => {
    const local = new Date(NOW + 5 * 60_000);
    const part = (value: number): string => String(value).padStart(2, '0');
    const date = `${local.getFullYear()}${part(local.getMonth() + 1)}${part(local.getDate())}`;
    const time = `${part(local.getHours())}${part(local.getMinutes())}00`;
    assert.ok(goesOn(`DTSTART;TZID=Europe/Berlin:${date}T${time}`));
  });
});
