/** The package ships no types. */
declare module 'wake_on_lan' {
  export interface WakeOptions {
    readonly address?: string;
    readonly port?: number;
    readonly num_packets?: number;
    /** Milliseconds between packets. */
    readonly interval?: number;
  }
  /** @throws Error when the MAC address is malformed */
  export function wake(
    mac: string,
    options: WakeOptions,
    done: (error?: Error | null) => void,
  ): void;
}
