import assert from 'node:assert/strict';
import type {
  CorrectionNews,
  UnusualHour,
} from '../../packages/node-red-contrib-balupi-tapo/lib/energy/energy.ts';
import type { NasNews } from '../../nodes/lib/nas/nas.ts';
import type { SystemNews } from '../../nodes/lib/system/system.ts';
import type { PlugNews } from '../../packages/node-red-contrib-balupi-tapo/lib/tapo/tapo.ts';
import type { UploadNews } from '../../nodes/lib/upload/upload.ts';
import type { FakeServices } from '../fakes/fake-services.ts';
import { ManualClock } from '../fakes/manual-clock.ts';
import { type Stage, stages } from './stage.ts';

/** Services that emit what a test wants. */
class Telling {
  readonly #listeners = new Map<string, Set<(news: never) => void>>();

  readonly services: FakeServices = {
    clock: new ManualClock(),
    upload: { onNews: this.#port('upload') },
    nas: { onNews: this.#port('nas') },
    tapo: { onNews: this.#port('tapo') },
    energy: { unusual: { listen: this.#port('unusual') }, onCorrection: this.#port('correction') },
    system: { onNews: this.#port('system') },
  };

  get count(): number {
    return [...this.#listeners.values()].reduce((sum, { size }) => sum + size, 0);
  }

  tell(port: 'upload', news: UploadNews): void;
  tell(port: 'nas', news: NasNews): void;
  tell(port: 'tapo', news: PlugNews): void;
  tell(port: 'unusual', news: UnusualHour): void;
  tell(port: 'correction', news: CorrectionNews): void;
  tell(port: 'system', news: SystemNews): void;
  tell(port: string, news: unknown): void {
    for (const listener of this.#listeners.get(port) ?? []) listener(news as never);
  }

  #port(name: string) {
    const listeners = new Set<(news: never) => void>();
    this.#listeners.set(name, listeners);
    return (listener: (news: never) => void) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    };
  }
}

const CONFLICT: UploadNews = {
  kind: 'conflict',
  userId: 3,
  username: 'alice',
  id: '01J',
  what: 'upload',
  path: 'alice/Photos/a.jpg',
  conflictPath: 'alice/Photos/a (conflict).jpg',
  sizeBytes: 7,
  detail: null,
};

describe('The node balupi-events', () => {
  const open = stages();
  const type = 'balupi-events';

  async function told(
    kinds: readonly string[],
    tell: (telling: Telling) => void,
    more: Readonly<Record<string, unknown>> = {},
  ): Promise<Stage> {
    const telling = new Telling();
    const { services } = telling;
    const stage = await open({ type, op: '', services, more: { kinds, ...more } });
    tell(telling);
    await stage.turn();
    return stage;
  }

  it('tells of a conflict whose it is, which file, and where the second version lies', async () => {
    const stage = await told(['conflict'], (telling) => {
      telling.tell('upload', CONFLICT);
    });
    await stage.next('out');
    assert.partialDeepStrictEqual(stage.out[0]?.[0], {
      topic: 'conflict',
      audience: 'user',
      username: 'alice',
      payload: {
        event: 'conflict',
        audience: 'user',
        username: 'alice',
        path: 'alice/Photos/a.jpg',
        conflict_path: 'alice/Photos/a (conflict).jpg',
        text: 'Conflict: alice/Photos/a.jpg (alice) had changed on the NAS. Both versions are kept.',
      },
    });
  });

  it('speaks German where that is chosen', async () => {
    const stage = await told(
      ['nas_awake'],
      (telling) => {
        telling.tell('nas', { kind: 'nas_awake', sleepState: 'awake' });
      },
      { language: 'de' },
    );
    await stage.next('out');
    assert.partialDeepStrictEqual(stage.out[0]?.[0], {
      audience: 'everybody',
      payload: { text: 'Das NAS ist wach.', sleep_state: 'awake' },
    });
  });

  it('says nothing of what was not chosen, nor of uploads of others', async () => {
    const stage = await told(
      ['conflict', 'wake_failed'],
      (telling) => {
        telling.tell('nas', { kind: 'nas_awake', sleepState: 'awake' });
        telling.tell('upload', { ...CONFLICT, username: 'bob' });
        telling.tell('upload', { ...CONFLICT, kind: 'upload_delivered' });
        telling.tell('nas', { kind: 'wake_failed', sleepState: 'unreachable' });
      },
      { username: 'alice' },
    );
    await stage.next('out');
    assert.deepEqual(
      stage.out[0]?.map(({ topic }) => topic),
      ['wake_failed'],
    );
  });

  it('tells admins alone who switched a plug, and everybody that one is lost', async () => {
    const stage = await told(['plug_switched', 'plug_lost'], (telling) => {
      const plug = { id: 'p1', name: 'Lamp' };
      telling.tell('tapo', {
        ...{ kind: 'plug_switched', ...plug, isOn: false },
        by: { how: 'user', username: 'bob' },
      });
      telling.tell('tapo', {
        ...{ kind: 'plug_switched', ...plug, isOn: true },
        by: { how: 'elsewhere' },
      });
      telling.tell('tapo', { kind: 'plug_lost', ...plug });
    });
    await stage.next('out');
    const said = stage.out[0]?.map(({ audience, payload }) => [
      audience,
      (payload as { readonly text: string }).text,
    ]);
    assert.deepEqual(said, [
      ['admins', 'The plug Lamp was switched off by bob.'],
      ['admins', 'The plug Lamp was switched on elsewhere.'],
      ['everybody', 'The plug Lamp does not answer.'],
    ]);
  });

  it('tells of the disk, of unusual hours and of corrections', async () => {
    const stage = await told(['disk', 'unusual', 'correction'], (telling) => {
      telling.tell('system', { kind: 'disk', state: 'low', freeBytes: 5 });
      telling.tell('unusual', {
        ...{ deviceId: null, deviceName: null, hourStartS: 0, level: 'high' },
        ...{ powerMw: 900_000, usualMw: 200_000, marginMw: 50_000, basis: 4 },
      });
      telling.tell('correction', {
        ...{ kind: 'correction', isUndone: false, by: 'admin' },
        correction: {
          ...{ id: 1, deviceNumber: 1, deviceId: 'p1', deviceName: 'Lamp', fromS: 0, toS: 900 },
          ...{ energyMwh: 1_000, originalMwh: null, why: 'x', madeBy: 'admin', madeAtS: 900 },
          ...{ undoneBy: null, undoneAtS: null },
        },
      });
    });
    await stage.next('out');
    const said = stage.out[0]?.map(({ payload }) => (payload as { readonly text: string }).text);
    assert.deepEqual(said, [
      'The disk is nearly full.',
      'The household takes more than usual: 900 W instead of 200 W.',
      'admin corrected the energy of Lamp, from 1970-01-01T00:00:00Z to 1970-01-01T00:15:00Z.',
    ]);
    assert.deepEqual(
      stage.out[0]?.map(({ audience }) => audience),
      ['admins', 'everybody', 'everybody'],
    );
  });

  it('hears nothing any more after a deploy took it away', async () => {
    const telling = new Telling();
    const stage = await open({
      ...{ type, op: '', services: telling.services },
      more: { kinds: ['conflict'] },
    });
    assert.equal(telling.count, 6);
    await stage.endFlows();
    assert.equal(telling.count, 0);
  });
});
