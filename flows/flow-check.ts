import { existsSync } from 'node:fs';
import {
  DiskFlowFolder,
  FlowFiles,
  type FlowFolder,
  type FlowNode,
} from '../packages/node-red-flow-files/lib/flow-storage.ts';
import { LayeredFlowFolder, tellOfLayers } from './flow-layers.ts';
import { ShippedFlowFolder } from './shipped-flows.ts';
import { nextOf } from './wired-routes.ts';

/** An owner's folder with pending changes in memory, which are never written. */
class ImaginedFolder implements FlowFolder {
  readonly #texts: Map<string, string>;

  private constructor(texts: Map<string, string>) {
    this.#texts = texts;
  }

  static async of(folder: FlowFolder): Promise<ImaginedFolder> {
    const names = await folder.list();
    const texts = names.map(async (name) => [name, await folder.read(name)] as const);
    return new ImaginedFolder(new Map(await Promise.all(texts)));
  }

  list(): Promise<readonly string[]> {
    return Promise.resolve([...this.#texts.keys()]);
  }

  read(name: string): Promise<string> {
    return Promise.resolve(this.#texts.get(name) ?? '');
  }

  write(name: string, text: string): Promise<void> {
    this.#texts.set(name, text);
    return Promise.resolve();
  }

  async rename(from: string, to: string): Promise<void> {
    await this.write(to, await this.read(from));
    await this.remove(from);
  }

  remove(name: string): Promise<void> {
    this.#texts.delete(name);
    return Promise.resolve();
  }

  sync(): Promise<void> {
    return Promise.resolve();
  }
}

/**
 * Loads shipped flows with an owner's over them as a start would, without changing anything.
 * @returns the sentences that the start would log for the owner
 * @throws FlowFileError naming the first file that is broken
 */
export async function checkFlows(shipped: string, owner: string): Promise<readonly string[]> {
  const ships = new ShippedFlowFolder(shipped);
  if (!existsSync(owner)) {
    await new FlowFiles(ships, () => 'unknown').check();
    return [];
  }
  const layered = new LayeredFlowFolder(ships, await ImaginedFolder.of(new DiskFlowFolder(owner)));
  const told: string[] = [];
  await tellOfLayers(layered, (line) => told.push(line));
  await new FlowFiles(layered, () => 'unknown').check();
  return told;
}

/** A flaw that keeps people from understanding a shipped tab in the editor. */
export interface FlowFault {
  readonly rule:
    | 'catch-without-own-reply'
    | 'line-without-catch'
    | 'line-without-reply'
    | 'reply-without-line'
    | 'group-misses-node'
    | 'group-without-title'
    | 'group-without-comment'
    | 'tick-named-otherwise';
  /** Id of the faulty node. */
  readonly node: string;
}

/** `each second`, `every 5 s`, `each minute`, `every 15 min`. */
const INTERVAL = /, (?:each (second|minute|hour)|every (\d+) (s|min|h))$/;
const SECONDS: Readonly<Record<string, number>> = {
  ...{ s: 1, second: 1, min: 60, minute: 60, h: 3_600, hour: 3_600 },
};
/** Shorter comments explain nothing. Comments are not translated, so each is in both languages. */
const LEAST_INFO_CHARS = 40;
const IN_GERMAN = '\n\nDeutsch: ';

/**
 * Checks that flows are readable and safe to edit: every node of a request is covered by a Catch, whose
 * reply does not depend on another line; every node is in a group with a title and a comment; a tick
 * names what it drives and its interval.
 * @param nodes all nodes of the flows, tabs among them
 */
export function flowFaults(nodes: readonly FlowNode[]): readonly FlowFault[] {
  return nodes
    .filter(({ type }) => type === 'tab')
    .flatMap((tab) => {
      const on = nodes.filter(({ z }) => z === tab.id);
      return [...catchFaults(on), ...groupFaults(on), ...tickFaults(on)];
    });
}

function catchFaults(on: readonly FlowNode[]): readonly FlowFault[] {
  const begins = on.filter(({ type }) => type === 'http in');
  const caught = on.filter(({ type }) => type === 'catch');
  const lines = new Set(begins.flatMap((begin) => [...behind(begin, on)]));
  const uncaught = begins.filter((begin) =>
    [...behind(begin, on)].some((node) => !caught.some((one) => covers(one, node))),
  );
  const ofFailures = new Set(caught.flatMap((one) => [...behind(one, on)]));
  const replyless = caught.filter((one) => {
    const replies = [...behind(one, on)].filter(isReply);
    return begins.length > 0 && !replies.some((reply) => !lines.has(reply));
  });
  const endless = begins.filter((begin) => ![...behind(begin, on)].some(isReply));
  const loose = on.filter((node) => isReply(node) && !lines.has(node) && !ofFailures.has(node));
  return [
    ...endless.map(({ id }) => ({ rule: 'line-without-reply', node: id }) as const),
    ...loose.map(({ id }) => ({ rule: 'reply-without-line', node: id }) as const),
    ...uncaught.map(({ id }) => ({ rule: 'line-without-catch', node: id }) as const),
    ...replyless.map(({ id }) => ({ rule: 'catch-without-own-reply', node: id }) as const),
  ];
}

function isReply({ type }: FlowNode): boolean {
  return type === 'http response';
}

/** Node-RED's scopes of a Catch: the whole tab, its group, or the listed nodes. */
function covers({ scope, g }: FlowNode, node: FlowNode): boolean {
  if (scope === 'group') return g !== undefined && g === node['g'];
  return !Array.isArray(scope) || scope.includes(node.id);
}

function behind(from: FlowNode, on: readonly FlowNode[]): ReadonlySet<FlowNode> {
  const seen = new Set<FlowNode>();
  const open = [from];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    for (const id of nextOf(node)) {
      const next = on.find((one) => one.id === id);
      if (next === undefined || seen.has(next)) continue;
      seen.add(next);
      open.push(next);
    }
  }
  return seen;
}

function groupFaults(on: readonly FlowNode[]): readonly FlowFault[] {
  const groups = on.filter(({ type }) => type === 'group');
  const homeless = on.filter((node) => {
    if (node.type === 'group' || typeof node['x'] !== 'number') return false;
    const home = groups.find(({ id }) => id === node['g']);
    return home === undefined || !membersOf(home).includes(node.id) || !encloses(home, node);
  });
  const wrong = groups.filter((group) =>
    membersOf(group).some((id) => on.find((node) => node.id === id)?.['g'] !== group.id),
  );
  const untitled = groups.filter(({ name }) => typeof name !== 'string' || name === '');
  const mute = groups.filter(({ id }) => !on.some((node) => node['g'] === id && teaches(node)));
  return [
    ...[...homeless, ...wrong].map(({ id }) => ({ rule: 'group-misses-node', node: id }) as const),
    ...untitled.map(({ id }) => ({ rule: 'group-without-title', node: id }) as const),
    ...mute.map(({ id }) => ({ rule: 'group-without-comment', node: id }) as const),
  ];
}

function membersOf({ nodes }: FlowNode): readonly unknown[] {
  return Array.isArray(nodes) ? nodes : [];
}

/** Whether the node's centre is inside the group's box. */
function encloses(group: FlowNode, node: FlowNode): boolean {
  const [x, y, w, h] = ['x', 'y', 'w', 'h'].map((side) => Number(group[side]));
  const [atX, atY] = [Number(node['x']), Number(node['y'])];
  if (x === undefined || y === undefined || w === undefined || h === undefined) return false;
  return atX > x && atX < x + w && atY > y && atY < y + h;
}

function teaches({ type, info }: FlowNode): boolean {
  if (type !== 'comment' || typeof info !== 'string') return false;
  return info.length >= LEAST_INFO_CHARS && info.includes(IN_GERMAN);
}

function tickFaults(on: readonly FlowNode[]): readonly FlowFault[] {
  return on
    .filter(({ type, repeat }) => type === 'inject' && repeat !== '' && repeat !== undefined)
    .filter(({ name, repeat }) => secondsIn(String(name)) !== Number(repeat))
    .map(({ id }) => ({ rule: 'tick-named-otherwise', node: id }) as const);
}

function secondsIn(name: string): number | null {
  const [, each, count, unit] = INTERVAL.exec(name) ?? [];
  const second = SECONDS[each ?? unit ?? ''];
  return second === undefined ? null : second * Number(count ?? 1);
}
