import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type RequestLife, RequestWatch } from '../../host/request-watch.ts';
import { ManualClock } from '../fakes/manual-clock.ts';

const ANSWER_WITHIN_MS = 60_000;

/** The parts of a socket, a request and a response that the watch uses. */
class Exchange {
  readonly socket = Object.assign(new EventEmitter(), {
    remoteAddress: '192.0.2.1',
    bytesRead: 0,
    bytesWritten: 0,
    destroyed: false,
    destroy: () => (this.socket.destroyed = true),
  });
  readonly request = Object.assign(new EventEmitter(), {
    socket: this.socket,
    complete: false,
    method: 'POST',
    headers: { 'content-length': '1000000' },
    resume: () => undefined,
  });
  readonly response = Object.assign(new EventEmitter(), {
    headersSent: false,
    writableFinished: false,
    destroyed: false,
    statusCode: 0,
    writableLength: 0,
    text: '',
    writeHead: (status: number) => {
      this.response.statusCode = status;
      this.response.headersSent = true;
    },
    write: (text: string) => (this.response.text += text),
    flushHeaders: () => undefined,
    end: () => {
      this.response.writableFinished = true;
      this.response.emit('close');
    },
    destroy: () => (this.response.destroyed = true),
  });

  start(watch: RequestWatch): RequestLife {
    return watch.watch(
      this.request as unknown as IncomingMessage,
      this.response as unknown as ServerResponse,
    );
  }

  /** The request is complete, and that many bytes of the answer are unread. */
  answer(unreadBytes: number): void {
    this.request.complete = true;
    this.response.headersSent = true;
    this.response.writableLength = unreadBytes;
  }
}

function watchOf(clock: ManualClock, owned: string[] = []): RequestWatch {
  const connections = { belongsTo: (_socket: unknown, owner: string) => owned.push(owner) };
  return new RequestWatch({ clock, answerWithinMs: ANSWER_WITHIN_MS, connections });
}

