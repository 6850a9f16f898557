import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type ClaimedCall,
  Handshake,
  isSignedBy,
  type HandshakeResult,
} from '../../../nodes/lib/handshake/handshake.ts';
import { QUEUE_MIGRATIONS } from '../../../nodes/lib/store/databases.ts';
import { Store } from '../../../nodes/lib/store/store.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

interface Vector {
  readonly method: string;
  readonly path: string;
  readonly timestamp: string;
  readonly signature: string;
  readonly wire_body: string;
  readonly canonical_body: string;
}

const FILE = JSON.parse(readFileSync('test/fixtures/hmac-vectors.json', 'utf8')) as {
  readonly secret: string;
  readonly vectors: readonly Vector[];
};
const START_MS = 1_700_000_000_000;

describe('A signature of the NAS', () => {
  for (const [index, vector] of FILE.vectors.entries()) {
    const { method, path, timestamp, signature, wire_body, canonical_body } = vector;
    const call = { method, path, timestamp, body: Buffer.from(wire_body) };

    it(`fits call ${index} as it comes and as it was signed, and no other`, () => {
      assert.equal(isSignedBy(FILE.secret, call, signature), true);
      const signed = { ...call, body: Buffer.from(canonical_body) };
      assert.equal(isSignedBy(FILE.secret, signed, signature), true);
      assert.equal(isSignedBy(FILE.secret, call, signature.toUpperCase()), true);
      assert.equal(isSignedBy(`${FILE.secret}x`, call, signature), false);
      assert.equal(isSignedBy(FILE.secret, { ...call, path: `${path}/` }, signature), false);
      assert.equal(isSignedBy(FILE.secret, { ...call, timestamp: '1700000001' }, signature), false);
      const other = { ...call, body: Buffer.from(`${wire_body}{"a":1}`) };
      assert.equal(isSignedBy(FILE.secret, other, signature), false);
    });
  }
});

