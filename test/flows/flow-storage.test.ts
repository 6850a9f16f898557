import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import {
  DiskFlowFolder,
  FlowFileError,
  FlowFiles,
  type FlowFolder,
  type FlowNode,
  flowText,
  type LeftOut,
} from '../../packages/node-red-flow-files/lib/flow-storage.ts';
import { createFlowStorage } from '../../flows/flow-storage.ts';
import { loadedTypes } from '../../flows/node-types.ts';
import { KeptLog } from '../fakes/kept-log.ts';

const FUNC = 'const a = 1;\nmsg.payload = a;\nreturn msg;';

function sample(): FlowNode[] {
  return [
    { id: 'tab-health', type: 'tab', label: 'api-health', info: 'Health.\nTwo lines.' },
    { id: 'tab-energy', type: 'tab', label: 'API Energie (Ö)' },
    { id: 'sub-reply', type: 'subflow', name: 'Reply Error', in: [], out: [] },
    { id: 'store', type: 'balupi-store', name: 'store' },
    {
      id: 'health-in',
      type: 'http in',
      z: 'tab-health',
      name: '',
      url: '/api/health',
      method: 'get',
      x: 100,
      y: 40,
      wires: [['health-fn']],
    },
    { id: 'health-fn', type: 'function', z: 'tab-health', func: FUNC, wires: [[]], x: 300, y: 40 },
    {
      id: 'health-group',
      type: 'group',
      z: 'tab-health',
      nodes: ['health-fn'],
      x: 1,
      y: 2,
      w: 3,
      h: 4,
    },
    { id: 'tab-config', type: 'balupi-store', z: 'tab-energy' },
    { id: 'energy-reply', type: 'subflow:sub-reply', z: 'tab-energy', x: 1, y: 1, wires: [] },
    {
      id: 'sub-fn',
      type: 'function',
      z: 'sub-reply',
      func: 'return msg;',
      x: 1,
      y: 1,
      wires: [[]],
    },
  ];
}

function byId(nodes: readonly FlowNode[]): FlowNode[] {
  return [...nodes].sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** The same value, with every object's keys and the outermost list in another order. */
function shuffled<T>(value: T, isList = true): T {
  if (Array.isArray(value)) {
    const items = value.map((item: unknown) => shuffled(item, false));
    return (isList ? items.reverse() : items) as T;
  }
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, inner]) => [key, shuffled(inner as unknown, false)]),
  ) as T;
}

