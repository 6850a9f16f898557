import assert from 'node:assert/strict';
import type {
  PlugSample,
  Tapo,
} from '../../../packages/node-red-contrib-balupi-tapo/lib/tapo/tapo.ts';
import type { PracticePlug } from '../../practice/plug/practice-plug.ts';
import { Bench, OWNER } from './setup.ts';

describe('the registry of plugs', () => {
  let bench: Bench;

  beforeEach(() => {
    bench = new Bench();
  });

  afterEach(async () => {
    await bench.close();
  });

  it('adds what a search finds, once, with the values of a first reading', async () => {
    const plugs = [await bench.plug(), await bench.plug({ nickname: 'Kühlschrank' })];
    const tapo = bench.tapo(plugs);
    const first = await bench.until(tapo.discover());
    assert.equal(first.discovered, 2);
    assert.equal(first.newDevices, 2);
    const second = await bench.until(tapo.discover());
    assert.equal(second.newDevices, 0);
    assert.equal(second.devices.length, 2);
    const fridge = tapo.list().find((device) => device.macAddress === plugs[1]?.mac);
    assert.equal(fridge?.name, 'Kühlschrank');
    assert.equal(fridge?.model, 'P110M');
    assert.equal(fridge?.firmware, '1.2.3 Build 240617 Rel.153525');
    assert.equal(fridge?.ipAddress, plugs[1]?.address);
    assert.equal(fridge?.state, 'ok');
    assert.equal(fridge?.stateHint, '');
    assert.equal(fridge?.isOnline, true);
    assert.equal(fridge?.isOn, true);
    assert.equal(fridge?.role, 'generic');
  });

  it('tries an account at the first plug that answers, and at the others where that cannot be reached', async () => {
    const [mute, plug] = [await bench.plug(), await bench.plug({ nickname: 'Fridge' })];
    const tapo = bench.tapo([mute, plug], { credentials: null });
    // A broken connection: it answers a search, but no request.
    mute.setFault('reset');
    plug.setQuiet(true);
    const trying = tapo.tryAccount(OWNER);
    await bench.turns(() => mute.queries > 0);
    plug.setQuiet(false);
    assert.deepEqual(await bench.until(trying), { kind: 'taken', plug: 'Fridge' });
    const wrong = await bench.until(tapo.tryAccount({ ...OWNER, password: 'wrong' }));
    assert.equal(wrong.kind, 'refused');
    for (const one of [mute, plug]) one.setQuiet(true);
    assert.deepEqual(await bench.until(tapo.tryAccount(OWNER)), { kind: 'untried' });
  });

  it('shows the name that a plug tells in one line, and its model where the name shows nothing', async () => {
    const names = ['Wasch\nküche\r\u001b[31m\u202e\u2028', '\u200b\u0000 '];
    const plugs = [
      await bench.plug({ nickname: names[0] ?? '' }),
      await bench.plug({ nickname: names[1] ?? '' }),
    ];
    const tapo = bench.tapo(plugs);
    await bench.until(tapo.discover());
    const nameOf = (plug: PracticePlug | undefined): string | undefined =>
      tapo.list().find(({ macAddress }) => macAddress === plug?.mac)?.name;
    assert.equal(nameOf(plugs[0]), 'Waschküche[31m');
    assert.match(nameOf(plugs[1]) ?? '', /^P110M/);
  });

  it('finds a forgotten plug again by its MAC: id, number, name, and the role where it is free', async () => {
    const plugs = [await bench.plug(), await bench.plug()];
    const [nas, other] = plugs;
    assert.ok(nas !== undefined && other !== undefined);
    const tapo = bench.tapo(plugs);
    const idOf = (plug: PracticePlug): string =>
      tapo.list().find(({ macAddress }) => macAddress === plug.mac)?.id ?? '';
    const known = (id: string) => {
      const found = tapo.list().find((device) => device.id === id);
      return [found?.deviceNumber, found?.name, found?.role];
    };
    await bench.until(tapo.discover());
    const id = idOf(nas);
    tapo.update(id, { name: 'Keller', role: 'nas' });
    const before = known(id);
    assert.equal(tapo.remove(id), true);
    assert.deepEqual([tapo.list().length, tapo.forgotten().map((one) => one.id)], [1, [id]]);
    const added = await bench.until(tapo.add({ address: nas.address }));
    assert.deepEqual([added.kind, known(id)], ['known', before]);
    assert.deepEqual(tapo.forgotten(), []);
    assert.equal(tapo.remove(id), true);
    tapo.update(idOf(other), { role: 'nas' });
    const { newDevices } = await bench.until(tapo.discover());
    assert.deepEqual([newDevices, known(id)], [1, [before[0], 'Keller', 'generic']]);
    assert.equal(tapo.list().filter(({ role }) => role === 'nas').length, 1);
  });

  it('finds a forgotten plug again that says who it is only when it is read, over a restart', async () => {
    const plug = await bench.plug();
    const first = bench.tapo([plug]);
    await bench.until(first.discover());
    const [known] = first.list();
    assert.ok(known !== undefined);
    first.update(known.id, { name: 'Keller', role: 'nas' });
    first.remove(known.id);
    await first.stop();
    const again = bench.tapo([]);
    const added = await bench.until(again.add({ address: plug.address }));
    assert.equal(added.kind, 'known');
    const shown = again
      .list()
      .map(({ id, deviceNumber, name, role }) => [...[id, deviceNumber], ...[name, role]]);
    assert.deepEqual(shown, [[known.id, known.deviceNumber, 'Keller', 'nas']]);
    await again.stop();
    const later = bench.tapo([]);
    assert.deepEqual([later.list().length, later.forgotten().length], [1, 0]);
  });

  it('keeps a plug that cannot be read, and says what to do in the language asked for', async () => {
    const plugs = {
      wrong: await bench.plug({ password: 'another' }),
      off: await bench.plug(),
      tpap: await bench.plug({ protocol: 'tpap' }),
      gone: await bench.plug(),
    };
    plugs.off.setFault('third_party_off');
    plugs.tpap.offered = { tls: 2 };
    const tapo = bench.tapo(Object.values(plugs));
    const goneAddress = plugs.gone.address;
    plugs.gone.setFault('reset');
    for (const plug of [plugs.wrong, plugs.off, plugs.tpap]) {
      await bench.until(tapo.add({ address: plug.address }));
    }
    await bench.until(tapo.add({ address: goneAddress, name: 'Keller' }));
    assert.deepEqual(
      tapo.list().map(({ state }) => state),
      ['wrong_password', 'third_party_off', 'unsupported_protocol', 'unreachable'],
    );
    const hints = { en: tapo.list('en'), de: tapo.list('de') };
    assert.match(hints.en[0]?.stateHint ?? '', /BALUPI_TAPO_USERNAME/);
    assert.match(hints.de[1]?.stateHint ?? '', /Tapo-App/);
    assert.match(hints.en[2]?.stateHint ?? '', /TPAP/);
    assert.equal(hints.de[3]?.name, 'Keller');
    assert.equal(new Set(hints.de.map(({ stateHint }) => stateHint)).size, 4);
  });

  it('says that no account is set, and contacts nobody with it', async () => {
    const practice = await bench.plug();
    const tapo = bench.tapo([practice], { credentials: null });
    await bench.until(tapo.discover());
    await tapo.pollAll();
    const [device] = tapo.list();
    assert.equal(device?.state, 'wrong_password');
    assert.match(device?.stateHint ?? '', /No TP-Link account is set.*BALUPI_TAPO_USERNAME/s);
    assert.equal(practice.received.length, 0);
  });

  it('refuses an address that is none or not local', async () => {
    const tapo = bench.tapo([]);
    assert.deepEqual(await tapo.add({ address: 'plug.example.org' }), { kind: 'bad_address' });
    assert.deepEqual(await tapo.add({ address: '203.0.113.5' }), { kind: 'bad_address' });
  });

  it('refuses the address of the NAS, which asked as a plug would never fall asleep', async () => {
    const practice = await bench.plug();
    const isNas = ({ ip }: { readonly ip: string }): boolean => ip === '192.168.178.53';
    const tapo = bench.tapo([practice], { isNas });
    assert.deepEqual(await tapo.add({ address: '192.168.178.53' }), { kind: 'bad_address' });
    await bench.until(tapo.discover());
    const [{ id } = { id: '' }] = tapo.list();
    assert.deepEqual(tapo.update(id, { address: '192.168.178.53:8080' }), { kind: 'bad_address' });
  });

  it('adds one plug once although asked twice at a time', async () => {
    const practice = await bench.plug();
    const tapo = bench.tapo([practice]);
    const both = [tapo.add({ address: practice.address }), tapo.add({ address: practice.address })];
    const kinds = (await bench.until(Promise.all(both))).map(({ kind }) => kind);
    assert.deepEqual(kinds.sort(), ['added', 'known']);
    assert.equal(tapo.list().length, 1);
  });

  it('knows a plug again at another address, with its id, number, name and role', async () => {
    const practice = await bench.plug();
    const tapo = bench.tapo([practice]);
    await bench.until(tapo.add({ address: practice.address, name: 'Wohnzimmer', role: 'monitor' }));
    const before = tapo.list()[0];
    await practice.stop();
    await practice.start();
    assert.notEqual(practice.address, before?.ipAddress);
    const after = bench.tapo([practice]);
    await bench.until(after.discover());
    const [device] = after.list();
    assert.equal(after.list().length, 1);
    assert.equal(device?.id, before?.id);
    assert.equal(device?.deviceNumber, before?.deviceNumber);
    assert.equal(device?.name, 'Wohnzimmer');
    assert.equal(device?.role, 'monitor');
    assert.equal(device?.ipAddress, practice.address);
    await after.pollAll();
    assert.equal(after.list()[0]?.state, 'ok');
  });

  it('looks by itself for a plug that has gone missing', async () => {
    const practice = await bench.plug();
    const moved = await bench.plug({ serial: 1 });
    moved.setQuiet(true);
    const tapo = bench.tapo([practice, moved]);
    await bench.until(tapo.discover());
    assert.equal(tapo.list()[0]?.ipAddress, practice.address);
    practice.setFault('reset');
    practice.setQuiet(true);
    moved.setQuiet(false);
    for (let round = 0; round < 5; round += 1) {
      await bench.until(tapo.pollAll());
      await bench.clock.advance(30_000);
    }
    assert.equal(tapo.list()[0]?.ipAddress, moved.address);
    assert.equal(tapo.list()[0]?.state, 'ok');
    assert.equal(tapo.list().length, 1);
  });

  it('is not drawn away from a plug that answers by a forged announcement', async () => {
    const practice = await bench.plug();
    const forger = await bench.plug({ serial: 1, protocol: 'aes' });
    forger.setQuiet(true);
    const tapo = bench.tapo([practice, forger]);
    await bench.until(tapo.discover());
    forger.setQuiet(false);
    practice.setQuiet(true);
    await bench.until(tapo.discover());
    assert.equal(tapo.list()[0]?.ipAddress, practice.address);
    assert.equal(forger.received.length, 0);
  });

  it('folds a plug added by hand into the one it turns out to be', async () => {
    const practice = await bench.plug();
    const moved = await bench.plug({ serial: 1 });
    const tapo = bench.tapo([practice]);
    await bench.until(tapo.add({ address: practice.address, name: 'Herd' }));
    moved.setQuiet(true);
    const again = await bench.until(tapo.add({ address: moved.address }));
    assert.equal(again.kind, 'known');
    assert.equal(tapo.list().length, 1);
    assert.equal(tapo.list()[0]?.name, 'Herd');
    assert.equal(tapo.list()[0]?.ipAddress, moved.address);
  });

  it('lets one plug only have the role nas', async () => {
    const plugs = [await bench.plug(), await bench.plug()];
    const tapo = bench.tapo(plugs);
    await bench.until(tapo.add({ address: plugs[0]?.address ?? '', role: 'nas' }));
    await bench.until(tapo.add({ address: plugs[1]?.address ?? '' }));
    const second = tapo.list()[1];
    tapo.update(second?.id ?? '', { role: 'nas' });
    const roles = (of: Tapo): readonly string[] => of.list().map(({ role }) => role);
    assert.deepEqual(roles(tapo), ['generic', 'nas']);
    assert.deepEqual(roles(bench.tapo(plugs)), ['generic', 'nas']);
  });

  it('gives a plug back what it was before it fed the NAS, also when it was forgotten meanwhile', async () => {
    const plugs = [await bench.plug(), await bench.plug(), await bench.plug()];
    const tapo = bench.tapo(plugs);
    for (const { address } of plugs) await bench.until(tapo.add({ address, role: 'monitor' }));
    const [one = '', two = '', three = ''] = tapo.list().map(({ id }) => id);
    const roles = (of: Tapo): readonly string[] => of.list().map(({ role }) => role);
    tapo.update(three, { role: 'generic' });
    tapo.update(one, { role: 'nas' });
    tapo.update(one, { name: 'Keller', role: 'nas' });
    tapo.update(two, { role: 'nas' });
    assert.deepEqual(roles(tapo), ['monitor', 'nas', 'generic']);
    tapo.update(three, { role: 'nas' });
    assert.deepEqual(roles(tapo), ['monitor', 'monitor', 'nas']);
    assert.deepEqual(roles(bench.tapo(plugs)), ['monitor', 'monitor', 'nas']);
    tapo.update(one, { role: 'nas' });
    assert.deepEqual(roles(tapo), ['nas', 'monitor', 'generic']);
    tapo.remove(one);
    tapo.update(two, { role: 'nas' });
    await bench.until(tapo.add({ address: plugs[0]?.address ?? '' }));
    assert.deepEqual(new Set(roles(tapo)), new Set(['monitor', 'nas', 'generic']));
    assert.equal(tapo.list().find(({ id }) => id === one)?.role, 'monitor');
  });

  it('knows the ids of plugs that are gone, for those who were told of them', async () => {
    const plugs = [await bench.plug(), await bench.plug()];
    const tapo = bench.tapo(plugs);
    for (const { address } of plugs) await bench.until(tapo.add({ address }));
    const [one = '', two = ''] = tapo.list().map(({ id }) => id);
    assert.deepEqual(tapo.devices.goneIds(), []);
    tapo.remove(one);
    tapo.devices.erase(two);
    assert.deepEqual(tapo.devices.goneIds(), [one, two]);
    await bench.until(tapo.add({ address: plugs[0]?.address ?? '' }));
    assert.deepEqual(bench.tapo(plugs).devices.goneIds(), [two]);
  });

  it('changes, forgets and never gives a number twice', async () => {
    const practice = await bench.plug();
    const tapo = bench.tapo([practice]);
    await bench.until(tapo.add({ address: practice.address }));
    const { id, deviceNumber } = tapo.list()[0] ?? { id: '', deviceNumber: 0 };
    const long = 'Ü'.repeat(100);
    const renamed = tapo.update(id, { name: long });
    assert.equal(renamed.kind === 'updated' && renamed.device.name, long);
    const changed = tapo.update(id, { name: 'Bü\u0007ro\u202e' });
    assert.equal(changed.kind === 'updated' && changed.device.name, 'Büro');
    await tapo.pollAll();
    assert.equal(tapo.list()[0]?.name, 'Büro');
    assert.deepEqual(tapo.update('nobody', {}), { kind: 'unknown_device' });
    assert.deepEqual(tapo.update(id, { address: '8.8.8.8' }), { kind: 'bad_address' });
    assert.equal(tapo.remove(id), true);
    assert.equal(tapo.remove(id), false);
    const other = await bench.plug();
    await bench.until(tapo.add({ address: other.address }));
    assert.notEqual(tapo.list()[0]?.deviceNumber, deviceNumber);
  });

  it('writes last seen with the batch and not at every reading', async () => {
    const practice = await bench.plug();
    const tapo = bench.tapo([practice]);
    await bench.until(tapo.add({ address: practice.address }));
    const stored = bench.store.prepare('SELECT last_seen_at AS at FROM tapo_devices');
    const flush = (isFull: boolean): void => {
      bench.store.transaction(() => tapo.devices.flush(isFull))();
    };
    flush(false);
    const flushed = stored.get()?.['at'];
    assert.equal(flushed, tapo.list()[0]?.lastSeenMs);
    await bench.clock.advance(30_000);
    await tapo.pollAll();
    flush(false);
    assert.equal(stored.get()?.['at'], flushed, 'nothing changed but the time');
    flush(true);
    assert.equal(stored.get()?.['at'], tapo.list()[0]?.lastSeenMs);
    await bench.clock.advance(30_000);
    await tapo.pollAll();
    tapo.devices.flush(true);
    const seenMs = tapo.list()[0]?.lastSeenMs ?? 0;
    assert.ok(seenMs >= Number(flushed) + 60_000);
    bench.store.prepare('UPDATE tapo_devices SET last_seen_at = 1').run();
    await tapo.stop();
    assert.equal(stored.get()?.['at'], seenMs);
  });
});

