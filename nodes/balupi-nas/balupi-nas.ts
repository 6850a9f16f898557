import type { Node, NodeAPI, NodeDef } from 'node-red';
import { type Services, servicesInSettings } from '../lib/services/services.ts';

interface NasNode extends Node {
  services?: Services;
}

/** Config node: hands the NAS to the nodes that name it. */
export default function register(RED: NodeAPI): void {
  function Nas(this: NasNode, config: NodeDef): void {
    RED.nodes.createNode(this, config);
    const services = servicesInSettings(RED.settings);
    if (services !== undefined) this.services = services;
  }
  RED.nodes.registerType('balupi-nas', Nas);
}
