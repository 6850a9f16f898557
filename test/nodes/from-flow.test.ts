import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ENDPOINTS } from '../../nodes/lib/api/api.ts';
import { ownerOf } from '../../nodes/lib/operations/operations.ts';
import { ALICE, AWAKE, type FakeServices } from '../fakes/fake-services.ts';
import { stages } from './stage.ts';

const { user } = ALICE;
const TOKEN = 'a stored token of alice';

/** Only alice and her stored credential exist. */
const PEOPLE: FakeServices = {
  accounts: { users: { userNamed: (name) => (name === 'alice' ? user : null) } },
  credentials: {
    holdsFor: (userId) => userId === user.id,
    credentialFor: () => Promise.resolve(TOKEN),
  },
};

/** The operations that each node's dialog offers. */
function offered(): { readonly type: string; readonly op: string }[] {
  const folders = readdirSync('nodes').filter((name) => name !== 'lib');
  return folders.flatMap((folder) => {
    const page = readFileSync(join('nodes', folder, `${folder}.html`), 'utf8');
    const type = /data-template-name="([\w-]+)"/.exec(page)?.[1] ?? '';
    const select = /<select id="node-input-op"[^]*?<\/select>/.exec(page)?.[0] ?? '';
    return [...select.matchAll(/<option\s+value="([^"]+)"/g)].map(([, op = '']) => ({ type, op }));
  });
}

