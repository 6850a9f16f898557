import assert from 'node:assert/strict';
import { ASLEEP, AWAKE, type FakeServices } from '../fakes/fake-services.ts';
import { ManualClock } from '../fakes/manual-clock.ts';
import { type Stage, stages } from './stage.ts';

const BOOM = new Error('boom');
const FAILED = { detail: 'Something went wrong here. It was logged.', code: 'failed' };

/** A node's operation over services that fail at `fail`, and later do not. */
interface Subject {
  readonly type: string;
  readonly op: string;
  /** What `fail` returns if nothing goes wrong. */
  readonly well: unknown;
  readonly services: (fail: () => never) => FakeServices;
}

const LISTED = {
  kind: 'listing',
  listing: { path: '', items: [], queued: [], source: 'fresh', ageSeconds: 0 },
};
const PRESENCE = { state: AWAKE };

const WAITING: readonly Subject[] = [
  {
    type: 'balupi-tapo-meter',
    op: 'discover',
    well: { discovered: 0, newDevices: 0, devices: [] },
    services: (fail) => ({ tapo: { discover: fail } }),
  },
  {
    type: 'balupi-energy-aggregator',
    op: 'recalculate',
    well: { kind: 'recalculated', changedHours: 0 },
    services: (fail) => ({ energy: { prices: { recalculate: fail } } }),
  },
  {
    type: 'balupi-lru-cache-store',
    op: 'lookup',
    well: { kind: 'not_found' },
    services: (fail) => ({ files: { locate: fail }, nas: { presence: PRESENCE } }),
  },
  {
    type: 'balupi-nas-proxy',
    op: 'list',
    well: LISTED,
    services: (fail) => ({
      files: { list: fail },
      nas: { presence: PRESENCE },
      cache: {},
      prefetch: { listed: () => undefined },
    }),
  },
  {
    type: 'balupi-upload-queue',
    op: 'accept',
    well: { kind: 'accepted', files: [] },
    services: (fail) => ({ upload: { accept: fail, queuedCount: () => 0, failedCount: () => 0 } }),
  },
  {
    type: 'balupi-wol',
    op: 'hold',
    well: 'awake',
    services: (fail) => ({
      clock: new ManualClock(),
      missRule: { wakeOnMiss: true, holdMs: 25_000 },
      nas: {
        presence: { state: ASLEEP },
        wake: {
          status: { state: 'waking', startedAtMs: 0, attempts: 1 },
          wakeForMiss: () => ({
            kind: 'started',
            packetSent: true,
            done: Promise.resolve().then(() => fail()),
          }),
        },
      },
    }),
  },
];
const SUBJECTS: readonly Subject[] = [
  ...WAITING,
  {
    type: 'balupi-system',
    op: 'health',
    well: { status: 'ok', checks: {} },
    services: (fail) => ({ system: { health: fail } }),
  },
];

/** A subject's next behaviour, which a test may change between two messages. */
class Fault {
  do: () => unknown;

  constructor(first: () => unknown) {
    this.do = first;
  }

  readonly run = (): never => this.do() as never;
}

function throwing(): never {
  throw BOOM;
}

/** Sends half of an answer and fails. */
function breakingOff(stage: () => Stage | null): () => never {
  return () => {
    const response = stage()?.response;
    response?.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': '1000' });
    response?.write('half of it');
    throw BOOM;
  };
}

describe('The guard around', () => {
  const open = stages();

  async function failsOnce(subject: Subject, how: () => unknown): Promise<void> {
    const fault = new Fault(how);
    const { type, op } = subject;
    const stage = await open({ type, op, services: subject.services(fault.run) });
    const { status, payload, headers } = await stage.ask({ body: { from: '2026-01-01' } });
    assert.equal(status, 500);
    assert.deepEqual(payload, FAILED);
    assert.match(headers.get('content-type') ?? '', /^application\/json/);
    assert.equal(headers.get('x-request-id'), 'request-1');
    const [caught] = stage.caught;
    assert.match(caught?.error.message ?? '', /boom/);
    assert.equal(caught?.error.source.id, 'the-node');
    assert.equal(stage.caught.length, 1, 'one failure is caught once');
    fault.do = () => subject.well;
    const next = await stage.ask({ body: { from: '2026-01-01' } });
    assert.ok(next.status < 500 && next.status >= 200, `the next message got ${next.status}`);
    assert.notEqual(stage.statuses.at(-1)?.['text'], 'error');
  }

  for (const subject of SUBJECTS) {
    describe(subject.type, () => {
      it('turns a throw into a 500 and a Catch message, and takes the next message', async () => {
        await failsOnce(subject, throwing);
      });

      it('turns a thrown thing that is no error into the same', async () => {
        const boom = (): never => {
          // eslint-disable-next-line @typescript-eslint/only-throw-error -- others do
          throw 'boom';
        };
        await failsOnce(subject, boom);
      });

      it('cuts the connection when half of the answer is out', async () => {
        let stage: Stage | null = null;
        const fault = breakingOff(() => stage);
        const opening = open({
          type: subject.type,
          op: subject.op,
          services: subject.services(() => fault()),
        });
        stage = await opening;
        await assert.rejects(stage.ask({ body: { from: '2026-01-01' } }));
        assert.equal(stage.caught.length, 1, 'nobody tries to answer behind the cut');
        assert.equal(stage.caught[0]?.['res'], undefined);
      });
    });
  }

  for (const subject of WAITING) {
    it(`${subject.type} turns a rejection into a 500 and a Catch message`, async () => {
      await failsOnce(subject, () => Promise.reject(BOOM));
    });
  }
});
