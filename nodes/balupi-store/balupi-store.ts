import type { Node, NodeAPI, NodeDef } from 'node-red';
import { type Services, servicesBehind, servicesInSettings } from '../lib/services/services.ts';

interface StoreNode extends Node {
  services?: Services;
}

/** For *As* in the dialogs: the users a node may act as now. Only admins get into the editor. */
function offerUsers(RED: NodeAPI): void {
  RED.httpAdmin.get(
    '/balupi/users/:config',
    RED.auth.needsPermission('flows.write'),
    (request, response) => {
      const config: unknown = RED.nodes.getNode(request.params['config'] ?? '');
      const isThere = config !== null && config !== undefined;
      const stored = isThere ? servicesBehind(config).credentials.list() : [];
      const usable = stored.filter(({ state }) => state === 'ok' || state === 'unchecked');
      response.json([...new Set(usable.map(({ username }) => username))].sort());
    },
  );
}

/** Config node: hands the Pi's own databases, cache, queue and meters to the nodes that name it. */
export default function register(RED: NodeAPI): void {
  function Store(this: StoreNode, config: NodeDef): void {
    RED.nodes.createNode(this, config);
    const services = servicesInSettings(RED.settings);
    if (services !== undefined) this.services = services;
  }
  RED.nodes.registerType('balupi-store', Store);
  offerUsers(RED);
}
