import type { Node, NodeAPI, NodeDef } from 'node-red';
import { type Rooms, roomsInSettings } from '../lib/rooms/rooms.ts';

interface NasNode extends Node {
  rooms?: Rooms;
}

/** Config node: hands the NAS to the nodes that name it. */
export default function register(RED: NodeAPI): void {
  function Nas(this: NasNode, config: NodeDef): void {
    RED.nodes.createNode(this, config);
    const rooms = roomsInSettings(RED.settings);
    if (rooms !== undefined) this.rooms = rooms;
  }
  RED.nodes.registerType('balupi-nas', Nas);
}
