import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { User } from '../../../nodes/lib/accounts/accounts.ts';
import { CredentialCipher } from '../../../nodes/lib/accounts/credential-vault.ts';
import type { Told } from '../../../nodes/lib/events/events.ts';
import { Notices, type NoticesDeps } from '../../../nodes/lib/notices/notices.ts';
import type { PushOutcome, PushTarget } from '../../../nodes/lib/notices/push-service.ts';
import { DataFolder } from '../../../nodes/lib/store/data-folder.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

const ALICE: User = { id: 2, username: 'alice', role: 'user' };
const BOB: User = { id: 3, username: 'bob', role: 'user' };
const ADMIN: User = { id: 1, username: 'admin', role: 'admin' };

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

interface Heard {
  /** The last part of the endpoint, which names the browser's owner. */
  readonly at: string;
  readonly title: string;
  readonly body: string;
  readonly lang: string;
  readonly url: string;
}

/** Notices over a data folder, with a push service that records what it is given. */
class Household {
  readonly clock = new ManualClock();
  readonly folder = mkdtempSync(join(tmpdir(), 'balupi-notices-'));
  readonly heard: Heard[] = [];
  readonly tries: string[] = [];
  readonly users = new Map([ALICE, BOB, ADMIN].map((user) => [user.id, user]));
  readonly epochs = new Map<number, number | null>([ALICE, BOB, ADMIN].map(({ id }) => [id, 0]));
  outcome: (at: string) => PushOutcome = () => ({ kind: 'sent' });
  secretKey = 'a secret key of a BaluPi that is long enough';
  data = DataFolder.open(this.folder);
  notices = this.#open();

  add(user: User, at: string, language: 'en' | 'de' = 'en', signIn: string | null = null): string {
    const target = { endpoint: `https://push.example.com/${at}`, p256dh: 'key', auth: 'secret' };
    const added = this.notices.add(user, { target, name: at, language, signIn });
    assert.ok(added.kind === 'added', JSON.stringify(added));
    return added.id;
  }

  async restart(): Promise<void> {
    await this.close();
    this.data = DataFolder.open(this.folder);
    this.notices = this.#open();
  }

  async close(): Promise<void> {
    await this.notices.stop();
    this.data.close();
  }

  async end(): Promise<void> {
    await this.close();
    rmSync(this.folder, { recursive: true });
  }

  /** Whose browsers received what since the last call. */
  take(): string[] {
    return this.heard
      .splice(0)
      .map(({ at, title }) => `${at}: ${title}`)
      .sort();
  }

  #open(): Notices {
    const { clock } = this;
    const silent = () => undefined;
    const deps: NoticesDeps = {
      store: this.data.people,
      clock,
      nowMs: () => clock.nowMs(),
      log: { debug: silent, info: silent, warn: silent, error: silent },
      cipher: new CredentialCipher(this.secretKey, randomBytes),
      people: {
        userOf: (id) => this.users.get(id) ?? null,
        signInEpochOf: (id) => this.epochs.get(id) ?? null,
      },
      contact: 'mailto:owner@example.com',
      timeZone: 'Europe/Berlin',
      push: {
        publicKey: 'public',
        faultOf: () => null,
        send: ({ endpoint }: PushTarget, { text }) => {
          const at = endpoint.slice('https://push.example.com/'.length);
          const outcome = this.outcome(at);
          this.tries.push(at);
          if (outcome.kind === 'sent') {
            this.heard.push({ at, ...(JSON.parse(text) as Omit<Heard, 'at'>) });
          }
          return Promise.resolve(outcome);
        },
      },
    };
    const notices = new Notices(deps);
    notices.start();
    return notices;
  }
}

/** @returns how to mend it */
function breakDisk({ users }: Household): () => void {
  const get = users.get.bind(users);
  users.get = () => {
    throw new Error('disk I/O error');
  };
  return () => {
    users.get = get;
  };
}

function conflictOf({ username }: User, path = `${username}/a.txt`): Told {
  return {
    kind: 'conflict',
    to: { audience: 'user', username },
    fields: { username, path, id: '1', what: 'upload', detail: null },
  };
}

const plug = (kind: 'plug_lost' | 'plug_back', id = 'p1', name = 'Desk'): Told => ({
  kind,
  to: { audience: 'everybody' },
  fields: { device_id: id, name },
});
const DISK_LOW: Told = {
  kind: 'disk',
  to: { audience: 'admins' },
  fields: { state: 'low', free_bytes: 1 },
};
const WAKE_FAILED: Told = {
  kind: 'wake_failed',
  to: { audience: 'everybody' },
  fields: { sleep_state: 'unreachable' },
};
const updateTo = (version: string): Told => ({
  kind: 'update_ready',
  to: { audience: 'admins' },
  fields: { version },
});