describe('The handshake', () => {
  let folder: string;
  let store: Store;
  let clock: ManualClock;
  let unsynced: boolean;
  let handshake: Handshake;

  function open(secret: string | null = FILE.secret): void {
    const file = join(folder, 'queue.db');
    const kept = { name: 'queue', synchronous: 'FULL', migrations: QUEUE_MIGRATIONS } as const;
    store = Store.open({ file, ...kept });
    const time = {
      nowMs: () => clock.nowMs(),
      isProved: true,
      accepted: () => undefined,
      get unsynced() {
        return unsynced;
      },
    };
    handshake = new Handshake({ store, clock, time, secret });
  }

  function signed(body: string | Buffer, atS = START_MS / 1_000): ClaimedCall {
    const [method, path, timestamp] = ['POST', '/api/handshake/nas-going-offline', String(atS)];
    const hash = createHash('sha256').update(body).digest('hex');
    const text = `${method}:${path}:${timestamp}:${hash}`;
    const signature = createHmac('sha256', FILE.secret).update(text).digest('hex');
    return { method, path, timestamp, signature, body: Buffer.from(body), address: '192.0.2.1' };
  }

  function reason(result: HandshakeResult): string {
    return result.kind === 'refused' ? result.reason : result.kind;
  }

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'balupi-handshake-'));
    [clock, unsynced] = [new ManualClock(START_MS), false];
    open();
  });

  afterEach(() => {
    store.close();
    rmSync(folder, { recursive: true });
  });

  it('takes every recorded call, and keeps its snapshot in the letters it came in', () => {
    for (const vector of FILE.vectors.filter(({ path }) => path.endsWith('going-offline'))) {
      const { wire_body, canonical_body, ...rest } = vector;
      const call = { ...rest, body: Buffer.from(wire_body), address: '192.0.2.1' };
      assert.equal(reason(handshake.goodbye(call)), 'accepted');
      assert.deepEqual(handshake.snapshot(), { text: wire_body, receivedAtMs: START_MS });
      const again = { ...call, body: Buffer.from(canonical_body) };
      assert.equal(reason(handshake.goodbye(again)), 'This signature was used before');
    }
  });

  it('lets a signature count once, over a restart too', () => {
    assert.equal(reason(handshake.hello(signed(''))), 'accepted');
    store.close();
    open();
    assert.equal(reason(handshake.hello(signed(''))), 'This signature was used before');
    const shouted = { ...signed(''), signature: signed('').signature?.toUpperCase() };
    assert.equal(reason(handshake.hello(shouted)), 'This signature was used before');
  });

  it('forgets signatures that their time alone refuses', async () => {
    handshake.hello(signed(''));
    await clock.advance(1_000_000);
    assert.equal(reason(handshake.hello(signed(''))), 'Timestamp too old (1000s)');
    handshake.hello(signed('', START_MS / 1_000 + 1_000));
    const kept = store.prepare('SELECT count(*) AS n FROM handshake_signatures').get();
    assert.equal(kept?.['n'], 1);
  });

  for (const [offS, wanted] of [
    [-60, 'accepted'],
    [60, 'accepted'],
    [-61, 'Timestamp too old (61s)'],
    [61, 'Timestamp lies ahead (61s)'],
  ] as const) {
    it(`says '${wanted}' to a call whose time is off by ${offS} s`, () => {
      assert.equal(reason(handshake.hello(signed('', START_MS / 1_000 + offS))), wanted);
    });
  }

  it('says that its own clock is not set when that may be why a time is off', () => {
    unsynced = true;
    assert.equal(reason(handshake.hello(signed('', START_MS / 1_000 + 9_000))), 'clock_unsynced');
  });

  it('refuses headers that are missing or no signature, whatever they hold', () => {
    const call = signed('{"a":1}');
    for (const timestamp of ['', 'soon', '1e9', '-1', '١٧٠٠٠٠٠٠٠٠', '1700000000, 1700000000']) {
      assert.equal(reason(handshake.goodbye({ ...call, timestamp })), 'Invalid HMAC timestamp');
    }
    for (const signature of ['', 'ä'.repeat(64), 'a'.repeat(63), 'a'.repeat(64), 'g'.repeat(64)]) {
      assert.equal(reason(handshake.goodbye({ ...call, signature })), 'Invalid HMAC signature');
    }
    const missing = { ...call, signature: undefined };
    assert.equal(reason(handshake.goodbye(missing)), 'Missing HMAC headers');
    assert.equal(handshake.snapshot(), null);
    assert.equal(reason(handshake.goodbye(call)), 'accepted');
  });

  it('keeps nothing of a signed body that is no JSON object', () => {
    for (const body of ['[]', 'null', '{', Buffer.from([0xff])]) {
      assert.equal(reason(handshake.goodbye(signed(body))), 'malformed');
    }
    assert.equal(handshake.snapshot(), null);
  });

  it('takes a goodbye without a word and keeps the snapshot before it', () => {
    handshake.goodbye(signed('{"version":1}'));
    assert.equal(reason(handshake.goodbye(signed(''))), 'accepted');
    assert.equal(handshake.snapshot()?.text, '{"version":1}');
    assert.equal(handshake.snapshotAtMs(), START_MS);
  });

  it('hears an address no longer after 20 wrong signatures, for a minute, and others still', async () => {
    const wrong = { ...signed(''), signature: 'a'.repeat(64) };
    for (let turn = 0; turn < 20; turn += 1) {
      assert.equal(handshake.hello(wrong).kind, 'refused');
    }
    assert.deepEqual(handshake.hello(signed('')), { kind: 'too_many_tries', waitMs: 60_000 });
    assert.equal(handshake.hello({ ...signed(''), address: '192.0.2.2' }).kind, 'accepted');
    await clock.advance(60_000);
    assert.equal(handshake.hello(signed('', START_MS / 1_000 + 60)).kind, 'accepted');
  });

  for (const secret of [null, '']) {
    it(`is switched off by the secret ${JSON.stringify(secret)}`, () => {
      store.close();
      open(secret);
      assert.equal(handshake.hello(signed('')).kind, 'switched_off');
    });
  }
});
