import { wake as sendPackets } from 'wake_on_lan';
import type { WakeTarget } from './broadcast-addresses.ts';

/** Sends one burst of magic packets to one address. */
export interface MagicPacketPort {
  /** @throws Error when the packet could not be handed to the network */
  send(macAddress: string, target: WakeTarget): Promise<void>;
}

/** UDP is lossy, so a burst is three packets. */
const PACKETS = 3;

/** Magic packets over UDP. */
export const udpMagicPacket: MagicPacketPort = {
  async send(macAddress, target) {
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    const { address, port } = target;
    sendPackets(macAddress, { address, port, num_packets: PACKETS }, (error) => {
      if (error instanceof Error) {
        reject(new Error('The magic packet could not be sent.', { cause: error }));
      } else {
        resolve(undefined);
      }
    });
    await promise;
  },
};
