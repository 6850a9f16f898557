import assert from 'node:assert/strict';
import type { User } from '../../nodes/lib/accounts/accounts.ts';
import { Viewers } from '../../nodes/lib/viewers/viewers.ts';
import { type DashboardSocket, DashboardSockets } from '../../host/dashboard-sockets.ts';
import { ManualClock } from '../fakes/manual-clock.ts';

const ALICE: User = { id: 3, username: 'alice', role: 'user' };
const BOB: User = { id: 4, username: 'bob', role: 'user' };
const MB = 1_000_000;

/** A page's socket that only reads when the test says so. */
class Page {
  readonly waiting: { data: string }[] = [];
  isClosed = false;
  readonly socket: DashboardSocket = {
    id: 'page',
    handshake: { headers: { cookie: 'balupi_dashboard=c' } },
    conn: {
      writeBuffer: this.waiting,
      on: () => undefined,
      close: () => (this.isClosed = true),
    },
    emit: (_event, ...args) => {
      this.waiting.push({ data: JSON.stringify(args) });
      return true;
    },
    use: () => undefined,
    disconnect: () => (this.isClosed = true),
  };

  read(): void {
    this.waiting.length = 0;
  }

  /** Broadcasts a message. */
  tell(bytes: number): boolean {
    return this.socket.emit('msg-input:widget', { payload: 'x'.repeat(bytes) });
  }
}

describe('The sockets of the Dashboard', () => {
  let clock: ManualClock;
  let sockets: DashboardSockets;
  let page: Page;
  let find: () => User | null;

  beforeEach(async () => {
    clock = new ManualClock();
    find = () => ALICE;
    const accounts = {
      find: () => find(),
      look: () => Promise.resolve(ALICE),
      deviceOf: () => 'page:1',
      onLogout: () => () => undefined,
    };
    sockets = new DashboardSockets(accounts, new Viewers(), clock, (config) => config);
    sockets.start();
    page = new Page();
    const { promise, resolve } = Promise.withResolvers<Error | undefined>();
    sockets.middleware(page.socket, resolve);
    assert.equal(await promise, undefined);
  });

  afterEach(() => {
    sockets.stop();
  });

  it('pass on to a page what its reader may know, and nothing of another’s', () => {
    const tell = (message: object): boolean => page.socket.emit('msg-input:widget', message);
    assert.equal(tell({ payload: 1, audience: 'user', username: 'alice' }), true);
    assert.equal(tell({ payload: 2, audience: 'user', username: 'bob' }), false);
    assert.equal(tell({ payload: 3, audience: 'admins' }), false);
    assert.equal(page.waiting.length, 1);
  });

  it('keep no more than 2 MB for a page that does not read', () => {
    for (let count = 0; count < 30; count += 1) page.tell(MB / 10);
    const bytes = page.waiting.reduce((sum, { data }) => sum + data.length, 0);
    assert.equal(page.isClosed, true);
    assert.ok(bytes < 2.2 * MB, String(bytes));
  });

  it('keep nothing for half a minute that a page does not take', async () => {
    page.tell(10);
    await clock.advance(19_000);
    assert.equal(page.isClosed, false);
    await clock.advance(11_000);
    assert.equal(page.isClosed, true);
  });

  it('close a page whose reader was signed out, also after the disk failed to tell of it once', async () => {
    find = () => {
      throw new Error('disk I/O error');
    };
    await assert.rejects(clock.advance(5_000), /disk I\/O/);
    find = () => null;
    await clock.advance(5_000);
    assert.equal(page.isClosed, true);
  });

  it('go on with a page that reads', async () => {
    for (let second = 0; second < 600; second += 5) {
      page.tell(MB / 10);
      await clock.advance(5_000);
      page.read();
    }
    assert.equal(page.isClosed, false);
  });

  it('are counted before they are opened: 60 a minute of one user, whatever others do', async () => {
    for (let count = 0; count < 60; count += 1) assert.ok(sockets.mayOpen(ALICE));
    assert.equal(sockets.mayOpen(ALICE), false);
    assert.ok(sockets.mayOpen(BOB));
    await clock.advance(60_000);
    assert.ok(sockets.mayOpen(ALICE));
  });
});
