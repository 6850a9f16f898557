import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { inAHurry } from '../fakes/in-a-hurry.ts';
import { installed, packed, PACKAGES } from '../../deploy/pack.ts';

/** The Node-REDs that a package is for, by where they lie in this tree. */
export const NODE_REDS = { '4.1': 'node-red-4', '5': 'node-red' } as const;
export type NodeRedVersion = keyof typeof NODE_REDS;

/** Nodes of others that this tree has for BaluPi; a stranger's Node-RED has none of them. */
const OF_THIS_TREE = ['node-red-dashboard', 'node-red-node-sqlite', ...PACKAGES];

const HURRY = inAHurry(5);
/** What a stranger's Node-RED has of this machine. */
const KEPT = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => /^(?:PATH|NODE_COMPILE_CACHE)$/.test(name)),
);

/** What the editor is told over its socket. */
interface Told {
  readonly topic: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** A user folder of somebody's with one of our packages installed in it, as from the registry. */
export class UserFolder {
  readonly path = mkdtempSync(join(tmpdir(), 'balupi-foreign-'));
  readonly packageName: string;
  readonly taken: { readonly seconds: number; readonly megabytes: number };
  readonly files: readonly string[];

  constructor(packageName: string) {
    this.packageName = packageName;
    const { tarball, files } = packed(packageName, join(this.path, 'tarballs'));
    this.files = files;
    this.taken = installed(tarball, this.path);
  }

  /** The package as it came to lie here. */
  get packageFolder(): string {
    return join(this.path, 'node_modules', this.packageName);
  }

  /** The flows to import, by the names the editor shows. */
  examples(): ReadonlyMap<string, readonly FlowNodeLike[]> {
    const folder = join(this.packageFolder, 'examples');
    const names = readdirSync(folder).filter((name) => name.endsWith('.json'));
    return new Map(
      names.map((name) => [
        name,
        JSON.parse(readFileSync(join(folder, name), 'utf8')) as readonly FlowNodeLike[],
      ]),
    );
  }

  /** What it was before a Node-RED ran in it, but for the package. */
  forget(): void {
    for (const name of readdirSync(this.path)) {
      if (!/^(?:node_modules|tarballs|package(?:-lock)?\.json)$/.test(name)) {
        rmSync(join(this.path, name), { recursive: true });
      }
    }
  }

  remove(): void {
    rmSync(this.path, { recursive: true });
  }
}

export interface FlowNodeLike {
  readonly id: string;
  readonly type: string;
  readonly [property: string]: unknown;
}

/** Somebody's Node-RED, that knows nothing of BaluPi, in a process of its own. */
export class ForeignNodeRed {
  readonly url: string;
  readonly #process: ChildProcess;
  readonly #socket: WebSocket;
  readonly #told: Told[];
  readonly #said: string[];
  readonly #folder: string;
  #heard: () => void = () => undefined;

  private constructor(
    { url, folder }: { readonly url: string; readonly folder: string },
    process: ChildProcess,
    socket: WebSocket,
    said: string[],
  ) {
    this.url = url;
    this.#folder = folder;
    this.#process = process;
    this.#socket = socket;
    this.#said = said;
    this.#told = [];
    socket.addEventListener('message', ({ data }) => {
      const told = JSON.parse(String(data)) as Told | Told[];
      this.#told.push(...[told].flat());
      this.#heard();
    });
  }

