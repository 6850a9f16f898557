import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Caller } from '../../nodes/lib/accounts/caller.ts';
import { type Endpoint, endpointById, type EndpointId } from '../../nodes/lib/api/api.ts';
import { ALICE } from '../fakes/fake-services.ts';
import { stages } from './stage.ts';
import { endpointBehind } from './stage-flow.ts';

const ADMIN: Caller = { ...ALICE, user: { id: 1, username: 'admin', role: 'admin' } };
const REFUSED = 403;
/** Needs services before anything is configured. */
const OF_A_PAGE = 'balupi-viewer';
/** Operations of endpoints without an `http in` of ours: a page's, and what passes to the NAS. */
const WITHOUT_A_LINE = new Set(['pass', 'page-doctor']);

interface Subject {
  readonly type: string;
  readonly op: string;
}

/** The settings of the nodes in all shipped flows. */
function subjects(): readonly Subject[] {
  const found = new Map<string, Subject>();
  for (const file of readdirSync('flows').filter((name) => name.endsWith('.json'))) {
    const nodes = JSON.parse(
      readFileSync(join('flows', file), 'utf8'),
    ) as readonly Partial<Subject>[];
    for (const { type = '', op } of nodes) {
      const isOurs = type.startsWith('balupi-') && type !== OF_A_PAGE;
      if (isOurs && op !== undefined) found.set(`${type}:${op}`, { type, op });
    }
  }
  return [...found.values()];
}

function isOpenToRead({ method, access }: Endpoint): boolean {
  return method === 'GET' && access !== 'admin' && access !== 'wake';
}

/** The services of these tests are empty: what runs fails, and what is refused does not. */
describe('Which request runs which act', () => {
  const open = stages();

  for (const { type, op } of subjects()) {
    const id = endpointBehind(type, op);
    const endpoint = id === null ? null : endpointById(id as EndpointId);
    const isReading = endpoint !== null && isOpenToRead(endpoint);

    it(`${type} ${op}: ${id ?? 'no endpoint'}${isReading ? ', also for own routes' : ''}`, async () => {
      const stage = await open({ type, op, services: {} });
      const statusFor = async (endpointId: string | null, caller: Caller | null) =>
        (await stage.ask({ endpointId, caller, body: {}, query: {} })).status;
      const other = id === 'nas-status' ? 'health' : 'nas-status';
      for (const elsewhere of [null, other]) {
        assert.equal(await statusFor(elsewhere, null), REFUSED, 'nobody');
        const wakeOnly: Caller = { ...ADMIN, scope: 'wake' };
        assert.equal(await statusFor(elsewhere, wakeOnly), REFUSED, 'an admin after the grace');
        assert.equal((await statusFor(elsewhere, ALICE)) !== REFUSED, isReading, 'a user');
        const adminRuns = isReading || (endpoint === null && !WITHOUT_A_LINE.has(op));
        assert.equal((await statusFor(elsewhere, ADMIN)) !== REFUSED, adminRuns, 'an admin');
      }
      if (id !== null) assert.notEqual(await statusFor(id, ALICE), REFUSED, 'its own endpoint');
    });
  }

  it('runs for nothing that came past the guard', async () => {
    const stage = await open({ type: 'balupi-energy-aggregator', op: 'current', services: {} });
    stage.withoutCall();
    const told = await stage.ask();
    assert.equal(told.status, REFUSED);
    assert.match(JSON.stringify(told.payload), /needs the address of the API/);
  });

  it('fails where there is nobody to say no to', async () => {
    const stage = await open({ type: 'balupi-tapo-meter', op: 'toggle', services: {} });
    await stage.send({ req: { call: stage.callOf({ endpointId: 'nas-status', caller: ADMIN }) } });
    assert.match(stage.caught[0]?.error.message ?? '', /No description of 'toggle'/);
  });
});
