import type { FlowNode } from '../packages/node-red-flow-files/lib/flow-storage.ts';

/** A flow's route: `GET /api/files/list`. */
export interface Route {
  readonly method: string;
  /** In OpenAPI's form, `/api/tapo/devices/{id}`, or Express's. */
  readonly path: string;
}

/**
 * Finds the routes that a set of flows cannot answer: no enabled `http in` has their address, or none
 * of its wires leads to an `http response`. What nodes do with the message is not considered.
 * @param nodes all deployed nodes, including tabs
 * @returns those of `routes`, in their order
 */
export function unansweredRoutes<R extends Route>(
  nodes: readonly FlowNode[],
  routes: readonly R[],
): readonly R[] {
  const wiring = new Wiring(nodes);
  const answered = new Set(
    nodes
      .filter((node) => node.type === 'http in' && wiring.runs(node) && wiring.leadsToReply(node))
      .map((node) => keyOf(String(node['method']), String(node['url']))),
  );
  return routes.filter(({ method, path }) => !answered.has(keyOf(method, path)));
}

/** Without parameter names, which differ between places. */
function keyOf(method: string, path: string): string {
  return `${method.toUpperCase()} ${path.replace(/\{\w+\}|:\w+|\*/g, '{}')}`;
}

/** The reachability of nodes over wires, links and subflows. */
class Wiring {
  readonly #byId: ReadonlyMap<string, FlowNode>;
  readonly #off: ReadonlySet<string>;

  constructor(nodes: readonly FlowNode[]) {
    this.#byId = new Map(nodes.map((node) => [node.id, node]));
    const isOffTab = (node: FlowNode): boolean => node.type === 'tab' && node['disabled'] === true;
    this.#off = new Set(nodes.filter(isOffTab).map(({ id }) => id));
  }

  runs(node: FlowNode): boolean {
    return node['d'] !== true && !this.#off.has(node.z ?? '');
  }

  leadsToReply(from: FlowNode): boolean {
    const seen = new Set<string>([from.id]);
    const open = [from];
    for (let node = open.pop(); node !== undefined; node = open.pop()) {
      if (node.type === 'http response') return true;
      for (const id of nextOf(node)) {
        const next = this.#byId.get(id);
        if (next === undefined || seen.has(id) || !this.runs(next)) continue;
        seen.add(id);
        open.push(next);
      }
    }
    return false;
  }
}

/** A link call continues at its target and, after that returns, at its own wires; so does a subflow. */
export function nextOf(node: FlowNode): string[] {
  const wires = (node['wires'] as readonly (readonly string[])[] | undefined) ?? [];
  const isOut = node.type === 'link out' || node.type === 'link call';
  const links = isOut ? ((node['links'] as readonly string[] | undefined) ?? []) : [];
  return [...wires.flat(), ...links];
}
