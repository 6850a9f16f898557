import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { extname } from 'node:path';
import { mock } from 'node:test';
import { nodePlugHttp } from '../../../packages/node-red-contrib-balupi-tapo/lib/tapo/plug-http.ts';
import type { DriverChoice } from '../../../packages/node-red-contrib-balupi-tapo/lib/tapo/plug-driver.ts';
import type {
  Plug,
  PlugReading,
} from '../../../packages/node-red-contrib-balupi-tapo/lib/tapo/plug.ts';
import type { PlugFault } from '../../practice/plug/plug-faults.ts';
import type { PracticePlug, PracticePlugOptions } from '../../practice/plug/practice-plug.ts';
import { Bench, OWNER } from './setup.ts';

interface Case extends Partial<PracticePlugOptions> {
  readonly choice: DriverChoice;
  readonly keepsHours: boolean;
  /** The power it reports by methods other than `get_energy_usage`. */
  readonly otherPowerMw: number | null;
  /** The fault's name if no answer of it can be decrypted. */
  readonly tampered?: 'session_taken';
}

const KLAP = { sample: 'P110M(EU)_1.0_1.2.3', protocol: 'klap' } as const;
const AES_2 = { sample: 'P110(EU)_1.0_1.2.3', protocol: 'aes' } as const;
const AES = { sample: 'P110(EU)_1.0_1.0.7', protocol: 'aes' } as const;

const DISCOVER = '{"method":"login","params":{"sub_method":"discover"}}';

/** Sixteen random bytes, or the query whether the plug speaks TPAP. */
function isHarmless({ path, body }: { readonly path: string; readonly body: Buffer }): boolean {
  const isSeed = path === '/app/handshake1' && body.length === 16;
  return isSeed || (path === '/' && body.toString() === DISCOVER);
}

/** The contract of {@link Plug}, which every driver has to keep. */
const DRIVERS: Readonly<Record<string, Case>> = {
  'KLAP 2': { ...KLAP, choice: 'auto', keepsHours: true, otherPowerMw: 42_500 },
  'AES with lv 2': { ...AES_2, choice: 'auto', keepsHours: true, otherPowerMw: 43_000 },
  'AES before lv': { ...AES, choice: 'auto', keepsHours: false, otherPowerMw: null },
  TPAP: {
    ...{ sample: 'P110M(EU)_1.0_1.2.3', protocol: 'tpap', choice: 'auto' },
    ...{ keepsHours: true, otherPowerMw: 42_500, tampered: 'session_taken' },
  },
  'KLAP 2 by tp-link-tapo-connect': {
    ...KLAP,
    choice: 'connect',
    keepsHours: false,
    otherPowerMw: null,
  },
  'AES before lv by tp-link-tapo-connect': {
    ...AES,
    choice: 'connect',
    keepsHours: false,
    otherPowerMw: null,
  },
};

