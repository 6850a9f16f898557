import type { DeviceState } from './device-states.ts';
import type { TapoDevice } from './device-view.ts';
import type { DeviceRole } from './tapo-rows.ts';

export interface DiscoverOutcome {
  /** How many plugs answered. */
  readonly discovered: number;
  readonly newDevices: number;
  /** Those that answered. */
  readonly devices: readonly TapoDevice[];
}

export interface DeviceWish {
  /** `192.168.178.60`, a port may follow. IPv4 of a local network only. */
  readonly address?: string;
  /** Cleaned and cut to 64 characters; an empty one changes nothing. */
  readonly name?: string;
  /** `nas` is taken from the plug that has it, which becomes `generic`. */
  readonly role?: DeviceRole;
}

export interface DeviceChange extends DeviceWish {
  /**
   * True: this plug may get the password by the old protocol. It ends by itself when another device
   * answers there or the plug moves. False ends it.
   */
  readonly confirmOldProtocol?: boolean;
}

export type AddOutcome =
  | { readonly kind: 'added' | 'known'; readonly device: TapoDevice }
  | { readonly kind: 'bad_address' }
  /** 64 plugs are kept already. */
  | { readonly kind: 'full' };

export type UpdateOutcome =
  | { readonly kind: 'updated'; readonly device: TapoDevice }
  | { readonly kind: 'unknown_device' }
  | { readonly kind: 'bad_address' }
  /** It has not asked for the old protocol at this address, or speaks a better one. */
  | { readonly kind: 'old_protocol_not_asked' };

/** What came of trying an account on the plugs that answer. */
export type AccountOutcome =
  /** A plug took it, and it is used from now on. */
  | { readonly kind: 'taken'; readonly plug: string }
  /** No plug answered, so it is used and nobody knows yet whether it is right. */
  | { readonly kind: 'untried' }
  /** A plug took it not; the account before stays. */
  | { readonly kind: 'refused'; readonly state: DeviceState; readonly stateHint: string };