describe('Notices', () => {
  let home: Household;

  beforeEach(() => {
    home = new Household();
  });

  afterEach(async () => {
    await home.end();
  });

  it('tell nobody but its user of a conflict, an admin neither', async () => {
    home.add(ALICE, 'alice phone');
    home.add(ALICE, 'alice desk');
    home.add(BOB, 'bob');
    home.add(ADMIN, 'admin');
    home.notices.told(conflictOf(ALICE));
    await home.clock.advance(MINUTE_MS);
    assert.deepEqual(home.take(), ['alice desk: Conflict', 'alice phone: Conflict']);
  });

  it('tell admins alone of the disk and of an update', async () => {
    home.add(ALICE, 'alice');
    home.add(ADMIN, 'admin');
    home.notices.told(DISK_LOW);
    home.notices.told(updateTo('1.2.0'));
    await home.clock.advance(MINUTE_MS);
    assert.deepEqual(home.take(), ['admin: Disk of the Pi', 'admin: Update ready']);
    assert.ok(!home.notices.view(ALICE).kinds.some(({ kind }) => kind === 'disk'));
  });

  it('ask who may know when they are sent, not when it happened', async () => {
    home.add(ADMIN, 'admin');
    home.notices.told(DISK_LOW);
    home.users.set(ADMIN.id, { ...ADMIN, role: 'user' });
    await home.clock.advance(MINUTE_MS);
    assert.deepEqual(home.take(), []);
  });

  it('are in the language their reader had when the browser was added', async () => {
    home.add(ALICE, 'en');
    home.add(ALICE, 'de', 'de');
    home.notices.told(plug('plug_lost'));
    await home.clock.advance(MINUTE_MS);
    assert.deepEqual(home.heard.map(({ lang, title, body }) => [lang, title, body]).sort(), [
      ['de', 'Steckdose verloren', 'Die Steckdose Desk antwortet nicht.'],
      ['en', 'Plug lost', 'The plug Desk does not answer.'],
    ]);
  });

  it('leave out what somebody does not want, whatever others want', async () => {
    home.add(ALICE, 'alice');
    home.add(BOB, 'bob');
    home.notices.choose(ALICE, { wanted: ['conflict'], quietFrom: null, quietTo: null });
    home.notices.told(WAKE_FAILED);
    home.notices.told(conflictOf(ALICE));
    await home.clock.advance(MINUTE_MS);
    assert.deepEqual(home.take(), ['alice: Conflict', 'bob: The NAS does not wake']);
  });

  it('keep what an admin chose of the disk while somebody is none', () => {
    home.notices.choose(ADMIN, { wanted: ['conflict'], quietFrom: null, quietTo: null });
    const demoted: User = { ...ADMIN, role: 'user' };
    home.notices.choose(demoted, {
      wanted: ['conflict', 'plug_lost'],
      quietFrom: null,
      quietTo: null,
    });
    const wanted = home.notices.view(ADMIN).kinds.filter(({ isWanted }) => isWanted);
    assert.deepEqual(
      wanted.map(({ kind }) => kind),
      ['conflict', 'plug_lost'],
    );
  });

  it('are one for what comes together', async () => {
    home.add(ALICE, 'alice');
    for (let index = 1; index <= 200; index += 1) {
      home.notices.told(conflictOf(ALICE, `alice/${String(index)}.txt`));
    }
    await home.clock.advance(MINUTE_MS);
    assert.equal(home.heard.length, 1);
    assert.match(home.heard[0]?.body ?? '', /And 199 more\.$/);
  });

  it('are few of a plug that comes and goes all day', async () => {
    home.add(ALICE, 'alice');
    for (let round = 0; round < 24 * 12; round += 1) {
      home.notices.told(plug('plug_lost'));
      await home.clock.advance(4 * MINUTE_MS);
      home.notices.told(plug('plug_back'));
      await home.clock.advance(MINUTE_MS);
    }
    assert.ok(home.heard.length >= 1 && home.heard.length <= 5, String(home.heard.length));
  });

  it('are not sent of a plug that was back before anybody was told', async () => {
    home.add(ALICE, 'alice');
    home.notices.told(plug('plug_lost'));
    home.notices.told(plug('plug_lost', 'p2', 'Lamp'));
    await home.clock.advance(5_000);
    home.notices.told(plug('plug_back'));
    await home.clock.advance(MINUTE_MS);
    assert.deepEqual(
      home.heard.map(({ body }) => body),
      ['The plug Lamp does not answer.'],
    );
  });

  it('wait out quiet hours, over midnight too, and are sent then', async () => {
    // 15:30 in Berlin.
    home.add(ALICE, 'alice');
    home.notices.choose(ALICE, { wanted: ['wake_failed'], quietFrom: '22:00', quietTo: '07:00' });
    await home.clock.advance(8 * HOUR_MS);
    home.notices.told(WAKE_FAILED);
    await home.clock.advance(7 * HOUR_MS);
    assert.deepEqual(home.take(), []);
    await home.clock.advance(HOUR_MS);
    assert.deepEqual(home.take(), ['alice: The NAS does not wake']);
  });

  it('are sent after a restart', async () => {
    home.add(ALICE, 'alice');
    home.notices.told(conflictOf(ALICE));
    await home.restart();
    await home.clock.advance(MINUTE_MS);
    assert.deepEqual(home.take(), ['alice: Conflict']);
    await home.restart();
    await home.clock.advance(HOUR_MS);
    assert.deepEqual(home.take(), [], 'and once');
  });

  it('tell of a version once, over restarts', async () => {
    home.add(ADMIN, 'admin');
    for (const version of ['1.2.0', '1.2.0', '1.3.0']) {
      home.notices.told(updateTo(version));
      await home.clock.advance(25 * HOUR_MS);
      await home.restart();
    }
    assert.deepEqual(
      home.heard.map(({ body }) => /\d\.\d\.\d/.exec(body)?.[0]),
      ['1.2.0', '1.3.0'],
    );
  });

  it('are tried again with more and more patience, and given up after a day', async () => {
    home.add(ALICE, 'alice');
    home.outcome = () => ({ kind: 'later', afterMs: null, why: '503' });
    home.notices.told(conflictOf(ALICE));
    await home.clock.advance(HOUR_MS);
    const inOneHour = home.tries.length;
    assert.ok(inOneHour >= 4 && inOneHour <= 8, String(inOneHour));
    assert.equal(home.notices.view(ALICE).devices[0]?.problem, '503');
    await home.clock.advance(26 * HOUR_MS);
    const { length } = home.tries;
    home.outcome = () => ({ kind: 'sent' });
    await home.clock.advance(26 * HOUR_MS);
    assert.equal(home.tries.length, length);
  });

  it('wait as long as a service asks', async () => {
    home.add(ALICE, 'alice');
    home.outcome = () => ({ kind: 'later', afterMs: 10 * MINUTE_MS, why: '429' });
    home.notices.told(conflictOf(ALICE));
    await home.clock.advance(MINUTE_MS);
    home.outcome = () => ({ kind: 'sent' });
    await home.clock.advance(8 * MINUTE_MS);
    assert.deepEqual(home.take(), []);
    await home.clock.advance(2 * MINUTE_MS);
    assert.deepEqual(home.take(), ['alice: Conflict']);
  });

  it('forget a browser that took its subscription back', async () => {
    home.add(ALICE, 'gone');
    home.add(ALICE, 'stays');
    home.outcome = (at) => (at === 'gone' ? { kind: 'gone' } : { kind: 'sent' });
    home.notices.told(conflictOf(ALICE));
    await home.clock.advance(MINUTE_MS);
    assert.deepEqual(
      home.notices.view(ALICE).devices.map(({ name }) => name),
      ['stays'],
    );
  });

  it('end with the sign-in of that browser, and of no other', async () => {
    home.add(ALICE, 'phone', 'en', 'page:1');
    home.add(ALICE, 'desk', 'en', 'page:2');
    home.notices.signedOut('page:1');
    home.notices.told(conflictOf(ALICE));
    await home.clock.advance(MINUTE_MS);
    assert.deepEqual(home.take(), ['desk: Conflict']);
  });

  it('end when their user is signed out elsewhere, which is the last they say', async () => {
    home.add(ALICE, 'alice');
    home.notices.told(conflictOf(ALICE));
    home.epochs.set(ALICE.id, 7);
    home.notices.loggedOut();
    await home.clock.advance(MINUTE_MS);
    assert.deepEqual(home.take(), ['alice: No more messages here']);
    assert.deepEqual(home.notices.view(ALICE).devices, []);
    home.notices.told(conflictOf(ALICE));
    await home.clock.advance(HOUR_MS);
    assert.deepEqual(home.take(), []);
  });

  it('rest while the NAS was silent for too long, and go on', async () => {
    home.add(ALICE, 'alice');
    home.epochs.set(ALICE.id, null);
    home.notices.told(WAKE_FAILED);
    home.notices.sweep();
    await home.clock.advance(HOUR_MS);
    assert.deepEqual(home.take(), []);
    home.epochs.set(ALICE.id, 0);
    home.notices.told(WAKE_FAILED);
    await home.clock.advance(MINUTE_MS);
    assert.deepEqual(home.take(), ['alice: The NAS does not wake']);
  });

  it('end as usual after the disk failed once to tell who is signed in', async () => {
    home.add(ALICE, 'alice');
    const mend = breakDisk(home);
    await assert.rejects(home.clock.advance(HOUR_MS), /disk I\/O/);
    mend();
    home.epochs.set(ALICE.id, 7);
    await home.clock.advance(HOUR_MS);
    assert.deepEqual(home.take(), ['alice: No more messages here']);
  });

  it('are tried again after the disk failed while they were sent', async () => {
    home.add(ALICE, 'alice');
    home.notices.told(conflictOf(ALICE));
    const mend = breakDisk(home);
    await home.clock.advance(MINUTE_MS);
    assert.deepEqual(home.take(), []);
    mend();
    await home.clock.advance(MINUTE_MS);
    assert.deepEqual(home.take(), ['alice: Conflict']);
  });

  it('end in silence with an account that is switched off, or is another person’s', async () => {
    home.add(ALICE, 'alice');
    home.add(BOB, 'bob');
    home.users.delete(ALICE.id);
    home.notices.dropUser(BOB.id);
    home.notices.sweep();
    home.notices.told(WAKE_FAILED);
    await home.clock.advance(HOUR_MS);
    assert.deepEqual(home.take(), []);
  });

  it('go to whoever has a browser now, with nothing of who had it before', async () => {
    const id = home.add(ALICE, 'shared');
    home.notices.told(conflictOf(ALICE));
    assert.equal(home.add(BOB, 'shared'), id);
    home.notices.told(conflictOf(ALICE));
    home.notices.told(WAKE_FAILED);
    await home.clock.advance(MINUTE_MS);
    assert.deepEqual(home.take(), ['shared: The NAS does not wake']);
    assert.deepEqual(home.notices.view(ALICE).devices, []);
  });

  it('let nobody end or test what is another’s', async () => {
    const id = home.add(ALICE, 'alice');
    assert.equal(home.notices.remove(BOB, id), false);
    assert.deepEqual(await home.notices.test(BOB, id), { kind: 'no_device' });
    assert.deepEqual(await home.notices.test(ADMIN, id), { kind: 'no_device' });
    assert.deepEqual(await home.notices.test(ALICE, id), { kind: 'tested', sent: 1, of: 1 });
    assert.equal((await home.notices.test(ALICE, id)).kind, 'too_soon');
    assert.deepEqual(home.take(), ['alice: A test']);
    assert.equal(home.notices.remove(ALICE, id), true);
  });

  it('are for ten browsers of a person, the newest', () => {
    for (let index = 0; index < 12; index += 1) home.add(ALICE, `b${String(index)}`);
    const names = home.notices.view(ALICE).devices.map(({ name }) => name);
    assert.equal(names.length, 10);
  });

  it('keep no address of a browser and no key in the clear', () => {
    home.add(ALICE, 'an-address-of-its-own');
    const rows = home.data.people.prepare('SELECT * FROM push_devices').all();
    for (const value of Object.values(rows[0] ?? {})) {
      const text =
        value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : String(value);
      assert.ok(!text.includes('push.example.com'));
    }
    assert.equal(rows.length, 1);
  });

  it('forget browsers that another SECRET_KEY sealed', async () => {
    home.add(ALICE, 'alice');
    home.secretKey = 'another secret key that is long enough too';
    await home.restart();
    home.notices.told(conflictOf(ALICE));
    await home.clock.advance(MINUTE_MS);
    assert.deepEqual([home.take(), home.notices.view(ALICE).devices], [[], []]);
  });

  it('say what a flow has to say, to whom it says', async () => {
    home.add(ALICE, 'alice');
    home.add(BOB, 'bob');
    home.add(ADMIN, 'admin');
    const done = { title: 'Laundry', text: 'It is done.' };
    home.notices.say({ audience: 'user', username: 'bob' }, done);
    await home.clock.advance(MINUTE_MS);
    assert.deepEqual(home.take(), ['bob: Laundry']);
    home.notices.say({ audience: 'everybody' }, { ...done, title: 'All' });
    await home.clock.advance(MINUTE_MS);
    assert.deepEqual(home.take(), ['admin: All', 'alice: All', 'bob: All']);
  });

  it('fit onto a screen, however long a path is', async () => {
    home.add(ALICE, 'alice');
    home.notices.told(conflictOf(ALICE, `alice/${'ordner/'.repeat(900)}ende.txt`));
    await home.clock.advance(MINUTE_MS);
    const [{ body } = { body: '' }] = home.heard;
    assert.ok(body.length <= 400 && body.includes('…') && body.includes('ende.txt'), body);
  });
});
