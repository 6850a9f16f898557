import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { RequestWatch } from '../../host/request-watch.ts';
import { ManualClock } from '../fakes/manual-clock.ts';

const ANSWER_WITHIN_MS = 60_000;

/** A socket, a request and a response as far as the watch looks at them. */
class Exchange {
  readonly socket = Object.assign(new EventEmitter(), {
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

  start(watch: RequestWatch): AbortSignal {
    return watch.watch(
      this.request as unknown as IncomingMessage,
      this.response as unknown as ServerResponse,
    ).signal;
  }
}

describe('The watch over requests', () => {
  let clock: ManualClock;
  let watch: RequestWatch;
  let exchange: Exchange;
  let signal: AbortSignal;

  beforeEach(() => {
    clock = new ManualClock();
    watch = new RequestWatch(clock, ANSWER_WITHIN_MS);
    watch.start();
    exchange = new Exchange();
    signal = exchange.start(watch);
  });

  afterEach(() => {
    watch.stop();
  });

  /** Moves the clock on, with so many bytes coming in each second. */
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

  it('cuts an answer that nobody reads for a minute', async () => {
    exchange.request.complete = true;
    exchange.response.headersSent = true;
    await clock.advance(58_000);
    assert.equal(exchange.socket.destroyed, false);
    await clock.advance(4_000);
    assert.equal(exchange.socket.destroyed, true);
  });

  it('lets an answer that moves go on for hours', async () => {
    exchange.request.complete = true;
    exchange.response.headersSent = true;
    for (let minute = 0; minute < 240; minute += 1) {
      exchange.socket.bytesWritten += 1;
      await clock.advance(50_000);
    }
    assert.equal(exchange.socket.destroyed, false);
  });

  it('tells whoever works for it when the caller goes away', () => {
    exchange.response.emit('close');
    assert.ok(signal.aborted);
    assert.equal(watch.running, 0);
  });

  it('forgets what was answered, and tells nobody that it was cut', () => {
    exchange.response.writableFinished = true;
    exchange.response.emit('close');
    assert.equal(signal.aborted, false);
    assert.equal(watch.running, 0);
  });

  it('does nothing once stopped', async () => {
    exchange.request.complete = true;
    watch.stop();
    await clock.advance(10 * ANSWER_WITHIN_MS);
    assert.equal(exchange.response.statusCode, 0);
    assert.equal(clock.pending, 0);
  });

  it('aborts a signal too that is asked for only after the request was ended', () => {
    const late = new RequestWatch(clock, ANSWER_WITHIN_MS);
    const other = new Exchange();
    const life = late.watch(
      other.request as unknown as IncomingMessage,
      other.response as unknown as ServerResponse,
    );
    other.response.emit('close');
    assert.equal(life.signal.aborted, true);
  });
});