  /** @param settings text of the object in `settings.js`, beside what a test needs */
  static async start(
    version: NodeRedVersion,
    folder: UserFolder,
    settings = '',
  ): Promise<ForeignNodeRed> {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    writeFileSync(join(folder.path, 'settings.js'), settingsText(port, folder, settings));
    mkdirSync(join(folder.path, 'home'), { recursive: true });
    const program = resolve('node_modules', NODE_REDS[version], 'red.js');
    const child = spawn(process.execPath, [...HURRY.args, program, '--userDir', folder.path], {
      cwd: folder.path,
      env: { ...KEPT, ...HURRY.env, HOME: join(folder.path, 'home') },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const said: string[] = [];
    await ready(child, said);
    const socket = new WebSocket(`${url.replace('http', 'ws')}/comms`);
    const node = new ForeignNodeRed({ url, folder: folder.path }, child, socket, said);
    await new Promise((opened) => {
      socket.addEventListener('open', opened, { once: true });
    });
    for (const topic of ['status/#', 'debug', 'notification/#']) {
      socket.send(JSON.stringify({ subscribe: topic }));
    }
    return node;
  }

  /** All it printed. */
  get log(): string {
    return this.#said.join('');
  }

  async get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<unknown> {
    const answer = await fetch(`${this.url}${path}`, {
      headers: { Accept: 'application/json', ...headers },
    });
    assert.equal(answer.status, 200, `${path}: ${answer.status}\n${this.log}`);
    return answer.json();
  }

  /** Deploys these nodes and no others, and waits until they run: the answer comes before that. */
  async deploy(nodes: readonly FlowNodeLike[]): Promise<string> {
    const started = (): number => this.log.split('Started flows').length;
    const before = started();
    const answer = await fetch(`${this.url}/flows`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'Node-RED-API-Version': 'v2' },
      body: JSON.stringify({ flows: nodes }),
    });
    const told = await answer.text();
    assert.equal(answer.status, 200, `${told}\n${this.log}`);
    while (started() === before) {
      await new Promise((said) => {
        this.#process.stdout?.once('data', said);
      });
    }
    return (JSON.parse(told) as { readonly rev: string }).rev;
  }

  /** Runs nothing any more, keeps nothing of our nodes and has told nothing, as one just started. */
  async forget(): Promise<void> {
    const revision = await this.deploy([]);
    // What the nodes of before said is told before that.
    await this.told(
      ({ topic, data }) =>
        (topic === 'notification/runtime-deploy' && data['revision'] === revision) || undefined,
    );
    this.#told.length = 0;
    rmSync(join(this.#folder, 'balupi'), { recursive: true, force: true });
  }

  /** Presses the button of an inject node. */
  async press(id: string): Promise<void> {
    const answer = await fetch(`${this.url}/inject/${id}`, { method: 'POST' });
    assert.equal(answer.status, 200, this.log);
  }

  /** The first thing told of the wanted kind, from the beginning on. */
  async told<T>(pick: (told: Told) => T | undefined): Promise<T> {
    for (let seen = 0; ;) {
      for (; seen < this.#told.length; seen += 1) {
        const found = pick(this.#told[seen] as Told);
        if (found !== undefined) return found;
      }
      await new Promise<void>((heard) => {
        this.#heard = heard;
      });
    }
  }

  /** What a debug node showed first, as text. */
  shown(debugNode: string): Promise<string> {
    return this.told(({ topic, data }) =>
      topic === 'debug' && data['id'] === debugNode ? String(data['msg']) : undefined,
    );
  }

  /** Waits until a node's status is that text, such as a key of its locales. */
  async status(node: string, text: string): Promise<void> {
    await this.told(({ topic, data }) =>
      topic === `status/${node}` && data['text'] === text ? true : undefined,
    );
  }

  async stop(): Promise<void> {
    this.#socket.close();
    if (this.#process.exitCode !== null) return;
    this.#process.kill('SIGTERM');
    await once(this.#process, 'exit');
  }
}

function settingsText(port: number, folder: UserFolder, settings: string): string {
  const strangers = OF_THIS_TREE.filter((name) => name !== folder.packageName);
  return `module.exports = {
  uiPort: ${port}, uiHost: '127.0.0.1', flowFile: 'flows.json', credentialSecret: 'a test',
  telemetry: { enabled: false, updateNotification: false },
  editorTheme: { tours: false, palette: { catalogues: [] } },
  nodesExcludes: ${JSON.stringify(strangers)},
  ${settings}
};
`;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

async function ready(child: ChildProcess, said: string[]): Promise<void> {
  await new Promise<void>((started, failed) => {
    let isListening = false;
    const hear = (bytes: Buffer): void => {
      said.push(bytes.toString());
      const text = said.join('');
      isListening ||= /Server now running at/.test(text);
      if (isListening && /Started flows/.test(text)) started();
    };
    child.stdout?.on('data', hear);
    child.stderr?.on('data', hear);
    child.once('exit', (code) => {
      failed(new Error(`Node-RED ended (${code}):\n${said.join('')}`));
    });
  });
}
