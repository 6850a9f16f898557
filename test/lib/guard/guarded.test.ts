import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type ApiMessage, type Call, withAnswer } from '../../../nodes/lib/guard/call.ts';
import { type Handler, NodeGuard } from '../../../nodes/lib/guard/guarded.ts';
import { plainAnswer } from '../../../nodes/lib/http/http.ts';

/** The part of a Node-RED node that the guard uses. */
class FakeNode extends EventEmitter {
  error(): void {
    this.emit('failed');
  }

  status(): void {
    this.emit('shown');
  }
}

describe('A guarded node whose flow is exchanged while it works', () => {
  let server: Server;
  let node: FakeNode;
  let sent: unknown[];
  let work: PromiseWithResolvers<undefined>;
  const holders = { count: 0 };

  async function ask(handler: Handler): Promise<Response> {
    node = new FakeNode();
    new NodeGuard(node).onInput(handler);
    server = createServer((req, res) => {
      const call = { holders } as unknown as Call;
      const message: ApiMessage = { req: Object.assign(req, { call }), res: { _res: res } };
      node.emit(
        'input',
        message,
        (out: unknown) => sent.push(out),
        () => undefined,
      );
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  }

  beforeEach(() => {
    sent = [];
    work = Promise.withResolvers<undefined>();
  });

  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  it('answers by itself when its answer is ready, as its wires lead nowhere', async () => {
    const asked = ask(async (message) => {
      node.emit('close');
      await Promise.resolve();
      return withAnswer(message, plainAnswer({ message: 'safe' }));
    });
    const answered = await asked;
    assert.deepEqual([answered.status, await answered.json()], [200, { message: 'safe' }]);
    assert.deepEqual(sent, []);
  });

  it('tells a caller to come again whose message had further to go', async () => {
    const answered = await ask((message) => {
      node.emit('close');
      return [message, null];
    });
    assert.equal(answered.status, 503);
    assert.equal(((await answered.json()) as { code: string }).code, 'restarting');
    assert.deepEqual(sent, []);
  });

  it('holds a call only while it works on it', async () => {
    const seen: number[] = [];
    const asked = ask(async (message) => {
      seen.push(holders.count);
      await work.promise;
      node.emit('close');
      return withAnswer(message, plainAnswer({}));
    });
    work.resolve(undefined);
    await (await asked).text();
    assert.deepEqual([seen, holders.count], [[1], 0]);
  });
});
