import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Credentials } from '../../../nodes/lib/accounts/accounts.ts';
import { HttpNasClient } from '../../../nodes/lib/nas/http-nas-client.ts';
import { NasCalls } from '../../../nodes/lib/nas/nas-calls.ts';
import { NasTransport } from '../../../nodes/lib/nas/nas-transport.ts';
import { DataFolder } from '../../../nodes/lib/store/data-folder.ts';
import { KeptLog } from '../../fakes/kept-log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { PracticeNas } from '../../practice/nas/practice-nas.ts';
import { FakePresence } from '../upload/memory-nas.ts';
import { until } from '../../fakes/until.ts';

const ALICE = { id: 4, username: 'alice', role: 'user' };
const ADMIN = { id: 1, username: 'admin', role: 'admin' };
const BOB = { id: 5, username: 'bob', role: 'user' };
const KEY = 'a secret key of more than 32 characters';
const DAY_MS = 86_400_000;

describe('The credentials to act for a user later', () => {
  const folder = mkdtempSync(join(tmpdir(), 'balupi-credentials-'));
  let clock: ManualClock;
  let nas: PracticeNas;
  let transport: NasTransport;
  let client: HttpNasClient;
  let presence: FakePresence;
  let data: DataFolder;
  let credentials: Credentials;
  let log: KeptLog;
  let ready: number[];
  let ended: number[];
  let live: Map<number, string>;
  let refused: string[];
  let over: Set<string>;
  let overOnceCalled: { readonly path: string; readonly token: string } | null;

  function open(secretKey = KEY, enrol: 'auto' | 'off' = 'auto'): void {
    data = DataFolder.open(join(folder, 'data'));
    credentials = new Credentials({
      store: data.queue,
      clock,
      time: {
        nowMs: () => clock.nowMs(),
        unsynced: false,
        isProved: true,
        accepted: () => undefined,
      },
      log,
      nas: client,
      presence,
      secretKey,
      enrol,
      randomBytes,
      userOf: (id) => [ALICE, BOB].find((user) => user.id === id) ?? null,
      liveToken: (id) => live.get(id) ?? null,
      isOver: (token) =>
        over.has(token) || (token === overOnceCalled?.token && called(overOnceCalled.path) > 0),
      takeRefresh: () => true,
      refusedElsewhere: (token) => refused.push(token),
      onEnded: (id) => ended.push(id),
      onReady: (id) => ready.push(id),
    });
    credentials.start();
  }

  async function close(): Promise<void> {
    await credentials.stop();
    data.close();
  }

  async function ask(method: string, path: string, token: string, body?: object): Promise<unknown> {
    const answered = await fetch(`${nas.url}${path}`, {
      method,
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return answered.status === 204 ? null : await answered.json();
  }

  async function login(username: string): Promise<string> {
    const password = `Practice-${username}-1`;
    const body = await ask('POST', '/api/auth/login', 'none', { username, password });
    return (body as { access_token: string }).access_token;
  }

  async function keyFor(userId: number): Promise<{ id: number; key: string }> {
    const admin = await login('admin');
    const made = await ask('POST', '/api/api-keys', admin, { name: 'k', target_user_id: userId });
    return made as { id: number; key: string };
  }

  async function devicesOf(username: string): Promise<{ id: string; device_name: string }[]> {
    const listed = await ask('GET', '/api/mobile/devices', await login(username));
    return listed as { id: string; device_name: string }[];
  }

  /** Waits for background work. */
  async function settled(): Promise<void> {
    await credentials.stop();
    await close();
    open();
  }

  async function enrolled(): Promise<void> {
    credentials.confirmed(ALICE, await login('alice'));
    await until('a credential of alice', () => ready.includes(ALICE.id));
  }

  /** By then, registrations requested before this one have been handled. */
  async function enrolledInTurn(user: typeof ALICE): Promise<void> {
    credentials.confirmed(user, await login(user.username));
    await until('a credential of theirs', () => ready.includes(user.id));
  }

  const states = (): string[] =>
    credentials.list().map(({ username, kind, state }) => `${username} ${kind} ${state}`);

  const called = (path: string): number =>
    nas.requests.filter((request) => request.path.startsWith(path)).length;

  beforeEach(async () => {
    clock = new ManualClock();
    nas = new PracticeNas({ clock, storageFolder: join(folder, 'nas') });
    await nas.start();
    presence = new FakePresence();
    presence.awake = true;
    transport = new NasTransport({
      url: new URL(nas.url),
      clock,
      fingerprint: null,
      identityOf: null,
    });
    const calls = new NasCalls(transport, presence, clock);
    client = new HttpNasClient(calls, clock, () => Promise.reject(new Error('no uploads here')));
    log = new KeptLog();
    [ready, ended, live, refused] = [[], [], new Map<number, string>(), []];
    [over, overOnceCalled] = [new Set<string>(), null];
    open();
  });

  afterEach(async () => {
    await close();
    transport.close();
    await nas.stop();
    rmSync(join(folder, 'data'), { recursive: true, force: true });
    rmSync(join(folder, 'nas'), { recursive: true, force: true });
  });

  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it('uses a key an admin stored, seals it on the disk and never shows it', async () => {
    const { key } = await keyFor(ALICE.id);
    const stored = await credentials.storeKey('alice', key);
    assert.equal(stored.kind, 'stored');
    assert.deepEqual(ready, [ALICE.id]);
    assert.equal(await credentials.credentialFor(ALICE.id), key);
    assert.equal(await credentials.credentialFor(BOB.id), null);
    assert.deepEqual(states(), ['alice api_key ok']);
    assert.equal(credentials.list()[0]?.lastUsedMs, clock.nowMs());
    assert.ok(!JSON.stringify(credentials.list()).includes(key));
    assert.ok(!log.lines.join().includes(key));
    await close();
    const bytes = readFileSync(join(folder, 'data', 'queue.db'));
    assert.ok(!bytes.includes(key));
    open();
  });

  it('refuses a key of somebody else, an unknown one and what is none', async () => {
    const { id, key } = await keyFor(BOB.id);
    assert.partialDeepStrictEqual(await credentials.storeKey('alice', key), { kind: 'refused' });
    await ask('DELETE', `/api/api-keys/${id}`, await login('admin'));
    assert.partialDeepStrictEqual(await credentials.storeKey('bob', key), { kind: 'refused' });
    assert.partialDeepStrictEqual(await credentials.storeKey('bob', 'x'), { kind: 'refused' });
    assert.deepEqual(states(), []);
  });

  it('keeps a key that came while the NAS slept unused, and checks it when it wakes', async () => {
    const { key } = await keyFor(ALICE.id);
    const { key: ofBob } = await keyFor(BOB.id);
    presence.set(false);
    await credentials.storeKey('alice', key);
    await credentials.storeKey('bob', key);
    assert.deepEqual(states(), ['alice api_key unchecked', 'bob api_key unchecked']);
    assert.equal(await credentials.credentialFor(ALICE.id), null);
    presence.set(true);
    await until(
      'the key of bob to be revoked',
      () => states().join() === 'alice api_key ok,bob api_key revoked',
    );
    assert.deepEqual(ready, [ALICE.id]);
    assert.equal(await credentials.credentialFor(BOB.id), null);
    assert.equal((await credentials.storeKey('bob', ofBob)).kind, 'stored');
    assert.equal(await credentials.credentialFor(BOB.id), ofBob);
  });

  it('asks the NAS whose a stored key is before its first use after each start', async () => {
    const { key } = await keyFor(ALICE.id);
    await credentials.storeKey('alice', key);
    await close();
    open();
    nas.resetCounters();
    assert.equal(await credentials.credentialFor(ALICE.id), key);
    assert.equal(await credentials.credentialFor(ALICE.id), key);
    assert.equal(called('/api/auth/me'), 1);
  });

  it('notices a revoked key and falls back to the device, then to the live token', async () => {
    await enrolled();
    const { id, key } = await keyFor(ALICE.id);
    await credentials.storeKey('alice', key);
    live.set(ALICE.id, 'live');
    assert.equal(await credentials.credentialFor(ALICE.id), key);
    await ask('DELETE', `/api/api-keys/${id}`, await login('admin'));
    await credentials.refused(key);
    assert.deepEqual(states(), ['alice api_key revoked', 'alice device ok']);
    assert.deepEqual(ended, [ALICE.id], 'whoever leans on it is told');
    const device = (await credentials.credentialFor(ALICE.id)) ?? '';
    const me = await ask('GET', '/api/auth/me', device);
    assert.partialDeepStrictEqual(me, { id: ALICE.id });
    nas.revokeRefreshTokens('alice');
    await credentials.refused(device);
    assert.equal(await credentials.credentialFor(ALICE.id), 'live');
    assert.deepEqual(states(), ['alice api_key revoked', 'alice device revoked']);
    assert.ok(ended.length > 1 && ended.every((id) => id === ALICE.id));
    await credentials.refused('live');
    assert.deepEqual(refused, ['live']);
    assert.equal(credentials.list()[0]?.detail, 'Invalid API key');
  });

  it('registers itself once per user, visible as BaluPi, and acts with it after a restart', async () => {
    await enrolled();
    credentials.confirmed(ALICE, await login('alice'));
    await settled();
    const devices = await devicesOf('alice');
    assert.deepEqual(
      devices.map((device) => device.device_name),
      ['BaluPi'],
    );
    const token = (await credentials.credentialFor(ALICE.id)) ?? '';
    assert.partialDeepStrictEqual(await ask('GET', '/api/auth/me', token), { id: ALICE.id });
    assert.equal(await credentials.credentialFor(BOB.id), null);
  });

  it('registers a whole family that signs in at once, as fast as the NAS takes them', async () => {
    const [alice, bob, admin] = [await login('alice'), await login('bob'), await login('admin')];
    credentials.confirmed(ALICE, alice);
    credentials.confirmed(BOB, bob);
    credentials.confirmed(ADMIN, admin);
    await until('the second and a timer', () => ready.length === 2 && clock.pending > 0);
    assert.deepEqual(ready, [ALICE.id, BOB.id]);
    await clock.advance(60_000);
    await until('the third', () => ready.length === 3);
    assert.deepEqual(states(), ['admin device ok', 'alice device ok', 'bob device ok']);
  });

  it('registers nobody where ENROL is off', async () => {
    await close();
    open(KEY, 'off');
    credentials.confirmed(ALICE, await login('alice'));
    await settled();
    assert.deepEqual(await devicesOf('alice'), []);
  });

  it('exchanges the refresh token again only when the access token is nearly over', async () => {
    await enrolled();
    const first = await credentials.credentialFor(ALICE.id);
    assert.equal(await credentials.credentialFor(ALICE.id), first);
    await clock.advance(14.5 * 60_000);
    const second = await credentials.credentialFor(ALICE.id);
    assert.notEqual(second, null);
    assert.notEqual(second, first);
  });

  it('stops acting once its user removed the device, and never comes back', async () => {
    await enrolled();
    const [device] = await devicesOf('alice');
    await ask('DELETE', `/api/mobile/devices/${device?.id}`, await login('alice'));
    await clock.advance(20 * 60_000);
    // The NAS itself would still accept the refresh token.
    assert.equal(await credentials.credentialFor(ALICE.id), null);
    assert.deepEqual(states(), ['alice device removed']);
    assert.equal(credentials.holdsFor(ALICE.id), false);
    await clock.advance(200 * DAY_MS);
    credentials.confirmed(ALICE, await login('alice'));
    await settled();
    assert.deepEqual(await devicesOf('alice'), []);
  });

  it('sees within a minute that a device was removed, whatever token it still holds', async () => {
    await enrolled();
    const [device] = await devicesOf('alice');
    assert.notEqual(await credentials.credentialFor(ALICE.id), null);
    await ask('DELETE', `/api/mobile/devices/${device?.id}`, await login('alice'));
    await clock.advance(61_000);
    assert.equal(await credentials.credentialFor(ALICE.id), null);
    assert.deepEqual(states(), ['alice device removed']);
  });

  it('sees a removed device too when it was about to renew', async () => {
    await enrolled();
    const [device] = await devicesOf('alice');
    await ask('DELETE', `/api/mobile/devices/${device?.id}`, await login('alice'));
    await clock.advance(150 * DAY_MS);
    credentials.confirmed(ALICE, await login('alice'));
    await until('the device to be removed', () => states().join() === 'alice device removed');
    assert.deepEqual(await devicesOf('alice'), []);
  });

  it('renews before the end, and leaves one device on the list', async () => {
    await enrolled();
    const [before] = await devicesOf('alice');
    ready = [];
    await clock.advance(150 * DAY_MS);
    credentials.confirmed(ALICE, await login('alice'));
    await until('a credential of alice', () => ready.includes(ALICE.id));
    await settled();
    const after = await devicesOf('alice');
    assert.equal(after.length, 1);
    assert.notEqual(after[0]?.id, before?.id);
  });

  it('registers again after a logout had revoked it', async () => {
    await enrolled();
    ready = [];
    nas.revokeRefreshTokens('alice');
    credentials.loggedOut(ALICE.id);
    credentials.confirmed(ALICE, await login('alice'));
    await until('a credential of alice', () => ready.includes(ALICE.id));
    await settled();
    assert.equal((await devicesOf('alice')).length, 1);
    assert.notEqual(await credentials.credentialFor(ALICE.id), null);
  });

  it('registers by no token that was signed out with while it waited its turn', async () => {
    for (const user of [ALICE, BOB]) credentials.confirmed(user, await login(user.username));
    await until('the second', () => ready.length === 2);
    nas.revokeRefreshTokens('alice');
    credentials.loggedOut(ALICE.id);
    const token = await login('alice');
    // This minute's registrations are used up, so this one is postponed.
    credentials.confirmed(ALICE, token);
    await until('the device to be revoked', () => states().includes('alice device revoked'));
    over.add(token);
    await clock.advance(60_000);
    await enrolledInTurn(ADMIN);
    assert.deepEqual(states(), ['admin device ok', 'alice device revoked', 'bob device ok']);
  });

  it('registers by no token that was signed out with while the NAS was asked', async () => {
    const token = await login('alice');
    overOnceCalled = { path: '/api/mobile/devices', token };
    credentials.confirmed(ALICE, token);
    await enrolledInTurn(BOB);
    assert.deepEqual(states(), ['bob device ok']);
  });

  it('shows what another SECRET_KEY made unreadable, and reads it again under the old one', async () => {
    const { key } = await keyFor(ALICE.id);
    await credentials.storeKey('alice', key);
    await close();
    open('another secret key of 32 characters or so');
    assert.deepEqual(states(), ['alice api_key unreadable']);
    assert.equal(await credentials.credentialFor(ALICE.id), null);
    await close();
    open();
    assert.equal(await credentials.credentialFor(ALICE.id), key);
  });

  it('never uses a device token that the NAS gives for somebody else', async () => {
    await enrolled();
    data.queue.prepare('UPDATE nas_credentials SET user_id = ?').run(BOB.id);
    await settled();
    assert.equal(await credentials.credentialFor(BOB.id), null);
    assert.deepEqual(states(), ['alice device revoked']);
  });

  it('keeps below the limits of the NAS for refreshing', async () => {
    await enrolled();
    for (let turn = 0; turn < 10; turn += 1) {
      await clock.advance(100);
      const token = await credentials.credentialFor(ALICE.id);
      if (token !== null) await credentials.refused(token);
    }
    assert.ok(called('/api/auth/refresh') <= 3);
  });

  it('forgets on request, taking the device off the list, and may register again after twice', async () => {
    await enrolled();
    assert.equal(await credentials.remove('alice', null), true);
    assert.deepEqual(states(), ['alice device removed']);
    assert.deepEqual(await devicesOf('alice'), []);
    assert.equal(await credentials.remove('alice', 'device'), true);
    assert.equal(await credentials.remove('alice', 'device'), false);
    await clock.advance(DAY_MS);
    ready = [];
    await enrolled();
    assert.deepEqual(states(), ['alice device ok']);
  });

  it('waits quietly while the NAS cannot answer, and changes nothing', async () => {
    const { key } = await keyFor(ALICE.id);
    await credentials.storeKey('alice', key);
    await close();
    open();
    await nas.sleep('suspend');
    assert.equal(await credentials.credentialFor(ALICE.id), null);
    assert.deepEqual(states(), ['alice api_key ok']);
    assert.equal(credentials.holdsFor(ALICE.id), true);
    assert.equal(credentials.holdsFor(BOB.id), false);
  });
});
