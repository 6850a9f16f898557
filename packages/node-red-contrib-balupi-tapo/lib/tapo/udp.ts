import { createSocket } from 'node:dgram';

export interface UdpAddress {
  /** IPv4, also a broadcast address. */
  readonly host: string;
  readonly port: number;
}

/** An open socket that may broadcast. */
export interface UdpSocket {
  /** Sends one packet. What the network does with it shows in `onFault`, if at all. */
  send(packet: Uint8Array, to: UdpAddress): void;
  close(): void;
}

export interface UdpListener {
  readonly onPacket: (packet: Buffer, from: UdpAddress) => void;
  /** A packet could not be sent, or the socket broke. */
  readonly onFault: (error: Error) => void;
}

/**
 * The network as discovery sees it.
 * @throws Error when no socket can be opened
 */
export type OpenUdp = (listener: UdpListener) => Promise<UdpSocket>;

/** {@link OpenUdp} on `node:dgram`, on a port the system chooses. */
export const openNodeUdp: OpenUdp = async (listener) => {
  const socket = createSocket('udp4');
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  socket.once('error', reject);
  socket.bind(0, () => {
    socket.off('error', reject);
    resolve(undefined);
  });
  await promise;
  socket.on('error', listener.onFault);
  socket.on('message', (packet, from) => {
    listener.onPacket(packet, { host: from.address, port: from.port });
  });
  socket.setBroadcast(true);
  let isOpen = true;
  return {
    send: (packet, to) => {
      if (!isOpen) return;
      socket.send(packet, to.port, to.host, (error) => {
        if (error !== null && isOpen) listener.onFault(error);
      });
    },
    close: () => {
      if (!isOpen) return;
      isOpen = false;
      socket.close();
    },
  };
};