describe('the flow files', () => {
  let folder = '';
  const open = (types: ReadonlySet<string> | 'unknown' = 'unknown', disk?: FlowFolder) =>
    new FlowFiles(disk ?? new DiskFlowFolder(folder), () => types);

  async function texts(): Promise<Record<string, string>> {
    const names = (await readdir(folder)).sort();
    return Object.fromEntries(
      await Promise.all(
        names.map(async (name) => [name, await readFile(join(folder, name), 'utf8')] as const),
      ),
    );
  }

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'balupi-flows-'));
  });
  afterEach(async () => {
    await rm(folder, { recursive: true });
  });

  it('lays out one file a tab and a subflow, one for the rest, and the order', async () => {
    await open().save(sample());
    const files = await texts();
    assert.deepEqual(Object.keys(files), [
      '_order.json',
      'api-energie-o.json',
      'api-health.json',
      'shared.json',
      'subflow-reply-error.json',
    ]);
    assert.equal(files['_order.json'], '[\n  "tab-health",\n  "tab-energy"\n]\n');
    assert.match(files['api-energie-o.json'] ?? '', /"id": "tab-config"/);
    assert.match(files['shared.json'] ?? '', /^\[\n {2}\{\n {4}"id": "store",\n/);
  });

  it('writes each file in one form that a person can read', async () => {
    await open().save(sample());
    assert.equal(
      (await texts())['api-health.json'],
      `[
  {
    "id": "tab-health",
    "type": "tab",
    "info": {
      "$lines": [
        "Health.",
        "Two lines."
      ]
    },
    "label": "api-health"
  },
  {
    "id": "health-group",
    "type": "group",
    "z": "tab-health",
    "h": 4,
    "nodes": [
      "health-fn"
    ],
    "w": 3,
    "x": 1,
    "y": 2
  },
  {
    "id": "health-fn",
    "type": "function",
    "z": "tab-health",
    "func": {
      "$lines": [
        "const a = 1;",
        "msg.payload = a;",
        "return msg;"
      ]
    },
    "x": 300,
    "y": 40,
    "wires": [
      []
    ]
  },
  {
    "id": "health-in",
    "type": "http in",
    "z": "tab-health",
    "name": "",
    "method": "get",
    "url": "/api/health",
    "x": 100,
    "y": 40,
    "wires": [
      [
        "health-fn"
      ]
    ]
  }
]
`,
    );
  });

  it('gives back what was saved, tabs in their order', async () => {
    await open().save(sample());
    const { nodes, leftOut } = await open().load();
    assert.deepEqual(byId(nodes), byId(sample()));
    assert.deepEqual(
      nodes.filter(({ type }) => type === 'tab').map(({ id }) => id),
      ['tab-health', 'tab-energy'],
    );
    assert.deepEqual(leftOut, []);
  });

  it('changes no byte when the same flows are deployed again, in whatever order', async () => {
    await open().save(sample());
    const before = await texts();
    const files = open();
    await files.save((await files.load()).nodes);
    assert.deepEqual(await texts(), before);
    const mixed = shuffled(sample());
    const tabs = sample().filter(({ type }) => type === 'tab');
    await files.save([...tabs, ...mixed.filter(({ type }) => type !== 'tab')]);
    assert.deepEqual(await texts(), before);
  });

  it('touches no file, not even with a write, when nothing changed', async () => {
    await open().save(sample());
    const disk = new FailingFolder(new DiskFlowFolder(folder), 0);
    await open('unknown', disk).save(sample());
  });

  it('changes one line when one line of a function changes', async () => {
    await open().save(sample());
    const before = await texts();
    await open().save(
      sample().map((node) =>
        node.id === 'health-fn' ? { ...node, func: FUNC.replace('a = 1', 'a = 2') } : node,
      ),
    );
    const after = await texts();
    const changed = Object.keys(after).filter((name) => after[name] !== before[name]);
    assert.deepEqual(changed, ['api-health.json']);
    const lines = (after['api-health.json'] ?? '').split('\n');
    const old = (before['api-health.json'] ?? '').split('\n');
    assert.equal(lines.length, old.length);
    assert.equal(lines.filter((line, index) => line !== old[index]).length, 1);
  });

  it('leaves a renamed tab in its file and no stale one beside it', async () => {
    await open().save(sample());
    await open().save(
      sample().map((node) => (node.id === 'tab-health' ? { ...node, label: 'other name' } : node)),
    );
    const names = Object.keys(await texts());
    assert.ok(names.includes('api-health.json'));
    assert.equal(names.length, 5);
    assert.equal((await open().load()).nodes[0]?.['label'], 'other name');
  });

  it('removes the file of a removed tab and gives its name to a new one', async () => {
    await open().save(sample());
    await open().save(sample().filter(({ id, z }) => id !== 'tab-health' && z !== 'tab-health'));
    assert.ok(!('api-health.json' in (await texts())));
    await open().save([{ id: 'new', type: 'tab', label: 'API Energie (Ö)' }]);
    assert.deepEqual(Object.keys(await texts()), ['_order.json', 'api-energie-o.json']);
    assert.equal((await open().load()).nodes[0]?.id, 'new');
  });

  it('numbers names that collide, with our own files too', async () => {
    const labels = ['a', 'A', 'ä', 'shared', '_order', '', '../../etc/passwd', 'subflow-x'];
    const tabs = labels.map((label, index) => ({ id: `t${index}`, type: 'tab', label }));
    await open().save([
      ...tabs,
      { id: 's', type: 'subflow', name: 'x' },
      { id: 'c', type: 'config' },
    ]);
    assert.deepEqual(Object.keys(await texts()), [
      '_order.json',
      'a-2.json',
      'a-3.json',
      'a.json',
      'etc-passwd.json',
      'order.json',
      'shared-2.json',
      'shared.json',
      'subflow-x-2.json',
      'subflow-x.json',
      'tab.json',
    ]);
    const { nodes } = await open().load();
    assert.deepEqual(
      nodes.filter(({ type }) => type === 'tab').map(({ id }) => id),
      tabs.map(({ id }) => id),
    );
  });

  it('never writes a credential', async () => {
    await open().save([
      {
        id: 't',
        type: 'tab',
        label: 't',
        env: [
          { name: 'A', type: 'cred', value: 'hunter2' },
          { name: 'B', type: 'str', value: 'kept' },
        ],
      },
      { id: 'n', type: 'mqtt-broker', credentials: { user: 'u', password: 'hunter2' } },
    ]);
    const all = JSON.stringify(await texts());
    assert.ok(!all.includes('hunter2') && !all.includes('credentials'));
    assert.ok(all.includes('kept'));
  });

  describe('that are broken', () => {
    const BROKEN: Readonly<Record<string, readonly [name: string, text: string, says: RegExp]>> = {
      'is no JSON': ['api-x.json', '[{"id": ', /JSON/],
      'is empty': ['api-x.json', '', /JSON/],
      'is no list': ['api-x.json', '{}', /list of nodes/],
      'has an entry without an id': [
        'api-x.json',
        '[{"id":"t","type":"tab"},{"type":"x"}]',
        /entry 2/,
      ],
      'has no tab': ['api-x.json', '[{"id":"n","type":"x","z":"t"}]', /one tab or one subflow/],
      'has two tabs': [
        'api-x.json',
        '[{"id":"t","type":"tab"},{"id":"u","type":"tab"}]',
        /holds 2/,
      ],
      'has a node of another tab': [
        'api-x.json',
        '[{"id":"t","type":"tab"},{"id":"n","type":"x","z":"u"}]',
        /"n"/,
      ],
      'has an id twice': [
        'api-x.json',
        '[{"id":"t","type":"tab"},{"id":"n","type":"x","z":"t"},{"id":"n","type":"y","z":"t"}]',
        /"n" is in it twice/,
      ],
      'has an id of another file': [
        'zz.json',
        '[{"id":"tab-health","type":"tab"}]',
        /also in api-health\.json/,
      ],
      'is a shared one with a tab': ['shared.json', '[{"id":"t","type":"tab"}]', /no tab/],
      'is no order': ['_order.json', '{"a":1}', /list of ids/],
      'is a journal nobody wrote': [
        '.deploy.json',
        '{"written":["../x.json"],"removed":[]}',
        /journal/,
      ],
    };
    for (const [what, [name, text, says]] of Object.entries(BROKEN)) {
      it(`stop the start and are named when one ${what}`, async () => {
        await open().save(sample());
        await writeFile(join(folder, name), text);
        for (const act of [
          () => open().load(),
          () => open().check(),
          () => open().save(sample()),
        ]) {
          await assert.rejects(act, (error: unknown) => {
            assert.ok(error instanceof FlowFileError);
            assert.ok(error.message.includes(name), error.message);
            assert.match(error.message, says);
            assert.ok(!error.message.includes(folder));
            return true;
          });
        }
        assert.equal(await readFile(join(folder, name), 'utf8'), text);
      });
    }

    it('are not written by a deploy either', async () => {
      await open().save(sample());
      const before = await texts();
      for (const bad of [
        null,
        {},
        [null],
        [{ id: 'x' }],
        [...sample(), { id: 'store', type: 'x' }],
        [
          { id: 't', type: 'tab' },
          { id: 't', type: 'tab' },
        ],
      ]) {
        await assert.rejects(open().save(bad), FlowFileError);
      }
      assert.deepEqual(await texts(), before);
    });

    it('tell no path when the folder is not there', async () => {
      const files = new FlowFiles(new DiskFlowFolder(join(folder, 'missing')), () => 'unknown');
      await assert.rejects(
        files.load(),
        (error: Error) => !error.message.includes(folder) && /ENOENT/.test(error.message),
      );
    });
  });

  describe('with node types that are not installed', () => {
    const INSTALLED = new Set(['http in', 'function', 'balupi-store']);
    const EXPLORE: FlowNode[] = [
      { id: 'tab-explore', type: 'tab', label: 'explore-energy' },
      {
        id: 'explore-query',
        type: 'sqlite',
        z: 'tab-explore',
        mydb: 'energy-db',
        x: 1,
        y: 1,
        wires: [[]],
      },
    ];
    const DB: FlowNode = { id: 'energy-db', type: 'sqlitedb', db: 'energy.db' };
    const shipped = () => {
      const [first, ...rest] = sample();
      assert.ok(first);
      return [first, ...EXPLORE, DB, ...rest];
    };

    it('leave out the tab and say which types are missing', async () => {
      await open().save(shipped());
      const { nodes, leftOut } = await open(INSTALLED).load();
      assert.deepEqual(byId(nodes), byId(sample()));
      assert.deepEqual(leftOut, [
        {
          kind: 'tab',
          id: 'tab-explore',
          label: 'explore-energy',
          fileName: 'explore-energy.json',
          missingTypes: ['sqlite'],
        },
        {
          kind: 'node',
          id: 'energy-db',
          label: 'energy-db',
          fileName: 'shared.json',
          missingTypes: ['sqlitedb'],
        },
      ]);
    });

    it('keep it through deploys, byte for byte and in its place', async () => {
      await open().save(shipped());
      const before = await texts();
      const files = open(INSTALLED);
      await files.save((await files.load()).nodes);
      assert.deepEqual(await texts(), before);
      await files.save(sample().filter(({ id }) => id !== 'store'));
      const after = await texts();
      assert.equal(after['explore-energy.json'], before['explore-energy.json']);
      assert.match(after['shared.json'] ?? '', /energy-db/);
      assert.equal(after['_order.json'], before['_order.json']);
      await files.save([]);
      assert.deepEqual(Object.keys(await texts()), [
        '_order.json',
        'explore-energy.json',
        'shared.json',
      ]);
      assert.deepEqual(
        (await open().load()).nodes.map(({ id }) => id),
        ['tab-explore', 'explore-query', 'energy-db'],
      );
    });

    it('keep it when a deploy comes before any load', async () => {
      await open().save(shipped());
      const before = await texts();
      await open(INSTALLED).save(sample());
      assert.deepEqual(await texts(), before);
    });

    it('let a deploy take over a tab it brings itself', async () => {
      await open().save(shipped());
      const files = open(INSTALLED);
      await files.load();
      const [tab] = EXPLORE;
      assert.ok(tab);
      await files.save([...sample(), tab]);
      const { nodes } = await open().load();
      assert.ok(!nodes.some(({ id }) => id === 'explore-query'));
    });

    it('leave out a subflow and every tab that uses it', async () => {
      await open().save([...sample(), { id: 'sub-bad', type: 'sqlite', z: 'sub-reply' }]);
      const before = await texts();
      const files = open(INSTALLED);
      const { nodes, leftOut } = await files.load();
      assert.deepEqual(leftOut.map(({ id }) => id).sort(), ['sub-reply', 'tab-energy']);
      assert.deepEqual(
        nodes.filter(({ type }) => type === 'tab').map(({ id }) => id),
        ['tab-health'],
      );
      await files.save(nodes);
      assert.deepEqual(await texts(), before);
    });

    it('bring the tab back once the types are there', async () => {
      await open().save(shipped());
      let types: ReadonlySet<string> = INSTALLED;
      const files = new FlowFiles(new DiskFlowFolder(folder), () => types);
      await files.save((await files.load()).nodes);
      types = new Set([...INSTALLED, 'sqlite', 'sqlitedb']);
      assert.deepEqual(byId((await files.load()).nodes), byId(shipped()));
    });
  });

  describe('when the power fails', () => {
    /** Moves a node between tabs, renames, adds and removes: the hardest deploy there is. */
    const NEXT: FlowNode[] = [
      { id: 'tab-new', type: 'tab', label: 'new' },
      { id: 'tab-health', type: 'tab', label: 'renamed' },
      { id: 'store', type: 'balupi-store', z: 'tab-new' },
      { id: 'health-fn', type: 'function', z: 'tab-new', func: 'a\nb', x: 1, y: 1, wires: [[]] },
      { id: 'sub-fn', type: 'function', z: 'tab-health', func: 'c', x: 1, y: 1, wires: [[]] },
    ];

    it('have either all of the deploy or nothing of it, at whatever step', async () => {
      const outcomes: string[] = [];
      for (let steps = 0; ; steps += 1) {
        await rm(folder, { recursive: true });
        folder = await mkdtemp(join(tmpdir(), 'balupi-flows-'));
        await open().save(sample());
        const disk = new FailingFolder(new DiskFlowFolder(folder), steps);
        const failed = await open('unknown', disk)
          .save(NEXT)
          .then(
            () => false,
            () => true,
          );
        const { nodes } = await open().load();
        const isNew = nodes.some(({ id }) => id === 'tab-new');
        assert.deepEqual(byId(nodes), byId(isNew ? NEXT : sample()), `after ${steps} steps`);
        assert.ok(Object.keys(await texts()).every((name) => !name.startsWith('.')));
        outcomes.push(isNew ? 'new' : 'old');
        if (!failed) break;
      }
      assert.ok(outcomes.length > 10);
      assert.ok(outcomes.includes('new'));
      assert.ok(outcomes.lastIndexOf('old') < outcomes.indexOf('new'));
    });

    it('forget a half-written text that no deploy stands behind', async () => {
      await open().save(sample());
      await writeFile(join(folder, '.api-health.json.next'), '[{"id":');
      assert.deepEqual(byId((await open().load()).nodes), byId(sample()));
      assert.ok(!('.api-health.json.next' in (await texts())));
    });
  });

  it('save one after the other', async () => {
    const files = open();
    const saves = Array.from({ length: 8 }, (_, index) =>
      files.save([{ id: 't', type: 'tab', label: 't', turn: index }]),
    );
    await Promise.all([
      ...saves,
      assert.rejects(files.save(null)),
      files.save([{ id: 't', type: 'tab', label: 't', turn: 'last' }]),
    ]);
    assert.equal((await files.load()).nodes[0]?.['turn'], 'last');
  });

  it('hold any flows, byte for byte the same after each round', async () => {
    const value = fc.jsonValue({ maxDepth: 2 });
    const key = fc.oneof(
      fc.string(),
      fc.constantFrom(
        'name',
        'x',
        'wires',
        '$lines',
        '$$lines',
        '__proto__',
        'func',
        'constructor',
      ),
    );
    const props = fc.dictionary(
      key,
      fc.oneof(
        value,
        fc.string().map((s) => `${s}\n${s}\r\n`),
        fc.record({ $lines: fc.array(fc.string()) }),
      ),
      { maxKeys: 4 },
    );
    const flows = fc
      .array(fc.record({ place: fc.nat(3), props }), { maxLength: 8 })
      .map((given): FlowNode[] => [
        { id: 'a', type: 'tab', label: 'One' },
        { id: 'b', type: 'tab', label: 'one' },
        { id: 'c', type: 'subflow', name: 'one' },
        ...given.map(({ place, props: extra }, index) => {
          const own = Object.fromEntries(
            Object.entries(extra).filter(
              ([name]) => !['id', 'type', 'z', 'credentials', 'env'].includes(name),
            ),
          );
          const z = ['a', 'b', 'c'][place];
          return { ...own, id: `n${index}`, type: 'any', ...(z === undefined ? {} : { z }) };
        }),
      ]);
    await fc.assert(
      fc.asyncProperty(flows, async (nodes) => {
        await open().save(nodes);
        const before = await texts();
        const loaded = (await open().load()).nodes;
        assert.equal(flowText(loaded), flowText(nodes));
        assert.deepEqual(byId(loaded), byId(JSON.parse(JSON.stringify(nodes)) as FlowNode[]));
        const isTab = ({ type }: FlowNode) => type === 'tab';
        const others = shuffled(loaded.filter((node) => !isTab(node)));
        await open().save([...loaded.filter(isTab), ...others]);
        assert.deepEqual(await texts(), before);
      }),
      { numRuns: 40 },
    );
  });

  describe('as the storage of Node-RED', () => {
    it('warn of what is left out without a path, and hand it on', async () => {
      await open().save([
        { id: 't', type: 'tab', label: 'explore' },
        { id: 'n', type: 'sqlite', z: 't' },
      ]);
      const log = new KeptLog();
      const told: (readonly LeftOut[])[] = [];
      const storage = createFlowStorage({
        flowsFolder: folder,
        installedTypes: () => new Set(['inject']),
        log,
        onLeftOut: (leftOut) => told.push(leftOut),
      });
      assert.deepEqual(await storage.getFlows(), []);
      assert.deepEqual(log.problems, [
        'Left out the tab "explore" (explore.json): these node types are not installed: sqlite.',
      ]);
      assert.equal(told[0]?.[0]?.id, 't');
      for (const own of [
        'getSettings',
        'saveSettings',
        'getSessions',
        'getCredentials',
        'saveCredentials',
        'getLibraryEntry',
      ]) {
        assert.equal(typeof storage[own], 'function', own);
      }
      assert.equal(storage['projects'], undefined);
    });

    it('refuse to start on a broken file', async () => {
      await writeFile(join(folder, 'api-x.json'), '[');
      const storage = createFlowStorage({
        flowsFolder: folder,
        installedTypes: () => 'unknown',
        log: new KeptLog(),
        onLeftOut: () => undefined,
      });
      await assert.rejects(storage.init({ userDir: join(folder, 'user') }, {}), /api-x\.json/);
    });
  });
});

