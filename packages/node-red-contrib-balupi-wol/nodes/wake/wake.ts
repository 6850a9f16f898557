import type { Node, NodeAPI, NodeDef, NodeMessageInFlow } from 'node-red';
import { networkInterfaces } from 'node:os';
import { SystemClock } from '../../../../nodes/lib/time/system-clock.ts';
import {
  answers,
  type HostAddress,
  normaliseMac,
  parseHostAddress,
  parseWakeAddress,
  udpMagicPacket,
  Wake,
  type WakeTarget,
  wakeTargets,
} from '../../lib/wake.ts';

interface WakeConfig extends NodeDef {
  readonly mac: string;
  /** `host:port` or an http(s) URL. */
  readonly probe: string;
  /** Empty for the broadcast of every network. */
  readonly address: string;
  readonly timeout: string | number;
}

interface Machine {
  readonly mac: string;
  readonly probe: HostAddress;
  readonly target: WakeTarget | null;
  readonly bootTimeoutSeconds: number;
}

/** The content of a dialog's field that cannot be used. */
class SettingError extends Error {
  readonly code: string;

  constructor(code: string, sentence: string) {
    super(sentence);
    this.code = code;
  }
}

function machineOf({ mac, probe, address, timeout }: WakeConfig): Machine {
  const normalMac = normaliseMac(mac);
  if (normalMac === null) {
    throw new SettingError('bad_mac', `The MAC address is "${mac}", wanted aa:bb:cc:dd:ee:ff.`);
  }
  const probed = parseHostAddress(probe);
  if (probed === null) {
    throw new SettingError('bad_probe', `Got "${probe}" to ask, wanted host:port or a URL.`);
  }
  const target = address.trim() === '' ? null : parseWakeAddress(address);
  if (target === null && address.trim() !== '') {
    throw new SettingError(
      'bad_address',
      `The packet goes to "${address}", wanted host or host:port.`,
    );
  }
  const bootTimeoutSeconds = Number(timeout);
  if (!(bootTimeoutSeconds >= 1 && bootTimeoutSeconds <= 3_600)) {
    throw new SettingError('bad_timeout', `Got ${timeout} s to boot, wanted 1 to 3600.`);
  }
  return { mac: normalMac, probe: probed, target, bootTimeoutSeconds };
}

/** A machine as last seen, and the wake that checks it. */
class WakingMachine {
  readonly #machine: Machine;
  readonly #wake: Wake;
  #isThere = false;

  constructor(machine: Machine, node: Node, onChange: () => void) {
    this.#machine = machine;
    this.#wake = new Wake({
      clock: new SystemClock((error) => {
        node.error(error);
      }),
      log: {
        debug: (line) => {
          node.debug(line);
        },
        info: (line) => {
          node.debug(line);
        },
        warn: (line) => {
          node.warn(line);
        },
        error: (line) => {
          node.error(line);
        },
      },
      host: {
        name: machine.mac,
        isAwake: () => this.#isThere,
        isReachable: () => this.#isThere,
        probe: () => this.look(),
      },
      packet: udpMagicPacket,
      targets: () => wakeTargets(machine.target, networkInterfaces()),
      macAddress: () => machine.mac,
      bootTimeoutSeconds: machine.bootTimeoutSeconds,
      onEnded: onChange,
    });
  }

  get state(): 'awake' | 'waking' | 'failed' | 'asleep' {
    const { state } = this.#wake.status;
    if (state === 'waking') return 'waking';
    if (this.#isThere) return 'awake';
    return state === 'failed' ? 'failed' : 'asleep';
  }

  /** Asks it now. */
  async look(): Promise<void> {
    this.#isThere = await answers(this.#machine.probe);
  }

  wake(): ReturnType<Wake['wake']> {
    return this.#wake.wake('a message');
  }

  stop(): Promise<void> {
    return this.#wake.stop();
  }
}

const LOOKS = {
  awake: { fill: 'green', shape: 'dot', text: 'wake.status.awake' },
  waking: { fill: 'blue', shape: 'dot', text: 'wake.status.waking' },
  failed: { fill: 'yellow', shape: 'dot', text: 'wake.status.failed' },
  asleep: { fill: 'grey', shape: 'ring', text: 'wake.status.asleep' },
  settings: { fill: 'red', shape: 'ring', text: 'wake.status.settings' },
} as const;

/** @returns the payload, and whether the machine is awake */
async function woken(machine: WakingMachine, show: () => void): Promise<[object, boolean]> {
  const from = performance.now();
  await machine.look();
  const outcome = machine.wake();
  show();
  const isRunning = outcome.kind === 'started' || outcome.kind === 'joined';
  const isAwake = isRunning ? (await outcome.done) === 'awake' : outcome.kind === 'already_awake';
  show();
  const payload = {
    awake: isAwake,
    was_awake: outcome.kind === 'already_awake',
    packet_sent: isRunning && outcome.packetSent,
    took_seconds: Math.round(performance.now() - from) / 1_000,
  };
  return [payload, isAwake];
}

/** Node `balupi-wake`: output 1 once the machine answers, output 2 when it did not in time. */
export default function register(RED: NodeAPI): void {
  function WakeNode(this: Node, config: WakeConfig): void {
    RED.nodes.createNode(this, config);
    let machine: WakingMachine | null = null;
    let wrong: Error | null = null;
    const show = (): void => {
      this.status(LOOKS[machine?.state ?? 'settings']);
    };
    try {
      machine = new WakingMachine(machineOf(config), this, show);
    } catch (error) {
      wrong = error as Error;
    }
    show();
    this.on('input', (message: NodeMessageInFlow, send, done) => {
      if (machine === null) {
        done(wrong ?? undefined);
        return;
      }
      woken(machine, show).then(
        ([payload, isAwake]) => {
          const out = { ...message, payload };
          send(isAwake ? [out, null] : [null, out]);
          done();
        },
        (error: unknown) => {
          done(error as Error);
        },
      );
    });
    this.on('close', (done: () => void) => {
      void (machine?.stop() ?? Promise.resolve()).finally(done);
    });
  }
  RED.nodes.registerType('balupi-wake', WakeNode);
}