describe('A node in any flow', () => {
  const open = stages();

  for (const { type, op } of offered()) {
    it(`${type} ${op} does its work for a plain inject, or says in words what it wants`, async () => {
      const stage = await open({ type, op, services: PEOPLE, more: { as: 'alice' } });
      await stage.send({ topic: '', payload: 1_700_000_000_000 });
      for (const { error } of stage.caught) {
        // The fakes have nothing but alice: an error about what they lack shows that the node ran.
        const wasAtWork = /No fake of|is not a function|is not iterable/.test(error.message);
        const says =
          /request; wire it behind|msg\.\w+|Choose|sends them by itself|holds no reading|Only an admin|no endpoint|addresses of the NAS/.test(
            error.message,
          );
        assert.ok(wasAtWork || says, error.message);
      }
    });
  }

  it('knows of each endpoint whose operation it is', () => {
    const owners = Object.groupBy(ENDPOINTS, (endpoint) => ownerOf(endpoint));
    const ids = (owner: 'pi' | 'user' | 'request'): string[] =>
      (owners[owner] ?? []).map(({ id }) => id);
    for (const id of [
      'energy-current',
      'nas-wol',
      'nas-status',
      'tapo-devices-toggle',
      'cache-stats',
    ])
      assert.ok(ids('pi').includes(id), id);
    for (const id of ['files-list', 'files-uploads-list', 'cache-pin', 'cache-unpin', 'cache-pins'])
      assert.ok(ids('user').includes(id), id);
    for (const id of ['auth-login', 'files-download', 'files-upload', 'handshake-goodbye'])
      assert.ok(ids('request').includes(id), id);
    assert.ok(ids('user').includes('nas-credentials-put'));
  });

  describe('as the Pi itself', () => {
    it('takes parameters from the message, and lays the outcome into its payload', async () => {
      const asked: unknown[] = [];
      const toggle: NonNullable<FakeServices['tapo']>['toggle'] = (...given) => {
        asked.push(...given);
        return Promise.resolve({ kind: 'switched', id: 'plug-1', isOn: false });
      };
      const type = 'balupi-tapo-meter';
      const stage = await open({ type, op: 'toggle', services: { ...PEOPLE, tapo: { toggle } } });
      await stage.send({ id: 'plug-1', payload: { force: true }, kept: 'yes' });
      assert.deepEqual(asked, ['plug-1', { force: true, language: 'en', by: { how: 'flow' } }]);
      const [message] = stage.out[0] ?? [];
      assert.deepEqual(message?.['payload'], {
        ...{ success: true, device_id: 'plug-1', new_state: 'off' },
      });
      assert.equal(message?.['kept'], 'yes');
      assert.equal(message?.['req'], undefined);
      assert.equal(message?.['statusCode'], undefined);
    });

    it('gives a refusal to a Catch node, with its code', async () => {
      const toggle = () => Promise.resolve({ kind: 'guarded' } as const);
      const type = 'balupi-tapo-meter';
      const stage = await open({ type, op: 'toggle', services: { ...PEOPLE, tapo: { toggle } } });
      await stage.send({ id: 'plug-1' });
      assert.deepEqual(stage.out[0], []);
      const [caught] = stage.caught;
      assert.deepEqual([caught?.['code'], caught?.['statusCode']], ['nas_plug_guard', 409]);
      assert.match(caught?.error.message ?? '', /feeds the NAS/);
    });

    it('checks what a flow sends as it checks a request, and names the place', async () => {
      const type = 'balupi-tapo-meter';
      const stage = await open({ type, op: 'update', services: PEOPLE });
      await stage.send({ id: 'plug-1', payload: { role: 'king' } });
      const [caught] = stage.caught;
      assert.equal(caught?.['code'], 'invalid');
      assert.match(caught?.error.message ?? '', /msg\.payload\.role/);
    });

    it('does nothing that belongs to a user', async () => {
      const stage = await open({ type: 'balupi-nas-proxy', op: 'list', services: PEOPLE });
      await stage.send({ path: 'alice' });
      assert.match(stage.caught[0]?.error.message ?? '', /belongs to a user/);
    });
  });

  describe('as a user', () => {
    const list = async (as: string): Promise<string> => {
      const stage = await open({
        type: 'balupi-nas-proxy',
        op: 'list',
        services: PEOPLE,
        more: { as },
      });
      await stage.send({ path: 'alice' });
      return stage.caught[0]?.error.message ?? '';
    };

    it('lists as them, by their stored credential, and leaves the NAS asleep', async () => {
      const seen: unknown[] = [];
      const services: FakeServices = {
        ...PEOPLE,
        nas: { presence: { state: AWAKE } },
        files: {
          list: (caller, path, options) => {
            seen.push(caller.user.username, caller.nasToken, path, options?.auto);
            return Promise.resolve({ kind: 'no_access' } as never);
          },
        },
      };
      const stage = await open({
        type: 'balupi-nas-proxy',
        op: 'list',
        services,
        more: { as: 'alice' },
      });
      await stage.send({ path: 'alice/Photos' });
      assert.deepEqual(seen, ['alice', TOKEN, 'alice/Photos', true]);
    });

    it('who is not known, or whose credential is not stored, is named', async () => {
      assert.match(await list('bob'), /No user bob/);
    });

    it('may do no more than they may', async () => {
      const stage = await open({
        ...{ type: 'balupi-nas-proxy', op: 'credentials', services: PEOPLE },
        more: { as: 'alice' },
      });
      await stage.send();
      assert.match(stage.caught[0]?.error.message ?? '', /Only an admin may do this/);
    });

    it('finds the largest files of that user', async () => {
      const asked: unknown[] = [];
      const largest: NonNullable<FakeServices['files']>['largest'] = (user, folder, count) => {
        asked.push(user.username, folder, count);
        const files = [{ path: 'alice/a', sizeBytes: 9, modifiedAtMs: 0 }] as never[];
        return Promise.resolve(folder === 'alice' ? { files, unlistedFolders: 2 } : null);
      };
      const presence = { state: AWAKE, onChange: () => () => undefined };
      const services = { ...PEOPLE, files: { largest }, nas: { presence } };
      const type = 'balupi-nas-proxy';
      const stage = await open({ type, op: 'largest', services, more: { as: 'alice' } });
      await stage.send({ path: '/alice/', count: 3 });
      await stage.send({ path: 'alice/never' });
      assert.deepEqual(asked, ['alice', 'alice', 3, 'alice', 'alice/never', 10]);
      assert.deepEqual(stage.out[0]?.[0]?.['payload'], {
        files: [{ path: 'alice/a', size: 9, modified_at: '1970-01-01T00:00:00Z' }],
        unlisted_folders: 2,
      });
      assert.equal(stage.caught[0]?.['code'], 'not_found');
    });

    it('uploads what a flow made', async () => {
      const seen: unknown[] = [];
      const services: FakeServices = {
        ...PEOPLE,
        upload: {
          accept: async (caller, request, { path }) => {
            const blocks: Buffer[] = [];
            for await (const block of request) blocks.push(block as Buffer);
            seen.push(caller.user.username, path, Buffer.concat(blocks).toString());
            assert.match(request.headers['content-type'] ?? '', /^multipart\/form-data; boundary=/);
            return { kind: 'refused', code: 'no_room' } as never;
          },
          queuedCount: () => 0,
          failedCount: () => 0,
        },
      };
      const type = 'balupi-upload-queue';
      const stage = await open({ type, op: 'accept', services, more: { as: 'alice' } });
      await stage.send({ filename: 'note.txt', path: 'alice/Notes', payload: 'a note' });
      assert.deepEqual(seen.slice(0, 2), ['alice', 'alice/Notes']);
      assert.match(String(seen[2]), /filename="note\.txt"[^]*a note/);
      assert.equal(stage.caught[0]?.['code'], 'no_room');
    });

    it('sends a refusal on where that has an output of its own', async () => {
      const services: FakeServices = {
        ...PEOPLE,
        upload: {
          accept: () => Promise.resolve({ kind: 'refused', code: 'no_room' } as never),
          queuedCount: () => 0,
          failedCount: () => 0,
        },
      };
      const more = { as: 'alice', version: 2 };
      const stage = await open({ type: 'balupi-upload-queue', op: 'accept', services, more });
      await stage.send({ filename: 'note.txt', path: 'alice/Notes', payload: 'a note' });
      assert.deepEqual([stage.caught.length, stage.out[0]?.length], [0, 0]);
      assert.partialDeepStrictEqual(stage.out[1]?.[0], { code: 'no_room', statusCode: 507 });
    });
  });

  describe('switching a plug', () => {
    const plug = { id: 'plug-1', name: 'Lamp' };

    const switched = async (more: Record<string, unknown>, message: object, op = 'on') => {
      const asked: unknown[] = [];
      const toggle: NonNullable<FakeServices['tapo']>['toggle'] = (id, options) => {
        asked.push(id, options?.to, options?.force);
        return Promise.resolve(
          id === 'plug-1' ? { kind: 'switched', id, isOn: true } : { kind: 'unknown_device' },
        );
      };
      const tapo = { toggle, list: () => [plug as never] };
      const type = 'balupi-tapo-meter';
      const stage = await open({ type, op, services: { ...PEOPLE, tapo }, more });
      await stage.send({ ...message });
      return { asked, stage };
    };

    it('switches the plug of the dialog, or the one the message names', async () => {
      for (const [more, message] of [
        [{ device: 'plug-1' }, {}],
        [{}, { device: 'plug-1' }],
        [{ device: 'other' }, { device: 'Lamp' }],
      ] as const) {
        const { asked, stage } = await switched(more, message);
        assert.deepEqual(asked, ['plug-1', 'on', false]);
        assert.deepEqual(stage.out[0]?.[0]?.['payload'], {
          ...{ device_id: 'plug-1', name: 'Lamp', is_on: true },
        });
      }
    });

    it('switches it over, whichever way it stands, and cuts a NAS only where the node says so', async () => {
      const over = await switched({ device: 'plug-1', force: true }, {}, 'flip');
      assert.deepEqual(over.asked, ['plug-1', undefined, true]);
      const off = await switched({ device: 'plug-1' }, {}, 'off');
      assert.deepEqual(off.asked, ['plug-1', 'off', false]);
    });

    it('says which plug is not there', async () => {
      const { stage } = await switched({}, { device: 'Fridge' });
      assert.equal(stage.caught[0]?.['code'], 'not_found');
      assert.match(stage.caught[0]?.error.message ?? '', /no plug Fridge/);
      const nothing = await switched({}, {});
      assert.match(nothing.stage.caught[0]?.error.message ?? '', /Choose a plug/);
    });
  });

  describe('reading a plug', () => {
    const type = 'balupi-tapo-meter';
    const list = () =>
      [
        { id: 'p1', name: 'Lamp' },
        { id: 'p2', name: 'p1' },
      ] as never[];
    const reading = {
      ...{ powerMw: 42_500, voltageMv: 230_000, currentMa: null, isOn: true },
      ...{ todayEnergyWh: 120, monthEnergyWh: null },
    };
    const outcome = { kind: 'reading', isContested: false, reading } as never;
    const LAMP = {
      ...{ device_id: 'p1', name: 'Lamp', is_on: true, power_w: 42.5, voltage_v: 230 },
      ...{ current_a: null, energy_today_wh: 120, energy_month_wh: null },
    };

    it('tells what it shows now, of the plug with that id rather than that name', async () => {
      const tapo = { list, read: () => Promise.resolve(outcome) };
      const stage = await open({ type, op: 'read', services: { tapo } });
      await stage.send({ device: 'p1' });
      assert.deepEqual(stage.out[0]?.[0]?.['payload'], LAMP);
    });

    it('says that it does not answer', async () => {
      const silent = { kind: 'unreachable', detail: 'Nobody is there.' } as const;
      const tapo = { list, read: () => Promise.resolve(silent) };
      const stage = await open({ type, op: 'read', services: { tapo }, more: { device: 'p1' } });
      await stage.send();
      assert.equal(stage.caught[0]?.['code'], 'plug_unreachable');
    });

    it('tells every reading by itself, of the chosen plug alone, until a deploy takes it away', async () => {
      const listeners = new Set<(sample: never) => void>();
      const onSample: NonNullable<FakeServices['tapo']>['onSample'] = (listener) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      };
      const services = { tapo: { list, onSample } };
      const stage = await open({ type, op: 'readings', services, more: { device: 'p1' } });
      for (const id of ['p2', 'p1']) {
        for (const listener of listeners) listener({ id, deviceNumber: 1, outcome } as never);
      }
      await stage.next('out');
      assert.deepEqual(
        stage.out[0]?.map(({ payload }) => payload),
        [LAMP],
      );
      await stage.endFlows();
      assert.equal(listeners.size, 0);
    });
  });
});