describe('The watch over requests', () => {
  let clock: ManualClock;
  let watch: RequestWatch;
  let exchange: Exchange;
  let life: RequestLife;
  let signal: AbortSignal;

  beforeEach(() => {
    clock = new ManualClock();
    watch = watchOf(clock);
    watch.start();
    exchange = new Exchange();
    life = exchange.start(watch);
    signal = life.signal;
  });

  afterEach(() => {
    watch.stop();
  });

  /** Advances the clock with that many bytes received each second. */
  async function receive(seconds: number, bytesPerSecond: number): Promise<void> {
    for (let second = 0; second < seconds; second += 1) {
      exchange.socket.bytesRead += bytesPerSecond;
      await clock.advance(1_000);
    }
  }

  it('ends a request without an answer with 504, and tells whoever works for it', async () => {
    exchange.request.complete = true;
    await clock.advance(ANSWER_WITHIN_MS);
    assert.equal(exchange.response.statusCode, 0);
    await clock.advance(2_000);
    assert.equal(exchange.response.statusCode, 504);
    assert.match(exchange.response.text, /"code":"deadline"/);
    assert.ok(signal.aborted);
  });

  it('counts the time to the answer from the end of the body, however long that took', async () => {
    await receive(3_600, 2_000);
    exchange.request.complete = true;
    await clock.advance(ANSWER_WITHIN_MS - 2_000);
    assert.equal(exchange.response.statusCode, 0);
  });

  it('lets a slow but living upload go on for hours', async () => {
    await receive(4 * 3_600, 1_100);
    assert.equal(exchange.response.statusCode, 0);
    assert.equal(signal.aborted, false);
  });

  it('ends a body below 1 KB/s with 408 after half a minute', async () => {
    await receive(29, 500);
    assert.equal(exchange.response.statusCode, 0);
    await receive(2, 500);
    assert.equal(exchange.response.statusCode, 408);
    assert.ok(signal.aborted);
  });

  it('measures each half minute afresh, so that a fast beginning pays for no standstill', async () => {
    await receive(1, 10_000_000);
    await receive(62, 0);
    assert.equal(exchange.response.statusCode, 408);
  });

  it('gives a body 3 s where nobody has to sign in, however it drips', async () => {
    life.belongsTo(null);
    await receive(2, 100_000);
    assert.equal(exchange.response.statusCode, 0);
    await receive(1, 100_000);
    assert.equal(exchange.response.statusCode, 408);
    assert.match(exchange.response.text, /"code":"too_slow"/);
    await receive(1, 1);
    assert.equal(exchange.socket.destroyed, true);
  });

  it('gives it 3 s to the moment, whenever the last look around was', async () => {
    await clock.advance(600);
    const late = new Exchange();
    const itsLife = late.start(watch);
    await clock.advance(50);
    itsLife.belongsTo(null);
    await clock.advance(2_949);
    assert.equal(late.response.statusCode, 0);
    await clock.advance(1);
    assert.equal(late.response.statusCode, 408);
  });

  it('waits for nothing more of a body that is whole in those 3 s', async () => {
    life.belongsTo(null);
    exchange.request.complete = true;
    await clock.advance(ANSWER_WITHIN_MS - 1_000);
    assert.equal(exchange.response.statusCode, 0);
    assert.equal(signal.aborted, false);
  });

  it('gives a body no 3 s while it is still being found out who sends it, nor a user’s', async () => {
    await receive(10, 2_000);
    life.belongsTo(7);
    await receive(60, 2_000);
    assert.equal(exchange.response.statusCode, 0);
  });

  it('counts the connection for the user once it is known who asks', () => {
    const owned: string[] = [];
    const other = new Exchange().start(watchOf(clock, owned));
    other.belongsTo(null);
    assert.deepEqual(owned, []);
    other.belongsTo(7);
    assert.deepEqual(owned, ['user 7']);
  });

  it('cuts an open answer that its reader leaves for 10 s', async () => {
    life.belongsTo(null);
    exchange.answer(60_000);
    await clock.advance(9_000);
    assert.equal(exchange.socket.destroyed, false);
    await clock.advance(2_000);
    assert.equal(exchange.socket.destroyed, true);
  });

  it('cuts an open answer that is read at less than 1 KB/s', async () => {
    life.belongsTo(null);
    exchange.answer(60_000);
    for (let second = 0; second < 31; second += 1) {
      exchange.socket.bytesWritten += 900;
      await clock.advance(1_000);
    }
    assert.equal(exchange.socket.destroyed, true);
  });

  it('cuts no open answer of which nothing waits to be read', async () => {
    life.belongsTo(null);
    exchange.answer(0);
    await clock.advance(60_000);
    assert.equal(exchange.socket.destroyed, false);
  });

  it('lets somebody who is signed in pause a film for half an hour', async () => {
    life.belongsTo(7);
    exchange.answer(256_000);
    await clock.advance(30 * 60_000);
    assert.equal(exchange.socket.destroyed, false);
    assert.equal(signal.aborted, false);
  });

  it('cuts a reader that has taken nothing for over an hour', async () => {
    life.belongsTo(7);
    exchange.answer(256_000);
    await clock.advance(61 * 60_000);
    assert.equal(exchange.socket.destroyed, true);
  });

  it('lets an answer that moves go on for hours', async () => {
    life.belongsTo(7);
    exchange.answer(256_000);
    for (let minute = 0; minute < 240; minute += 1) {
      exchange.socket.bytesWritten += 1;
      await clock.advance(50_000);
    }
    assert.equal(exchange.socket.destroyed, false);
  });

  describe('over what waits for readers who do not read', () => {
    const MB = 1024 * 1024;

    function reader(userId: number, unreadBytes: number): Exchange {
      const one = new Exchange();
      one.start(watch).belongsTo(userId);
      one.answer(unreadBytes);
      return one;
    }

    it('cuts those of whoever leaves the most, until no more than 24 MB wait', async () => {
      const [little, much] = [reader(1, 4 * MB), [reader(2, 9 * MB), reader(2, 9 * MB)]];
      await clock.advance(1_000);
      assert.equal(much.filter(({ socket }) => socket.destroyed).length, 0);
      much.push(reader(2, 9 * MB));
      await clock.advance(2_000);
      assert.equal(much.filter(({ socket }) => socket.destroyed).length, 1);
      assert.equal(little.socket.destroyed, false);
    });

    it('cuts nobody who goes on reading', async () => {
      const readers = [1, 2, 3, 4].map((userId) => reader(userId, 9 * MB));
      for (let second = 0; second < 20; second += 1) {
        for (const { socket } of readers) socket.bytesWritten += 50_000;
        await clock.advance(1_000);
      }
      assert.deepEqual(
        readers.map(({ socket }) => socket.destroyed),
        [false, false, false, false],
      );
    });
  });

  it('tells whoever works for it when the caller goes away', () => {
    exchange.response.emit('close');
    assert.ok(signal.aborted);
  });

  it('forgets what was answered, and tells nobody that it was cut', async () => {
    exchange.response.writableFinished = true;
    exchange.response.emit('close');
    await clock.advance(10 * ANSWER_WITHIN_MS);
    assert.equal(signal.aborted, false);
    assert.equal(exchange.socket.destroyed, false);
    assert.equal(exchange.response.statusCode, 0);
  });

  it('does nothing once stopped', async () => {
    exchange.request.complete = true;
    watch.stop();
    await clock.advance(10 * ANSWER_WITHIN_MS);
    assert.equal(exchange.response.statusCode, 0);
    assert.equal(clock.pending, 0);
  });

  it('aborts a signal too that is asked for only after the request was ended', () => {
    const other = new Exchange();
    const ended = other.start(watchOf(clock));
    other.response.emit('close');
    assert.equal(ended.signal.aborted, true);
  });
});
