import assert from 'node:assert/strict';
import type {
  PlugNews,
  Tapo,
} from '../../../packages/node-red-contrib-balupi-tapo/lib/tapo/tapo.ts';
import type { PracticePlug } from '../../practice/plug/practice-plug.ts';
import { Bench } from './setup.ts';

describe('what is told of plugs', () => {
  let bench: Bench;
  let practice: PracticePlug;
  let tapo: Tapo;
  let id: string;
  let told: PlugNews[];

  beforeEach(async () => {
    bench = new Bench();
    practice = await bench.plug();
    tapo = bench.tapo([practice]);
    await bench.until(tapo.add({ address: practice.address, name: 'Lamp' }));
    id = tapo.list()[0]?.id ?? '';
    told = [];
    tapo.onNews((news) => told.push(news));
  });

  afterEach(async () => {
    await bench.close();
  });

  const kinds = (): readonly string[] => told.map(({ kind }) => kind);

  it('is that one is lost once it was silent for a minute, once, and that it is back', async () => {
    practice.setFault('reset');
    await bench.clock.advance(30_000);
    await bench.until(tapo.pollAll());
    assert.deepEqual(told, [], 'a missed round is no news');
    for (let round = 0; round < 3; round += 1) {
      await bench.clock.advance(60_000);
      await bench.until(tapo.pollAll());
    }
    assert.deepEqual(told, [{ kind: 'plug_lost', id, name: 'Lamp' }]);
    practice.setFault(null);
    await bench.until(tapo.pollAll());
    assert.deepEqual(kinds(), ['plug_lost', 'plug_back']);
  });

  it('is who switched it, by the API and by a flow', async () => {
    const by = { how: 'user', username: 'alice' } as const;
    await bench.until(tapo.toggle(id, { by }));
    await bench.until(tapo.pollAll());
    await bench.until(tapo.toggle(id));
    assert.deepEqual(told, [
      { kind: 'plug_switched', id, name: 'Lamp', isOn: false, by },
      { kind: 'plug_switched', id, name: 'Lamp', isOn: true, by: { how: 'flow' } },
    ]);
  });

  it('is that somebody pressed its button', async () => {
    practice.setRelay(false);
    await bench.until(tapo.pollAll());
    assert.deepEqual(told, [
      { kind: 'plug_switched', id, name: 'Lamp', isOn: false, by: { how: 'elsewhere' } },
    ]);
  });

  it('is not that it was left as it stood, or that a switch failed', async () => {
    await bench.until(tapo.toggle(id, { to: 'on' }));
    practice.setFault('reset');
    await bench.until(tapo.toggle(id));
    assert.deepEqual(told, []);
  });
});
