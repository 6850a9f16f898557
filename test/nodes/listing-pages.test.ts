import assert from 'node:assert/strict';
import type { ApiMessage } from '../../nodes/lib/guard/call.ts';
import type { Services } from '../../nodes/lib/services/services.ts';
import { listFolder } from '../../nodes/nas-proxy/file-operations.ts';
import { FilesBench } from '../lib/files/files-bench.ts';

describe('Listing a folder in pages', () => {
  let bench: FilesBench;

  beforeEach(() => {
    bench = new FilesBench();
    for (const name of ['a', 'b', 'c']) bench.nas.put(`alice/${name}.txt`, name);
  });

  afterEach(() => {
    bench.close();
  });

  async function asked(query: object): Promise<ApiMessage> {
    const services = {
      files: bench.files,
      cache: { isKept: () => false },
      nas: { presence: { state: { awake: true } } },
      prefetch: { listed: () => undefined },
    } as unknown as Services;
    const call = { caller: bench.alice, auto: false, query: { path: 'alice', ...query } };
    return (await listFolder(services, { req: { call } } as unknown as ApiMessage)) as ApiMessage;
  }

  const names = ({ payload }: ApiMessage): string[] =>
    (payload as { files: { name: string }[] }).files.map(({ name }) => name);
  const nextOf = ({ payload }: ApiMessage): string | null | undefined =>
    (payload as { next_cursor?: string | null }).next_cursor;

  it('gives the cursor for the next page, and null at the end', async () => {
    const first = await asked({ limit: 2 });
    assert.deepEqual(names(first), ['a.txt', 'b.txt']);
    const second = await asked({ limit: 2, cursor: nextOf(first) });
    assert.deepEqual(names(second), ['c.txt']);
    assert.equal(nextOf(second), null);
  });

  it('answers without limit as it always did', async () => {
    const whole = await asked({});
    assert.deepEqual(names(whole), ['a.txt', 'b.txt', 'c.txt']);
    assert.equal(nextOf(whole), undefined);
  });

  it('refuses a cursor that it did not give, or one without limit, and asks nobody', async () => {
    const good = nextOf(await asked({ limit: 1 })) ?? '';
    const before = bench.nas.calls.length;
    for (const query of [{ limit: 2, cursor: 'nonsense' }, { cursor: good }]) {
      const refused = await asked(query);
      assert.equal(refused.statusCode, 422);
      const { code, errors } = refused.payload as { code: string; errors: { loc: string[] }[] };
      assert.equal(code, 'invalid');
      assert.deepEqual(errors[0]?.loc, ['query', 'cursor']);
    }
    assert.equal(bench.nas.calls.length, before);
  });
});
