import type { Node, NodeAPI, NodeDef } from 'node-red';
import { type Act, actOf } from '../lib/guard/acts.ts';
import { NodeGuard, type NodeStatus } from '../lib/guard/guarded.ts';
import { type Rooms, roomsBehind } from '../lib/rooms/rooms.ts';
import { credentials, dropCredentials, putCredential } from './credential-acts.ts';
import { fetchFile, listFolder } from './file-acts.ts';
import { goodbye, handshakeSnapshot, handshakeStatus, hello } from './handshake-acts.ts';
import { login, logout, me, refresh, verifyTwoFactor } from './sign-in-acts.ts';
import { probe, status } from './status-acts.ts';
import { syncChanges } from './sync-acts.ts';

interface NasProxyConfig extends NodeDef {
  readonly op: string;
  readonly nas: string;
}

const ACTS: Readonly<Record<string, Act<Rooms>>> = {
  list: listFolder,
  fetch: fetchFile,
  login,
  'verify-2fa': verifyTwoFactor,
  refresh,
  me,
  logout,
  status,
  probe,
  credentials,
  'credentials-put': putCredential,
  'credentials-drop': dropCredentials,
  'sync-changes': syncChanges,
  goodbye,
  hello,
  'handshake-status': handshakeStatus,
  'handshake-snapshot': handshakeSnapshot,
};

function statusOf({ nas }: Rooms): NodeStatus {
  const { awake, reachable, sleepState } = nas.presence.state;
  if (awake) return { fill: 'green', shape: 'dot', text: sleepState };
  return { fill: reachable ? 'blue' : 'grey', shape: 'ring', text: sleepState };
}

/** Node `balupi-nas-proxy`. */
export default function register(RED: NodeAPI): void {
  function NasProxy(this: Node, config: NasProxyConfig): void {
    RED.nodes.createNode(this, config);
    const rooms = (): Rooms => roomsBehind(RED.nodes.getNode(config.nas));
    const guard = new NodeGuard(this, () => statusOf(rooms()));
    guard.onInput((message) => actOf(ACTS, config.op)(rooms(), message));
  }
  RED.nodes.registerType('balupi-nas-proxy', NasProxy);
}