for (const [name, { choice, keepsHours, otherPowerMw, tampered, ...kind }] of Object.entries(
  DRIVERS,
)) {
  describe(`a plug over ${name}`, () => {
    let bench: Bench;
    let practice: PracticePlug;
    let plug: Plug;

    beforeEach(async () => {
      bench = new Bench();
      practice = await bench.plug(kind);
      plug = driver();
    });

    afterEach(async () => {
      plug.close();
      await bench.close();
    });

    /** Old firmware is only spoken to once an admin confirmed it. */
    function driver(change: Parameters<Bench['driver']>[1] = {}): Plug {
      const target = { oldProtocolMac: practice.mac, ...change.target };
      return bench.driver(practice, { choice, ...change, target });
    }

    async function reading(): Promise<PlugReading> {
      const outcome = await plug.read();
      if (outcome.kind !== 'reading') assert.fail(`no reading but ${JSON.stringify(outcome)}`);
      return outcome.reading;
    }

    it('tells power, counters, relay and who it is', async () => {
      await bench.clock.advance(7_200_000);
      const read = await reading();
      assert.equal(read.powerMw, 42_500);
      assert.equal(read.isOn, true);
      assert.equal(read.todayEnergyWh, 85);
      assert.equal(read.monthEnergyWh, 85);
      assert.equal(read.deviceLocalTime, '2026-02-22 17:30:00');
      assert.equal(read.info.nickname, 'Practice 1');
      assert.equal(read.info.mac, '02:50:4C:00:00:01');
      assert.equal(read.info.deviceId, practice.deviceId);
    });

    it('logs in once for many reads and keeps one request on the wire', async () => {
      const reads = await Promise.all(Array.from({ length: 8 }, () => plug.read()));
      assert.ok(reads.every((outcome) => outcome.kind === 'reading'));
      assert.equal(practice.logins, 1);
      assert.equal(practice.maxInFlight, 1);
    });

    it('switches the relay, and an open one draws nothing', async () => {
      assert.deepEqual(await plug.setRelay(false), { kind: 'switched', isOn: false });
      assert.equal(practice.isOn, false);
      const read = await reading();
      assert.equal(read.isOn, false);
      assert.equal(read.powerMw, 0);
    });

    it('tells the hours it counted itself, where its firmware keeps them', async () => {
      await bench.clock.advance(2.5 * 3_600_000);
      // Plugged in at 15:30 of its own zone, where the day began at 23:00 UTC.
      const midnightS = Date.parse('2026-02-21T23:00:00Z') / 1_000;
      const nowS = bench.clock.nowMs() / 1_000;
      const outcome = await plug.hours(midnightS, nowS);
      if (!keepsHours) {
        assert.deepEqual(outcome, { kind: 'not_offered' });
        return;
      }
      assert.ok(outcome.kind === 'hours');
      assert.equal(outcome.hours.length, 18);
      assert.deepEqual(outcome.hours.at(0), { startS: midnightS, energyWh: 0 });
      const last = outcome.hours.slice(-3).map(({ energyWh }) => energyWh);
      assert.deepEqual(last, [21, 43, 43]);
      assert.equal((await plug.hours(midnightS - 9 * 86_400, nowS)).kind, 'not_offered');
    });

    it('logs in again within the same read when its session is gone', async () => {
      await reading();
      practice.stealSession();
      await reading();
      assert.equal(practice.logins, 2);
    });

    it('logs in again before the session would end', async () => {
      await reading();
      await bench.clock.advance((86_400 - 1_200) * 1_000);
      const refusedBefore = practice.logins;
      await reading();
      assert.equal(practice.logins, refusedBefore + 1);
      const outcome = await plug.read();
      assert.equal(outcome.kind === 'reading' && outcome.isContested, false);
    });

    it('calls a plug contested that loses its session again and again, and reads it still', async () => {
      await reading();
      for (let round = 0; round < 2; round += 1) {
        practice.stealSession();
        await reading();
      }
      const contested = await plug.read();
      assert.equal(contested.kind === 'reading' && contested.isContested, true);
      await bench.clock.advance(301_000);
      const calm = await plug.read();
      assert.equal(calm.kind === 'reading' && calm.isContested, false);
    });

    it('names a wrong password, tries it twice more in the next hour and then once a day', async () => {
      const wrong = driver({
        credentials: { ...OWNER, password: 'correct-horse 9' },
      });
      assert.equal((await wrong.read()).kind, 'wrong_password');
      const triedAtS: number[] = [];
      for (let second = 0; second < 172_800; second += 300) {
        await bench.clock.advance(300_000);
        const before = practice.received.length;
        assert.equal((await wrong.read()).kind, 'wrong_password');
        if (practice.received.length > before) triedAtS.push(second + 300);
      }
      assert.deepEqual(triedAtS, [1_800, 3_600, 90_000]);
    });

    it('asks nothing of the plug when no account is configured', async () => {
      const outcome = await driver({ credentials: null }).read();
      assert.equal(outcome.kind, 'wrong_password');
      assert.equal('cause' in outcome && outcome.cause, 'no_credentials');
      assert.equal(practice.received.length, 0);
    });

    it('gives up a plug that never answers after 5 s, and reads it again later', async () => {
      await reading();
      practice.setFault('silent', 1);
      const started = bench.clock.monotonicMs();
      assert.equal((await bench.until(plug.read())).kind, 'unreachable');
      assert.equal(bench.clock.monotonicMs() - started, 5_000);
      await reading();
    });

    const faults: readonly (readonly [PlugFault, string])[] = [
      ['reset', 'unreachable'],
      ['garbage', 'bad_answer'],
      ['not_http', 'bad_answer'],
      ['truncated', 'bad_answer'],
      ['endless', 'bad_answer'],
    ];
    for (const [fault, kindOfFailure] of faults) {
      it(`answers ${kindOfFailure} while the plug's fault is ${fault}, and recovers`, async () => {
        practice.setFault(fault);
        assert.equal((await bench.until(plug.read())).kind, kindOfFailure);
        practice.setFault(null);
        await reading();
      });
    }

    it('costs a value no plug can have that value alone', async () => {
      practice.setFault('absurd');
      const absurd = await reading();
      assert.deepEqual([absurd.powerMw, absurd.isOn, absurd.todayEnergyWh], [null, true, 0]);
      practice.setFault(null);
      for (const value of [-1, 4_200_000, '7', null]) {
        practice.setAnswer('get_energy_usage', { month_energy: value });
        const odd = await reading();
        assert.deepEqual([odd.powerMw, odd.todayEnergyWh, odd.monthEnergyWh], [42_500, 0, null]);
      }
      practice.setAnswer('get_energy_usage', { current_power: -5_000, local_time: 'noon' });
      const odd = await reading();
      assert.equal(odd.powerMw, -5_000, 'a solar inverter feeds in through it');
      assert.deepEqual([odd.todayEnergyWh, odd.deviceLocalTime], [0, undefined]);
    });

    for (const method of ['get_energy_usage', 'get_emeter_data', 'get_current_power']) {
      for (const error of [-1_003, -1_007, -1_002]) {
        it(`reads and switches a plug that refuses ${method} with ${error}`, async () => {
          for (let round = 0; round < 2; round += 1) {
            const before = await reading();
            practice.setAnswer(method, error);
            const read = await reading();
            assert.equal(read.isOn, before.isOn);
            assert.equal(read.info.deviceId, practice.deviceId);
            const isUsage = method === 'get_energy_usage';
            assert.equal(read.powerMw, isUsage ? otherPowerMw : 42_500);
            assert.equal(read.todayEnergyWh, isUsage ? null : 0);
            practice.setAnswer(method, null);
          }
          practice.setAnswer(method, error);
          assert.equal((await plug.setRelay(false)).kind, 'switched');
          assert.equal((await reading()).isOn, false);
        });
      }
    }

    it('reads a plug that does not say who it is any more, where it logged in as itself', async () => {
      const bound = driver({ target: { mac: practice.mac, deviceId: practice.deviceId } });
      assert.equal((await bound.read()).kind, 'reading');
      practice.setAnswer('get_device_info', -1_003);
      const read = await bound.read();
      assert.ok(read.kind === 'reading');
      assert.deepEqual([read.reading.powerMw, read.reading.isOn], [42_500, null]);
    });

    it('does not believe a tampered answer, and makes up for one in the same read', async () => {
      await reading();
      practice.setFault('tampered', 1);
      await reading();
      practice.setFault('tampered');
      assert.equal((await plug.read()).kind, tampered ?? 'bad_answer');
    });

    it('leaves a plug alone that is asked too often', async () => {
      await reading();
      practice.setFault('rate_limited');
      const limited = await plug.read();
      assert.equal('cause' in limited && limited.cause, 'rate_limited');
      const asked = practice.received.length;
      await plug.read();
      assert.equal(practice.received.length, asked);
      practice.setFault(null);
      await bench.clock.advance(30_000);
      await reading();
    });

    it('waits for a slow plug within its time', async () => {
      practice.setFault('slow', 1);
      assert.equal((await bench.until(plug.read())).kind, 'reading');
    });

    it('sends no credentials to another device at the address of a known plug', async () => {
      const bound = driver({ target: { mac: '02:50:4C:00:00:99' } });
      const outcome = await bound.read();
      assert.equal('cause' in outcome && outcome.cause, 'other_device');
      assert.equal(practice.received.length, 0);
    });

    it('does not switch another plug of the same owner', async () => {
      const bound = driver({ target: { deviceId: '8022'.padEnd(40, 'F') } });
      const outcome = await bound.setRelay(false);
      assert.equal('cause' in outcome && outcome.cause, 'other_device');
      assert.equal(practice.isOn, true);
    });

    it('ends a running read when its caller gives up', async () => {
      practice.setFault('silent');
      const controller = new AbortController();
      const outcome = plug.read(controller.signal);
      controller.abort();
      assert.equal((await outcome).kind, 'unreachable');
    });

    it('ends running and later reads once it is closed', async () => {
      practice.setFault('silent');
      const running = plug.read();
      plug.close();
      assert.equal((await running).kind, 'unreachable');
      assert.equal((await plug.read()).kind, 'unreachable');
    });
  });
}

