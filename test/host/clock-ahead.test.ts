import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App } from '../../compose.ts';
import { SystemClock } from '../../nodes/lib/time/system-clock.ts';
import { readSettings, type Settings } from '../../settings.ts';
import { KeptLog } from '../fakes/kept-log.ts';
import { authResultOf } from '../fakes/auth-result.ts';
import { ManualClock } from '../fakes/manual-clock.ts';
import { PracticeNas } from '../practice/nas/practice-nas.ts';

const AHEAD = Date.parse('2035-03-01T12:00:00Z');
const MINUTE_MS = 60_000;

describe('A BaluPi whose clock was once ahead', () => {
  const folder = mkdtempSync(join(tmpdir(), 'balupi-clock-'));
  const log = new KeptLog();
  let nas: PracticeNas;
  let clock: ManualClock;
  let app: App;
  let isSynchronized = false;
  let startsFromGuess = true;

  const settings = (): Settings => {
    const read = readSettings({
      BALUPI_DATA_DIR: join(folder, 'balupi'),
      BALUPI_NAS_URL: nas.url,
      BALUPI_NAS_DIRECT_URL: nas.url,
      BALUPI_SECRET_KEY: 'a secret of thirty-two characters',
      BALUPI_TIMEZONE: 'Europe/Berlin',
    });
    if (read.kind !== 'settings') throw new Error(read.faults.join('\n'));
    return read.settings;
  };

  const open = async (startMs: number): Promise<void> => {
    clock = new ManualClock(startMs);
    app = new App({
      settings: settings(),
      clock,
      log,
      version: '0',
      buildDateMs: 0,
      readMarks: () => ({ isSynchronized, startsFromGuess, uptimeMs: 30_000 }),
      trial: { isOn: false, isUndecided: false },
      host: {
        flows: () => ({ leftOut: [], missing: [], changedByBoth: [], isSafe: false }),
        isDiskSlow: () => false,
        palette: () => [],
      },
    });
    await app.start();
  };

  before(async () => {
    const real = new SystemClock((problem) => {
      throw problem;
    });
    nas = new PracticeNas({ clock: real, storageFolder: join(folder, 'nas') });
    await nas.start();
    await open(AHEAD);
    await app.stop();
    await open(Date.now());
  });

  after(async () => {
    await app.stop();
    await nas.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const meter = async (minutes: number): Promise<number> => {
    for (let minute = 0; minute < minutes; minute += 1) {
      const monotonicMs = clock.monotonicMs();
      const reading = {
        ...{ deviceNumber: 1, monotonicMs, powerMw: 60_000, voltageMv: null, currentMa: null },
        ...{ todayWh: null, monthWh: null, relay: 'on' as const },
      };
      app.services.energy.record([reading]);
      await clock.advance(MINUTE_MS);
    }
    const [toMs, fromMs] = [clock.nowMs(), clock.nowMs() - 3_600_000];
    const stored = app.data.energy
      .prepare('SELECT count(*) AS n FROM energy_samples WHERE place BETWEEN ? AND ?')
      .get(Math.floor(fromMs / 1_000) * 65_536, Math.floor(toMs / 1_000) * 65_536);
    return Number(stored?.['n']);
  };
  const authenticate = async (token: string): Promise<string> =>
    (await authResultOf(app.services.accounts, token)).kind;
  const clockWord = (): unknown => app.services.system.health().checks['clock'];

  it('says so, and believes in no time that only one of the two tells', async () => {
    assert.equal(clockWord(), 'clock_unsynced');
    assert.match(log.problems.join('\n'), /2035-03-01/);
    assert.equal(await authenticate(nas.accounts.accessToken('alice')), 'caller');
    assert.equal(clockWord(), 'clock_unsynced');
  });

  it('meters from the first minute, at the time it is', async () => {
    assert.ok((await meter(5)) >= 4);
  });

  it('has the right time once both tell it, and lets in asleep whom the NAS knows', async () => {
    clock.stepWallTo(Date.now());
    isSynchronized = true;
    const token = nas.accounts.accessToken('alice');
    assert.equal(await authenticate(token), 'caller');
    assert.equal(clockWord(), 'ok');
    await nas.sleep('suspend');
    assert.equal(await authenticate(token), 'caller');
  });

  it('moves what it metered to where it belongs, when it began ahead and is set back', async () => {
    await app.stop();
    await nas.wake();
    [isSynchronized, startsFromGuess] = [false, false];
    await open(AHEAD + 365 * 86_400_000);
    assert.ok((await meter(5)) >= 4);
    clock.stepWallTo(Date.now());
    isSynchronized = true;
    assert.equal(await authenticate(nas.accounts.accessToken('alice')), 'caller');
    assert.ok((await meter(2)) >= 6);
    const ahead = app.data.energy
      .prepare('SELECT count(*) AS n FROM energy_samples WHERE at_s > ?')
      .get(Math.floor(clock.nowMs() / 1_000) + 3_600);
    assert.equal(ahead?.['n'], 0);
    assert.equal(clockWord(), 'ok');
  });
});
