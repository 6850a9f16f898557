import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { ConnectionLimit } from '../../host/connection-limit.ts';
import { ManualClock } from '../fakes/manual-clock.ts';

const MOST = 100;

/** The part of a socket that the limit uses. */
class Line extends EventEmitter {
  readonly remoteAddress: string;
  bytesRead = 0;
  bytesWritten = 0;
  isCut = false;

  constructor(remoteAddress: string) {
    super();
    this.remoteAddress = remoteAddress;
  }

  destroy(): void {
    this.isCut = true;
    this.emit('close');
  }

  destroySoon(): void {
    this.destroy();
  }

  get asSocket(): Socket {
    return this as unknown as Socket;
  }
}

describe('The connection limit', () => {
  let clock: ManualClock;
  let limit: ConnectionLimit;
  let told: string[];

  beforeEach(() => {
    clock = new ManualClock();
    told = [];
    limit = new ConnectionLimit({
      most: MOST,
      clock,
      onCrowd: (owner, held, most) => told.push(`${owner} ${held}/${most}`),
    });
  });

  function connect(address: string): Line {
    const line = new Line(address);
    limit.add(line.asSocket);
    return line;
  }

  function connectMany(count: number, address: string): Line[] {
    return Array.from({ length: count }, () => connect(address));
  }

  interface Asked {
    readonly owner?: string;
    readonly complete?: boolean;
    readonly headersSent?: boolean;
  }

  function ask(line: Line, { owner, complete = false, headersSent = false }: Asked = {}): void {
    const request = { socket: line.asSocket, complete } as IncomingMessage;
    const response = { headersSent } as ServerResponse;
    limit.serve(request, response, owner ?? line.remoteAddress);
  }

  function left(lines: readonly Line[]): number {
    return lines.filter(({ isCut }) => !isCut).length;
  }

  it('costs nobody a connection while no more than half the places are taken', async () => {
    const lines = connectMany(MOST / 2, '192.0.2.1');
    await clock.advance(600_000);
    assert.equal(left(lines), MOST / 2);
    assert.equal(limit.isCrowded, false);
  });

  it('lets the fullest address lose its slowest above that, and nobody else', async () => {
    const family = connectMany(10, '192.0.2.2');
    for (const line of family) ask(line);
    await clock.advance(60_000);
    const strangers = connectMany(400, '192.0.2.66');
    assert.equal(left(family), 10);
    assert.equal(left(strangers), MOST / 2 - 10);
    assert.deepEqual(told, ['192.0.2.66 41/100']);
  });

  it('takes for the slowest what moved the fewest bytes for its time', async () => {
    const lines = connectMany(MOST / 2, '192.0.2.1');
    for (const line of lines) ask(line);
    await clock.advance(10_000);
    for (const [at, line] of lines.entries()) line.bytesRead += at === 20 ? 1 : 50_000;
    connect('192.0.2.2');
    assert.deepEqual(
      lines.flatMap(({ isCut }, at) => (isCut ? [at] : [])),
      [20],
    );
  });

  it('counts all of a /64 as one address', () => {
    const lines = Array.from({ length: 60 }, (_, at) =>
      connect(`2001:db8:0:1::${at.toString(16)}`),
    );
    const family = connectMany(6, '2001:db8:0:2::5');
    assert.equal(left(family), 6);
    assert.equal(left(lines), MOST / 2 - 6);
  });

  it('counts signed-in requests by their user, so that a home behind one address is not one', async () => {
    const household = connectMany(30, '192.0.2.1');
    for (const [at, line] of household.entries()) {
      ask(line);
      limit.belongsTo(line.asSocket, `user ${String(at % 5)}`);
    }
    await clock.advance(60_000);
    const strangers = connectMany(200, '192.0.2.1');
    assert.equal(left(household), 30);
    assert.equal(left(strangers), 20);
  });

  it('counts behind a proxy whom it names', async () => {
    const family = connectMany(20, '192.0.2.9');
    for (const [at, line] of family.entries()) ask(line, { owner: `198.51.100.${String(at)}` });
    await clock.advance(60_000);
    for (const line of connectMany(200, '192.0.2.9')) ask(line, { owner: '203.0.113.1' });
    assert.equal(left(family), 20);
  });

  it('takes nobody for slow who waits for an answer of ours', async () => {
    const waiting = connectMany(30, '192.0.2.1');
    for (const line of waiting) ask(line, { complete: true });
    await clock.advance(25_000);
    const idle = connectMany(30, '192.0.2.1');
    assert.equal(left(waiting), 30);
    assert.equal(left(idle), 20);
  });

  it('never has more than all its places, whatever they wait for', async () => {
    const waiting: Line[] = [];
    for (let count = 0; count < 3 * MOST; count += 1) {
      const line = connect('192.0.2.1');
      ask(line, { complete: true });
      waiting.push(line);
      await clock.advance(1);
    }
    assert.equal(limit.size, MOST);
    const family = connect('192.0.2.2');
    assert.equal(family.isCut, false);
    assert.equal(left(waiting), MOST - 1);
  });

  it('leaves those alone who hold next to nothing, as long as any place is free', () => {
    const lines = Array.from({ length: MOST }, (_, at) => connect(`198.51.100.${String(at)}`));
    assert.equal(left(lines), MOST);
    connect('192.0.2.1');
    assert.equal(limit.size, MOST);
  });

  it('gives sockets a quarter of the places, shared out like all of them', async () => {
    const family = connectMany(2, '192.0.2.1');
    for (const line of family) assert.ok(limit.takeSocket(line.asSocket, 'user 1'));
    await clock.advance(3_600_000);
    const many = connectMany(40, '192.0.2.2');
    for (const line of many) assert.ok(limit.takeSocket(line.asSocket, 'user 2'));
    assert.equal(left(family), 2);
    assert.equal(left(many), MOST / 4 - 2);
  });

  it('cuts a connection that asks a ninth time without an answer', () => {
    const line = connect('192.0.2.1');
    for (let count = 0; count < 8; count += 1) ask(line, { complete: true });
    assert.equal(line.isCut, false);
    ask(line, { complete: true });
    assert.equal(line.isCut, true);
    assert.equal(limit.size, 0);
  });

  it('closes who is owed nothing when it closes, and the rest after their answer', () => {
    const [idle, asking] = [connect('192.0.2.1'), connect('192.0.2.1')];
    ask(asking, { complete: true });
    limit.close();
    assert.deepEqual([idle.isCut, asking.isCut], [true, false]);
    limit.rest(asking.asSocket);
    assert.equal(asking.isCut, true);
    assert.equal(limit.size, 0);
  });
});