describe('the choice of a protocol', () => {
  let bench: Bench;

  beforeEach(() => {
    bench = new Bench();
  });

  afterEach(async () => {
    await bench.close();
  });

  it('reads a KLAP plug that stays silent on UDP', async () => {
    const practice = await bench.plug();
    practice.setQuiet(true);
    assert.equal((await bench.until(bench.driver(practice).read())).kind, 'reading');
  });

  it('sends nothing secret to an AES plug that stays silent on UDP', async () => {
    const practice = await bench.plug({ protocol: 'aes' });
    practice.setQuiet(true);
    const outcome = await bench.until(bench.driver(practice).read());
    assert.equal('cause' in outcome && outcome.cause, 'identity_unproven');
    assert.ok(practice.received.every(isHarmless));
  });

  it('names TPAP before any login where the driver leaves it out', async () => {
    const practice = await bench.plug({ protocol: 'tpap' });
    const outcome = await bench.driver(practice, { choice: 'klap' }).read();
    assert.equal(outcome.kind, 'unsupported_protocol');
    assert.equal('cause' in outcome && outcome.cause, 'tpap');
    assert.equal(practice.received.length, 0);
  });

  it('names a plug whose owner has not allowed third parties', async () => {
    const practice = await bench.plug();
    practice.setFault('third_party_off');
    assert.equal((await bench.driver(practice).read()).kind, 'third_party_off');
  });

  it('does not fall back to AES with a plug that spoke KLAP or TPAP', async () => {
    const practice = await bench.plug({ protocol: 'aes' });
    for (const protocol of ['klap', 'tpap'] as const) {
      const target = { protocol, oldProtocolMac: practice.mac };
      const outcome = await bench.driver(practice, { target }).read();
      assert.equal('cause' in outcome && outcome.cause, 'downgrade');
    }
    assert.ok(practice.received.every(({ path }) => path === '/app/handshake1'));
  });

  it('speaks no AES when the driver is set to klap or tpap', async () => {
    const practice = await bench.plug({ protocol: 'aes' });
    const target = { oldProtocolMac: practice.mac };
    for (const choice of ['klap', 'tpap'] as const) {
      const outcome = await bench.driver(practice, { choice, target }).read();
      assert.equal(outcome.kind, 'unsupported_protocol');
    }
    assert.ok(practice.received.every(isHarmless));
  });

  it('asks the library where a plug does not take our handshake, with nothing secret', async () => {
    const practice = await bench.plug({ protocol: 'aes' });
    practice.setQuiet(true);
    await bench.until(bench.driver(practice, { choice: 'klap' }).read());
    assert.equal(practice.received.length, 1);
    const outcome = await bench.until(bench.driver(practice, { choice: 'auto' }).read());
    assert.equal('cause' in outcome && outcome.cause, 'identity_unproven');
    const asked = practice.received.map(({ path }) => path);
    assert.deepEqual(asked, [...Array<string>(3).fill('/app/handshake1'), '/']);
    assert.ok(practice.received.every(isHarmless));
  });

  it('lets the library speak AES only after a UDP answer that names it, and TPAP never', async () => {
    const silent = await bench.plug({ protocol: 'aes' });
    silent.setQuiet(true);
    const unproven = await bench.until(bench.driver(silent, { choice: 'connect' }).read());
    assert.equal('cause' in unproven && unproven.cause, 'identity_unproven');
    assert.ok(silent.received.every(({ path }) => path === '/app/handshake1'));
    const tpap = await bench.plug({ protocol: 'tpap' });
    const named = await bench.driver(tpap, { choice: 'connect' }).read();
    assert.equal('cause' in named && named.cause, 'tpap');
    assert.equal(tpap.received.length, 0);
  });

  it('says that the library cannot log in to firmware that wants a hashed password', async () => {
    const practice = await bench.plug({ sample: 'P110(EU)_1.0_1.2.3', protocol: 'aes' });
    const target = { oldProtocolMac: practice.mac };
    const outcome = await bench.driver(practice, { choice: 'connect', target }).read();
    assert.equal(outcome.kind, 'unsupported_protocol');
    assert.match('detail' in outcome ? outcome.detail : '', /own driver can/);
  });

  it('names what keeps the library out, which it hides itself, and prints nothing', async () => {
    const said: unknown[] = [];
    const warn = mock.method(console, 'warn', (...words: unknown[]) => said.push(words));
    try {
      const off = await bench.plug();
      off.setFault('third_party_off');
      const refused = await bench.driver(off, { choice: 'connect' }).read();
      assert.equal(refused.kind, 'third_party_off');
      const stranger = await bench.plug({ password: 'another' });
      const wrong = await bench.driver(stranger, { choice: 'connect' }).read();
      assert.equal(wrong.kind, 'wrong_password');
      assert.ok(stranger.received.every(({ path }) => path === '/app/handshake1'));
    } finally {
      warn.mock.restore();
    }
    assert.deepEqual(said, []);
  });

  it('loads the library only when a plug needs it', () => {
    const script = `
      import { createRequire } from 'node:module';
      import { Bench } from '${new URL(`setup${extname(import.meta.url)}`, import.meta.url).href}';
      const loaded = () => Object.keys(createRequire(import.meta.url).cache)
        .filter((file) => file.includes('tp-link-tapo-connect')).length > 0;
      const bench = new Bench();
      const plug = await bench.plug();
      const kinds = [(await bench.driver(plug).read()).kind, loaded()];
      kinds.push((await bench.driver(plug, { choice: 'connect' }).read()).kind, loaded());
      await bench.close();
      console.log(JSON.stringify(kinds));`;
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
      timeout: 60_000,
    });
    assert.deepEqual(
      JSON.parse(child.stdout || 'null'),
      ['reading', false, 'reading', true],
      child.stderr,
    );
  });

  it('tells volts and amperes only where the firmware does, and asks in vain only once', async () => {
    const rich = bench.driver(await bench.plug({ sample: 'P110M(EU)_1.0_1.2.3' }));
    const outcome = await rich.read();
    assert.equal(outcome.kind === 'reading' && outcome.reading.voltageMv, 230_000);
    assert.equal(outcome.kind === 'reading' && outcome.reading.currentMa, 185);
    const plain = await bench.plug({ sample: 'P110(UK)_1.0_1.3.0' });
    const driver = bench.driver(plain);
    for (let round = 0; round < 3; round += 1) {
      const read = await driver.read();
      assert.equal(read.kind === 'reading' && read.reading.voltageMv, null);
      assert.equal(read.kind === 'reading' && read.reading.powerMw, 42_500);
    }
    assert.equal(plain.calls('get_emeter_data'), 1);
  });

  it('asks again after an hour for what a plug refused for a while', async () => {
    const practice = await bench.plug();
    const driver = bench.driver(practice);
    practice.setAnswer('get_emeter_data', -1_007);
    const volts: unknown[] = [];
    for (let half = 0; half < 4; half += 1) {
      const read = await driver.read();
      volts.push(read.kind === 'reading' && read.reading.voltageMv);
      practice.setAnswer('get_emeter_data', null);
      await bench.clock.advance(1_800_000);
    }
    assert.deepEqual(volts, [null, null, 230_000, 230_000]);
  });

  it('uses what it was told where a further question finds no answer', async () => {
    const practice = await bench.plug();
    for (const method of ['get_energy_usage', 'get_emeter_data']) {
      practice.setAnswer(method, -1_007);
    }
    let requests = 0;
    const driver = bench.driver(practice, {
      http: async (request) => {
        const isLast = request.path.startsWith('/app/request') && (requests += 1) === 3;
        return isLast ? { kind: 'unreachable', detail: 'cut' } : await nodePlugHttp(request);
      },
    });
    const read = await driver.read();
    assert.ok(read.kind === 'reading');
    assert.deepEqual([read.reading.powerMw, read.reading.isOn], [null, true]);
    assert.equal(requests, 3);
  });

  it('calls a plug that refuses every question no reading', async () => {
    const practice = await bench.plug();
    const target = { deviceId: practice.deviceId, mac: practice.mac };
    const driver = bench.driver(practice, { target });
    assert.equal((await driver.read()).kind, 'reading');
    for (const method of ['get_device_info', 'get_energy_usage', 'get_current_power']) {
      practice.setAnswer(method, -1_003);
    }
    practice.setAnswer('get_emeter_data', -1_003);
    assert.equal((await driver.read()).kind, 'bad_answer');
  });

  it('backs off when its session is taken right after each login', async () => {
    const practice = await bench.plug();
    const driver = bench.driver(practice, {
      http: async (request) => {
        if (request.path.startsWith('/app/request')) practice.stealSession();
        return await nodePlugHttp(request);
      },
    });
    const attempts: number[] = [];
    for (let second = 0; second < 60; second += 1) {
      const before = practice.logins;
      assert.equal((await driver.read()).kind, 'session_taken');
      if (practice.logins > before) attempts.push(second);
      assert.ok(practice.logins - before <= 1);
      await bench.clock.advance(1_000);
    }
    assert.deepEqual(attempts, [0, 5, 15, 35]);
  });
});
