import assert from 'node:assert/strict';
import express from 'express';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ApiGuard } from '../../host/api-guard.ts';
import { Accel, RemoteAddresses } from '../../host/remote-address.ts';
import { RequestWatch } from '../../host/request-watch.ts';
import { setCommonHeaders } from '../../host/common-headers.ts';
import { ENDPOINTS, Matcher } from '../../nodes/lib/api/api.ts';
import { ManualClock } from '../fakes/manual-clock.ts';

describe('The guard around Passport', () => {
  const remotes = new RemoteAddresses([]);
  const guard = new ApiGuard({
    matcher: new Matcher(ENDPOINTS),
    hooks: {
      authenticate: (request, _response, next) => {
        const user = { id: 4, username: 'alice', role: 'user' };
        request.caller = { user, kind: 'nas', nasToken: 'token', scope: 'all' };
        next();
      },
      mayWake: () => false,
      isShortOfMemory: () => false,
      followsSync: () => false,
      admitUpload: () => Promise.resolve(null),
    },
    watch: new RequestWatch({
      clock: new ManualClock(),
      answerWithinMs: 60_000,
      connections: { belongsTo: () => undefined },
    }),
    remotes,
    accel: new Accel('off', remotes),
    log: { debug: assert.fail, info: assert.fail, warn: assert.fail, error: () => undefined },
    flowsRun: () => true,
    takesChanges: () => true,
    isFlowMissing: () => false,
  });

  /** The status of a path behind a subset of the guard's steps. */
  async function statusOf(
    path: string,
    ...steps: readonly ('receive' | 'authenticate' | 'admit')[]
  ) {
    const app = express();
    app.use((_request, response, next) => {
      setCommonHeaders(response);
      next();
    });
    for (const step of steps) app.use(guard[step]);
    app.use((_request, response) => void response.status(299).end());
    const server = createServer(app).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const answer = await fetch(`http://127.0.0.1:${String(port)}${path}`);
    await answer.text();
    server.close();
    return answer.status;
  }

  it('lets on whom Passport let in, as far as their role goes', async () => {
    assert.equal(await statusOf('/api/files/list', 'receive', 'authenticate', 'admit'), 299);
    assert.equal(await statusOf('/api/cache/stats', 'receive', 'authenticate', 'admit'), 299);
  });

  it('lets nobody on where Passport does not stand in between, but to what is open', async () => {
    for (const path of ['/api/files/list', '//api/files/list/', '/api/%66iles/list', '/anything']) {
      assert.equal(await statusOf(path, 'receive', 'admit'), 401, path);
    }
    assert.equal(await statusOf('/api/health', 'receive', 'admit'), 299);
  });

  it('fails a request that came past its front', async () => {
    assert.equal(await statusOf('/api/files/list', 'authenticate', 'admit'), 500);
    assert.equal(await statusOf('/api/files/list', 'admit'), 500);
  });
});