describe('polling', () => {
  let bench: Bench;
  let plugs: PracticePlug[];
  let tapo: Tapo;
  let samples: PlugSample[];

  beforeEach(async () => {
    bench = new Bench();
    plugs = [await bench.plug(), await bench.plug(), await bench.plug()];
    tapo = bench.tapo(plugs);
    await bench.until(tapo.discover());
    samples = [];
    tapo.onSample((sample) => samples.push(sample));
  });

  afterEach(async () => {
    await bench.close();
  });

  const numbersOf = (kind: string): number[] =>
    samples.filter(({ outcome }) => outcome.kind === kind).map((sample) => sample.deviceNumber);

  it('gives every outcome with its monotonic time to the listener', async () => {
    await bench.clock.advance(1_000);
    await tapo.pollAll();
    assert.deepEqual(numbersOf('reading').sort(), [1, 2, 3]);
    assert.ok(samples.every(({ atMonotonicMs }) => atMonotonicMs === bench.clock.monotonicMs()));
  });

  it('is not held up by a plug that hangs, which is left out until it is done', async () => {
    const hanging = plugs.find((plug) => plug.mac === tapo.list()[1]?.macAddress);
    hanging?.setFault('silent', 1);
    const startMs = bench.clock.monotonicMs();
    const rounds: Promise<void>[] = [];
    for (let second = 0; second < 5; second += 1) {
      rounds.push(tapo.pollAll());
      await bench.turns(() => samples.length >= 2 * (second + 1));
      await bench.clock.advance(1_000);
    }
    await bench.until(Promise.all(rounds));
    assert.equal(numbersOf('reading').filter((number) => number === 1).length, 5);
    assert.equal(numbersOf('reading').filter((number) => number === 3).length, 5);
    assert.deepEqual(numbersOf('unreachable'), [2]);
    assert.equal(numbersOf('reading').includes(2), false, 'reads piled up behind the hanging one');
    const lateMs = samples
      .filter(({ outcome }) => outcome.kind === 'reading')
      .map(({ atMonotonicMs }, at) => atMonotonicMs - startMs - Math.floor(at / 2) * 1_000);
    assert.ok(
      lateMs.every((ms) => ms < 1_000),
      `late by ${lateMs.join(', ')} ms`,
    );
  });

  it('calls a plug unknown while it cannot be read, never off', async () => {
    plugs[0]?.setFault('reset');
    await tapo.pollAll();
    const device = tapo.list().find(({ macAddress }) => macAddress === plugs[0]?.mac);
    assert.equal(device?.isOnline, false);
    assert.equal(device?.isOn, null);
    assert.equal(device?.state, 'unreachable');
    assert.notEqual(device?.lastSeenMs, null);
  });

  it('shows a session that is fought over, and loses no sample to it', async () => {
    for (let round = 0; round < 3; round += 1) {
      for (const plug of plugs) plug.stealSession();
      await tapo.pollAll();
    }
    assert.equal(numbersOf('reading').length, 9);
    assert.deepEqual(
      tapo.list().map(({ state, isOnline }) => [state, isOnline]),
      Array(3).fill(['session_taken', true]),
    );
  });

  it('goes on when a listener throws', async () => {
    tapo.onSample(() => {
      throw new Error('listener broke');
    });
    await tapo.pollAll();
    assert.equal(numbersOf('reading').length, 3);
    assert.ok(bench.log.lines.some((line) => line.includes('listener broke')));
  });

  it('drops the outcomes of a round its caller gave up', async () => {
    for (const plug of plugs) plug.setFault('silent');
    const controller = new AbortController();
    const round = tapo.pollAll(controller.signal);
    controller.abort();
    await round;
    assert.equal(samples.length, 0);
    assert.ok(tapo.list().every(({ state }) => state === 'ok'));
  });

  it('stops in the middle of a round without waiting for hanging plugs', async () => {
    for (const plug of plugs) plug.setFault('silent');
    const round = tapo.pollAll();
    await tapo.stop();
    await round;
    await tapo.pollAll();
    assert.equal(bench.clock.pending, 0);
  });
});

