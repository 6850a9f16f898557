import type { Node, NodeAPI, NodeDef } from 'node-red';
import { type Rooms, roomsInSettings } from '../lib/rooms/rooms.ts';

interface StoreNode extends Node {
  rooms?: Rooms;
}

/** Config node: hands the Pi's own databases, cache, queue and meters to the nodes that name it. */
export default function register(RED: NodeAPI): void {
  function Store(this: StoreNode, config: NodeDef): void {
    RED.nodes.createNode(this, config);
    const rooms = roomsInSettings(RED.settings);
    if (rooms !== undefined) this.rooms = rooms;
  }
  RED.nodes.registerType('balupi-store', Store);
}