describe('the installed node types', () => {
  it('are those that are enabled and did load', () => {
    const types = loadedTypes([
      { types: ['a', 'b'], enabled: true, loaded: true },
      { types: ['off'], enabled: false, loaded: false },
      { types: ['sqlite'], enabled: true, loaded: false, err: new Error('no binary') },
    ]);
    assert.deepEqual(types, new Set(['a', 'b']));
  });
  it('are unknown before the registry is filled', () => {
    assert.equal(loadedTypes([]), 'unknown');
  });
});

/** A disk whose power fails after some changes; reads always work. */
class FailingFolder implements FlowFolder {
  readonly #disk: FlowFolder;
  #left: number;

  constructor(disk: FlowFolder, steps: number) {
    this.#disk = disk;
    this.#left = steps;
  }

  list(): Promise<readonly string[]> {
    return this.#disk.list();
  }

  read(name: string): Promise<string> {
    return this.#disk.read(name);
  }

  async write(name: string, text: string): Promise<void> {
    // Of a text being written when the power fails, a part is there.
    if (this.#left === 0) await this.#disk.write(name, text.slice(0, text.length / 2));
    this.#spend();
    await this.#disk.write(name, text);
  }

  async rename(from: string, to: string): Promise<void> {
    this.#spend();
    await this.#disk.rename(from, to);
  }

  async remove(name: string): Promise<void> {
    this.#spend();
    await this.#disk.remove(name);
  }

  async sync(): Promise<void> {
    this.#spend();
    await this.#disk.sync();
  }

  #spend(): void {
    if (this.#left === 0) throw new Error('power failed');
    this.#left -= 1;
  }
}
