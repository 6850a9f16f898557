import type { Node, NodeAPI, NodeDef } from 'node-red';
import { PASSED } from '../lib/api/api.ts';
import { actOf, actsOf } from '../lib/guard/acts.ts';
import { NodeGuard, type NodeStatus } from '../lib/guard/guarded.ts';
import { FieldReader, type StoredNode } from '../lib/operations/operations.ts';
import { type Rooms, roomsBehind } from '../lib/rooms/rooms.ts';
import { fetchFile, largestFiles, listFolder, syncChanges } from './file-acts.ts';
import { DECLARATION } from './operations.ts';
import { pass } from './pass-act.ts';
import {
  credentials,
  desktops,
  deviceCode,
  dropCredentials,
  endDesktop,
  endSignIn,
  goodbye,
  handshakeSnapshot,
  handshakeStatus,
  hello,
  login,
  logout,
  me,
  people,
  poll,
  probe,
  putCredential,
  refresh,
  register as registerPhone,
  status,
  verifyTwoFactor,
} from './sign-in-acts.ts';

interface NasProxyConfig extends NodeDef, StoredNode {
  readonly op: string;
  /** Username of whom to act as for what carries no request. */
  readonly as?: string;
  readonly nas: string;
}

const ACTS = actsOf<typeof DECLARATION, Rooms>(DECLARATION, {
  list: listFolder,
  // In a flow, or behind an address of an owner's own: it is no endpoint of the API.
  largest: largestFiles,
  fetch: fetchFile,
  login,
  'verify-2fa': verifyTwoFactor,
  refresh,
  me,
  logout,
  'pair-phone': registerPhone,
  'pair-code': deviceCode,
  'pair-poll': poll,
  desktops,
  'desktops-end': endDesktop,
  people,
  'people-end': endSignIn,
  status,
  probe,
  credentials,
  'credentials-put': putCredential,
  'credentials-drop': dropCredentials,
  'sync-changes': syncChanges,
  pass: { run: pass, endpoints: [PASSED] },
  goodbye,
  hello,
  'handshake-status': handshakeStatus,
  'handshake-snapshot': handshakeSnapshot,
});

/** What the NAS or the presence calls it; another word of the NAS's is shown as it is. */
const SLEEP_WORDS: ReadonlySet<string> = new Set([
  ...['awake', 'waking', 'soft_sleep', 'true_suspend', 'entering_soft_sleep'],
  ...['entering_suspend', 'going_offline', 'unreachable', 'unknown', 'nas_mismatch', 'nas_tls'],
]);

function statusOf({ nas }: Rooms): NodeStatus {
  const { awake, reachable, sleepState } = nas.presence.state;
  const said = SLEEP_WORDS.has(sleepState)
    ? { words: `nas-proxy.status.${sleepState}` }
    : { text: sleepState };
  if (awake) return { fill: 'green', shape: 'dot', ...said };
  return { fill: reachable ? 'blue' : 'grey', shape: 'ring', ...said };
}

/** Node `balupi-nas-proxy`. */
export default function register(RED: NodeAPI): void {
  function NasProxy(this: Node, config: NasProxyConfig): void {
    RED.nodes.createNode(this, config);
    const rooms = (): Rooms => roomsBehind(RED.nodes.getNode(config.nas));
    const fields = new FieldReader({
      util: RED.util,
      node: this,
      declaration: DECLARATION,
      config,
    });
    const guard = new NodeGuard(this, () => statusOf(rooms()));
    guard.onInput((message) => actOf(ACTS, config.op, config.as, fields)(rooms(), message));
    guard.follow((again) => rooms().nas.presence.onChange(again));
  }
  RED.nodes.registerType('balupi-nas-proxy', NasProxy);
}