describe('toggling', () => {
  let bench: Bench;
  let practice: PracticePlug;
  let isNasOff: boolean;
  let tapo: Tapo;
  let id: string;

  beforeEach(async () => {
    bench = new Bench();
    practice = await bench.plug();
    isNasOff = false;
    tapo = bench.tapo([practice], { isNasOff: () => isNasOff });
    await bench.until(tapo.add({ address: practice.address, role: 'nas' }));
    id = tapo.list()[0]?.id ?? '';
  });

  afterEach(async () => {
    await bench.close();
  });

  it('does not cut the plug of the NAS while the NAS is not known to be off', async () => {
    assert.deepEqual(await tapo.toggle(id), { kind: 'guarded' });
    assert.equal(practice.isOn, true);
    assert.equal(practice.calls('set_device_info'), 0);
  });

  it('cuts it with force, or when the NAS is off', async () => {
    assert.deepEqual(await tapo.toggle(id, { force: true }), { kind: 'switched', id, isOn: false });
    assert.deepEqual(await tapo.toggle(id), { kind: 'switched', id, isOn: true });
    isNasOff = true;
    assert.deepEqual(await tapo.toggle(id), { kind: 'switched', id, isOn: false });
    assert.equal(tapo.list()[0]?.isOn, false);
  });

  it('goes by what the plug says at this moment, not by what was read last', async () => {
    tapo.update(id, { role: 'generic' });
    practice.setRelay(false);
    assert.deepEqual(await tapo.toggle(id), { kind: 'switched', id, isOn: true });
  });

  it('lets two toggles at a time follow one another', async () => {
    tapo.update(id, { role: 'generic' });
    const both = await Promise.all([tapo.toggle(id), tapo.toggle(id)]);
    assert.deepEqual(
      both.map((outcome) => outcome.kind === 'switched' && outcome.isOn),
      [false, true],
    );
    assert.equal(practice.isOn, true);
  });

  it('says what is wrong when the plug cannot be read', async () => {
    practice.setFault('reset');
    const outcome = await tapo.toggle(id, { language: 'de' });
    assert.equal(outcome.kind === 'failed' && outcome.failure.kind, 'unreachable');
    assert.match(outcome.kind === 'failed' ? outcome.hint : '', /antwortet nicht/);
    assert.deepEqual(await tapo.toggle('nobody'), { kind: 'unknown_device' });
  });
});
